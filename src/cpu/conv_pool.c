/* conv2d_maxpool and its gradients on the CPU. Tiles of two rows are pooled in registers; the
 * gradients unpooled one row at a time where it is read. What is not done in tiles runs the ops it
 * is made of, through workspace. */
#include "cpu/conv_band.h"
#include "cpu/tile.h"
#include "op/conv_pool.h"

#include "../../kernels/conv_pool.clh"

#include <string.h>

/* Is the convolution done in bands of results? */
static bool in_bands(const clade_tensor *w, int32_t groups)
{
    return !conv_is_depthwise(w, groups);
}

/* ---- one row ---- */

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

/* ---- whole tensors, for the ops run one by one ---- */

typedef struct pool_job {
    const float *x;
    float *y;
    uint8_t *index; /* or NULL */
    int32_t h, w, c;
    bool relu;
} pool_job;

/* Rows of pooled results, of all images. */
static void pool_rows(const void *user, size_t first, size_t end)
{
    const pool_job *job = user;
    size_t row = (size_t)job->w * (size_t)job->c, oh = (size_t)job->h / 2;
    size_t y_row = (size_t)(job->w / 2) * (size_t)job->c;
    for (size_t i = first; i < end; i++)
        pool_row(job->x + (i / oh * (size_t)job->h + 2 * (i % oh)) * row, (int64_t)row, job->w / 2,
                 job->c, job->relu, job->y + i * y_row, job->index ? job->index + i * y_row : NULL);
}

/* One image after the other. */
static clade_status pool_apart(cpu_context *cpu, const clade_conv2d_maxpool_args *a,
                               clade_tensor full, float *workspace)
{
    clade_tensor x = a->x;
    full.dim[0] = x.dim[0] = 1;
    size_t x_size = clade_tensor_count(&x), size = clade_tensor_count(&full);
    size_t y_size = clade_tensor_count(&a->y) / (size_t)a->y.dim[0];
    clade_buffer memory = {.host = workspace};
    full.buffer = &memory;
    pool_job job = {.x = workspace,
                    .y = clade_tensor_host(&a->y),
                    .index = clade_tensor_present(&a->index) ? clade_tensor_host(&a->index) : NULL,
                    .h = full.dim[1],
                    .w = full.dim[2],
                    .c = full.dim[3],
                    .relu = a->act == CLADE_RELU};
    clade_conv2d_args conv = conv_pool_conv(a, full);
    conv.x = x;
    clade_status status = CLADE_OK;
    for (int32_t n = 0; !status && n < a->x.dim[0]; n++) {
        status = CPU_NAME(conv2d)(cpu, &conv, workspace + size);
        clade_cpu_range(cpu, (cpu_range){pool_rows, &job, (size_t)a->y.dim[1], 4});
        conv.x.offset += x_size;
        job.y += y_size;
        if (job.index) job.index += y_size;
    }
    return status;
}

