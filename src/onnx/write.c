/* Making ONNX messages and writing them out. */
#include "onnx/write.h"
#include "base/file.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef union writer_block {
    void *next;
    max_align_t align;
} writer_block;

void clade_onnx_writer_start(clade_onnx_writer *w)
{
    *w = (clade_onnx_writer){.status = CLADE_OK};
    onnx__model__init(&w->model);
    onnx__graph__init(&w->graph);
    w->model.graph = &w->graph;
}

void clade_onnx_writer_clear(clade_onnx_writer *w)
{
    for (writer_block *b = w->memory; b;) {
        writer_block *next = b->next;
        free(b);
        b = next;
    }
    w->memory = NULL;
}

void *clade_onnx_keep(clade_onnx_writer *w, size_t count, size_t size)
{
    if (w->status) return NULL;
    writer_block *b =
        count > (SIZE_MAX - sizeof *b) / size ? NULL : calloc(1, sizeof *b + count * size);
    if (!b) {
        w->status = clade_fail(CLADE_ENOMEM, "out of memory for an ONNX file");
        return NULL;
    }
    b->next = w->memory;
    w->memory = b;
    return b + 1;
}

char *clade_onnx_format(clade_onnx_writer *w, const char *format, ...)
{
    static char empty[1];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = clade_onnx_keep(w, (size_t)size + 1, 1);
    if (!text) return empty;
    va_start(args, format);
    vsnprintf(text, (size_t)size + 1, format, args);
    va_end(args);
    return text;
}

/* Room for one more pointer in a list that grows by doubling. */
static bool grow(clade_onnx_writer *w, void ***list, size_t count, size_t *room)
{
    if (count < *room) return !w->status;
    size_t more = *room ? 2 * *room : 64;
    void **bigger = clade_onnx_keep(w, more, sizeof *bigger);
    if (!bigger) return false;
    if (count) memcpy(bigger, *list, count * sizeof *bigger);
    *list = bigger;
    *room = more;
    return true;
}

#define GROW(w, list, count, room) grow(w, (void ***)&(list), count, &(room))

Onnx__Node *clade_onnx_put_node(clade_onnx_writer *w, const char *op, const char *name,
                                char *output, size_t inputs, char *const *input)
{
    enum { most_attributes = 8 };
    Onnx__Node *node = clade_onnx_keep(w, 1, sizeof *node);
    char **list = clade_onnx_keep(w, inputs + 1, sizeof *list);
    if (node) onnx__node__init(node);
    if (node) node->attribute = clade_onnx_keep(w, most_attributes, sizeof *node->attribute);
    if (w->status || !GROW(w, w->graph.node, w->graph.n_node, w->node_room)) return NULL;
    for (size_t i = 0; i < inputs; i++) list[i] = input[i];
    list[inputs] = output;
    node->input = list;
    node->n_input = inputs;
    node->output = &list[inputs];
    node->n_output = 1;
    node->op_type = clade_onnx_format(w, "%s", op);
    node->name = name ? clade_onnx_format(w, "%s", name) : NULL;
    w->graph.node[w->graph.n_node++] = node;
    return w->status ? NULL : node;
}

/* An attribute of the format's type 1 (float), 2 (int), 3 (text) or 7 (ints). */
static Onnx__Attribute *put_attribute(clade_onnx_writer *w, Onnx__Node *node, const char *name,
                                      int32_t type)
{
    Onnx__Attribute *a = node ? clade_onnx_keep(w, 1, sizeof *a) : NULL;
    if (!a) return NULL;
    onnx__attribute__init(a);
    a->name = clade_onnx_format(w, "%s", name);
    a->has_type = true;
    a->type = type;
    node->attribute[node->n_attribute++] = a;
    return a;
}

void clade_onnx_put_int(clade_onnx_writer *w, Onnx__Node *node, const char *name, int64_t i)
{
    Onnx__Attribute *a = put_attribute(w, node, name, 2);
    if (!a) return;
    a->has_i = true;
    a->i = i;
}

void clade_onnx_put_ints(clade_onnx_writer *w, Onnx__Node *node, const char *name,
                         const int32_t *values, size_t count)
{
    Onnx__Attribute *a = put_attribute(w, node, name, 7);
    if (a) a->ints = clade_onnx_keep(w, count, sizeof *a->ints);
    if (!a || !a->ints) return;
    for (size_t k = 0; k < count; k++) a->ints[k] = values[k];
    a->n_ints = count;
}

void clade_onnx_put_text(clade_onnx_writer *w, Onnx__Node *node, const char *name, const char *text)
{
    Onnx__Attribute *a = put_attribute(w, node, name, 3);
    if (!a) return;
    a->has_s = true;
    a->s = (ProtobufCBinaryData){.len = strlen(text),
                                 .data = (uint8_t *)clade_onnx_format(w, "%s", text)};
}

