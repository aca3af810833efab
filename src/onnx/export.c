/* Writing ONNX: the model around the layers: input, output, metadata. */
#include "config.h"
#include "onnx/export.h"

#include <cjson/cJSON.h>

enum { opset = 13, ir_version = 7, type_float = 1, type_uint8 = 2 };

/* A layer's output as ONNX sees it, the batch open. */
static int32_t shape_of(const clade_node *node, int64_t dim[4])
{
    static const int order[] = {2, 0, 1};
    dim[0] = -1;
    for (int32_t k = 0; k < node->rank; k++) dim[k + 1] = node->dim[node->rank == 3 ? order[k] : k];
    return node->rank + 1;
}

/* The input, and what takes pixels to it. */
static Onnx__ValueInfo *put_input(clade_onnx_exporter *e, bool pixels)
{
    const clade_node *node = clade_onnx_export_node(e, 0);
    int64_t dim[4] = {-1, node->dim[0], node->dim[1], node->dim[2]}, channels = node->dim[2];
    char *input = clade_onnx_format(&e->w, "input");
    e->value[0] = input;
    if (!pixels) {
        shape_of(node, dim);
        return clade_onnx_make_info(&e->w, input, type_float, 4, dim);
    }
    static const int32_t to_second[] = {0, 3, 1, 2};
    const clade_preprocessing *p = &e->network->preprocessing;
    char *x = clade_onnx_export_part(e, 0);
    Onnx__Node *cast = clade_onnx_put_node(&e->w, "Cast", "preprocessing", x, 1, &input);
    clade_onnx_put_int(&e->w, cast, "to", type_float);
    x = clade_onnx_export_put(e, 0, "Mul", x,
                              clade_onnx_put_floats(&e->w,
                                                    clade_onnx_format(&e->w, "preprocessing/scale"),
                                                    1, &channels, p->scale));
    x = clade_onnx_export_put(e, 0, "Add", x,
                              clade_onnx_put_floats(&e->w,
                                                    clade_onnx_format(&e->w, "preprocessing/shift"),
                                                    1, &channels, p->shift));
    e->value[0] = clade_onnx_export_transpose(e, x, clade_onnx_export_part(e, 0), to_second, 4);
    return clade_onnx_make_info(&e->w, input, type_uint8, 4, dim);
}

static void put_json(clade_onnx_exporter *e, const char *key, cJSON *value)
{
    char *text = value ? cJSON_PrintUnformatted(value) : NULL;
    if (text)
        clade_onnx_put_property(&e->w, key, clade_onnx_format(&e->w, "%s", text));
    else if (!e->w.status)
        e->w.status = clade_fail(CLADE_ENOMEM, "out of memory for an ONNX file");
    cJSON_free(text);
    cJSON_Delete(value);
}

static void put_metadata(clade_onnx_exporter *e, bool pixels)
{
    const clade_network *n = e->network;
    int32_t channels = clade_onnx_export_node(e, 0)->dim[2];
    clade_onnx_put_property(&e->w, "layout", clade_onnx_format(&e->w, pixels ? "NHWC" : "NCHW"));
    if (n->task != CLADE_TASK_CLASS)
        clade_onnx_put_property(&e->w, "task",
                                clade_onnx_format(&e->w, "%s", clade_task_words()[n->task]));
    if (n->thresholds)
        put_json(e, "thresholds", cJSON_CreateFloatArray(n->thresholds, n->class_count));
    if (n->class_count)
        put_json(e, n->task == CLADE_TASK_REGRESSION ? "targets" : "classes",
                 cJSON_CreateStringArray((const char *const *)n->classes, n->class_count));
    if (!n->has_preprocessing) return;
    const clade_preprocessing *p = &n->preprocessing;
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "formula", pixels ? "in the graph" : "scale * pixel + shift");
    cJSON_AddItemToObject(object, "scale", cJSON_CreateFloatArray(p->scale, channels));
    cJSON_AddItemToObject(object, "shift", cJSON_CreateFloatArray(p->shift, channels));
    cJSON_AddStringToObject(object, "interpolation",
                            p->interpolation == CLADE_NEAREST ? "nearest" : "bilinear");
    cJSON_AddBoolToObject(object, "antialias", p->interpolation == CLADE_BILINEAR_ANTIALIAS);
    put_json(e, "preprocessing", object);
}

