/* Each layer with its settings written as ONNX and read again: what it is then, as a recipe says
 * it. ONNX has no words for how weights begin and frozen statistics, pads by numbers where that
 * makes a difference, and multiplies two at a time. */
#include "../test.h"
#include "../layers.h"

#include "nn/layer.h"
#include "recipe/recipe.h"
#include "weights/network.h"

#include <stdlib.h>

#define FILE_NAME "onnx_layer_test.onnx"

/* By sample; NULL: nothing is left of it. Some are only written. */
static const char *const expected[] = {
    "conv2d:\n"
    "  filters: 6\n"
    "  kernel: [3, 2]\n"
    "  stride: [2, 3]\n"
    "  dilation: [2, 4]\n"
    "  groups: 2\n"
    "  padding: [1, 0, 2, 1]\n"
    "  activation: leaky_relu\n"
    "  alpha: 0.2\n"
    "  use_bias: false\n"
    "  name: sample\n",
    "depthwise_conv2d:\n"
    "  multiplier: 2\n"
    "  kernel: [3, 2]\n"
    "  stride: [2, 3]\n"
    "  dilation: [2, 4]\n"
    "  padding: [1, 1, 2, 1]\n"
    "  activation: gelu\n"
    "  use_bias: false\n"
    "  name: sample\n",
    "dense:\n"
    "  units: 3\n"
    "  activation: leaky_relu\n"
    "  alpha: 0.2\n"
    "  use_bias: false\n"
    "  name: sample\n",
    "dense:\n"
    "  units: 5\n"
    "  activation: softmax\n"
    "  use_bias: false\n"
    "  name: sample\n",
    "maxpool2d:\n"
    "  window: [3, 4]\n"
    "  stride: [1, 2]\n"
    "  padding: [1, 0, 2, 1]\n"
    "  name: sample\n",
    "avgpool2d:\n"
    "  window: [3, 4]\n"
    "  stride: [1, 2]\n"
    "  padding: [1, 0, 2, 1]\n"
    "  count_pad: true\n"
    "  name: sample\n",
    "global_avgpool2d:\n"
    "  name: sample\n",
    "global_maxpool2d:\n"
    "  name: sample\n",
    "upsample2d:\n"
    "  size: [2, 3]\n"
    "  interpolation: bilinear\n"
    "  align_corners: true\n"
    "  name: sample\n",
    "batchnorm:\n"
    "  momentum: 0.5\n"
    "  eps: 0.125\n"
    "  name: sample\n",
    "group_norm:\n"
    "  groups: 2\n"
    "  eps: 0.125\n"
    "  name: sample\n",
    "group_norm:\n"
    "  groups: 4\n"
    "  eps: 0.125\n"
    "  name: sample\n",
    "layer_norm:\n"
    "  eps: 0.125\n"
    "  name: sample\n",
    "layer_norm:\n"
    "  axis: [1, 2, 3]\n"
    "  eps: 0.125\n"
    "  name: sample\n",
    "activation:\n"
    "  function: leaky_relu\n"
    "  alpha: 0.2\n"
    "  name: sample\n",
    "activation:\n"
    "  function: elu\n"
    "  alpha: 0.5\n"
    "  name: sample\n",
    "activation:\n"
    "  function: softplus\n"
    "  name: sample\n",
    "activation:\n"
    "  function: mish\n"
    "  name: sample\n",
    "prelu:\n"
    "  shared_axes: [1, 2]\n"
    "  name: sample\n",
    "softmax:\n"
    "  name: sample\n",
    "log_softmax:\n"
    "  name: sample\n",
    "dropout:\n"
    "  rate: 0.25\n"
    "  name: sample\n",
    NULL, /* stochastic_depth */
    "depthwise_conv2d:\n"
    "  kernel: [1, 1]\n"
    "  use_bias: false\n"
    "  name: sample\n"
    "  trainable: false\n",
    "attention:\n"
    "  heads: 2\n"
    "  name: sample\n",
    "class_token:\n"
    "  name: sample\n",
    "depthwise_conv2d:\n" /* position_embedding, where all numbers are the same */
    "  kernel: [1, 1]\n"
    "  name: sample\n"
    "  trainable: false\n",
    "flatten:\n"
    "  name: sample\n",
    "reshape:\n"
    "  shape: [24, 24]\n"
    "  name: sample\n",
    "add:\n"
    "  name: sample\n"
    "  inputs: [input, input]\n",
    "multiply:\n"
    "  name: sample\n"
    "  inputs: [multiply, input]\n",
    "concat:\n"
    "  name: sample\n"
    "  inputs: [input, input]\n",
    "split:\n"
    "  start: 1\n"
    "  channels: 2\n"
    "  name: sample\n",
    "zero_padding2d:\n"
    "  padding: [1, 0, 2, 3]\n"
    "  name: sample\n",
    "lrn:\n"
    "  size: 3\n"
    "  k: 2\n"
    "  alpha: 0.5\n"
    "  beta: 0.25\n"
    "  name: sample\n",
};

/* The network of a graph, with ones as weights. */
static clade_network *make_network(clade_graph *graph)
{
    clade_network *network = NULL;
    CHECK_OK(clade_network_start("layer", &graph, &network));
    for (size_t i = 0; i < network->weight_count; i++) {
        clade_network_weight *w = &network->weights[i];
        size_t count = 1;
        for (int32_t d = 0; d < w->rank; d++) count *= (size_t)w->dim[d];
        float *data = malloc(count * sizeof *data);
        for (size_t k = 0; k < count; k++) data[k] = 1;
        w->data = data;
    }
    return network;
}

/* The last layer as a recipe says it; the caller frees it. */
static char *text_of(const clade_network *network)
{
    char *text = NULL;
    size_t size;
    clade_yaml *list = clade_yaml_create(CLADE_YAML_LIST);
    CHECK_OK(clade_recipe_write_layers(clade_network_graph(network), list));
    CHECK_OK(clade_yaml_emit(clade_yaml_item(list, clade_yaml_count(list) - 1), &text, &size));
    clade_yaml_destroy(&list);
    return text;
}

_Static_assert(sizeof expected / sizeof *expected == LAYER_SAMPLES, "one for each sample");

int main(void)
{
    for (int i = 0; i < LAYER_SAMPLES; i++) {
        clade_graph *graph = NULL;
        CHECK_OK(layer_graph(&layer_samples[i], &graph));
        clade_network *network = make_network(graph), *again = NULL;
        CHECK_OK(clade_network_write_onnx(network, NULL, FILE_NAME));
        if (!expected[i]) {
            CHECK_FAILS(clade_network_read(FILE_NAME, NULL, &again), CLADE_EFORMAT,
                        "the output is the input");
            clade_network_destroy(&network);
            continue;
        }
        CHECK_OK(clade_network_read(FILE_NAME, NULL, &again));
        char *text = again ? text_of(again) : NULL;
        bool same = text && !strcmp(text, expected[i]);
        CHECK(same);
        if (text && !same) printf("    \"%s\"\n", text);
        free(text);
        clade_network_destroy(&again);
        clade_network_destroy(&network);
    }
    return TEST_END();
}
