/* Models: parameters, memory and schedules of a graph on a device. */
#include "nn/graph.h"
#include "nn/initializer.h"
#include "nn/loss.h"
#include "nn/precision.h"
#include "nn/schedule.h"
#include "nn/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The blocks of device memory that a model holds. */
typedef enum model_block {
    TRAINED,   /* all trained parameters, in layer order */
    GRADIENTS, /* theirs, at the same places */
    FIXED,     /* all other parameters */
    ARENA,
    INPUT,
    LABEL,
    WEIGHT,
    OUTPUT,
    LOSSES,
    LABEL_WEIGHT,
    SCALE,
    ZEROS,
    MINUS_ONES,
    WATCHED_Y,
    WATCHED_DY,
    BLOCKS
} model_block;

enum { SIZES = 4, MOST_IMAGES = 1 << 20 };

struct clade_model {
    clade_graph *graph;
    clade_device *device;
    int32_t batch;
    clade_buffer *buffer[BLOCKS];
    bool sibling; /* parameters are another model's, and there is only the training pass */
    clade_tensor trained, gradients;
    clade_blueprint blueprint; /* what it points to follows */
    clade_parameter *parameter;
    size_t parameters;
    int32_t *first_parameter;
    bool *layer_trained;
    char *names;                    /* of the parameters, one after the other */
    uint64_t *offset[CLADE_PASSES]; /* of each value in the arena, in bytes */
    uint64_t arena_bytes, unshared_bytes;
    /* Of each pass: for the full batch first, then for other numbers of images as they came. */
    clade_schedule *schedule[CLADE_PASSES][SIZES];
    int next[CLADE_PASSES]; /* which of the others is replaced next */
};

/* ---- memory ---- */

static clade_status allocate(clade_model *model, model_block which, const char *what,
                             uint64_t bytes)
{
    clade_status status =
        bytes > SIZE_MAX ? clade_fail(CLADE_ENOMEM, "more than there are addresses")
                         : clade_buffer_create(model->device, (size_t)bytes, &model->buffer[which]);
    return clade_context(status, "%s for %d images at a time (%.1f MiB)", what, model->batch,
                         (double)bytes / 1048576);
}

/* Memory for a tensor of its own. */
static clade_status allocate_tensor(clade_model *model, model_block which, const char *what,
                                    clade_tensor shape, clade_tensor *out)
{
    clade_status status =
        allocate(model, which, what, clade_tensor_count(&shape) * clade_dtype_size(shape.dtype));
    *out = shape;
    out->buffer = model->buffer[which];
    return status;
}

static clade_status fill(clade_model *model, const clade_tensor *t, float value)
{
    clade_args args = {.fill = {.y = *t, .value = value}};
    return clade_op_run(model->device, CLADE_OP_fill, &args);
}

/* The loss's factor in the gradient; a sibling has that of the model whose parameters it has. */
static clade_status allocate_scale(clade_model *model)
{
    clade_tensor *scale = &model->blueprint.loss_scale;
    const clade_tensor one = clade_shape(1, 1);
    if (model->sibling) {
        *scale = one;
        scale->buffer = model->buffer[SCALE];
        return CLADE_OK;
    }
    clade_status status = allocate_tensor(model, SCALE, "the loss's scale", one, scale);
    return status ? status : fill(model, scale, 1);
}

