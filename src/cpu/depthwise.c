/* Depthwise convolution (one filter per channel) and its gradients on the CPU: vectors of channels.
 */
#include "cpu/conv.h"
#include "cpu/tile.h"

#include "../../kernels/activation.clh"

#include <string.h>

typedef struct depthwise_job {
    const float *src, *w, *bias;
    float *out;
    conv_axis row, column;
    int32_t out_h, out_w, c, kh, kw;
    bool backward; /* weights in reverse */
    int32_t act, accumulate;
    float alpha;
} depthwise_job;

/* The taps that a result sums over, in order: rows of `columns`, each step apart. */
typedef struct depthwise_taps {
    const float *x, *w; /* of the first tap, channel 0 */
    int64_t x_row, x_column, w_row, w_column;
    int32_t rows, columns;
} depthwise_taps;

enum { abreast = 4 }; /* vectors of channels summed at once, so that no fma waits for another */

/* The sums of `count` vectors from channel o on; called with constants. */
static inline void depthwise_sums(const depthwise_taps *t, int32_t o, int count, V sum[abreast])
{
    for (int i = 0; i < count; i++) sum[i] = V_SPLAT(0.0f);
    for (int32_t r = 0; r < t->rows; r++) {
        const float *x = t->x + r * t->x_row + o, *w = t->w + r * t->w_row + o;
        for (int32_t s = 0; s < t->columns; s++, x += t->x_column, w += t->w_column)
            for (int i = 0; i < count; i++)
                sum[i] = V_FMA(V_LOAD(x + i * VW), V_LOAD(w + i * VW), sum[i]);
    }
}

/* The same of the last channels, fewer than a vector. */
static V depthwise_rest(const depthwise_taps *t, int32_t o, int32_t lanes)
{
    V sum = V_SPLAT(0.0f);
    for (int32_t r = 0; r < t->rows; r++)
        for (int32_t s = 0; s < t->columns; s++)
            sum = V_FMA(V_LOAD_PART(t->x + r * t->x_row + s * t->x_column + o, lanes),
                        V_LOAD_PART(t->w + r * t->w_row + s * t->w_column + o, lanes), sum);
    return sum;
}

/* Results of `lanes` channels from o on. */
static void depthwise_store(const depthwise_job *job, V sum, int32_t o, int32_t lanes, float *y)
{
    bool whole = lanes == VW, linear = job->act == ACT_LINEAR && !job->accumulate;
    if (job->bias) sum = sum + (whole ? V_LOAD(job->bias + o) : V_LOAD_PART(job->bias + o, lanes));
    if (whole && linear)
        V_STORE(y + o, sum);
    else
        for (int32_t l = 0; l < lanes; l++)
            y[o + l] =
                job->accumulate ? y[o + l] + sum[l] : act_forward(job->act, job->alpha, sum[l]);
}

static void depthwise_pixel(const depthwise_job *job, const float *image, int32_t r0, int32_t r1,
                            int32_t row_at, int32_t j, float *y)
{
    int32_t s0 = conv_axis_from(job->column, j), s1 = conv_axis_to(job->column, j), c = job->c;
    int32_t tap_r = job->row.first_tap + r0 * job->row.tap_step, step_r = job->row.tap_step;
    int32_t tap_s = job->column.first_tap + s0 * job->column.tap_step,
            step_s = job->column.tap_step;
    if (job->backward) {
        tap_r = job->kh - 1 - tap_r;
        tap_s = job->kw - 1 - tap_s;
        step_r = -step_r;
        step_s = -step_s;
    }
    int64_t row = row_at + (int64_t)r0 * job->row.reach;
    int64_t column = j * job->column.stride + job->column.base + (int64_t)s0 * job->column.reach;
    const depthwise_taps taps = {
        .x = image + (row * job->column.size + column) * c,
        .w = job->w + ((int64_t)tap_r * job->kw + tap_s) * c,
        .x_row = (int64_t)job->row.reach * job->column.size * c,
        .x_column = (int64_t)job->column.reach * c,
        .w_row = (int64_t)step_r * job->kw * c,
        .w_column = (int64_t)step_s * c,
        .rows = r1 - r0,
        .columns = s1 - s0,
    };
    int32_t o = 0;
    V sum[abreast];
    for (; o + abreast * VW <= c; o += abreast * VW) {
        depthwise_sums(&taps, o, abreast, sum);
        for (int i = 0; i < abreast; i++) depthwise_store(job, sum[i], o + i * VW, VW, y);
    }
    for (; o + VW <= c; o += VW) {
        depthwise_sums(&taps, o, 1, sum);
        depthwise_store(job, sum[0], o, VW, y);
    }
    if (o < c) depthwise_store(job, depthwise_rest(&taps, o, c - o), o, c - o, y);
}

static void depthwise_item(void *user, size_t item, int thread)
{
    (void)thread;
    const depthwise_job *job = user;
    int32_t j = (int32_t)(item % (size_t)job->row.count);
    int64_t n = (int64_t)(item / (size_t)job->row.count);
    int32_t r0 = conv_axis_from(job->row, j), r1 = conv_axis_to(job->row, j);
    const float *image = job->src + n * job->row.size * job->column.size * job->c;
    float *y =
        job->out + (n * job->out_h + job->row.first + j * job->row.spread) * job->out_w * job->c;
    for (int32_t i = 0; i < job->column.count; i++)
        depthwise_pixel(job, image, r0, r1, j * job->row.stride + job->row.base, i,
                        y + (job->column.first + (int64_t)i * job->column.spread) * job->c);
}

