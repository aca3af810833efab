/* Matching tensors of a file with the layers of a backbone, and turning them into our layout. */
#include "weights/backbone.h"
#include "weights/file.h"
#include "weights/keras_name.h"
#include "nn/graph.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void clade_backbone_weights_clear(clade_backbone_weights *weights)
{
    for (size_t i = 0; i < weights->count; i++) {
        free((char *)(uintptr_t)weights->weight[i].name);
        free((float *)(uintptr_t)weights->weight[i].data);
    }
    free(weights->weight);
    *weights = (clade_backbone_weights){0};
}

typedef struct weights_reader {
    const char *path, *backbone;
    clade_weight_file *file;
    bool keras;           /* of the file */
    clade_backbone whole; /* with its classifier */
    int32_t features;     /* layers that are wanted: 1 to this */
    bool turn;            /* the first kernel takes blue, green, red */
    int32_t first;        /* the first layer with weights */
    size_t *given;        /* for each weight of each layer: the array's number + 1 */
} weights_reader;

enum { weights_per_layer = CLADE_MAX_WEIGHTS, shape_size = 200 };

/* "[64, 3, 7, 7]" */
static const char *shape_text(int32_t rank, const int64_t *shape, char text[shape_size])
{
    size_t n = (size_t)snprintf(text, shape_size, "[");
    for (int32_t i = 0; i < rank; i++)
        n += (size_t)snprintf(text + n, shape_size - n, "%s%lld", i ? ", " : "",
                              (long long)shape[i]);
    snprintf(text + n, shape_size - n, "]");
    return text;
}

/* --- names --- */

/* Our weights' names with torch's and Keras'. */
static const struct {
    const char *own, *torch, *keras;
} terms[] = {
    {"kernel", "weight", "kernel"},
    {"depthwise_kernel", "weight", "depthwise_kernel"},
    {"bias", "bias", "bias"},
    {"gamma", "weight", "gamma"},
    {"beta", "bias", "beta"},
    {"moving_mean", "running_mean", "moving_mean"},
    {"moving_variance", "running_var", "moving_variance"},
    {"scale", "", "Variable"}, /* torch: a parameter of its own, named as the layer is */
    {"token", "", ""},
    {"position", "", ""},
};

static int word_of(const char *own)
{
    int i = 0;
    while (strcmp(terms[i].own, own)) i++;
    return i;
}

static bool is_joined(const char *name, const char *layer, const char *joint, const char *weight)
{
    size_t n = strlen(layer), j = *weight ? strlen(joint) : 0;
    return n && !strncmp(name, layer, n) && !strncmp(name + n, joint, j) &&
           !strcmp(name + n + j, weight);
}

static bool is_named(const weights_reader *r, const char *name, int32_t layer, int32_t w)
{
    const clade_node *node = &r->whole.graph->node[layer];
    const clade_backbone_alias *alias = &r->whole.alias[layer];
    int word = word_of(node->weight[w].name);
    const char *torch = terms[word].torch;
    if (r->keras)
        return clade_keras_names(name, alias->name[CLADE_NAMING_KERAS], terms[word].keras, w);
    return is_joined(name, node->layer.name, ".", torch) ||
           is_joined(name, alias->name[CLADE_NAMING_TIMM], ".", torch) ||
           is_joined(name, alias->name[CLADE_NAMING_OLD], ".", torch) ||
           is_joined(name, alias->name[CLADE_NAMING_GLUON], "_", torch);
}

/* What a file may have besides. */
static bool is_ignored(const weights_reader *r, const char *name)
{
    static const char tracked[] = ".num_batches_tracked";
    size_t n = strlen(name);
    if (r->keras) return clade_keras_ignores(name);
    return n > sizeof tracked && !strcmp(name + n + 1 - sizeof tracked, tracked);
}