typedef struct unpool_job {
    conv_unpool s; /* of the first image */
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

/* The full gradient in workspace. */
static void unpool_all(cpu_context *cpu, const clade_tensor *dy, const clade_tensor *index,
                       clade_tensor *full, clade_buffer *memory, float *workspace)
{
    const int32_t *dim = full->dim;
    unpool_job job = {{clade_tensor_host(dy), clade_tensor_host(index), dim[1], dim[2], dim[3]},
                      workspace};
    *memory = (clade_buffer){.host = workspace};
    full->buffer = memory;
    clade_cpu_range(cpu, (cpu_range){unpool_rows, &job, (size_t)dim[0] * (size_t)dim[1], 8});
}

/* ---- the ops ---- */

typedef struct bands_job {
    conv_job conv;
    float *y;
    uint8_t *index;
    int32_t oh, ow; /* of pooled results */
} bands_job;

/* A row of pooled results. */
static void bands_item(void *user, size_t item, int thread)
{
    const bands_job *job = user;
    int32_t j = 2 * (int32_t)(item % (size_t)job->oh);
    size_t to = item * (size_t)job->ow * (size_t)(job->conv.groups * job->conv.cout);
    const conv_band band = {.n = (int64_t)(item / (size_t)job->oh),
                            .j0 = j,
                            .j1 = j + 2,
                            .count = 2 * job->ow,
                            .b1 = job->conv.blocks,
                            .pooled = true,
                            .index = job->index ? job->index + to : NULL,
                            .out = job->y + to};
    CPU_NAME(conv_band)(&job->conv, &band, thread);
}

static clade_status conv2d_maxpool(void *context, const clade_conv2d_maxpool_args *a,
                                   void *workspace)
{
    cpu_context *cpu = context;
    conv_geometry g = CONV_GEOMETRY(a);
    clade_tensor full = conv_pool_full(&a->x, &a->w, &g);
    if (!in_bands(&a->w, g.groups)) return pool_apart(cpu, a, full, workspace);
    clade_buffer memory = {.host = workspace}; /* nothing is written to it as the output */
    full.buffer = &memory;
    clade_conv2d_args conv = conv_pool_conv(a, full);
    const conv_epilogue epilogue = conv_epilogue_of(&conv);
    float *y = clade_tensor_host(&a->y);
    uint8_t *index = clade_tensor_present(&a->index) ? clade_tensor_host(&a->index) : NULL;
    if (conv_is_winograd(&g, &a->w, &full))
        return CPU_NAME(winograd)(cpu, &conv, &epilogue, y, index, true, workspace);
    bands_job job = {.conv = CPU_NAME(conv_forward_job)(&conv, &epilogue),
                     .y = y,
                     .index = index,
                     .oh = a->y.dim[1],
                     .ow = a->y.dim[2]};
    job.conv.lanes = VW;
    job.conv.blocks = (job.conv.cout + VW - 1) / VW;
    job.conv.band = 2;
    job.conv.row_floats = conv_pair_floats(&conv);
    CPU_NAME(conv_pack)(cpu, &job.conv, &a->w, false, workspace);
    clade_pool_for(cpu->pool, (size_t)a->y.dim[0] * (size_t)job.oh, bands_item, &job);
    return CLADE_OK;
}

/* Where the gradients' convolutions find the full gradient: in memory as the pooled one, or, where
 * they are not done in bands, unpooled into workspace, which then goes on behind it. */
static void place_gradient(cpu_context *cpu, const clade_tensor *dy, const clade_tensor *index,
                           bool bands, clade_tensor *full, clade_buffer *memory, float **workspace)
{
    if (bands) {
        full->buffer = dy->buffer;
        full->offset = dy->offset;
        return;
    }
    unpool_all(cpu, dy, index, full, memory, *workspace);
    *workspace += clade_tensor_count(full);
}

static clade_status conv2d_maxpool_dx(void *context, const clade_conv2d_maxpool_dx_args *a,
                                      void *workspace)
{
    conv_geometry g = CONV_GEOMETRY(a);
    clade_tensor full = conv_pool_full(&a->dx, &a->w, &g);
    clade_buffer memory;
    float *rest = workspace;
    bool bands = in_bands(&a->w, g.groups);
    place_gradient(context, &a->dy, &a->index, bands, &full, &memory, &rest);
    clade_conv2d_dx_args conv = conv_pool_conv_dx(a, full);
    return bands ? CPU_NAME(conv_dx)(context, &conv, clade_tensor_host(&a->index), rest)
                 : CPU_NAME(conv2d_dx)(context, &conv, rest);
}

static clade_status conv2d_maxpool_dw(void *context, const clade_conv2d_maxpool_dw_args *a,
                                      void *workspace)
{
    conv_geometry g = CONV_GEOMETRY(a);
    clade_tensor full = conv_pool_full(&a->x, &a->dw, &g);
    clade_buffer memory;
    float *rest = workspace;
    bool bands = in_bands(&a->dw, g.groups);
    place_gradient(context, &a->dy, &a->index, bands, &full, &memory, &rest);
    clade_conv2d_dw_args conv = conv_pool_conv_dw(a, full);
    return bands ? CPU_NAME(conv_dw)(context, &conv, clade_tensor_host(&a->index), rest)
                 : CPU_NAME(conv2d_dw)(context, &conv, rest);
}

void CPU_NAME(conv_pool)(cpu_table *table);
void CPU_NAME(conv_pool)(cpu_table *table)
{
    table->conv2d_maxpool = conv2d_maxpool;
    table->conv2d_maxpool_dx = conv2d_maxpool_dx;
    table->conv2d_maxpool_dw = conv2d_maxpool_dw;
}
