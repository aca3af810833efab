/* 2 x 2 maxima after a convolution on the CPU: one row at a time where tiles do not pool what they
 * compute, and gradients unpooled where they are read. */
#include "cpu/conv_pool.h"

#include "../../kernels/conv_pool.clh"

#include <string.h>

/* `count` pooled results of two rows, `row` floats apart. */
INLINE void pool_loop(const float *x, int64_t row, int32_t count, int32_t c, int relu, float *y,
                      uint8_t *index)
{
    for (int32_t i = 0; i < count; i++, x += 2 * c, y += c) {
#define BODY(k, lanes)                                                                             \
    {                                                                                              \
        V_mask at;                                                                                 \
        V best = conv_pool_max(x + (k), row, c, relu, lanes, &at);                                 \
        LANES_STORE(y + (k), best, lanes);                                                         \
        if (index) LANES_STORE_U8(index + (size_t)i * (size_t)c + (k), at, lanes);                 \
    }
        FOR_LANES(c, BODY);
#undef BODY
    }
}

static void pool_row(const float *x, int64_t row, int32_t count, int32_t c, bool relu, float *y,
                     uint8_t *index)
{
    if (relu)
        pool_loop(x, row, count, c, 1, y, index);
    else
        pool_loop(x, row, count, c, 0, y, index);
}

/* One column. */
static void unpool_column(const float *dy, const uint8_t *index, int32_t c, int tap, float *to)
{
#define BODY(k, lanes)                                                                             \
    LANES_STORE(to + (k), conv_pool_element(dy + (k), index + (k), tap, lanes), lanes)
    FOR_LANES(c, BODY);
#undef BODY
}

/* Both columns of `count` windows. */
static void unpool_loop(const float *dy, const uint8_t *index, int32_t count, int32_t c, int tap,
                        float *to)
{
    for (int32_t i = 0; i < count; i++, dy += c, index += c, to += 2 * c) {
#define BODY(k, lanes)                                                                             \
    {                                                                                              \
        V g = V_SPLAT(0.0f) + LANES_LOAD(dy + (k), lanes), zero = V_SPLAT(0.0f);                   \
        V_mask at = LANES_LOAD_U8(index + (k), lanes);                                             \
        LANES_STORE(to + (k), V_SELECT(at == V_INT(tap), g, zero), lanes);                         \
        LANES_STORE(to + c + (k), V_SELECT(at == V_INT(tap + 1), g, zero), lanes);                 \
    }
        FOR_LANES(c, BODY);
#undef BODY
    }
}

void CPU_NAME(conv_unpool_row)(const conv_unpool *s, int32_t row, int32_t left, int32_t width,
                               float *to)
{
    int32_t c = s->channels, covered = row / 2 < s->h / 2 ? s->w / 2 * 2 : 0, tap = row % 2 * 2;
    int32_t i = left < 0 ? 0 : left, end = left + width < covered ? left + width : covered;
    if (end < i) i = end = left;
    const float *dy = s->dy + (int64_t)(row / 2) * (s->w / 2) * c;
    const uint8_t *index = s->index + (int64_t)(row / 2) * (s->w / 2) * c;
    memset(to, 0, (size_t)(i - left) * (size_t)c * sizeof *to);
    to -= (int64_t)left * c;
    if (i < end && i % 2) {
        unpool_column(dy + i / 2 * c, index + i / 2 * c, c, tap + 1, to + (int64_t)i * c);
        i++;
    }
    int32_t windows = (end - i) / 2;
    unpool_loop(dy + i / 2 * c, index + i / 2 * c, windows, c, tap, to + (int64_t)i * c);
    i += 2 * windows;
    if (i < end) {
        unpool_column(dy + i / 2 * c, index + i / 2 * c, c, tap, to + (int64_t)i * c);
        i++;
    }
    memset(to + (int64_t)i * c, 0, (size_t)(left + width - i) * (size_t)c * sizeof *to);
}

/* ---- images ---- */

/* Rows of maxima. */
static void pool_rows(const void *user, size_t first, size_t end)
{
    const conv_pooling *job = user;
    size_t row = (size_t)job->w * (size_t)job->channels;
    size_t y_row = (size_t)(job->w / 2) * (size_t)job->channels;
    for (size_t i = first; i < end; i++)
        pool_row(job->x + 2 * i * row, (int64_t)row, job->w / 2, job->channels, job->relu,
                 job->y + i * y_row, job->index ? job->index + i * y_row : NULL);
}

void CPU_NAME(conv_pool)(cpu_context *cpu, const conv_pooling *job)
{
    clade_cpu_range(cpu, (cpu_range){pool_rows, job, (size_t)job->h / 2, 4});
}

typedef struct unpool_job {
    conv_unpool s;
    float *to;
} unpool_job;

static void unpool_rows(const void *user, size_t first, size_t end)
{
    const unpool_job *job = user;
    size_t h = (size_t)job->s.h, row = (size_t)job->s.w * (size_t)job->s.channels;
    size_t pooled = h / 2 * (size_t)(job->s.w / 2) * (size_t)job->s.channels;
    for (size_t i = first; i < end; i++) {
        conv_unpool s = job->s;
        s.dy += i / h * pooled;
        s.index += i / h * pooled;
        CPU_NAME(conv_unpool_row)(&s, (int32_t)(i % h), 0, s.w, job->to + i * row);
    }
}

void CPU_NAME(conv_unpool)(cpu_context *cpu, const conv_unpool *s, int32_t images, float *to)
{
    const unpool_job job = {*s, to};
    clade_cpu_range(cpu, (cpu_range){unpool_rows, &job, (size_t)images * (size_t)s->h, 8});
}
