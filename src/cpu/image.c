/* affine_sample on the CPU: threads share the rows. Rows that are a plain copy are converted
 * straight; others are sampled a block at a time: coordinates as vectors, then the pixels one by
 * one, their channels as a vector. */
#include "cpu/cpu.h"

#include "../../kernels/image.clh"

/* pixels in a block; elements after which scale and shift of 1, 2, 3 or 4 channels repeat */
enum { block = 64, period = 48, elements_per_task = 16384 };

typedef struct image_job {
    const clade_affine_sample_args *a;
    const uint8_t *x;
    const int32_t *index; /* or NULL */
    const float *matrix;
    float *y;
    int32_t images, h, w, c, oh, ow;
    float scale[period], shift[period];
} image_job;

/* y = scale x + shift of one row's elements. */
static void convert_row(const image_job *job, const uint8_t *restrict x, float *restrict y)
{
    const size_t n = (size_t)job->ow * (size_t)job->c;
    size_t e = 0;
    for (; e + period <= n; e += period)
        for (size_t k = 0; k < period; k++)
            y[e + k] = FMA(job->scale[k], (float)x[e + k], job->shift[k]);
    for (size_t k = 0; e + k < n; k++)
        y[e + k] = FMA(job->scale[k], (float)x[e + k], job->shift[k]);
}

/* Coordinates of a block: the pixel up and left of each (or the nearest), and the fractions. */
typedef struct block_points {
    int32_t row[block], column[block];
    float fy[block], fx[block];
} block_points;

static void place_block(const float *m, int32_t i, int32_t j, float half, block_points *at)
{
    const float m0 = m[0], m1 = m[1], m2 = m[2], m3 = m[3], m4 = m[4], m5 = m[5];
    for (int32_t b = 0; b < block; b++) {
        float column = image_coordinate(m0, m1, m2, (float)i, (float)(j + b)) + half;
        float row = image_coordinate(m3, m4, m5, (float)i, (float)(j + b)) + half;
        at->column[b] = image_floor(column);
        at->row[b] = image_floor(row);
        at->fx[b] = column - (float)at->column[b];
        at->fy[b] = row - (float)at->row[b];
    }
}

/* What a row is sampled from, and how. */
typedef struct image_source {
    const uint8_t *pixels;
    int32_t h, w, fill;
    float value, gain, offset;
    const float *scale, *shift; /* of at least four channels */
} image_source;

/* A pixel's channel k by its taps. `c` is a constant in each caller, here and below. */
INLINE float value_at(const image_source *s, int32_t row, int32_t column, int c, int k)
{
    if (row < 0 || column < 0) return s->value;
    return (float)s->pixels[((size_t)row * (size_t)s->w + (size_t)column) * (size_t)c + (size_t)k];
}

INLINE float finish(const image_source *s, float v, int k)
{
    return FMA(s->scale[k], image_bright(v, s->gain, s->offset), s->shift[k]);
}

INLINE void sample_edge(const image_source *s, const block_points *at, int b, int c, float *y)
{
    const int32_t i = at->row[b], j = at->column[b];
    const int32_t i0 = image_tap(i, s->h, s->fill), i1 = image_tap(i + 1, s->h, s->fill);
    const int32_t j0 = image_tap(j, s->w, s->fill), j1 = image_tap(j + 1, s->w, s->fill);
    for (int k = 0; k < c; k++) {
        const float v =
            image_blend(value_at(s, i0, j0, c, k), value_at(s, i0, j1, c, k),
                        value_at(s, i1, j0, c, k), value_at(s, i1, j1, c, k), at->fx[b], at->fy[b]);
        y[k] = finish(s, v, k);
    }
}

INLINE void sample_bilinear(const image_source *s, const block_points *at, int count, int c,
                            float *y)
{
    const image_source own = *s; /* which y cannot be a part of */
    const size_t row = (size_t)own.w * (size_t)c;
    Q scale, shift;
    memcpy(&scale, own.scale, sizeof scale);
    memcpy(&shift, own.shift, sizeof shift);
    for (int b = 0; b < count; b++, y += c) {
        const int32_t i = at->row[b], j = at->column[b];
        if (!image_is_inside(i, j, own.h, own.w)) {
            sample_edge(&own, at, b, c, y);
            continue;
        }
        const uint8_t *top = own.pixels + (size_t)i * row + (size_t)j * (size_t)c;
        Q v = image_blend_inside(top, top + row, c, at->fx[b], at->fy[b]);
        v = Q_FMA(scale, image_bright_all(v, own.gain, own.offset), shift);
        memcpy(y, &v, (size_t)c * sizeof *y);
    }
}