static void (*const writers[CLADE_LAYER_KINDS])(clade_onnx_exporter *, int32_t) = {
#define CLADE_LAYER(ID, id) [CLADE_LAYER_##ID] = clade_onnx_write_##id,
#include <clade/layers.def>
};

/* Numbers in the targets' units, of what the last layer gives. */
static void scale_output(clade_onnx_exporter *e, int32_t last, char *output)
{
    const clade_network *n = e->network;
    const int64_t targets = n->class_count;
    char *x = clade_onnx_export_put(
        e, last, "Mul", e->value[last],
        clade_onnx_put_floats(&e->w, clade_onnx_format(&e->w, "target_deviations"), 1, &targets,
                              n->deviations));
    char *const input[] = {x, clade_onnx_put_floats(&e->w, clade_onnx_format(&e->w, "target_means"),
                                                    1, &targets, n->means)};
    clade_onnx_put_node(&e->w, "Add", "targets", output, 2, input);
}

static void put_all(clade_onnx_exporter *e, bool pixels)
{
    clade_onnx_writer *w = &e->w;
    int32_t layers = clade_graph_layers(e->network->graph), last = layers - 1;
    Onnx__ValueInfo **info = clade_onnx_keep(w, 2, sizeof(Onnx__ValueInfo *));
    Onnx__OperatorSet *set = clade_onnx_keep(w, 1, sizeof *set);
    Onnx__OperatorSet **sets = clade_onnx_keep(w, 1, sizeof(Onnx__OperatorSet *));
    e->value = clade_onnx_keep(w, (size_t)layers, sizeof *e->value);
    if (w->status) return;
    info[0] = put_input(e, pixels);
    if (clade_onnx_export_rounds(e, 0)) {
        char *rounded = clade_onnx_format(w, "input:0");
        clade_onnx_export_round(e, 0, e->value[0], rounded);
        e->value[0] = rounded;
    }
    for (int32_t i = 1; i < layers && !w->status; i++) {
        const clade_layer *layer = &clade_onnx_export_node(e, i)->layer;
        char *value =
            i == last ? clade_onnx_format(w, "output") : clade_onnx_format(w, "%s:0", layer->name);
        const bool rounds = clade_onnx_export_rounds(e, i);
        e->value[i] = rounds ? clade_onnx_format(w, "%s:real", layer->name) : value;
        e->parts = 0;
        const bool scales = i == last && e->network->means;
        if (scales) e->value[i] = clade_onnx_format(w, "%s:normalized", layer->name);
        writers[layer->kind](e, i);
        if (rounds) clade_onnx_export_round(e, i, e->value[i], value);
        if (scales) scale_output(e, i, value);
        e->value[i] = value;
    }
    if (w->status) return;
    int64_t dim[4];
    int32_t rank = shape_of(clade_onnx_export_node(e, last), dim);
    info[1] = clade_onnx_make_info(w, e->value[last], type_float, rank, dim);
    put_metadata(e, pixels);
    onnx__operator_set__init(set);
    set->domain = clade_onnx_format(w, "%s", "");
    set->has_version = true;
    set->version = opset;
    sets[0] = set;
    w->graph.input = info;
    w->graph.output = info + 1;
    w->graph.n_input = w->graph.n_output = 1;
    w->graph.name = e->network->name;
    w->model.has_ir_version = true;
    w->model.ir_version = ir_version;
    w->model.producer_name = clade_onnx_format(w, "clade");
    w->model.producer_version = clade_onnx_format(w, "%s", CLADE_VERSION);
    w->model.opset_import = sets;
    w->model.n_opset_import = 1;
}

clade_status clade_network_write_onnx(const clade_network *network,
                                      const clade_onnx_options *options, const char *path)
{
    if (!network || !path) return clade_fail(CLADE_EINVAL, "no net or no path to write to");
    bool pixels = options && options->preprocessing;
    if (pixels && !network->has_preprocessing)
        return clade_fail(CLADE_EINVAL, "%s: the net's preprocessing is not known", path);
    clade_onnx_exporter e = {.network = network};
    clade_onnx_writer_start(&e.w);
    put_all(&e, pixels);
    clade_status status =
        e.w.status ? clade_context(e.w.status, "%s", path) : clade_onnx_writer_save(&e.w, path);
    clade_onnx_writer_clear(&e.w);
    return status;
}
