/* affine_sample where the conformance data do not lead: plain copies, flips, coordinates that are
 * huge or not numbers, indices beyond the images. Every device against the reference, bit for
 * bit, and some results against values known beforehand. */
#include "test.h"

#include "base/random.h"
#include "op/op.h"

#include <clade/data.h>

#include <stdlib.h>

enum { images = 3, h = 7, w = 67, n = 4, largest = 4 * 9 * 71 * 4 };

typedef struct sample {
    int32_t c, oh, ow, nearest, fill;
    int32_t index[n];
    float matrix[8 * n];
} sample;

static uint8_t pixels[images * h * w * 4];

static clade_args arguments(const sample *s)
{
    clade_args a = {
        .affine_sample = {.x = {.dtype = CLADE_U8, .rank = 4, .dim = {images, h, w, s->c}},
                          .index = {.dtype = CLADE_I32, .rank = 1, .dim = {n}},
                          .matrix = clade_shape(2, n, 8),
                          .y = clade_shape(4, n, s->oh, s->ow, s->c),
                          .nearest = s->nearest,
                          .fill = s->fill,
                          .value = 100.5f,
                          .scale = {0.5f, 1, 2, 1 / 255.0f},
                          .shift = {0, -1, 3, 0.25f}}};
    return a;
}

static void run_reference(const sample *s, float *y)
{
    clade_args a = arguments(s);
    sample copy = *s;
    clade_buffer memory[] = {
        {.host = pixels}, {.host = copy.index}, {.host = copy.matrix}, {.host = y}};
    for (int i = 0; i < 4; i++) a.slot[i].buffer = &memory[i];
    CHECK_OK(clade_op_shape(CLADE_OP_affine_sample, &a));
    clade_op_reference(CLADE_OP_affine_sample)->run(&a);
}

static void run_device(clade_device *device, const sample *s, float *y)
{
    clade_args a = arguments(s);
    const void *sources[] = {pixels, s->index, s->matrix};
    for (int i = 0; i < 4; i++) {
        clade_tensor *t = &a.slot[i];
        CHECK_OK(clade_buffer_create(device, clade_tensor_count(t) * clade_dtype_size(t->dtype),
                                     &t->buffer));
        if (i < 3) CHECK_OK(clade_tensor_write(t, sources[i]));
    }
    CHECK_OK(clade_op_run(device, CLADE_OP_affine_sample, &a));
    CHECK_OK(clade_tensor_read(&a.affine_sample.y, y));
    for (int i = 0; i < 4; i++) clade_buffer_destroy(&a.slot[i].buffer);
}

static void set_matrix(sample *s, const float m[8])
{
    for (int p = 0; p < n; p++) memcpy(s->matrix + 8 * p, m, 8 * sizeof *m);
}

static void check_same(clade_device **devices, int count, const sample *s, float *y)
{
    static float got[largest];
    size_t bytes = sizeof(float) * (size_t)(n * s->oh * s->ow * s->c);
    run_reference(s, y);
    for (int d = 0; d < count; d++) {
        run_device(devices[d], s, got);
        CHECK(!memcmp(got, y, bytes));
    }
}

/* An image as it is, and its parts: y = scale x + shift. */
static void check_copies(clade_device **devices, int count)
{
    static const float scale[] = {0.5f, 1, 2, 1 / 255.0f}, shift[] = {0, -1, 3, 0.25f};
    static const int32_t sizes[][2] = {{h, w}, {h, 5}, {2, w}, {9, 67}, {h, 71}};
    static float y[largest];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int32_t c = 1; c <= 4; c++) {
            sample s = {.c = c, .oh = sizes[i][0], .ow = sizes[i][1], .index = {2, 0, 1, 2}};
            for (int p = 0; p < n; p++) clade_augment_matrix(NULL, h, w, 1, 0, 0, s.matrix + 8 * p);
            check_same(devices, count, &s, y);
            bool right = true;
            const float *at = y;
            for (int p = 0; p < n; p++)
                for (int32_t r = 0; r < s.oh; r++)
                    for (int32_t e = 0; e < s.ow * c; e++, at++) {
                        int32_t row = r < h ? r : h - 1, column = e / c < w ? e / c : w - 1,
                                k = e % c;
                        uint8_t x = pixels[((s.index[p] * h + row) * w + column) * c + k];
                        right = right && *at == __builtin_fmaf(scale[k], x, shift[k]);
                    }
            CHECK(right);
        }
}

static void check_flip(clade_device **devices, int count)
{
    static float y[largest];
    sample s = {.c = 1, .oh = h, .ow = w, .index = {0, 1, 2, 0}};
    set_matrix(&s, (const float[]){-1, 0, w - 1, 0, 1, 0, 1, 0});
    check_same(devices, count, &s, y);
    CHECK(y[0] == 0.5f * pixels[w - 1] && y[w - 1] == 0.5f * pixels[0]);
}

