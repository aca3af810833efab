/* Graphs for the tests of nn: short ways to add layers, and the nets of the built-in recipes. */
#include "nets.h"

#include "base/random.h"

#include <stdio.h>
#include <string.h>

int32_t net_layer(clade_graph *graph, int32_t from, clade_layer layer)
{
    int32_t number = -1;
    if (!layer.input_count) {
        layer.input_count = 1;
        layer.input[0] = from;
    }
    if (clade_graph_add(graph, &layer, &number)) printf("net: %s\n", clade_error());
    return number;
}

int32_t net_conv(clade_graph *graph, int32_t from, int32_t filters, int32_t kernel,
                 clade_padding padding, clade_activation activation)
{
    return net_layer(graph, from,
                     (clade_layer){.kind = CLADE_LAYER_CONV2D,
                                   .as.conv2d = {.filters = filters,
                                                 .kernel = {kernel, kernel},
                                                 .padding = padding,
                                                 .activation = activation}});
}

int32_t net_depthwise(clade_graph *graph, int32_t from, int32_t kernel, clade_activation activation)
{
    return net_layer(graph, from,
                     (clade_layer){.kind = CLADE_LAYER_DEPTHWISE_CONV2D,
                                   .as.conv2d = {.kernel = {kernel, kernel},
                                                 .padding = CLADE_PADDING_SAME,
                                                 .activation = activation}});
}

int32_t net_dense(clade_graph *graph, int32_t from, int32_t units, clade_activation activation)
{
    return net_layer(graph, from,
                     (clade_layer){.kind = CLADE_LAYER_DENSE,
                                   .as.dense = {.units = units, .activation = activation}});
}

int32_t net_softmax_dense(clade_graph *graph, int32_t from, int32_t units)
{
    return net_layer(
        graph, from,
        (clade_layer){.kind = CLADE_LAYER_DENSE, .as.dense = {.units = units, .softmax = true}});
}

static int32_t pool(clade_graph *graph, int32_t from, int32_t window, clade_layer_kind kind)
{
    return net_layer(graph, from,
                     (clade_layer){.kind = kind, .as.pool2d = {.window = {window, window}}});
}

int32_t net_maxpool(clade_graph *graph, int32_t from, int32_t window)
{
    return pool(graph, from, window, CLADE_LAYER_MAXPOOL2D);
}

int32_t net_avgpool(clade_graph *graph, int32_t from, int32_t window)
{
    return pool(graph, from, window, CLADE_LAYER_AVGPOOL2D);
}

int32_t net_dropout(clade_graph *graph, int32_t from, float rate)
{
    return net_layer(graph, from,
                     (clade_layer){.kind = CLADE_LAYER_DROPOUT, .as.dropout = {.rate = rate}});
}

int32_t net_activation(clade_graph *graph, int32_t from, clade_activation activation)
{
    return net_layer(
        graph, from,
        (clade_layer){.kind = CLADE_LAYER_ACTIVATION, .as.activation = {.activation = activation}});
}

int32_t net_batchnorm(clade_graph *graph, int32_t from, bool frozen)
{
    return net_layer(
        graph, from,
        (clade_layer){.kind = CLADE_LAYER_BATCHNORM, .as.batchnorm = {.frozen = frozen}});
}

int32_t net_plain(clade_graph *graph, int32_t from, clade_layer_kind kind)
{
    return net_layer(graph, from, (clade_layer){.kind = kind});
}

int32_t net_join(clade_graph *graph, clade_layer_kind kind, int32_t count, const int32_t *from)
{
    clade_layer layer = {.kind = kind, .input_count = count};
    memcpy(layer.input, from, (size_t)count * sizeof *from);
    return net_layer(graph, 0, layer);
}

clade_graph *net_recipe(const char *name)
{
    static const struct {
        const char *name;
        int32_t size, filters[5], units, classes;
    } nets[] = {{"horses-or-humans", 300, {16, 32, 64, 64, 64}, 512, 1},
                {"cats-dogs-64", 64, {32, 32}, 128, 1},
                {"cats-dogs-dropout", 150, {32, 64, 128, 128}, 512, 2}};
    clade_graph *g = NULL;
    int32_t at = 0;
    if (!strcmp(name, "cifar10")) {
        if (clade_graph_create(32, 32, 3, &g)) return NULL;
        at = net_conv(g, at, 32, 3, CLADE_PADDING_SAME, CLADE_RELU);
        at = net_conv(g, at, 32, 3, CLADE_PADDING_VALID, CLADE_RELU);
        at = net_maxpool(g, at, 2);
        at = net_plain(g, at, CLADE_LAYER_FLATTEN);
        at = net_dense(g, at, 512, CLADE_RELU);
        at = net_dropout(g, at, 0.5F);
        net_softmax_dense(g, at, 10);
        return g;
    }
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        if (strcmp(name, nets[i].name)) continue;
        if (clade_graph_create(nets[i].size, nets[i].size, 3, &g)) return NULL;
        for (int f = 0; f < 5 && nets[i].filters[f]; f++) {
            at = net_conv(g, at, nets[i].filters[f], 3, CLADE_PADDING_VALID, CLADE_RELU);
            at = net_maxpool(g, at, 2);
        }
        at = net_plain(g, at, CLADE_LAYER_FLATTEN);
        if (nets[i].classes == 2) at = net_dropout(g, at, 0.5F);
        at = net_dense(g, at, nets[i].units, CLADE_RELU);
        if (nets[i].classes == 1)
            net_dense(g, at, 1, CLADE_SIGMOID);
        else
            net_softmax_dense(g, at, nets[i].classes);
    }
    return g;
}

