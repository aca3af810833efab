/* A small net on a device with a planted fault, judged as whole nets are. */
#include "conform/fault.h"

#include <stdio.h>
#include <stdlib.h>

static const char text[] = "name: planted\n"
                           "input: {size: [12, 12], channels: 3, rescale: 1/255}\n"
                           "model:\n"
                           "  - conv2d: {filters: 8, kernel: 3, use_bias: false}\n"
                           "  - batchnorm: {momentum: 0.9}\n"
                           "  - activation: relu\n"
                           "  - maxpool2d: 2\n"
                           "  - flatten\n"
                           "  - dense: {units: 8, activation: relu}\n"
                           "  - dense: {units: 4, activation: softmax}\n"
                           "train:\n"
                           "  loss: sparse_categorical_crossentropy\n"
                           "  optimizer: {adam: {lr: 0.003}}\n";

/* The recipe's net as from a file, with the weights that training starts from. */
static clade_status make_network(const clade_recipe *recipe, clade_device *cpu, uint64_t seed,
                                 clade_network **out)
{
    enum { most = 16 };
    clade_graph *graph = NULL;
    clade_model *model = NULL;
    clade_network_weight weight[most];
    float *data[most] = {NULL};
    clade_model_options options = {.batch = 1, .seed = seed};
    clade_status status = clade_recipe_graph(recipe, 0, &graph);
    if (!status) status = clade_model_create(graph, cpu, &options, &model);
    size_t count = status ? 0 : clade_model_parameters(model);
    for (size_t i = 0; i < count && !status; i++) {
        const clade_parameter *p = clade_model_parameter(model, i);
        const clade_tensor *t = &p->value;
        data[i] = malloc(clade_tensor_count(t) * sizeof(float));
        weight[i] = (clade_network_weight){.name = p->name, .rank = t->rank, .data = data[i]};
        for (int d = 0; d < t->rank; d++) weight[i].dim[d] = t->dim[d];
        status = data[i] ? clade_tensor_read(t, data[i])
                         : clade_fail(CLADE_ENOMEM, "out of memory for weights");
    }
    clade_network_parts parts = {.graph = graph,
                                 .weights = weight,
                                 .weight_count = count,
                                 .preprocessing = clade_recipe_preprocessing(recipe)};
    if (!status) status = clade_network_create(&parts, out);
    for (size_t i = 0; i < most; i++) free(data[i]);
    clade_model_destroy(&model);
    clade_graph_destroy(&graph);
    return status;
}

clade_status clade_fault_net(conform_run *run, fault_place place, conform_failure *failure)
{
    clade_conform_result unused = {0};
    clade_recipe *recipe = NULL;
    clade_network *network = NULL;
    clade_device *cpu = NULL;
    clade_status status = clade_recipe_parse(text, "planted", &recipe);
    if (!status) status = clade_device_open("cpu", NULL, &cpu);
    if (!status && place == FAULT_IN_TRAINING) {
        status = clade_conform_training(run, recipe, 1, cpu, &unused, failure);
    } else if (!status) {
        status = make_network(recipe, cpu, run->options->seed, &network);
        if (!status)
            status = clade_conform_match(run, network, place == FAULT_IN_GRADIENT, cpu, &unused,
                                         failure);
    }
    clade_network_destroy(&network);
    clade_device_close(&cpu);
    clade_recipe_destroy(&recipe);
    return status;
}
