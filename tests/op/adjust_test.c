/* The ops of augmentation against torchvision's numbers (torchvision_vectors.py), on every device.
 */
#include "test.h"

#include <clade/clade.h>

#include <math.h>
#include <stdlib.h>

enum { rows = 4, columns = 5, channels = 3, size = rows * columns * channels, kinds = 7 };
enum { largest_size = 24 * 32 * channels };

static uint8_t bytes[2 * size];
static float first[size], second[size];
static int cases[kinds]; /* that were judged, of each kind */

static float dark[largest_size];

static void draw_images(void)
{
    uint32_t x = 1;
    for (int i = 0; i < largest_size; i++) {
        x = 1664525 * x + 1013904223;
        const uint32_t byte = x >> 24;
        dark[i] = (float)(byte * byte / 256);
        if (i >= 2 * size) continue;
        bytes[i] = (uint8_t)byte;
        (i < size ? first : second)[i % size] = bytes[i];
    }
}

/* Runs an op whose slots have these values; the last one is the output. */
static void run(clade_device *device, clade_op op, clade_args *args, int slots,
                const void *const *values, float *y)
{
    for (int i = 0; i < slots; i++) {
        clade_tensor *t = &args->slot[i];
        if (!clade_tensor_present(t)) continue;
        const size_t count = clade_tensor_count(t);
        CHECK_OK(clade_buffer_create(device, count * clade_dtype_size(t->dtype), &t->buffer));
        if (i < slots - 1) CHECK_OK(clade_tensor_write(t, values[i]));
    }
    CHECK_OK(clade_op_run(device, op, args));
    CHECK_OK(clade_tensor_read(&args->slot[slots - 1], y));
    for (int i = 0; i < slots; i++) clade_buffer_destroy(&args->slot[i].buffer);
}

static void adjust(clade_device *device, clade_tensor image, const float *x, int count,
                   const float *steps, const int32_t *erase, float value, float *y)
{
    clade_args a = {.image_adjust = {.x = image,
                                     .steps = clade_shape(3, 1, count, 2),
                                     .y = image,
                                     .value = value * 255,
                                     .scale = {1, 1, 1, 1}}};
    if (erase)
        a.image_adjust.erase = (clade_tensor){.dtype = CLADE_I32, .rank = 3, .dim = {1, 1, 4}};
    run(device, CLADE_OP_image_adjust, &a, 4, (const void *[]){x, steps, erase}, y);
}

static void sample(clade_device *device, const float *matrix, clade_fill_mode fill, float *y)
{
    clade_args a = {
        .affine_sample = {.x = {.dtype = CLADE_U8, .rank = 4, .dim = {1, rows, columns, channels}},
                          .matrix = clade_shape(2, 1, 8),
                          .y = clade_shape(4, 1, rows, columns, channels),
                          .fill = (int32_t)fill,
                          .scale = {1, 1, 1, 1}}};
    run(device, CLADE_OP_affine_sample, &a, 4, (const void *[]){bytes, NULL, matrix}, y);
}

static void mix(clade_device *device, float share, const int32_t *r, float *y)
{
    const clade_tensor image = clade_shape(4, 1, rows, columns, channels);
    clade_args a = {.image_mix = {.x = image,
                                  .z = image,
                                  .y = image,
                                  .share = share,
                                  .top = r[0],
                                  .left = r[1],
                                  .bottom = r[2],
                                  .right = r[3]}};
    run(device, CLADE_OP_image_mix, &a, 3, (const void *[]){second, first}, y);
}

/* Reads a case's parameters, after its word, and computes it. `inner`: as many of the first and
 * last rows and columns do not count: torchvision does not look beyond a crop, and Clade does. */