static clade_status allocate_inputs(clade_model *model)
{
    clade_blueprint *b = &model->blueprint;
    const clade_node *last = &model->graph->node[model->graph->count - 1];
    clade_tensor rows = clade_shape(1, model->batch), labels = rows;
    clade_tensor outputs = clade_node_tensor(last, model->batch);
    if (b->soft_labels)
        labels = outputs;
    else
        labels.dtype = CLADE_I32;
    clade_status status = allocate_tensor(
        model, INPUT, "the input", clade_node_tensor(model->graph->node, model->batch), &b->input);
    if (!status) status = allocate_tensor(model, OUTPUT, "the output", outputs, &b->output);
    if (status || b->loss == CLADE_LOSS_NONE) return status;
    status = allocate_tensor(model, LABEL, "labels", labels, &b->label);
    if (!status) status = allocate_tensor(model, WEIGHT, "weights", rows, &b->weight);
    if (!status) status = allocate_tensor(model, LOSSES, "losses", rows, &b->losses);
    int32_t *zeros = status ? NULL : calloc(clade_tensor_count(&labels), sizeof *zeros);
    if (!status && !zeros)
        status = clade_fail(CLADE_ENOMEM, "out of memory for %d labels", model->batch);
    if (!status) status = clade_tensor_write(&b->label, zeros);
    free(zeros);
    if (!status) status = fill(model, &b->weight, 1 / (float)model->batch);
    if (!status && b->label_weights) {
        const clade_tensor two = clade_shape(2, 2, outputs.dim[1]);
        status = allocate_tensor(model, LABEL_WEIGHT, "weights of labels", two, &b->label_weight);
        if (!status) status = fill(model, &b->label_weight, 1);
    }
    if (!status && b->precision == CLADE_PRECISION_MIXED_FLOAT16) status = allocate_scale(model);
    if (status || (!clade_loss_takes_numbers(b->loss) && !b->watch)) return status;
    status = allocate_tensor(model, ZEROS, "zeros", outputs, &b->zeros);
    if (!status) status = allocate_tensor(model, MINUS_ONES, "weights", rows, &b->minus_ones);
    if (!status) status = fill(model, &b->zeros, 0);
    if (!status) status = fill(model, &b->minus_ones, -1);
    if (status || !b->watch) return status;
    clade_tensor watched = clade_node_tensor(&model->graph->node[b->watch], model->batch);
    status = allocate_tensor(model, WATCHED_Y, "a watched layer", watched, &b->watched_y);
    return status ? status
                  : allocate_tensor(model, WATCHED_DY, "a watched layer", watched, &b->watched_dy);
}

/* ---- parameters ---- */

/* Which layers' outputs depend on what is trained? */
static void find_trained(clade_model *model)
{
    for (int32_t i = 1; i < model->graph->count; i++) {
        const clade_node *node = &model->graph->node[i];
        if (i == model->blueprint.watch) model->layer_trained[i] = true;
        for (int32_t w = 0; w < node->weight_count; w++)
            if (node->weight[w].trained) model->layer_trained[i] = true;
        for (int32_t k = 0; k < node->layer.input_count; k++)
            if (model->layer_trained[node->layer.input[k]]) model->layer_trained[i] = true;
    }
}

/* Names the parameters and finds their places in the flat blocks; gives the blocks' sizes in
 * elements. */
static clade_status list_parameters(clade_model *model, uint64_t *trained, uint64_t *fixed)
{
    const clade_graph *graph = model->graph;
    size_t count = 0, bytes = 0, p = 0;
    for (int32_t i = 0; i < graph->count; i++)
        for (int32_t w = 0; w < graph->node[i].weight_count; w++, count++)
            bytes += strlen(graph->node[i].layer.name) + strlen(graph->node[i].weight[w].name) + 2;
    model->first_parameter = calloc((size_t)graph->count, sizeof *model->first_parameter);
    model->layer_trained = calloc((size_t)graph->count, sizeof *model->layer_trained);
    model->parameter = calloc(count + 1, sizeof *model->parameter);
    model->names = malloc(bytes + 1);
    if (!model->first_parameter || !model->layer_trained || !model->parameter || !model->names)
        return clade_fail(CLADE_ENOMEM, "out of memory for %zu parameters", count);
    char *name = model->names;
    *trained = *fixed = 0;
    for (int32_t i = 0; i < graph->count; i++) {
        const clade_node *node = &graph->node[i];
        model->first_parameter[i] = (int32_t)p;
        for (int32_t w = 0; w < node->weight_count; w++, p++) {
            uint64_t *size = node->weight[w].trained ? trained : fixed;
            model->parameter[p] =
                (clade_parameter){.name = name, .value = node->weight[w].shape, .layer = i};
            model->parameter[p].value.offset = *size;
            *size += clade_tensor_count(&node->weight[w].shape);
            name += sprintf(name, "%s/%s", node->layer.name, node->weight[w].name) + 1;
        }
    }
    model->parameters = count;
    find_trained(model);
    return CLADE_OK;
}

