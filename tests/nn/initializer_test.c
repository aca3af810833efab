/* Initial weights: Keras' limits and deviations, and that they depend on seed and name alone. */
#include "../test.h"
#include "nn/initializer.h"

#include <math.h>

enum { IN = 120, OUT = 200, COUNT = IN * OUT };

static float values[COUNT], again[COUNT];

static void statistics(const float *x, double *mean, double *deviation, double *largest)
{
    double sum = 0, squares = 0;
    *largest = 0;
    for (int i = 0; i < COUNT; i++) {
        sum += x[i];
        if (fabs(x[i]) > *largest) *largest = fabs(x[i]);
    }
    *mean = sum / COUNT;
    for (int i = 0; i < COUNT; i++) squares += (x[i] - *mean) * (x[i] - *mean);
    *deviation = sqrt(squares / COUNT);
}

/* limit: what no weight exceeds; deviation: of the whole. */
static void check(clade_initializer init, double limit, double expected)
{
    clade_weight w = {
        .shape = clade_shape(2, IN, OUT), .init = init, .fan_in = IN, .fan_out = OUT, .scale = 1};
    double mean, deviation, largest;
    clade_weight_initialise(&w, "dense/kernel", 7, values);
    statistics(values, &mean, &deviation, &largest);
    /* five standard errors of the mean; the deviation's is at most 1/sqrt(2 COUNT) of it */
    CHECK(fabs(mean) < 5 * expected / sqrt(COUNT));
    CHECK(fabs(deviation / expected - 1) < 5 / sqrt(2.0 * COUNT));
    CHECK(largest <= limit * (1 + 1e-6));
    CHECK(largest > limit * 0.99); /* of 24000 some come close */
}

static void test_statistics(void)
{
    double mean_fan = (IN + OUT) / 2.0, cut = 2 / .87962566103423978;
    check(CLADE_INIT_GLOROT_UNIFORM, sqrt(6.0 / (IN + OUT)), sqrt(1 / mean_fan));
    check(CLADE_INIT_HE_UNIFORM, sqrt(6.0 / IN), sqrt(2.0 / IN));
    check(CLADE_INIT_LECUN_UNIFORM, sqrt(3.0 / IN), sqrt(1.0 / IN));
    check(CLADE_INIT_GLOROT_NORMAL, cut * sqrt(1 / mean_fan), sqrt(1 / mean_fan));
    check(CLADE_INIT_HE_NORMAL, cut * sqrt(2.0 / IN), sqrt(2.0 / IN));
    check(CLADE_INIT_LECUN_NORMAL, cut * sqrt(1.0 / IN), sqrt(1.0 / IN));
}

static bool constant(clade_initializer init, float value)
{
    clade_weight w = {.shape = clade_shape(2, IN, OUT), .init = init, .scale = 1};
    clade_weight_initialise(&w, "bias", 7, values);
    for (int i = 0; i < COUNT; i++)
        if (values[i] != value) return false;
    return true;
}

static void test_streams(void)
{
    clade_weight w = {.shape = clade_shape(2, IN, OUT),
                      .init = CLADE_INIT_GLOROT_UNIFORM,
                      .fan_in = IN,
                      .fan_out = OUT,
                      .scale = 1};
    clade_weight_initialise(&w, "dense/kernel", 7, values);
    clade_weight_initialise(&w, "dense/kernel", 7, again);
    CHECK(!memcmp(values, again, sizeof values));
    clade_weight_initialise(&w, "dense_1/kernel", 7, again);
    CHECK(memcmp(values, again, sizeof values));
    clade_weight_initialise(&w, "dense/kernel", 8, again);
    CHECK(memcmp(values, again, sizeof values));
    float start[100];
    w.shape = clade_shape(1, 1);
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "conv2d_%d/kernel", i);
        clade_weight_initialise(&w, name, 7, &start[i]);
        for (int k = 0; k < i; k++) CHECK(start[k] != start[i]); /* 24 bits each: no chance twin */
    }
}