void clade_onnx_put_float(clade_onnx_writer *w, Onnx__Node *node, const char *name, float f)
{
    Onnx__Attribute *a = put_attribute(w, node, name, 1);
    if (!a) return;
    a->has_f = true;
    a->f = f;
}

char *clade_onnx_put_tensor(clade_onnx_writer *w, char *name, int32_t type, int32_t rank,
                            const int64_t *dim, const void *data, size_t size)
{
    Onnx__Tensor *t = clade_onnx_keep(w, 1, sizeof *t);
    if (t) onnx__tensor__init(t);
    if (t) t->dims = clade_onnx_keep(w, rank ? (size_t)rank : 1, sizeof *t->dims);
    if (w->status || !GROW(w, w->graph.initializer, w->graph.n_initializer, w->tensor_room))
        return name;
    t->n_dims = (size_t)rank;
    for (int32_t k = 0; k < rank; k++) {
        t->dims[k] = dim[k];
        size *= (size_t)dim[k];
    }
    t->name = name;
    t->has_data_type = true;
    t->data_type = type;
    t->has_raw_data = true;
    t->raw_data = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)data};
    w->graph.initializer[w->graph.n_initializer++] = t;
    return name;
}

char *clade_onnx_put_floats(clade_onnx_writer *w, char *name, int32_t rank, const int64_t *dim,
                            const float *data)
{
    return clade_onnx_put_tensor(w, name, 1, rank, dim, data, sizeof *data);
}

char *clade_onnx_put_numbers(clade_onnx_writer *w, char *name, size_t count, const int64_t *values)
{
    int64_t dim = (int64_t)count, *copy = clade_onnx_keep(w, count, sizeof *copy);
    if (copy) memcpy(copy, values, count * sizeof *copy);
    return clade_onnx_put_tensor(w, name, 7, 1, &dim, copy, sizeof *copy);
}

void clade_onnx_put_property(clade_onnx_writer *w, const char *key, char *value)
{
    Onnx__Pair *pair = clade_onnx_keep(w, 1, sizeof *pair);
    if (!pair || !GROW(w, w->model.metadata_props, w->model.n_metadata_props, w->property_room))
        return;
    onnx__pair__init(pair);
    pair->key = clade_onnx_format(w, "%s", key);
    pair->value = value;
    w->model.metadata_props[w->model.n_metadata_props++] = pair;
}

Onnx__ValueInfo *clade_onnx_make_info(clade_onnx_writer *w, char *name, int32_t type, int32_t rank,
                                      const int64_t *dim)
{
    Onnx__ValueInfo *info = clade_onnx_keep(w, 1, sizeof *info);
    Onnx__Type *outer = clade_onnx_keep(w, 1, sizeof *outer);
    Onnx__TensorType *tensor = clade_onnx_keep(w, 1, sizeof *tensor);
    Onnx__Shape *shape = clade_onnx_keep(w, 1, sizeof *shape);
    Onnx__Dimension **list = clade_onnx_keep(w, (size_t)rank, sizeof *list);
    if (w->status) return NULL;
    onnx__value_info__init(info);
    onnx__type__init(outer);
    onnx__tensor_type__init(tensor);
    onnx__shape__init(shape);
    info->name = name;
    info->type = outer;
    outer->tensor_type = tensor;
    tensor->has_elem_type = true;
    tensor->elem_type = type;
    tensor->shape = shape;
    shape->dim = list;
    shape->n_dim = (size_t)rank;
    for (int32_t k = 0; k < rank; k++) {
        list[k] = clade_onnx_keep(w, 1, sizeof **list);
        if (!list[k]) return NULL;
        onnx__dimension__init(list[k]);
        list[k]->has_value = dim[k] >= 0;
        list[k]->value = dim[k];
        if (dim[k] < 0) list[k]->param = clade_onnx_format(w, "N");
    }
    return info;
}

/* --- saving --- */

typedef struct sink {
    ProtobufCBuffer base;
    clade_file_writer file;
    clade_status status;
} sink;

static void append(ProtobufCBuffer *buffer, size_t size, const uint8_t *bytes)
{
    sink *to = (sink *)buffer;
    if (!to->status) to->status = clade_file_writer_add(&to->file, bytes, size);
}

clade_status clade_onnx_writer_save(clade_onnx_writer *w, const char *path)
{
    if (w->status) return w->status;
    size_t size = protobuf_c_message_get_packed_size(&w->model.base);
    if (size > INT_MAX)
        return clade_fail(CLADE_EUNSUPPORTED, "%s: would have %zu bytes; ONNX files end at 2 GiB",
                          path, size);
    sink to = {.base = {.append = append}};
    clade_status status = clade_file_writer_open(&to.file, path);
    if (status) return status;
    protobuf_c_message_pack_to_buffer(&w->model.base, &to.base);
    if (!to.status) return clade_file_writer_commit(&to.file);
    clade_file_writer_abort(&to.file);
    return to.status;
}