/* Memory for the parameters and their gradients. */
static clade_status allocate_parameters(clade_model *model, uint64_t trained, uint64_t fixed)
{
    bool training = model->blueprint.loss != CLADE_LOSS_NONE;
    if (trained > INT32_MAX)
        return clade_fail(CLADE_EUNSUPPORTED, "%llu trained parameters: at most 2^31 are possible",
                          (unsigned long long)trained);
    clade_tensor all = clade_shape(1, (int)trained);
    clade_status status = CLADE_OK;
    if (trained && !model->sibling)
        status = allocate_tensor(model, TRAINED, "trained parameters", all, &model->trained);
    if (!status && trained && training) {
        status = allocate_tensor(model, GRADIENTS, "gradients", all, &model->gradients);
        if (!status) status = fill(model, &model->gradients, 0);
    }
    if (!status && fixed && !model->sibling)
        status = allocate(model, FIXED, "fixed parameters", fixed * 4);
    for (size_t p = 0; !status && p < model->parameters; p++) {
        clade_parameter *parameter = &model->parameter[p];
        const clade_node *node = &model->graph->node[parameter->layer];
        size_t w = p - (size_t)model->first_parameter[parameter->layer];
        parameter->value.buffer = model->buffer[node->weight[w].trained ? TRAINED : FIXED];
        if (!node->weight[w].trained || !training) continue;
        parameter->gradient = parameter->value;
        parameter->gradient.buffer = model->buffer[GRADIENTS];
    }
    return status;
}

static clade_status initialise(clade_model *model, uint64_t seed)
{
    size_t most = 1;
    for (size_t p = 0; p < model->parameters; p++) {
        size_t n = clade_tensor_count(&model->parameter[p].value);
        if (n > most) most = n;
    }
    float *values = malloc(most * sizeof *values);
    if (!values) return clade_fail(CLADE_ENOMEM, "out of memory for %zu initial weights", most);
    clade_status status = CLADE_OK;
    for (size_t p = 0; !status && p < model->parameters; p++) {
        const clade_parameter *parameter = &model->parameter[p];
        size_t w = p - (size_t)model->first_parameter[parameter->layer];
        float *host = clade_buffer_host(parameter->value.buffer);
        clade_weight_initialise(&model->graph->node[parameter->layer].weight[w], parameter->name,
                                seed, host ? host + parameter->value.offset : values);
        if (!host) status = clade_tensor_write(&parameter->value, values);
    }
    free(values);
    return status;
}

/* ---- schedules ---- */

static bool has_pass(const clade_model *model, clade_pass pass)
{
    if (model->sibling && pass != CLADE_PASS_TRAIN) return false;
    if (pass == CLADE_PASS_INFER) return true;
    if (model->blueprint.loss == CLADE_LOSS_NONE) return false;
    return pass == CLADE_PASS_LOSS || model->layer_trained[model->graph->count - 1];
}

/* Plans the memory of a pass at the full batch. */
static clade_status plan_pass(clade_model *model, clade_pass pass)
{
    clade_build build;
    uint64_t total = 0, unshared = 0;
    clade_status status = clade_build_pass(&build, &model->blueprint, pass, model->batch);
    if (!status) {
        model->offset[pass] = malloc((build.value_count + 1) * sizeof *model->offset[pass]);
        if (!model->offset[pass]) status = clade_fail(CLADE_ENOMEM, "out of memory for a plan");
        model->blueprint.halves[pass] = build.halves;
        build.halves = NULL;
    }
    if (!status) status = clade_build_plan(&build, model->offset[pass], &total, &unshared);
    if (total > model->arena_bytes) model->arena_bytes = total;
    if (unshared > model->unshared_bytes) model->unshared_bytes = unshared;
    clade_build_destroy(&build);
    return status;
}

/* A pass over n images has the values of the full batch, none of them larger, so each goes where
 * the plan has its place. */
static clade_status make_schedule(clade_model *model, clade_pass pass, int32_t n,
                                  clade_schedule **out)
{
    clade_build build;
    clade_status status = clade_build_pass(&build, &model->blueprint, pass, n);
    if (!status)
        status = clade_schedule_create(&build, model->device, model->buffer[ARENA],
                                       model->buffer[TRAINED], model->buffer[GRADIENTS],
                                       model->offset[pass], out);
    clade_build_destroy(&build);
    return status;
}

static clade_status find_schedule(clade_model *model, clade_pass pass, int32_t n,
                                  clade_schedule **out)
{
    clade_schedule **kept = model->schedule[pass];
    for (int i = 0; i < SIZES; i++) {
        if (!kept[i] || kept[i]->n != n) continue;
        *out = kept[i];
        return CLADE_OK;
    }
    clade_status status = make_schedule(model, pass, n, out);
    if (status) return status;
    int *next = &model->next[pass];
    clade_schedule_destroy(&kept[1 + *next]);
    kept[1 + *next] = *out;
    *next = (*next + 1) % (SIZES - 1);
    return CLADE_OK;
}