INLINE void sample_nearest(const image_source *s, const block_points *at, int count, int c,
                           float *y)
{
    for (int b = 0; b < count; b++, y += c) {
        const int32_t i = image_tap(at->row[b], s->h, s->fill);
        const int32_t j = image_tap(at->column[b], s->w, s->fill);
        for (int k = 0; k < c; k++) y[k] = finish(s, value_at(s, i, j, c, k), k);
    }
}

/* Pixels with the number of channels and the kind of sampling constant. */
static void sample(const image_source *s, const block_points *at, int count, int c, bool nearest,
                   float *y)
{
#define CHANNELS(k)                                                                                \
    case k:                                                                                        \
        if (nearest)                                                                               \
            sample_nearest(s, at, count, k, y);                                                    \
        else                                                                                       \
            sample_bilinear(s, at, count, k, y);                                                   \
        break
    switch (c) {
        CHANNELS(1);
        CHANNELS(2);
        CHANNELS(3);
        CHANNELS(4);
    }
#undef CHANNELS
}

static void sample_row(const image_job *job, const image_source *s, const float *m, int32_t i,
                       float *y)
{
    const bool nearest = job->a->nearest;
    block_points at;
    for (int32_t j = 0; j < job->ow; j += block) {
        const int count = job->ow - j < block ? job->ow - j : block;
        place_block(m, i, j, nearest ? 0.5f : 0.0f, &at);
        sample(s, &at, count, job->c, nearest, y + (size_t)j * (size_t)job->c);
    }
}

/* Is row i of the output row i of the image? */
static bool is_copy(const image_job *job, const float *m, int32_t i)
{
    return m[0] == 1 && m[1] == 0 && m[2] == 0 && m[3] == 0 && m[4] == 1 && m[5] == 0 &&
           m[6] == 1 && m[7] == 0 && i < job->h && job->ow <= job->w;
}

static void sample_rows(const void *user, size_t first, size_t end)
{
    const image_job *job = user;
    const size_t row = (size_t)job->w * (size_t)job->c, size = (size_t)job->h * row;
    for (size_t r = first; r < end; r++) {
        const size_t p = r / (size_t)job->oh;
        const int32_t i = (int32_t)(r % (size_t)job->oh), last = job->images - 1;
        const float *m = job->matrix + 8 * p;
        int32_t taken = job->index ? job->index[p] : (int32_t)p;
        taken = taken < 0 ? 0 : taken > last ? last : taken;
        const image_source s = {.pixels = job->x + (size_t)taken * size,
                                .h = job->h,
                                .w = job->w,
                                .fill = job->a->fill,
                                .value = job->a->value,
                                .gain = m[6],
                                .offset = m[7],
                                .scale = job->scale,
                                .shift = job->shift};
        float *y = job->y + r * (size_t)job->ow * (size_t)job->c;
        if (is_copy(job, m, i))
            convert_row(job, s.pixels + (size_t)i * row, y);
        else
            sample_row(job, &s, m, i, y);
    }
}

static clade_status affine_sample(void *context, const clade_args *args, const clade_plan *plan,
                                  void *workspace)
{
    (void)plan, (void)workspace;
    const clade_affine_sample_args *a = &args->affine_sample;
    image_job job = {
        .a = a,
        .x = clade_tensor_host(&a->x),
        .index = cpu_host(&a->index),
        .matrix = clade_tensor_host(&a->matrix),
        .y = clade_tensor_host(&a->y),
        .images = a->x.dim[0],
        .h = a->x.dim[1],
        .w = a->x.dim[2],
        .c = a->x.dim[3],
        .oh = a->y.dim[1],
        .ow = a->y.dim[2],
    };
    for (int k = 0; k < period; k++) {
        job.scale[k] = a->scale[k % job.c];
        job.shift[k] = a->shift[k % job.c];
    }
    const size_t rows = (size_t)a->y.dim[0] * (size_t)job.oh;
    const size_t grain = elements_per_task / ((size_t)job.ow * (size_t)job.c) + 1;
    clade_cpu_range(context, (cpu_range){sample_rows, &job, rows, grain});
    return CLADE_OK;
}

void CPU_NAME(image)(cpu_op *op) { op[CLADE_OP_affine_sample].run = affine_sample; }
