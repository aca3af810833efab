/* Reading ONNX: the graph's input, its nodes in their order, its output. */
#include "onnx/onnx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *op;
    clade_onnx_handler read;
} handlers[] = {
#define CLADE_ONNX_OPERATOR(op, reader) {#op, clade_onnx_read_##reader},
#include "onnx/operators.def"
};

static clade_onnx_handler handler_of(const Onnx__Node *node)
{
    const char *domain = clade_onnx_string(node->domain);
    if (*domain && strcmp(domain, "ai.onnx") != 0) return NULL;
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++)
        if (!strcmp(handlers[i].op, clade_onnx_string(node->op_type))) return handlers[i].read;
    return NULL;
}

/* --- the input --- */

static clade_status define_initializers(clade_onnx_reader *r)
{
    const Onnx__Graph *g = r->file.graph;
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < g->n_initializer && !status; i++) {
        clade_onnx_value v = {.kind = CLADE_ONNX_STORED, .stored = g->initializer[i]};
        const char *name = clade_onnx_string(v.stored->name);
        status = *name ? clade_onnx_define(r, name, &v)
                       : clade_fail(CLADE_EFORMAT, "a stored tensor has no name");
    }
    return status;
}

/* The one input that is not stored (files up to version 3 list those as inputs too). */
static clade_status find_input(const clade_onnx_reader *r, const Onnx__ValueInfo **out)
{
    const Onnx__Graph *g = r->file.graph;
    *out = NULL;
    for (size_t i = 0; i < g->n_input; i++) {
        if (clade_onnx_find(r, clade_onnx_string(g->input[i]->name))) continue;
        if (*out)
            return clade_fail(
                CLADE_EUNSUPPORTED, "has the inputs '%.60s' and '%.60s'; expected one",
                clade_onnx_string((*out)->name), clade_onnx_string(g->input[i]->name));
        *out = g->input[i];
    }
    return *out ? CLADE_OK : clade_fail(CLADE_EFORMAT, "the graph has no input");
}

/* A known size; 0: open. */
static int64_t size_of(const Onnx__Shape *shape, size_t k)
{
    const Onnx__Dimension *d = shape->dim[k];
    return d->has_value && d->value > 0 ? d->value : 0;
}

static clade_status choose_size(const char *what, int64_t file, int32_t wanted, int64_t *out)
{
    *out = wanted ? wanted : file;
    if (*out >= 1 && *out <= INT32_MAX) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "the file does not fix the %s of images: it must be given",
                      what);
}

/* Are the dimensions [n, h, w, c] rather than [n, c, h, w]? */
static bool channels_last(const clade_onnx_reader *r, const Onnx__Shape *shape)
{
    int64_t second = size_of(shape, 1), last = size_of(shape, 3);
    for (size_t i = 0; i < r->file.model->n_metadata_props; i++) {
        const Onnx__Pair *pair = r->file.model->metadata_props[i];
        if (!strcmp(clade_onnx_string(pair->key), "layout"))
            return !strcmp(clade_onnx_string(pair->value), "NHWC");
    }
    return last >= 1 && last <= 4 && !(second >= 1 && second <= 4);
}

