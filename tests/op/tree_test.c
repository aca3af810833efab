/* The order of long sums, as clade/ops.h says it: the sums of columns against blocks that are added
 * level by level, neighbours first, and those of rows against lanes; on the CPU and, where there is
 * one, on an OpenCL device. */
#include "../test.h"

#include <clade/device.h>

#include <stdlib.h>
#include <string.h>

static clade_device *device;

/* Numbers of many sizes and both signs, so that any other order gives other bits. */
static float *numbers(size_t n)
{
    float *x = malloc(n * sizeof *x);
    uint32_t state = 12345;
    for (size_t i = 0; x && i < n; i++) {
        state = state * 1664525u + 1013904223u;
        float size = (float)(1u << (state >> 8) % 24);
        x[i] = size * ((float)(state >> 12) * 0x1p-20f - 0.5f);
    }
    CHECK(x != NULL);
    return x;
}

static clade_tensor hold(clade_tensor t, const void *values)
{
    CHECK_OK(clade_buffer_create(device, clade_tensor_count(&t) * sizeof(float), &t.buffer));
    if (t.buffer && values) CHECK_OK(clade_tensor_write(&t, values));
    return t;
}

static void drop(clade_tensor *t, void *values)
{
    if (t->buffer && values) CHECK_OK(clade_tensor_read(t, values));
    clade_buffer_destroy(&t->buffer);
}

/* `sum` of n is halved until one is left. */
static float halves(float *sum, int n)
{
    for (int half = n / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) sum[i] += sum[i + half];
    return sum[0];
}

/* The blocks' sums of a column: the even ones take in their neighbours until one is left. */
static float levels(float *sum, int n)
{
    for (int apart = 1; apart < n; apart *= 2)
        for (int i = 0; i + apart < n; i += 2 * apart) sum[i] += sum[i + apart];
    return sum[0];
}

static float column(const float *x, int m, int c, int lanes)
{
    const int rows = (m + lanes - 1) / lanes,
              blocks = (rows + CLADE_TREE_ROWS - 1) / CLADE_TREE_ROWS;
    float *sum = calloc((size_t)blocks, sizeof *sum), lane[64];
    CHECK(sum != NULL);
    for (int l = 0; sum && l < lanes; l++) {
        for (int b = 0; b < blocks; b++) sum[b] = 0;
        for (int row = 0; row < rows; row++)
            if (row * lanes + l < m) sum[row / CLADE_TREE_ROWS] += x[(row * lanes + l) * c];
        lane[l] = levels(sum, blocks);
    }
    free(sum);
    return halves(lane, lanes);
}

static void sum_columns(int m, int c, int lanes)
{
    float *x = numbers((size_t)m * (size_t)c), *sum = calloc((size_t)c, sizeof *sum);
    CHECK(clade_tree_lanes(c) == lanes);
    CHECK(sum != NULL);
    if (x && sum) {
        clade_args a = {.batchnorm_sum = {.x = hold(clade_shape(2, m, c), x),
                                          .sum = hold(clade_shape(1, c), NULL)}};
        CHECK_OK(clade_op_run(device, CLADE_OP_batchnorm_sum, &a));
        drop(&a.batchnorm_sum.sum, sum);
        drop(&a.batchnorm_sum.x, NULL);
        for (int k = 0; k < c; k++) CHECK(sum[k] == column(x + k, m, c, lanes));
    }
    free(x);
    free(sum);
}

/* The same by reduce, of `matrices` of them side by side in memory; where `apart` rows of every
 * second matrix's are summed together, so that terms lie in two dimensions. */
static void reduce_columns(int matrices, int m, int c, bool apart)
{
    const size_t floats = (size_t)m * (size_t)c, n = (size_t)matrices * floats;
    const int terms = apart ? matrices / 2 * m : m, sums = apart ? 2 : matrices;
    float *x = numbers(n), *sum = calloc((size_t)(sums * c), sizeof *sum),
          *own = calloc(n, sizeof *x);
    CHECK(sum && own);
    if (x && sum && own) {
        clade_args a = {.reduce = {.x = hold(apart ? clade_shape(4, matrices / 2, 2, m, c)
                                                   : clade_shape(4, matrices, 1, m, c),
                                             x),
                                   .y = hold(apart ? clade_shape(4, 1, 2, 1, c)
                                                   : clade_shape(4, matrices, 1, 1, c),
                                             NULL)}};
        CHECK_OK(clade_op_run(device, CLADE_OP_reduce, &a));
        drop(&a.reduce.y, sum);
        drop(&a.reduce.x, NULL);
        for (int i = 0; i < sums; i++) {
            for (int k = 0; apart && k < matrices / 2; k++)
                memcpy(own + (size_t)k * floats, x + (size_t)(2 * k + i) * floats,
                       floats * sizeof *x);
            const float *of = apart ? own : x + (size_t)i * floats;
            for (int k = 0; k < c; k++)
                CHECK(sum[i * c + k] == column(of + k, terms, c, clade_tree_lanes(c)));
        }
    }
    free(x);
    free(sum);
    free(own);
}