/* The fans of a convolution are its area times its channels; of a depthwise one Keras takes those
 * of [kh, kw, channels, multiplier]. */
static void test_fans(void)
{
    clade_graph *g;
    CHECK_OK(clade_graph_create(9, 9, 6, &g));
    clade_layer layer = {.kind = CLADE_LAYER_CONV2D, .as.conv2d = {.filters = 4, .kernel = {3, 5}}};
    CHECK_OK(clade_graph_add(g, &layer, NULL));
    CHECK(g->node[1].weight[0].fan_in == 15 * 6 && g->node[1].weight[0].fan_out == 15 * 4);
    CHECK(g->node[1].weight[0].init == CLADE_INIT_GLOROT_UNIFORM);
    CHECK(g->node[1].weight[1].init == CLADE_INIT_ZEROS);
    layer.as.conv2d.groups = 2;
    layer.input_count = 1;
    CHECK_OK(clade_graph_add(g, &layer, NULL));
    CHECK(g->node[2].weight[0].fan_in == 15 * 3 && g->node[2].weight[0].fan_out == 15 * 4);
    layer.kind = CLADE_LAYER_DEPTHWISE_CONV2D;
    layer.as.conv2d.groups = 0;
    CHECK_OK(clade_graph_add(g, &layer, NULL));
    CHECK(g->node[3].weight[0].fan_in == 15 * 6 && g->node[3].weight[0].fan_out == 15 * 4);
    layer = (clade_layer){.kind = CLADE_LAYER_BATCHNORM};
    CHECK_OK(clade_graph_add(g, &layer, NULL));
    static const clade_initializer inits[] = {CLADE_INIT_ONES, CLADE_INIT_ZEROS, CLADE_INIT_ZEROS,
                                              CLADE_INIT_ONES};
    static const char *const names[] = {"gamma", "beta", "moving_mean", "moving_variance"};
    for (int i = 0; i < 4; i++) {
        CHECK(g->node[4].weight[i].init == inits[i]);
        CHECK(!strcmp(g->node[4].weight[i].name, names[i]));
        CHECK(g->node[4].weight[i].trained == (i < 2));
    }
    clade_graph_destroy(&g);
}

/* Of in channels and out filters the first min(in, out) pass a channel each, by the middle tap; the
 * others are within ±1/√fan-in, PyTorch's default. */
static void check_dirac(int32_t in, int32_t out, int32_t rows, int32_t columns)
{
    clade_weight w = {.shape = clade_shape(4, rows, columns, in, out),
                      .init = CLADE_INIT_DIRAC,
                      .fan_in = (int64_t)rows * columns * in,
                      .fan_out = (int64_t)rows * columns * out,
                      .scale = 1};
    const double limit = 1 / sqrt((double)w.fan_in);
    double largest = 0;
    clade_weight_initialise(&w, "conv2d/kernel", 7, values);
    for (int32_t i = 0; i < rows * columns * in * out; i++) {
        const int32_t filter = i % out, channel = i / out % in, tap = i / out / in;
        const bool middle = tap == rows / 2 * columns + columns / 2;
        if (filter < in)
            CHECK(values[i] == (float)(middle && channel == filter));
        else if (fabs(values[i]) > largest)
            largest = fabs(values[i]);
    }
    CHECK(largest <= limit * (1 + 1e-6));
    CHECK(out <= in || largest > limit * 0.9);
}

int main(void)
{
    check_dirac(3, 24, 3, 3);
    check_dirac(5, 3, 3, 2);
    check_dirac(4, 4, 1, 5);
    test_statistics();
    CHECK(constant(CLADE_INIT_ZEROS, 0));
    CHECK(constant(CLADE_INIT_ONES, 1));
    test_streams();
    test_fans();
    return TEST_END();
}
