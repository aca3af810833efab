/* Depthwise convolution (one filter per channel) and its gradients on the CPU. */
#include "cpu/conv.h"
#include "cpu/conv_pool.h"

#include "../../kernels/depthwise.clh"

#include <string.h>

/* ---- y and dx ---- */

typedef struct rows_job {
    depthwise_job d;
    const float *x, *w;
    float *y;
    conv_epilogue epilogue;
} rows_job;

/* A row of results: all channels of a few at a time. */
static void row_item(void *user, size_t item, int thread)
{
    (void)thread;
    const rows_job *job = user;
    const depthwise_job *d = &job->d;
    int32_t units = depthwise_units(d);
    for (int32_t unit = 0; unit < units; unit++) {
        const depthwise_place place = depthwise_find(d, job->x, job->w, (int64_t)item, unit);
        const conv_epilogue f = conv_epilogue_at(&job->epilogue, 0, place.at);
        float *y = job->y + place.at;
        int64_t step = (int64_t)d->column.out_stride * d->c;
#define BODY(o, lanes)                                                                             \
    depthwise_channels(&place.taps, &f, place.count, o, lanes, y, step, d->accumulate)
        FOR_LANES(d->c, BODY);
#undef BODY
        conv_epilogue_rest(f.act, f.alpha, y, (int64_t)place.count * d->c);
    }
}

static void run_rows(cpu_context *cpu, rows_job *job)
{
    size_t rows = (size_t)job->d.images * (size_t)job->d.row.count;
    clade_pool_for(cpu->pool, rows, row_item, job);
}

static bool can(const conv_problem *p)
{
    return conv_is_depthwise(&p->args.conv2d.w, p->args.conv2d.groups);
}

/* Where results are pooled, the workspace holds those of one image. */
typedef struct depthwise_plan {
    conv_state head;
    depthwise_job d;
    int32_t pooled_images; /* 0: they are not pooled */
} depthwise_plan;

static clade_status plan_forward(const cpu_context *cpu, const conv_problem *p, clade_plan *plan)
{
    (void)cpu;
    depthwise_plan *s = clade_cpu_state(plan, sizeof *s);
    if (!s) return CLADE_ENOMEM;
    s->d = depthwise_forward(&p->args.conv2d);
    if (!p->pooled) return CLADE_OK;
    s->pooled_images = s->d.images;
    s->d.images = 1;
    cpu_reserve(plan, (size_t)s->d.out_h * (size_t)s->d.out_w * (size_t)s->d.c);
    return CLADE_OK;
}

static void run_forward(cpu_context *cpu, const void *state, const conv_memory *m)
{
    const depthwise_plan *s = state;
    const depthwise_job *d = &s->d;
    rows_job job = {.d = *d, .x = m->x, .w = m->w, .y = m->y, .epilogue = m->epilogue};
    if (!s->pooled_images) {
        run_rows(cpu, &job);
        return;
    }
    job.y = m->workspace;
    conv_pooling pooling = {.x = m->workspace,
                            .y = m->y,
                            .index = m->taken,
                            .h = d->out_h,
                            .w = d->out_w,
                            .channels = d->c,
                            .relu = m->epilogue.act == ACT_RELU};
    size_t image = (size_t)d->row.size * (size_t)d->column.size * (size_t)d->c;
    size_t pooled = (size_t)(d->out_h / 2) * (size_t)(d->out_w / 2) * (size_t)d->c;
    for (int32_t n = 0; n < s->pooled_images; n++) {
        run_rows(cpu, &job);
        CPU_NAME(conv_pool)(cpu, &pooling);
        job.x += image;
        pooling.y += pooled;
        if (pooling.index) pooling.index += pooled;
    }
}

const conv_algorithm CPU_NAME(depthwise) = {"depthwise", false, can, plan_forward, run_forward};

/* A pooled gradient as a convolution's: in full, in the workspace. */
static const float *full_gradient(cpu_context *cpu, const int32_t dy[4], const conv_memory *m)
{
    if (!m->index) return m->dy;
    const conv_unpool unpool = {m->dy, m->index, dy[1], dy[2], dy[3]};
    CPU_NAME(conv_unpool)(cpu, &unpool, dy[0], m->workspace);
    return m->workspace;
}

/* The results are cut by strides into `count` parts, which share their taps. */
typedef struct depthwise_dx_plan {
    conv_state head;
    int32_t dy[4];
    size_t count;
    depthwise_job part[];
} depthwise_dx_plan;

static bool can_dx(const conv_problem *p)
{
    return conv_is_depthwise(&p->args.conv2d_dx.w, p->args.conv2d_dx.groups);
}

static clade_status plan_dx(const cpu_context *cpu, const conv_problem *p, clade_plan *plan)
{
    (void)cpu;
    const clade_conv2d_dx_args *a = &p->args.conv2d_dx;
    const conv_geometry g = CONV_GEOMETRY(a);
    const int32_t rows = conv_phases(&g, &a->dx, 0), columns = conv_phases(&g, &a->dx, 1);
    size_t count = (size_t)rows * (size_t)columns;
    depthwise_dx_plan *s = clade_cpu_state(plan, sizeof *s + count * sizeof s->part[0]);
    if (!s) return CLADE_ENOMEM;
    memcpy(s->dy, a->dy.dim, sizeof s->dy);
    for (int32_t i = 0; i < rows; i++)
        for (int32_t k = 0; k < columns; k++) s->part[s->count++] = depthwise_dx(a, i, k);
    if (p->pooled) cpu_reserve(plan, clade_tensor_count(&a->dy));
    return CLADE_OK;
}