/* Finds the weight that each array is. */
static clade_status match(weights_reader *r)
{
    const clade_graph *graph = r->whole.graph;
    for (size_t i = 0; i < clade_weight_file_count(r->file); i++) {
        const char *name = clade_weight_file_at(r->file, i).name;
        size_t *place = NULL;
        for (int32_t l = 1; l < graph->count && !place; l++)
            for (int32_t w = 0; w < graph->node[l].weight_count && !place; w++)
                if (is_named(r, name, l, w)) place = &r->given[weights_per_layer * l + w];
        if (!place && is_ignored(r, name)) continue;
        if (!place && !strncmp(name, "layers/", 7))
            return clade_fail(CLADE_EFORMAT,
                              "%s: '%.200s': a layer without its name, as written by old versions "
                              "of Keras 3; expected the output of model.save('FILE.h5')",
                              r->path, name);
        if (!place)
            return clade_fail(CLADE_EFORMAT, "%s: '%.200s' belongs to no layer of %s", r->path,
                              name, r->backbone);
        if (*place)
            return clade_fail(CLADE_EFORMAT, "%s: '%.200s' and '%.200s' are the same weight of %s",
                              r->path, clade_weight_file_at(r->file, *place - 1).name, name,
                              r->backbone);
        *place = i + 1;
    }
    return CLADE_OK;
}

/* --- layout --- */

/* A kernel as [h, w, inputs, outputs]: a dense layer's sees the image that was flattened before
 * it, or one of 1 × 1. Anything else is [1, 1, 1, n]. With windows of 1 × 1 both libraries have
 * dense layers for some of our convolutions, and the other way round. */
static void kernel_shape(const clade_graph *graph, int32_t layer, int32_t w, int64_t hwio[4])
{
    const clade_node *node = &graph->node[layer];
    const clade_tensor *shape = &node->weight[w].shape;
    hwio[0] = hwio[1] = hwio[2] = 1;
    hwio[3] = shape->dim[shape->rank - 1];
    if (shape->rank == 4)
        for (int i = 0; i < 3; i++) hwio[i] = shape->dim[i];
    if (shape->rank != 2) return;
    int32_t from = node->layer.input[0];
    while (graph->node[from].layer.kind == CLADE_LAYER_DROPOUT)
        from = graph->node[from].layer.input[0];
    hwio[2] = shape->dim[0];
    if (graph->node[from].layer.kind != CLADE_LAYER_FLATTEN) return;
    const clade_node *image = &graph->node[graph->node[from].layer.input[0]];
    for (int i = 0; i < 3; i++) hwio[i] = image->dim[i];
}

/* Does the array have the shape that the other program gives this weight? `expected` gets it. */
static bool fits(const weights_reader *r, const clade_weight_array *a, int32_t layer, int32_t w,
                 const int64_t hwio[4], char expected[shape_size])
{
    int32_t rank = r->whole.graph->node[layer].weight[w].shape.rank;
    int64_t h = hwio[0], wide = hwio[1], in = hwio[2], out = hwio[3];
    int64_t torch[4] = {out, in, h, wide}, keras[4] = {h, wide, in, out},
            flat[2] = {out, h * wide * in};
    bool depthwise = r->whole.graph->node[layer].layer.kind == CLADE_LAYER_DEPTHWISE_CONV2D;
    if (r->keras) {
        flat[0] = h * wide * in;
        flat[1] = out;
        if (depthwise && rank == 4) {
            keras[2] = out;
            keras[3] = 1;
        }
    }
    const int64_t *four = r->keras ? keras : torch;
    if (rank == 1) { /* torchvision's layer_scale is [c, 1, 1], class tokens [1, 1, c] */
        int64_t ones = 0;
        shape_text(1, &hwio[3], expected);
        for (int32_t k = 0; k < a->rank; k++) ones += a->shape[k] == 1;
        return (a->rank == 1 || a->rank == 3) && ones >= a->rank - 1 && a->count == (size_t)out;
    }
    if (rank == 3) { /* of positions */
        const int32_t *dim = r->whole.graph->node[layer].weight[w].shape.dim;
        const int64_t three[] = {dim[0], dim[1], dim[2]};
        shape_text(3, three, expected);
        return a->rank == 3 && !memcmp(a->shape, three, sizeof three);
    }
    if (rank == 2)
        shape_text(2, flat, expected);
    else
        shape_text(4, four, expected);
    if ((rank == 2 || (h == 1 && wide == 1)) && a->rank == 2)
        return !memcmp(a->shape, flat, sizeof flat);
    return a->rank == 4 && !memcmp(a->shape, four, 4 * sizeof *four);
}

