/* Rounding a net to 8 bits, against the definition worked out anew: kernels and biases channel by
 * channel, and the range of each layer's values, of all images, by the errors that rounding really
 * makes. */
#include "../test.h"
#include "weights/network.h"

#include "base/random.h"

#include <clade/clade.h>

#include <math.h>
#include <string.h>

enum { side = 32, filters = 3, images = 45, places = images * side * side }; /* no whole batches */

static const float kernel[filters] = {0.7F, -0.31F, 0.05F}, bias[filters] = {0.25F, -0.123F, 0.5F};
static float image[places], output[places * filters];

/* Evenly spread, but for two values that are far out. */
static void draw(void)
{
    clade_random r = clade_random_start(3, CLADE_STREAM_INIT, 0);
    for (int i = 0; i < places; i++) {
        image[i] = i == places / 3   ? -6.15F
                   : i == places / 2 ? 6.5F
                                     : clade_random_uniform(&r, -1, 3);
        for (int f = 0; f < filters; f++) output[filters * i + f] = kernel[f] * image[i] + bias[f];
    }
}

static clade_network *make(clade_device *device)
{
    const clade_layer conv = {.kind = CLADE_LAYER_CONV2D,
                              .name = "conv",
                              .as.conv2d = {.filters = filters, .kernel = {1, 1}}};
    const clade_network_weight weights[] = {
        {.name = "conv/kernel", .rank = 4, .dim = {1, 1, 1, filters}, .data = kernel},
        {.name = "conv/bias", .rank = 1, .dim = {filters}, .data = bias}};
    clade_graph *graph = NULL;
    clade_network *real = NULL, *rounded = NULL;
    CHECK_OK(clade_graph_create(side, side, 1, &graph));
    CHECK_OK(clade_graph_add(graph, &conv, NULL));
    const clade_network_parts parts = {.graph = graph, .weights = weights, .weight_count = 2};
    CHECK_OK(clade_network_create(&parts, &real));
    CHECK_OK(clade_network_quantize(real, device, image, images, &rounded));
    clade_network_destroy(&real);
    clade_graph_destroy(&graph);
    return rounded;
}

static bool is_whole(double v) { return fabs(v - rint(v)) < 0.05; } /* up to 2^18 in float32 */

static void test_kernel(const clade_network *n)
{
    const float *k = n->weights[0].data, *b = n->weights[1].data;
    for (int f = 0; f < filters; f++) {
        /* of a channel with one tap it is the largest: 63 steps */
        const double step = fabs((double)kernel[f]) / 63,
                     of_bias = step * (double)n->quantization[0].scale;
        CHECK(is_whole((double)k[f] / step) && fabs((double)k[f] - (double)kernel[f]) <= step / 2);
        CHECK(is_whole((double)b[f] / of_bias));
        CHECK(fabs((double)b[f] - (double)bias[f]) <= 0.51 * of_bias + 1e-6);
    }
    CHECK(clade_quantize_kernel_scale(n, 1, filters, 1) == 0.31F / 63);
}

/* The squared error of values that are rounded so. */
static double error_of(const float *v, int count, double scale, double zero)
{
    double sum = 0;
    for (int i = 0; i < count; i++) {
        const double q = fmin(fmax(rint((double)v[i] / scale), -zero), 255 - zero);
        sum += (q * scale - (double)v[i]) * (q * scale - (double)v[i]);
    }
    return sum;
}

/* One of 45 parts of the range, 60/60 to 16/60, with next to the least error; zero is exact. */
static void test_range(const float *v, int count, const clade_quantization *q)
{
    double low = 0, high = 0, least = INFINITY, found = INFINITY;
    for (int i = 0; i < count; i++) {
        low = fmin(low, (double)v[i]);
        high = fmax(high, (double)v[i]);
    }
    for (int k = 16; k <= 60; k++) {
        const double scale = k / 60.0 * (high - low) / 255, zero = rint(-k / 60.0 * low / scale);
        const double error = error_of(v, count, scale, zero);
        least = fmin(least, error);
        if (fabs((double)q->scale - scale) < 1e-6 * scale && q->zero == zero) found = error;
    }
    CHECK(found <= 1.02 * least);
    CHECK(least < 0.9 * error_of(v, count, (high - low) / 255, rint(-low / (high - low) * 255)));
}

int main(void)
{
    clade_device *device = NULL;
    CHECK_OK(clade_device_open("cpu", &(clade_device_options){.math = CLADE_EXACT}, &device));
    if (!device) return TEST_END();
    draw();
    clade_network *n = make(device);
    if (n) {
        test_kernel(n);
        test_range(image, places, &n->quantization[0]);
        test_range(output, places * filters, &n->quantization[1]);
    }
    clade_network_destroy(&n);
    clade_device_close(&device);
    return TEST_END();
}