static clade_status define_input(clade_onnx_reader *r, const clade_network_options *options)
{
    static const clade_network_options none;
    if (!options) options = &none;
    const Onnx__ValueInfo *info;
    clade_status status = find_input(r, &info);
    if (status) return status;
    const Onnx__TensorType *type = info->type ? info->type->tensor_type : NULL;
    const char *name = clade_onnx_string(info->name);
    if (!type || !type->shape || type->shape->n_dim != 4)
        return clade_fail(CLADE_EUNSUPPORTED,
                          "input '%.60s' has %zu dimensions; expected an image "
                          "of 4",
                          name, type && type->shape ? type->shape->n_dim : (size_t)0);
    int32_t elements = type->has_elem_type ? type->elem_type : 0;
    if (elements != CLADE_ONNX_FLOAT && elements != CLADE_ONNX_UINT8 && elements != 10)
        return clade_fail(CLADE_EUNSUPPORTED,
                          "input '%.60s' has elements of type %d; expected "
                          "float or uint8",
                          name, elements);
    bool last = channels_last(r, type->shape);
    int64_t batch = size_of(type->shape, 0), size[2] = {0},
            channels = size_of(type->shape, last ? 3 : 1);
    /* an open batch: a number that shape arithmetic carries through and that nothing else has */
    r->batch = batch ? batch : 1000003;
    r->pixels = elements == CLADE_ONNX_UINT8;
    status = choose_size("height", size_of(type->shape, last ? 1 : 2), options->height, &size[0]);
    if (!status)
        status = choose_size("width", size_of(type->shape, last ? 2 : 3), options->width, &size[1]);
    if (!status && (channels < 1 || channels > INT32_MAX || batch > (INT64_C(1) << 31)))
        status = clade_fail(CLADE_EUNSUPPORTED,
                            "input '%.60s' has an open number of channels, or "
                            "is too large",
                            name);
    if (!status)
        status =
            clade_graph_create((int32_t)size[0], (int32_t)size[1], (int32_t)channels, &r->draft);
    int64_t own[2] = {size_of(type->shape, last ? 1 : 2), size_of(type->shape, last ? 2 : 3)};
    r->resized = (own[0] && own[0] != size[0]) || (own[1] && own[1] != size[1]);
    if (status) return status;
    r->capacity = 64;
    r->layer = clade_onnx_take(&r->file, (uint64_t)r->capacity, sizeof *r->layer);
    if (!r->layer) return CLADE_ENOMEM;
    r->layers = 1;
    clade_onnx_value v = {.kind = CLADE_ONNX_LAYER, .rank = 4};
    static const int8_t orders[2][4] = {{0, 3, 1, 2}, {0, 1, 2, 3}};
    memcpy(v.order, orders[last], 4);
    int64_t dim[4];
    clade_onnx_dims(r, 0, dim);
    for (int k = 0; k < 4; k++) v.dim[k] = dim[v.order[k]];
    return clade_onnx_define(r, name, &v);
}

/* --- the nodes --- */

/* EFORMAT where an input is made by no node before; *broken: by one that cannot be read. */
static clade_status check_inputs(const clade_onnx_reader *r, const Onnx__Node *node, bool *broken)
{
    *broken = false;
    for (size_t i = 0; i < node->n_input; i++) {
        const char *name = clade_onnx_string(node->input[i]);
        const clade_onnx_value *v = *name ? clade_onnx_find(r, name) : NULL;
        if (*name && !v)
            return clade_fail(CLADE_EFORMAT,
                              "takes '%.100s', which no node before it produces (the graph has a "
                              "cycle, is not sorted, or is cut short)",
                              name);
        *broken = *broken || (v && v->kind == CLADE_ONNX_BROKEN);
    }
    return CLADE_OK;
}

static clade_status define_broken(clade_onnx_reader *r, const Onnx__Node *node)
{
    static const clade_onnx_value broken = {.kind = CLADE_ONNX_BROKEN};
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < node->n_output && !status; i++) {
        const char *name = clade_onnx_string(node->output[i]);
        if (*name && !clade_onnx_find(r, name)) status = clade_onnx_define(r, name, &broken);
    }
    return status;
}

static clade_status read_node(clade_onnx_reader *r, const Onnx__Node *node)
{
    bool broken = false, done = false;
    clade_status status = check_inputs(r, node, &broken);
    if (status) return status;
    clade_onnx_handler read = handler_of(node);
    if (!broken) status = clade_onnx_fold(r, node, &done);
    if (!broken && !done && !status) status = clade_onnx_read_part(r, node, &done);
    if (!broken && !done && !status && read) status = read(r, node);
    clade_onnx_drop_held(r);
    bool known = read || clade_onnx_folds(clade_onnx_string(node->op_type));
    if (status == CLADE_EUNSUPPORTED || (!done && !read && !(broken && known))) {
        clade_onnx_add_fault(r, node, status ? clade_error() : known ? "of what varies" : "");
        return define_broken(r, node);
    }
    if (broken) return define_broken(r, node);
    return status;
}