static clade_status make_plans(clade_model *model)
{
    clade_status status = CLADE_OK;
    for (int pass = 0; !status && pass < CLADE_PASSES; pass++)
        if (has_pass(model, (clade_pass)pass)) status = plan_pass(model, (clade_pass)pass);
    if (!status && model->arena_bytes)
        status = allocate(model, ARENA, "activations", model->arena_bytes);
    for (int pass = 0; !status && pass < CLADE_PASSES; pass++)
        if (has_pass(model, (clade_pass)pass))
            status =
                make_schedule(model, (clade_pass)pass, model->batch, &model->schedule[pass][0]);
    return status;
}

/* The prepared calls of a pass over n images. */
static clade_status choose(clade_model *model, clade_pass pass, int32_t n, clade_schedule **out)
{
    if (n < 1 || n > model->batch)
        return clade_fail(CLADE_EINVAL, "%d images: the model takes 1 to %d at once", n,
                          model->batch);
    return find_schedule(model, pass, n, out);
}

static clade_status run(clade_model *model, clade_pass pass, int32_t n, uint32_t step,
                        uint32_t first, clade_ready_call *ready, void *user)
{
    clade_schedule *schedule;
    clade_status status = choose(model, pass, n, &schedule);
    return status ? status : clade_schedule_run(schedule, model->graph, step, first, ready, user);
}

/* ---- the public functions ---- */

/* Every layer must lead to the output: one that does not is a mistake. */
static clade_status check_used(const clade_graph *graph)
{
    if (graph->count < 2) return clade_fail(CLADE_EINVAL, "the graph has no layers");
    for (int32_t i = 1; i < graph->count - 1; i++) {
        bool used = false;
        for (int32_t j = i + 1; j < graph->count && !used; j++)
            for (int32_t k = 0; k < graph->node[j].layer.input_count; k++)
                used = used || graph->node[j].layer.input[k] == i;
        if (!used)
            return clade_fail(CLADE_EINVAL, "%s: no layer reads its output, and it is not the last",
                              graph->node[i].layer.name);
    }
    return CLADE_OK;
}

static clade_status check(const clade_graph *graph, const clade_model_options *options)
{
    if (options->batch < 0 || options->batch > MOST_IMAGES)
        return clade_fail(CLADE_EINVAL, "batch is %d, expected 1 to %d", options->batch,
                          MOST_IMAGES);
    if (!(options->label_smoothing >= 0 && options->label_smoothing <= 1))
        return clade_fail(CLADE_EINVAL, "label_smoothing is %g, expected 0 to 1",
                          (double)options->label_smoothing);
    if ((unsigned)options->precision >= CLADE_PRECISIONS)
        return clade_fail(CLADE_EINVAL, "there is no precision %d", (int)options->precision);
    clade_status status = check_used(graph);
    if (!status && options->watch &&
        (options->watch < 1 || options->watch >= graph->count - 1 || !options->loss))
        status = clade_fail(CLADE_EINVAL, "watch is %d, expected a layer from 1 to %d, and a loss",
                            options->watch, graph->count - 2);
    const bool several = options->soft_labels && clade_loss_takes_several(options->loss);
    if (!status && options->label_weights && !several)
        status = clade_fail(CLADE_EINVAL, "label_weights: expected a binary loss of soft labels");
    return status ? status : clade_loss_check(graph, options->loss, several);
}

/* Has the device versions of its own of the ops that convolve and pool at once? If not, it is
 * better off with those of the single ones. */
static bool pools(const clade_device *device)
{
    return clade_device_support(device, CLADE_OP_conv2d_maxpool) == 'n' &&
           clade_device_support(device, CLADE_OP_conv2d_maxpool_dx) == 'n' &&
           clade_device_support(device, CLADE_OP_conv2d_maxpool_dw) == 'n';
}

/* A share of a processor's last cache. A GPU's is small beside what keeps it busy. */
static uint64_t cache(const clade_device *device)
{
    return clade_device_describe(device)->cpu_like ? UINT64_C(8) << 20 : 0;
}

typedef enum model_use { PLAIN, SYNCED, TAPPED } model_use;