/* Outputs first and image last becomes image first and outputs last. */
static void turn_layout(const float *oihw, const int64_t hwio[4], float *out)
{
    size_t area = (size_t)(hwio[0] * hwio[1]), in = (size_t)hwio[2], outs = (size_t)hwio[3];
    for (size_t o = 0; o < outs; o++)
        for (size_t i = 0; i < in; i++)
            for (size_t p = 0; p < area; p++)
                out[(p * in + i) * outs + o] = oihw[(o * in + i) * area + p];
}

/* Red for blue and blue for red. */
static void swap_channels(float *kernel, const int64_t hwio[4])
{
    size_t area = (size_t)(hwio[0] * hwio[1]), outs = (size_t)hwio[3];
    for (size_t p = 0; p < area; p++) {
        float *first = kernel + p * 3 * outs, *third = first + 2 * outs;
        for (size_t o = 0; o < outs; o++) {
            float x = first[o];
            first[o] = third[o];
            third[o] = x;
        }
    }
}

static clade_status read_values(const weights_reader *r, const clade_weight_array *a, int32_t layer,
                                int32_t w, const int64_t hwio[4], float *out)
{
    const int32_t rank = r->whole.graph->node[layer].weight[w].shape.rank;
    const bool kernel = rank == 2 || rank == 4;
    if (r->keras) {
        clade_status status = clade_weight_file_floats(r->file, a, out);
        if (!status && r->turn && layer == r->first && kernel && hwio[2] == 3)
            swap_channels(out, hwio);
        return status;
    }
    if (!kernel) return clade_weight_file_floats(r->file, a, out);
    float *values = malloc((a->count ? a->count : 1) * sizeof *values);
    if (!values) return clade_fail(CLADE_ENOMEM, "%s: out of memory", r->path);
    clade_status status = clade_weight_file_floats(r->file, a, values);
    if (!status) turn_layout(values, hwio, out);
    free(values);
    return status;
}

static clade_status take(const weights_reader *r, int32_t layer, int32_t w,
                         clade_network_weight *out)
{
    const clade_node *node = &r->whole.graph->node[layer];
    const clade_tensor *shape = &node->weight[w].shape;
    size_t number = r->given[weights_per_layer * layer + w];
    char expected[shape_size], found[shape_size], name[2 * CLADE_NAME_SIZE];
    int64_t hwio[4];
    snprintf(name, sizeof name, "%s/%s", node->layer.name, node->weight[w].name);
    if (!number)
        return clade_fail(CLADE_EFORMAT, "%s: '%s' of %s is missing", r->path, name, r->backbone);
    clade_weight_array a = clade_weight_file_at(r->file, number - 1);
    kernel_shape(r->whole.graph, layer, w, hwio);
    if (!fits(r, &a, layer, w, hwio, expected)) {
        const clade_backbone_options *o = &r->whole.options;
        char size[40] = "";
        if (shape->rank == 3) snprintf(size, sizeof size, " at %d × %d", o->height, o->width);
        return clade_fail(CLADE_EFORMAT, "%s: '%.200s' is %s, but %s%s needs %s", r->path, a.name,
                          shape_text(a.rank, a.shape, found), r->backbone, size, expected);
    }
    float *data = malloc(clade_tensor_count(shape) * sizeof *data);
    *out = (clade_network_weight){
        .name = clade_string_join(name, ""), .rank = shape->rank, .data = data};
    memcpy(out->dim, shape->dim, sizeof out->dim);
    if (!data || !out->name) return clade_fail(CLADE_ENOMEM, "%s: out of memory", r->path);
    return read_values(r, &a, layer, w, hwio, data);
}