static clade_status read_nodes(clade_onnx_reader *r)
{
    const Onnx__Graph *g = r->file.graph;
    size_t taken;
    for (size_t i = 0; i < g->n_node; i += taken ? taken : 1) {
        char what[160];
        r->node = i;
        clade_status status = clade_onnx_read_tokens(r, &taken);
        if (!status && !taken) status = read_node(r, g->node[i]);
        if (status) return clade_context(status, "%s", clade_onnx_describe(g->node[i], what));
    }
    return CLADE_OK;
}

static clade_status find_output(clade_onnx_reader *r)
{
    const Onnx__Graph *g = r->file.graph;
    const char *name = g->n_output ? clade_onnx_string(g->output[0]->name) : "";
    const clade_onnx_value *v = clade_onnx_find(r, name);
    if (!v) return clade_fail(CLADE_EFORMAT, "no node produces the output '%.100s'", name);
    if (v->kind == CLADE_ONNX_PART) {
        clade_status status = clade_onnx_finish_part(r, name);
        if (status) return status;
    }
    if (v->kind != CLADE_ONNX_LAYER && v->kind != CLADE_ONNX_BROKEN)
        return clade_fail(CLADE_EFORMAT, "the output '%.100s' does not depend on the input", name);
    r->output = v->kind == CLADE_ONNX_LAYER ? v->layer : 0;
    r->output_turned = v->chw[0] != 0;
    return CLADE_OK;
}

static clade_status say_faults(const clade_onnx_reader *r)
{
    if (!r->fault_count) return CLADE_OK;
    return clade_fail(CLADE_EUNSUPPORTED, "%zu node%s cannot be read: %s%s", r->fault_count,
                      r->fault_count == 1 ? "" : "s", r->faults,
                      sizeof r->faults - strlen(r->faults) < 320 ? "; …" : "");
}

/* --- all of it --- */

/* "folder/net.onnx": "net" */
static void name_of(const char *path, char name[64])
{
    const char *slash = strrchr(path, '/');
    snprintf(name, 64, "%s", slash ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot && dot != name) *dot = 0;
    /* a long name may have been cut within a character */
    for (char *c = name; *c; c++)
        if ((unsigned char)*c >= 0x80 || (unsigned char)*c < ' ') *c = '_';
    if (!*name) snprintf(name, 64, "model");
}

static clade_status read_all(clade_onnx_reader *r, const clade_network_options *options,
                             clade_network **out)
{
    char name[64];
    name_of(r->file.path, name);
    clade_status status = define_initializers(r);
    if (!status) status = define_input(r, options);
    if (!status) status = read_nodes(r);
    if (!status) status = find_output(r);
    if (!status) status = say_faults(r);
    if (status) return status;
    clade_onnx_simplify(r);
    status = clade_onnx_emit(r, name, out);
    if (!status) status = say_faults(r);
    if (!status) status = clade_onnx_read_metadata(r, *out);
    if (status) clade_network_destroy(out);
    return status;
}

clade_status clade_onnx_read(const char *path, const void *bytes, size_t size,
                             const clade_network_options *options, clade_network **out)
{
    *out = NULL;
    clade_onnx_reader *r = calloc(1, sizeof *r);
    if (!r) return clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
    clade_status status = clade_onnx_file_open(path, bytes, size, &r->file);
    if (!status) status = clade_context(read_all(r, options, out), "%s", path);
    if (status == CLADE_EFORMAT && r->resized) {
        clade_context(status, "the net does not fit images of a size other than its file's");
        status = CLADE_EINVAL;
    }
    clade_onnx_reader_clear(r);
    free(r);
    return status;
}