clade_status CPU_NAME(depthwise)(void *context, const clade_conv2d_args *a)
{
    cpu_context *cpu = context;
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->x.dim, *w = a->w.dim, *y = a->y.dim;
    depthwise_job job = {
        .src = clade_tensor_host(&a->x),
        .w = clade_tensor_host(&a->w),
        .bias = clade_tensor_present(&a->b) ? clade_tensor_host(&a->b) : NULL,
        .out = clade_tensor_host(&a->y),
        .row = conv_axis_forward(x[1], y[1], w[0], g.stride[0], g.pad[0], g.dilation[0]),
        .column = conv_axis_forward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1]),
        .out_h = y[1],
        .out_w = y[2],
        .c = x[3],
        .kh = w[0],
        .kw = w[1],
        .act = a->act,
        .alpha = a->alpha,
    };
    clade_pool_for(cpu->pool, (size_t)x[0] * (size_t)y[1], depthwise_item, &job);
    return CLADE_OK;
}

clade_status CPU_NAME(depthwise_dx)(void *context, const clade_conv2d_dx_args *a)
{
    cpu_context *cpu = context;
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->dx.dim, *w = a->w.dim, *y = a->dy.dim;
    depthwise_job job = {
        .src = clade_tensor_host(&a->dy),
        .w = clade_tensor_host(&a->w),
        .out = clade_tensor_host(&a->dx),
        .out_h = x[1],
        .out_w = x[2],
        .c = x[3],
        .kh = w[0],
        .kw = w[1],
        .backward = true,
        .accumulate = a->accumulate,
    };
    for (int32_t i = 0; i < g.stride[0]; i++)
        for (int32_t k = 0; k < g.stride[1]; k++) {
            job.row = conv_axis_backward(x[1], y[1], w[0], g.stride[0], g.pad[0], g.dilation[0], i);
            job.column =
                conv_axis_backward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1], k);
            clade_pool_for(cpu->pool, (size_t)x[0] * (size_t)job.row.count, depthwise_item, &job);
        }
    return CLADE_OK;
}

typedef struct depthwise_dw_job {
    const clade_conv2d_dw_args *a;
    conv_geometry g;
    float *parts; /* chunks × [kh kw c], then the sums of db: chunks × [c] */
    int64_t lines, lines_per_chunk;
    int32_t chunks;
} depthwise_dw_job;

static void depthwise_dw_item(void *user, size_t item, int thread)
{
    (void)thread;
    const depthwise_dw_job *job = user;
    const clade_conv2d_dw_args *a = job->a;
    const int32_t *xd = a->x.dim, *yd = a->dy.dim;
    int32_t c = xd[3], kh = a->dw.dim[0], kw = a->dw.dim[1];
    const float *x = clade_tensor_host(&a->x), *dy = clade_tensor_host(&a->dy);
    float *part = job->parts + item * (size_t)(kh * kw + 1) * (size_t)c,
          *db = part + (size_t)(kh * kw) * (size_t)c;
    memset(part, 0, (size_t)(kh * kw + 1) * (size_t)c * sizeof *part);
    int64_t end = (int64_t)(item + 1) * job->lines_per_chunk;
    for (int64_t line = (int64_t)item * job->lines_per_chunk; line < end && line < job->lines;
         line++) {
        int64_t n = line / yd[1], oh = line % yd[1];
        for (int32_t ow = 0; ow < yd[2]; ow++) {
            const float *d = dy + (line * yd[2] + ow) * c;
            for (int32_t i = 0; i < c; i++) db[i] += d[i];
            for (int32_t r = 0; r < kh; r++) {
                int64_t ih =
                    oh * job->g.stride[0] - job->g.pad[0] + (int64_t)r * job->g.dilation[0];
                if (ih < 0 || ih >= xd[1]) continue;
                for (int32_t s = 0; s < kw; s++) {
                    int64_t iw = (int64_t)ow * job->g.stride[1] - job->g.pad[1] +
                                 (int64_t)s * job->g.dilation[1];
                    if (iw < 0 || iw >= xd[2]) continue;
                    const float *v = x + ((n * xd[1] + ih) * xd[2] + iw) * c;
                    float *sum = part + (int64_t)(r * kw + s) * c;
                    for (int32_t i = 0; i < c; i++) sum[i] = FMA(v[i], d[i], sum[i]);
                }
            }
        }
    }
}

clade_status CPU_NAME(depthwise_dw)(void *context, const clade_conv2d_dw_args *a, void *scratch)
{
    cpu_context *cpu = context;
    depthwise_dw_job job = {.a = a,
                            .g = CONV_GEOMETRY(a),
                            .parts = scratch,
                            .lines = (int64_t)a->dy.dim[0] * a->dy.dim[1]};
    job.chunks =
        clade_conv_chunks(job.lines, (int64_t)clade_tensor_count(&a->dw), &job.lines_per_chunk);
    clade_pool_for(cpu->pool, (size_t)job.chunks, depthwise_dw_item, &job);
    size_t n = clade_tensor_count(&a->dw), c = (size_t)a->x.dim[3];
    float *dw = clade_tensor_host(&a->dw),
          *db = clade_tensor_present(&a->db) ? clade_tensor_host(&a->db) : NULL;
    for (size_t i = 0; i < n + (db ? c : 0); i++) {
        float sum = 0;
        for (int32_t chunk = 0; chunk < job.chunks; chunk++)
            sum += job.parts[(size_t)chunk * (n + c) + i];
        float *out = i < n ? dw + i : db + (i - n);
        *out = a->accumulate ? *out + sum : sum;
    }
    return CLADE_OK;
}
