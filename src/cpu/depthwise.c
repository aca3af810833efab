/* Depthwise convolution (one filter per channel) and its gradients on the CPU. */
#include "cpu/conv.h"
#include "cpu/tile.h"

#include "../../kernels/depthwise.clh"

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

clade_status CPU_NAME(depthwise)(void *context, const clade_conv2d_args *a,
                                 const conv_epilogue *epilogue)
{
    rows_job job = {.d = depthwise_forward(a),
                    .x = clade_tensor_host(&a->x),
                    .w = clade_tensor_host(&a->w),
                    .y = clade_tensor_host(&a->y),
                    .epilogue = *epilogue};
    run_rows(context, &job);
    return CLADE_OK;
}

clade_status CPU_NAME(depthwise_dx)(void *context, const clade_conv2d_dx_args *a)
{
    conv_geometry g = CONV_GEOMETRY(a);
    rows_job job = {.x = clade_tensor_host(&a->dy),
                    .w = clade_tensor_host(&a->w),
                    .y = clade_tensor_host(&a->dx)};
    for (int32_t i = 0; i < g.stride[0]; i++)
        for (int32_t k = 0; k < g.stride[1]; k++) {
            job.d = depthwise_dx(a, i, k);
            run_rows(context, &job);
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

clade_status CPU_NAME(depthwise_dw)(void *context, const clade_conv2d_dw_args *a, void *workspace)
{
    cpu_context *cpu = context;
    depthwise_dw_job job = {.a = a,
                            .g = CONV_GEOMETRY(a),
                            .parts = workspace,
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