static void run_dx(cpu_context *cpu, const void *state, const conv_memory *m)
{
    const depthwise_dx_plan *s = state;
    rows_job job = {.x = full_gradient(cpu, s->dy, m), .w = m->w, .y = m->dx};
    for (size_t i = 0; i < s->count; i++) {
        job.d = s->part[i];
        run_rows(cpu, &job);
    }
}

const conv_algorithm CPU_NAME(depthwise_dx) = {"depthwise", false, can_dx, plan_dx, run_dx};

/* ---- dw ---- */

typedef struct depthwise_sums {
    conv_state head;
    conv_geometry g;
    int32_t x[4], dw[4], dy[4]; /* dimensions */
    int64_t lines, lines_per_chunk;
    int32_t chunks, accumulate;
    size_t parts_at; /* in the workspace, behind a gradient in full */
    /* by run: */
    const float *x_host, *dy_host;
    float *parts; /* chunks × [kh kw c], then the sums of db: chunks × [c] */
} depthwise_sums;

static void chunk_item(void *user, size_t item, int thread)
{
    (void)thread;
    const depthwise_sums *job = user;
    const int32_t *xd = job->x, *yd = job->dy;
    int32_t c = xd[3], kh = job->dw[0], kw = job->dw[1];
    float *part = job->parts + item * (size_t)(kh * kw + 1) * (size_t)c,
          *db = part + (size_t)(kh * kw) * (size_t)c;
    memset(part, 0, (size_t)(kh * kw + 1) * (size_t)c * sizeof *part);
    int64_t end = (int64_t)(item + 1) * job->lines_per_chunk;
    for (int64_t line = (int64_t)item * job->lines_per_chunk; line < end && line < job->lines;
         line++) {
        int64_t n = line / yd[1], oh = line % yd[1];
        for (int32_t ow = 0; ow < yd[2]; ow++) {
            const float *d = job->dy_host + (line * yd[2] + ow) * c;
            for (int32_t i = 0; i < c; i++) db[i] += d[i];
            for (int32_t r = 0; r < kh; r++) {
                int64_t ih =
                    oh * job->g.stride[0] - job->g.pad[0] + (int64_t)r * job->g.dilation[0];
                if (ih < 0 || ih >= xd[1]) continue;
                for (int32_t s = 0; s < kw; s++) {
                    int64_t iw = (int64_t)ow * job->g.stride[1] - job->g.pad[1] +
                                 (int64_t)s * job->g.dilation[1];
                    if (iw < 0 || iw >= xd[2]) continue;
                    const float *v = job->x_host + ((n * xd[1] + ih) * xd[2] + iw) * c;
                    float *sum = part + (int64_t)(r * kw + s) * c;
                    for (int32_t i = 0; i < c; i++) sum[i] = FMA(v[i], d[i], sum[i]);
                }
            }
        }
    }
}

static bool can_dw(const conv_problem *p)
{
    return conv_is_depthwise(&p->args.conv2d_dw.dw, p->args.conv2d_dw.groups);
}

static clade_status plan_dw(const cpu_context *cpu, const conv_problem *p, clade_plan *plan)
{
    (void)cpu;
    const clade_conv2d_dw_args *a = &p->args.conv2d_dw;
    depthwise_sums *s = clade_cpu_state(plan, sizeof *s);
    if (!s) return CLADE_ENOMEM;
    s->g = (conv_geometry)CONV_GEOMETRY(a);
    memcpy(s->x, a->x.dim, sizeof s->x);
    memcpy(s->dw, a->dw.dim, sizeof s->dw);
    memcpy(s->dy, a->dy.dim, sizeof s->dy);
    s->lines = (int64_t)a->dy.dim[0] * a->dy.dim[1];
    size_t n = clade_tensor_count(&a->dw), c = (size_t)a->x.dim[3];
    s->chunks = clade_conv_chunks(s->lines, (int64_t)n, &s->lines_per_chunk);
    s->accumulate = a->accumulate;
    if (p->pooled) cpu_reserve(plan, clade_tensor_count(&a->dy));
    s->parts_at = cpu_reserve(plan, (size_t)s->chunks * (n + c));
    return CLADE_OK;
}

static void run_dw(cpu_context *cpu, const void *state, const conv_memory *m)
{
    depthwise_sums job = *(const depthwise_sums *)state;
    job.x_host = m->x;
    job.dy_host = full_gradient(cpu, job.dy, m);
    job.parts = m->workspace + job.parts_at;
    clade_pool_for(cpu->pool, (size_t)job.chunks, chunk_item, &job);
    size_t c = (size_t)job.x[3], n = (size_t)(job.dw[0] * job.dw[1]) * c;
    for (size_t i = 0; i < n + (m->db ? c : 0); i++) {
        float sum = 0;
        for (int32_t chunk = 0; chunk < job.chunks; chunk++)
            sum += job.parts[(size_t)chunk * (n + c) + i];
        float *out = i < n ? m->dw + i : m->db + (i - n);
        *out = job.accumulate ? *out + sum : sum;
    }
}

const conv_algorithm CPU_NAME(depthwise_dw) = {"depthwise", false, can_dw, plan_dw, run_dw};