static clade_status take_all(const weights_reader *r, clade_backbone_weights *out)
{
    const clade_graph *graph = r->whole.graph;
    size_t count = 0;
    for (int32_t l = 1; l <= r->features; l++) count += (size_t)graph->node[l].weight_count;
    out->weight = calloc(count + 1, sizeof *out->weight);
    if (!out->weight) return clade_fail(CLADE_ENOMEM, "%s: out of memory", r->path);
    for (int32_t l = 1; l <= r->features; l++)
        for (int32_t w = 0; w < graph->node[l].weight_count; w++) {
            clade_status status = take(r, l, w, &out->weight[out->count++]);
            if (status) return status;
        }
    return CLADE_OK;
}

/* Builds the backbone with its classifier, and finds where that begins. */
/* Are there weights for each place of the image? Only then does its size matter. */
static bool has_places(const clade_backbone *b)
{
    for (int32_t i = 0; i < b->graph->count; i++)
        if (b->graph->node[i].layer.kind == CLADE_LAYER_POSITION_EMBEDDING) return true;
    return false;
}

static clade_status build(weights_reader *r, const clade_backbone_options *options)
{
    enum { classes = 1000 }; /* of ImageNet, unless the caller has his own */
    clade_backbone_options whole = {.height = options->height,
                                    .width = options->width,
                                    .channels = options->channels,
                                    .keras = options->keras};
    clade_backbone bare;
    clade_status status = clade_backbone_build(r->backbone, &whole, &bare);
    if (!status) r->features = bare.graph->count - 1;
    if (!status && !has_places(&bare)) whole.height = whole.width = 0; /* what suits classifiers */
    clade_backbone_clear(&bare);
    whole.classes = options->classes ? options->classes : classes;
    if (!status) status = clade_backbone_build(r->backbone, &whole, &r->whole);
    if (status) return status;
    if (options->classes) r->features = r->whole.graph->count - 1;
    r->turn = r->whole.mode == CLADE_KERAS_CAFFE;
    for (r->first = 1; !r->whole.graph->node[r->first].weight_count;) r->first++;
    r->given = calloc((size_t)r->whole.graph->count * weights_per_layer, sizeof *r->given);
    return r->given ? CLADE_OK : clade_fail(CLADE_ENOMEM, "%s: out of memory", r->path);
}

const char *clade_backbone_preprocessing(const char *name, bool keras)
{
    static const char *const words[] = {
        [CLADE_KERAS_TORCH] = "imagenet", [CLADE_KERAS_TF] = "tf", [CLADE_KERAS_CAFFE] = "caffe"};
    const clade_backbone_options options = {.keras = true};
    clade_backbone b = {.mode = CLADE_KERAS_TORCH};
    clade_keras_mode mode = CLADE_KERAS_TORCH;
    if (keras && !clade_backbone_build(name, &options, &b)) mode = b.mode;
    clade_backbone_clear(&b);
    return words[mode];
}

clade_status clade_backbone_read_weights(const char *name, const clade_backbone_options *options,
                                         const char *path, clade_backbone_weights *out)
{
    weights_reader r = {.path = path, .backbone = name, .keras = clade_weight_file_is_keras(path)};
    *out = (clade_backbone_weights){0};
    clade_status status = clade_weight_file_open(path, &r.file);
    if (!status && r.keras != options->keras)
        status =
            clade_fail(CLADE_EINVAL, "%s: the file is %s, but the layers have the form %s", path,
                       r.keras ? "Keras'" : "not Keras'", options->keras ? "keras" : "torch");
    if (!status) status = build(&r, options);
    if (!status) status = match(&r);
    if (!status) status = take_all(&r, out);
    if (status) clade_backbone_weights_clear(out);
    clade_backbone_clear(&r.whole);
    clade_weight_file_close(&r.file);
    free(r.given);
    return status;
}