static bool compute(FILE *f, const char *word, clade_device *device, float *y, float inner[4])
{
    float p[16] = {0};
    int32_t r[4];
    int count;
    char mode[16];
    const clade_tensor image = clade_shape(4, 1, rows, columns, channels);
    inner[0] = inner[1] = 0;
    inner[2] = rows - 1;
    inner[3] = columns - 1;
    if (!strcmp(word, "adjust")) {
        CHECK(fscanf(f, "%d", &count) == 1 && count <= 5);
        for (int i = 0; i < 2 * count; i++) CHECK(fscanf(f, "%f", &p[i]) == 1);
        adjust(device, image, first, count, p, NULL, 0, y);
        cases[0]++;
    } else if (!strcmp(word, "crop")) {
        for (int i = 0; i < 4; i++) CHECK(fscanf(f, "%f", &p[i]) == 1);
        const float down = p[2] / rows, right = p[3] / columns;
        const float m[8] = {right, 0, p[1] + (right - 1) / 2, 0, down, p[0] + (down - 1) / 2, 1, 0};
        sample(device, m, CLADE_FILL_NEAREST, y);
        inner[0] = ceilf((1 / down - 1) / 2);
        inner[1] = ceilf((1 / right - 1) / 2);
        inner[2] -= inner[0];
        inner[3] -= inner[1];
        cases[1]++;
    } else if (!strcmp(word, "pad")) {
        CHECK(fscanf(f, "%f %f %15s", &p[0], &p[1], mode) == 3);
        const float m[8] = {1, 0, p[1], 0, 1, p[0], 1, 0};
        sample(device, m, strcmp(mode, "reflect") ? CLADE_FILL_CONSTANT : CLADE_FILL_REFLECT, y);
        cases[2]++;
    } else if (!strcmp(word, "erase")) {
        for (int i = 0; i < 4; i++) CHECK(fscanf(f, "%d", &r[i]) == 1);
        CHECK(fscanf(f, "%f", &p[2]) == 1);
        adjust(device, image, first, 1, (float[]){0, 0}, r, p[2], y);
        cases[3]++;
    } else if (!strcmp(word, "mix")) {
        CHECK(fscanf(f, "%f", &p[0]) == 1);
        for (int i = 0; i < 4; i++) CHECK(fscanf(f, "%d", &r[i]) == 1);
        mix(device, p[0], r, y);
        cases[4]++;
    } else {
        return false;
    }
    return true;
}

/* A case of the larger image, whole: the largest difference. */
static float compare_large(FILE *f, clade_device *device)
{
    static float y[largest_size];
    float p[8] = {0}, expected, largest = 0;
    int h, w, count;
    if (fscanf(f, "%d %d %d", &h, &w, &count) != 3 || h * w * channels > largest_size || count > 4)
        return 255;
    for (int i = 0; i < 2 * count; i++) CHECK(fscanf(f, "%f", &p[i]) == 1);
    adjust(device, clade_shape(4, 1, h, w, channels), dark, count, p, NULL, 0, y);
    for (int i = 0; i < h * w * channels; i++) {
        CHECK(fscanf(f, "%f", &expected) == 1);
        largest = fmaxf(largest, fabsf(y[i] - expected));
    }
    cases[6]++;
    return largest;
}

static float difference(const float *y, const float *expected, const float inner[4])
{
    float largest = 0;
    for (int i = 0; i < size; i++) {
        const float row = (float)(i / (columns * channels));
        const float column = (float)(i / channels % columns);
        if (row < inner[0] || column < inner[1] || row > inner[2] || column > inner[3]) continue;
        largest = fmaxf(largest, fabsf(y[i] - expected[i]));
    }
    return largest;
}

/* The smallest difference to what RandAugment makes of some images. */
static float nearest_move(clade_device *device, const float *expected)
{
    const clade_augment a = {.rand = {.steps = 1, .magnitude = 30}};
    float nearest = 255;
    for (uint64_t i = 0; i < 150 && nearest > 1e-3f; i++) {
        float m[8], y[size];
        clade_augment_matrix(&a, rows, columns, 1, 0, i, m);
        sample(device, m, CLADE_FILL_CONSTANT, y);
        nearest = fminf(nearest, difference(y, expected, (float[]){0, 0, rows, columns}));
    }
    return nearest;
}

static void test_device(clade_device *device, const char *file)
{
    FILE *f = fopen(file, "r");
    char word[16];
    float y[size], expected[size], inner[4], largest = 0;
    CHECK(f);
    while (f && fscanf(f, "%15s", word) == 1) {
        const bool moves = !strcmp(word, "move");
        if (!strcmp(word, "image")) {
            largest = fmaxf(largest, compare_large(f, device));
            continue;
        }
        if (!moves && !compute(f, word, device, y, inner)) break;
        for (int i = 0; i < size; i++) CHECK(fscanf(f, "%f", &expected[i]) == 1);
        largest =
            fmaxf(largest, moves ? nearest_move(device, expected) : difference(y, expected, inner));
        cases[5] += moves;
    }
    if (f) fclose(f);
    CHECK(largest < 1e-3f); /* six digits are given */
    printf("largest difference %g of 255\n", (double)largest);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"cpu", "opencl"};
    if (argc != 2) return 2;
    draw_images();
    for (int i = 0; i < 2; i++) {
        clade_device *device;
        if (clade_device_open(names[i], NULL, &device)) {
            CHECK(i > 0); /* the CPU is always there */
            continue;
        }
        memset(cases, 0, sizeof cases);
        test_device(device, argv[1]);
        CHECK(cases[0] == 22 && cases[1] == 4 && cases[2] == 4 && cases[3] == 2 && cases[4] == 4 &&
              cases[5] == 10 && cases[6] == 4);
        clade_device_close(&device);
    }
    return TEST_END();
}
