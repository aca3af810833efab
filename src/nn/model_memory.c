/* A model's memory. */
#include "nn/model_memory.h"

#include "nn/graph.h"
#include "nn/initializer.h"
#include "nn/loss.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

clade_status clade_model_allocate(clade_model *model, model_block which, const char *what,
                                  uint64_t bytes)
{
    clade_status status =
        bytes > SIZE_MAX ? clade_fail(CLADE_ENOMEM, "more than there are addresses")
                         : clade_buffer_create(model->device, (size_t)bytes, &model->buffer[which]);
    return clade_context(status, "%s for %d images at a time (%.1f MiB)", what, model->batch,
                         (double)bytes / 1048576);
}

/* Allocates a separate tensor. */
static clade_status allocate_tensor(clade_model *model, model_block which, const char *what,
                                    clade_tensor shape, clade_tensor *out)
{
    clade_status status = clade_model_allocate(
        model, which, what, clade_tensor_count(&shape) * clade_dtype_size(shape.dtype));
    *out = shape;
    out->buffer = model->buffer[which];
    return status;
}

static clade_status fill(clade_model *model, const clade_tensor *t, float value)
{
    clade_args args = {.fill = {.y = *t, .value = value}};
    return clade_op_run(model->device, CLADE_OP_fill, &args);
}

/* Allocates the factor on the loss's gradient; a sibling uses that of the model whose parameters it
 * has. */
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

clade_status clade_model_allocate_inputs(clade_model *model)
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

/* Finds the layers whose outputs depend on trained parameters. */
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

clade_status clade_model_list_parameters(clade_model *model, uint64_t *trained, uint64_t *fixed)
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

clade_status clade_model_allocate_parameters(clade_model *model, uint64_t trained, uint64_t fixed)
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
        status = clade_model_allocate(model, FIXED, "fixed parameters", fixed * 4);
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

clade_status clade_model_initialise(clade_model *model, uint64_t seed)
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