/* With the parameters of `from`, if there is one. */
static clade_status create(const clade_graph *graph, clade_device *device,
                           const clade_model_options *options, model_use use,
                           const clade_model *from, clade_model **out)
{
    static const clade_model_options defaults = {0};
    *out = NULL;
    if (!options) options = &defaults;
    clade_status status = check(graph, options);
    if (status) return status;
    clade_model *model = calloc(1, sizeof *model);
    if (!model) return clade_fail(CLADE_ENOMEM, "out of memory for a model");
    model->device = device;
    model->batch = options->batch ? options->batch : 32;
    model->blueprint = (clade_blueprint){.loss = options->loss,
                                         .label_smoothing = options->label_smoothing,
                                         .numbers = options->numbers,
                                         .soft_labels = options->soft_labels,
                                         .label_weights = options->label_weights,
                                         .precision = options->precision,
                                         .seed = options->seed,
                                         .watch = options->watch,
                                         .synced = use == SYNCED,
                                         .tapped = use == TAPPED};
    if (from) {
        model->sibling = true;
        model->buffer[TRAINED] = from->buffer[TRAINED];
        model->buffer[FIXED] = from->buffer[FIXED];
        model->buffer[SCALE] = from->buffer[SCALE];
        model->trained = from->trained;
    }
    uint64_t trained, fixed;
    status = clade_graph_copy(graph, &model->graph);
    if (!status) status = list_parameters(model, &trained, &fixed);
    model->blueprint.graph = model->graph;
    model->blueprint.device = device;
    model->blueprint.parameter = model->parameter;
    model->blueprint.first_parameter = model->first_parameter;
    model->blueprint.trained = model->layer_trained;
    /* what is fused is rounded once, so that mixed precisions fuse on each device alike; what is
     * between a convolution and its pool may be watched */
    const bool mixed = clade_precision_dtype(options->precision) != CLADE_F32;
    model->blueprint.pools = !options->watch && (mixed || pools(device));
    model->blueprint.norms = mixed || clade_device_support(device, CLADE_OP_conv2d_norm) == 'n';
    model->blueprint.cache = cache(device);
    if (!status) status = allocate_parameters(model, trained, fixed);
    if (!status) status = allocate_inputs(model);
    if (!status) status = make_plans(model);
    if (!status && !from && !clade_device_is_planner(device))
        status = initialise(model, options->seed);
    if (status)
        clade_model_destroy(&model);
    else
        *out = model;
    return status;
}

clade_status clade_model_create(const clade_graph *graph, clade_device *device,
                                const clade_model_options *options, clade_model **out)
{
    return create(graph, device, options, PLAIN, NULL, out);
}

clade_status clade_model_create_synced(const clade_graph *graph, clade_device *device,
                                       const clade_model_options *options, clade_model **out)
{
    return create(graph, device, options, SYNCED, NULL, out);
}

clade_status clade_model_create_tapped(const clade_graph *graph, clade_device *device,
                                       int32_t batch, clade_model **out)
{
    return create(graph, device, &(clade_model_options){.batch = batch}, TAPPED, NULL, out);
}

clade_status clade_model_create_sibling(const clade_model *model, clade_model **out)
{
    const clade_model_options options = {.batch = model->batch,
                                         .seed = model->blueprint.seed,
                                         .loss = model->blueprint.loss,
                                         .label_smoothing = model->blueprint.label_smoothing,
                                         .numbers = model->blueprint.numbers,
                                         .soft_labels = model->blueprint.soft_labels,
                                         .label_weights = model->blueprint.label_weights,
                                         .precision = model->blueprint.precision};
    return create(model->graph, model->device, &options, SYNCED, model, out);
}

void clade_model_destroy(clade_model **handle)
{
    clade_model *model = *handle;
    if (!model) return;
    for (int pass = 0; pass < CLADE_PASSES; pass++) {
        for (int i = 0; i < SIZES; i++) clade_schedule_destroy(&model->schedule[pass][i]);
        free(model->offset[pass]);
        free(model->blueprint.halves[pass]);
    }
    if (model->sibling) model->buffer[TRAINED] = model->buffer[FIXED] = model->buffer[SCALE] = NULL;
    for (int i = 0; i < BLOCKS; i++) clade_buffer_destroy(&model->buffer[i]);
    clade_graph_destroy(&model->graph);
    free(model->parameter);
    free(model->first_parameter);
    free(model->layer_trained);
    free(model->names);
    free(model);
    *handle = NULL;
}

