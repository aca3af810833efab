/* Models: schedules of a graph's passes on a device. */
#include "nn/graph.h"
#include "nn/loss.h"
#include "nn/model_memory.h"
#include "nn/precision.h"
#include "nn/tap.h"

#include <stdlib.h>

enum { MOST_IMAGES = 1 << 20 };

/* ---- schedules ---- */

static bool has_pass(const clade_model *model, clade_pass pass)
{
    if (model->sibling && pass != CLADE_PASS_TRAIN) return false;
    if (pass == CLADE_PASS_INFER) return true;
    if (model->blueprint.loss == CLADE_LOSS_NONE) return false;
    return pass == CLADE_PASS_LOSS || model->layer_trained[model->graph->count - 1];
}

/* Plans the memory of a pass over the full batch. */
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

/* A pass over n images has the values of the full batch, none of them larger, so that each fits its
 * planned place. */
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
        status = clade_model_allocate(model, ARENA, "activations", model->arena_bytes);
    for (int pass = 0; !status && pass < CLADE_PASSES; pass++)
        if (has_pass(model, (clade_pass)pass))
            status =
                make_schedule(model, (clade_pass)pass, model->batch, &model->schedule[pass][0]);
    return status;
}

/* Gives the prepared calls of a pass over n images. */
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

/* Checks that every layer leads to the output: one that does not is a mistake. */
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

/* Returns whether the device implements the ops that fuse a convolution with pooling. If not, the
 * separate ops are faster. */
static bool pools(const clade_device *device)
{
    return clade_device_support(device, CLADE_OP_conv2d_maxpool) == 'n' &&
           clade_device_support(device, CLADE_OP_conv2d_maxpool_dx) == 'n' &&
           clade_device_support(device, CLADE_OP_conv2d_maxpool_dw) == 'n';
}

/* Returns a share of a CPU's last-level cache; a GPU's cache is small compared with the work that
 * keeps it busy. */
static uint64_t cache(const clade_device *device)
{
    return clade_device_describe(device)->cpu_like ? UINT64_C(8) << 20 : 0;
}

typedef enum model_use { PLAIN, SYNCED, TAPPED } model_use;

/* Creates a model; with `from`, it uses that model's parameters. */
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
    if (!status) status = clade_model_list_parameters(model, &trained, &fixed);
    model->blueprint.graph = model->graph;
    model->blueprint.device = device;
    model->blueprint.parameter = model->parameter;
    model->blueprint.first_parameter = model->first_parameter;
    model->blueprint.trained = model->layer_trained;
    /* a fused op rounds once, so mixed precision fuses on every device alike; values between a
     * convolution and its pool may be watched */
    const bool mixed = clade_precision_dtype(options->precision) != CLADE_F32;
    model->blueprint.pools = !options->watch && (mixed || pools(device));
    model->blueprint.norms = mixed || clade_device_support(device, CLADE_OP_conv2d_norm) == 'n';
    model->blueprint.cache = cache(device);
    if (!status) status = clade_model_allocate_parameters(model, trained, fixed);
    if (!status) status = clade_model_allocate_inputs(model);
    if (!status) status = make_plans(model);
    if (!status && !from && !clade_device_is_planner(device))
        status = clade_model_initialise(model, options->seed);
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
