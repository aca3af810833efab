/* Nodes of ONNX: their attributes, and how messages name them. */
#include "onnx/onnx.h"

#include <stdio.h>
#include <string.h>

const Onnx__Attribute *clade_onnx_attribute(const Onnx__Node *node, const char *name)
{
    for (size_t i = 0; i < node->n_attribute; i++)
        if (!strcmp(clade_onnx_string(node->attribute[i]->name), name)) return node->attribute[i];
    return NULL;
}

int64_t clade_onnx_int(const Onnx__Node *node, const char *name, int64_t otherwise)
{
    const Onnx__Attribute *a = clade_onnx_attribute(node, name);
    return a && a->has_i ? a->i : otherwise;
}

float clade_onnx_float(const Onnx__Node *node, const char *name, float otherwise)
{
    const Onnx__Attribute *a = clade_onnx_attribute(node, name);
    return a && a->has_f ? a->f : otherwise;
}

void clade_onnx_text(const Onnx__Node *node, const char *name, char text[32])
{
    const Onnx__Attribute *a = clade_onnx_attribute(node, name);
    size_t size = a && a->has_s ? a->s.len : 0;
    if (size > 31) size = 31;
    if (size) memcpy(text, a->s.data, size);
    text[size] = 0;
}

const char *clade_onnx_describe(const Onnx__Node *node, char text[160])
{
    const char *name = clade_onnx_string(node->name);
    if (!*name && node->n_output) name = clade_onnx_string(node->output[0]);
    snprintf(text, 160, "%.40s%s%.40s '%.60s'", clade_onnx_string(node->domain),
             *clade_onnx_string(node->domain) ? "." : "", clade_onnx_string(node->op_type), name);
    return text;
}