static bool used(const clade_graph *g, int32_t number)
{
    for (int32_t i = number + 1; i < clade_graph_layers(g); i++)
        for (int32_t k = 0; k < clade_graph_layer(g, i)->input_count; k++)
            if (clade_graph_layer(g, i)->input[k] == number) return true;
    return false;
}

/* One of the last layers whose output is an image with 4 channels; the first is. */
static int32_t pick(const clade_graph *g, clade_random *r)
{
    int32_t count = clade_graph_layers(g);
    for (;;) {
        int32_t i = count - 1 - (int32_t)clade_random_below(r, count < 7 ? (uint32_t)count : 7),
                dim[3];
        if (clade_graph_shape(g, i, dim) == 3 && dim[2] == 4) return i;
    }
}

/* Adds a layer of a random kind that keeps the image's size; all have 4 channels. */
static int32_t add_random(clade_graph *g, clade_random *r, bool frozen)
{
    static const clade_activation acts[] = {CLADE_LINEAR, CLADE_RELU, CLADE_TANH, CLADE_SILU,
                                            CLADE_GELU};
    int32_t from[3] = {0};
    clade_activation act = acts[clade_random_below(r, 5)];
    clade_layer conv = {
        .kind = CLADE_LAYER_CONV2D,
        .frozen = frozen,
        .as.conv2d = {
            .filters = 4, .kernel = {3, 3}, .padding = CLADE_PADDING_SAME, .activation = act}};
    if (clade_graph_layers(g) == 1) return net_layer(g, 0, conv);
    for (int i = 0; i < 3; i++) from[i] = pick(g, r);
    clade_layer concat = {
        .kind = CLADE_LAYER_CONCAT, .input_count = 2, .input = {from[0], from[1]}};
    switch (clade_random_below(r, 12)) {
    case 0:
    case 1: return net_layer(g, from[0], conv);
    case 2: return net_depthwise(g, from[0], 3, act);
    case 3: return net_batchnorm(g, from[0], false);
    case 4: return net_batchnorm(g, from[0], true);
    case 5: return net_activation(g, from[0], act);
    case 6: return net_dropout(g, from[0], 0.25F);
    case 7: return net_join(g, CLADE_LAYER_ADD, 3, from);
    case 8: return net_join(g, CLADE_LAYER_MULTIPLY, 2, from);
    case 9: { /* squeeze and excite */
        int32_t s = net_plain(g, from[0], CLADE_LAYER_GLOBAL_AVGPOOL2D);
        s = frozen ? net_softmax_dense(g, s, 4) : net_dense(g, s, 4, CLADE_SIGMOID);
        return net_join(g, CLADE_LAYER_MULTIPLY, 2, (int32_t[]){from[0], s});
    }
    case 10: return net_conv(g, net_layer(g, 0, concat), 4, 1, CLADE_PADDING_VALID, act);
    default: return net_plain(g, from[0], CLADE_LAYER_LRN);
    }
}

clade_graph *net_random(uint64_t seed, int32_t layers, int32_t classes)
{
    clade_graph *g;
    if (clade_graph_create(6, 5, 2, &g)) return NULL;
    clade_random r = clade_random_start(seed, CLADE_STREAM_CONFORM, (uint64_t)layers);
    int32_t last = 0;
    for (int32_t i = 0; i < layers && last >= 0; i++)
        last = add_random(g, &r, clade_random_below(&r, 6) == 0);
    for (int32_t i = last - 1; i > 0; i--)
        if (!used(g, i)) last = net_join(g, CLADE_LAYER_ADD, 2, (int32_t[]){last, i});
    last = net_plain(g, last, CLADE_LAYER_GLOBAL_AVGPOOL2D);
    last =
        classes == 1 ? net_dense(g, last, 1, CLADE_SIGMOID) : net_softmax_dense(g, last, classes);
    if (last < 0) clade_graph_destroy(&g);
    return g;
}