/* 128 squares, whose mean is an exact multiple of their sum. */
static void sum_row(void)
{
    enum { c = 128 };
    float *x = numbers(c), zeros[c] = {0}, lane[64] = {0}, loss = 0;
    if (!x) return;
    for (int j = 0; j < c; j++) lane[j % 64] = __builtin_fmaf(x[j], x[j], lane[j % 64]);
    clade_args a = {.mse = {.x = hold(clade_shape(2, 1, c), x),
                            .target = hold(clade_shape(2, 1, c), zeros),
                            .loss = hold(clade_shape(1, 1), NULL)}};
    CHECK_OK(clade_op_run(device, CLADE_OP_mse, &a));
    drop(&a.mse.loss, &loss);
    drop(&a.mse.x, NULL);
    drop(&a.mse.target, NULL);
    CHECK(loss == halves(lane, 64) / c);
    free(x);
}

static void test_device(const char *name)
{
    printf("%s\n", name);
    sum_columns(1, 5, 8);
    sum_columns(64, 33, 1);
    sum_columns(65, 40, 1);
    sum_columns(64 * 5 + 7, 64, 1); /* six blocks */
    sum_columns(64 * 7, 70, 1);
    sum_columns(16 * 64 * 3 + 11, 3, 16);
    sum_columns(64 * 64 * 2 + 63, 1, 64);
    sum_columns(64 * 300 + 1, 33, 1);     /* more than a group's */
    reduce_columns(3, 64 * 64, 1, false); /* one block */
    reduce_columns(2, 64 * 64 + 1, 1, false);
    reduce_columns(2, 16 * 64 * 3 + 11, 3, false);
    reduce_columns(3, 65, 40, false);
    reduce_columns(1, 64 * 300 + 1, 33, false);
    reduce_columns(6, 64 * 9, 3, true);
    reduce_columns(10, 17, 300, true);
    sum_row();
}

/* Into how many chunks sums are cut, and of how many rows, by the comments in src/op/shape.c: bits
 * depend on it, those of devices and of the reference alike. */
static void chunks(void)
{
    static const struct {
        int64_t rows, outputs;
        int32_t chunks;
        int64_t each;
    } direct[] = {
        {3, 10, 3, 1},             /* no more than rows */
        {100, 10, 50, 2},          /* 64, of which the last would have none */
        {1024, 10, 64, 16},        /* the fewest */
        {1040, 10, 65, 16},        /* of 16 rows */
        {16384, 10, 1024, 16},     /* the most */
        {1 << 20, 10, 1024, 1024}, /* the same */
        {16384, 8192, 512, 32},    /* 2^22 floats of partial sums */
        {16384, 1 << 23, 1, 16384},
    };
    static const struct {
        int64_t tiles;
        int32_t c, k, chunks;
        int64_t each;
    } winograd[] = {
        {3, 16, 16, 3, 1},
        {511, 16, 16, 8, 64},
        {512, 16, 16, 8, 64},
        {1023, 16, 16, 8, 128},
        {1024, 16, 16, 16, 64}, /* of 64 tiles */
        {4096, 16, 16, 64, 64},
        {1 << 20, 16, 16, 64, 1 << 14},
        {1 << 20, 32, 56, 64, 1 << 14}, /* 64 · 36 · 32 · 56 < 2^22 floats */
        {1 << 20, 32, 57, 32, 1 << 15},
        {1 << 20, 64, 64, 16, 1 << 16},
        {1 << 20, 512, 512, 8, 1 << 17},
    };
    int64_t each;
    for (size_t i = 0; i < sizeof direct / sizeof *direct; i++) {
        CHECK(clade_conv_chunks(direct[i].rows, direct[i].outputs, &each) == direct[i].chunks);
        CHECK(each == direct[i].each);
    }
    for (size_t i = 0; i < sizeof winograd / sizeof *winograd; i++) {
        CHECK(clade_winograd_chunks(winograd[i].tiles, winograd[i].c, winograd[i].k, &each) ==
              winograd[i].chunks);
        CHECK(each == winograd[i].each);
    }
}

int main(void)
{
    chunks();
    CHECK_OK(clade_device_open("cpu", &(clade_device_options){.math = CLADE_EXACT}, &device));
    if (!device) return TEST_END();
    test_device("cpu");
    clade_device_close(&device);
    if (clade_device_open("opencl", &(clade_device_options){.math = CLADE_EXACT}, &device)) {
        printf("no OpenCL device: %s\n", clade_error());
    } else {
        test_device("opencl");
        clade_device_close(&device);
    }
    return TEST_END();
}