clade_status clade_model_infer(clade_model *model, int32_t n, bool loss)
{
    if (loss && !has_pass(model, CLADE_PASS_LOSS))
        return clade_fail(CLADE_EINVAL, "the model was made without a loss");
    return run(model, loss ? CLADE_PASS_LOSS : CLADE_PASS_INFER, n, 0, 0, NULL, NULL);
}

static clade_status check_gradient(const clade_model *model, int32_t first)
{
    if (model->blueprint.loss == CLADE_LOSS_NONE)
        return clade_fail(CLADE_EINVAL, "the model was made without a loss");
    if (first < 0) return clade_fail(CLADE_EINVAL, "images from %d on: expected 0 or more", first);
    if (!has_pass(model, CLADE_PASS_TRAIN))
        return clade_fail(CLADE_EINVAL,
                          "the model has nothing to train: all its layers are frozen");
    return CLADE_OK;
}

clade_status clade_model_gradient_in_parts(clade_model *model, int32_t n, uint32_t step,
                                           int32_t first, clade_ready_call *ready, void *user)
{
    clade_status status = check_gradient(model, first);
    return status ? status : run(model, CLADE_PASS_TRAIN, n, step, (uint32_t)first, ready, user);
}

clade_status clade_model_gradient_part(clade_model *model, int32_t n, uint32_t step, int32_t first,
                                       size_t part)
{
    clade_schedule *schedule = NULL;
    clade_status status = check_gradient(model, first);
    if (!status) status = choose(model, CLADE_PASS_TRAIN, n, &schedule);
    return status ? status
                  : clade_schedule_run_part(schedule, model->graph, step, (uint32_t)first, part);
}

const clade_sync *clade_model_syncs(const clade_model *model, size_t *count)
{
    const clade_schedule *schedule = model->schedule[CLADE_PASS_TRAIN][0];
    *count = schedule ? schedule->sync_count : 0;
    return schedule ? schedule->sync : NULL;
}

size_t clade_model_ready_part(const clade_model *model, uint64_t first)
{
    const clade_schedule *s = model->schedule[CLADE_PASS_TRAIN][0];
    size_t point = 0, part = 0;
    while (s->ready[point].first > first) point++;
    while (part < s->sync_count && s->sync[part].call <= s->ready[point].call) part++;
    return part;
}

clade_status clade_model_gradient(clade_model *model, int32_t n, uint32_t step, int32_t first)
{
    return clade_model_gradient_in_parts(model, n, step, first, NULL, NULL);
}

const clade_layer_call *clade_model_calls(const clade_model *model, clade_pass pass, size_t *count)
{
    const clade_schedule *schedule = model->schedule[pass][0];
    *count = schedule ? schedule->count : 0;
    return schedule ? schedule->call : NULL;
}

const clade_graph *clade_model_graph(const clade_model *model) { return model->graph; }
clade_precision clade_model_precision(const clade_model *model)
{
    return model->blueprint.precision;
}
clade_device *clade_model_device(const clade_model *model) { return model->device; }
const clade_tensor *clade_model_input(const clade_model *model) { return &model->blueprint.input; }
const clade_tensor *clade_model_label(const clade_model *model) { return &model->blueprint.label; }
const clade_tensor *clade_model_label_weight(const clade_model *model)
{
    return &model->blueprint.label_weight;
}
const clade_tensor *clade_model_weight(const clade_model *model)
{
    return &model->blueprint.weight;
}
const clade_tensor *clade_model_output(const clade_model *model)
{
    return &model->blueprint.output;
}
const clade_tensor *clade_model_losses(const clade_model *model)
{
    return &model->blueprint.losses;
}
const clade_tensor *clade_model_loss_scale(const clade_model *model)
{
    return &model->blueprint.loss_scale;
}
void clade_model_watched(const clade_model *model, clade_tensor *y, clade_tensor *dy)
{
    *y = model->blueprint.watched_y;
    *dy = model->blueprint.watched_dy;
}
const clade_tensor *clade_model_trained(const clade_model *model) { return &model->trained; }
const clade_tensor *clade_model_gradients(const clade_model *model) { return &model->gradients; }
size_t clade_model_parameters(const clade_model *model) { return model->parameters; }

const clade_parameter *clade_model_parameter(const clade_model *model, size_t i)
{
    return &model->parameter[i];
}

void clade_model_memory(const clade_model *model, uint64_t *arena, uint64_t *unshared)
{
    *arena = model->arena_bytes;
    *unshared = model->unshared_bytes;
}