/* Brightness 2 and offset −300: dark, and clipped at both ends. */
static void check_brightness(clade_device **devices, int count)
{
    static float y[largest];
    sample s = {.c = 1, .oh = h, .ow = w, .index = {0, 0, 0, 0}};
    set_matrix(&s, (const float[]){1, 0, 0, 0, 1, 0, 4, -300});
    check_same(devices, count, &s, y);
    bool right = true;
    for (int i = 0; i < h * w; i++) {
        int v = 4 * pixels[i] - 300;
        right = right && y[i] == 0.5f * (float)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
    CHECK(right);
}

/* Nothing is read outside of x, whatever the numbers; NaN lies far up and to the left. */
static void check_wild(clade_device **devices, int count)
{
    static const float wild[] = {NAN,   INFINITY, -INFINITY, 3e38f,   -3e38f,
                                 1e10f, -1e10f,   0x1p30f,   0x1p31f, 1e-41f};
    static float y[largest];
    for (size_t i = 0; i < sizeof wild / sizeof *wild; i++)
        for (int place = 0; place < 6; place++)
            for (int32_t fill = CLADE_FILL_NEAREST; fill <= CLADE_FILL_WRAP; fill++) {
                sample s = {.c = 3,
                            .oh = 3,
                            .ow = 5,
                            .fill = fill,
                            .nearest = place & 1,
                            .index = {INT32_MAX, INT32_MIN, 3, -1}};
                float m[] = {1, 0, 0, 0, 1, 0, 1, 0};
                m[place] = wild[i];
                set_matrix(&s, m);
                check_same(devices, count, &s, y);
            }
    sample s = {.c = 1, .oh = 1, .ow = 1, .index = {7, -7, 1, 2}};
    set_matrix(&s, (const float[]){0, 0, NAN, 0, 0, NAN, 1, 0});
    check_same(devices, count, &s, y);
    CHECK(y[0] == 0.5f * pixels[2 * h * w] && y[1] == 0.5f * pixels[0]);
    s.fill = CLADE_FILL_CONSTANT;
    check_same(devices, count, &s, y);
    CHECK(y[0] == 0.5f * 100.5f);
}

static void check_rules(void)
{
    const sample s = {.c = 3, .oh = 4, .ow = 4};
    clade_args good = arguments(&s), a;
    const clade_op op = CLADE_OP_affine_sample;
    CHECK_OK(clade_op_shape(op, &good));
    a = good, a.affine_sample.y.dim[0] = n + 1;
    CHECK_FAILS(clade_op_shape(op, &a), CLADE_EINVAL, "index is [4], expected [5]");
    a = good, a.affine_sample.index = (clade_tensor){0};
    CHECK_FAILS(clade_op_shape(op, &a), CLADE_EINVAL, "y has 4 images and x 3");
    a = good, a.affine_sample.matrix.dim[1] = 6;
    CHECK_FAILS(clade_op_shape(op, &a), CLADE_EINVAL, "matrix is [4, 6], expected [4, 8]");
    a = good, a.affine_sample.y.dim[3] = 1;
    CHECK_FAILS(clade_op_shape(op, &a), CLADE_EINVAL, "y is [4, 4, 4, 1], expected [4, 4, 4, 3]");
    a = good, a.affine_sample.y.dim[2] = 40000;
    CHECK_FAILS(clade_op_shape(op, &a), CLADE_EINVAL, "40000 columns");
    a = good, a.affine_sample.x.dim[3] = a.affine_sample.y.dim[3] = 5;
    CHECK_FAILS(clade_op_shape(op, &a), CLADE_EINVAL, "5 channels");
    a = good, a.affine_sample.y = (clade_tensor){0};
    CHECK_FAILS(clade_op_shape(op, &a), CLADE_EINVAL, "shape of y must be given");
    a = good, a.affine_sample.fill = 4;
    CHECK_FAILS(clade_op_shape(op, &a), CLADE_EINVAL, "fill mode 4");
    a = good, a.affine_sample.value = NAN;
    CHECK_FAILS(clade_op_shape(op, &a), CLADE_EINVAL, "value is nan");
    a = good, a.affine_sample.scale[2] = INFINITY;
    CHECK_FAILS(clade_op_shape(op, &a), CLADE_EINVAL, "channel 2 is inf");
}

int main(void)
{
    clade_random r = clade_random_start(1, CLADE_STREAM_CONFORM, 0);
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)clade_random_below(&r, 256);
    clade_device *devices[3] = {0};
    const clade_device_options one = {.threads = 1}, three = {.threads = 3};
    CHECK_OK(clade_device_open("cpu", &one, &devices[0]));
    CHECK_OK(clade_device_open("cpu", &three, &devices[1]));
    int count = clade_device_open("opencl", NULL, &devices[2]) ? 2 : 3;
    check_rules();
    check_copies(devices, count);
    check_flip(devices, count);
    check_brightness(devices, count);
    check_wild(devices, count);
    for (int d = 0; d < count; d++) clade_device_close(&devices[d]);
    return TEST_END();
}
