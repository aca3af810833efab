/* Launchers of kernels/norm.cl. */
#include "opencl/grid.h"
#include "opencl/ops.h"

#include <stdio.h>

/* The [m, c] matrix that a tensor is, and its workspace: two sets of partial sums [chunks, c], then
 * three values per channel. */
typedef struct norm_layout {
    int64_t m, rows; /* rows of [m, c]; rows in a chunk */
    int32_t c, chunks;
    size_t second, channel[3]; /* where they begin, in floats; the first set begins at 0 */
    size_t floats;
} norm_layout;

static norm_layout norm_layout_of(const clade_tensor *x)
{
    norm_layout l = {.c = x->dim[x->rank - 1]};
    l.m = (int64_t)(clade_tensor_count(x) / (size_t)l.c);
    l.chunks = clade_row_chunks(l.m, &l.rows);
    l.second = (size_t)l.chunks * (size_t)l.c;
    for (size_t i = 0; i < 3; i++) l.channel[i] = 2 * l.second + i * (size_t)l.c;
    l.floats = 2 * l.second + 3 * (size_t)l.c;
    return l;
}

/* Vectors side by side that a work-item sums. */
static int32_t vectors_at_once(const opencl_context *cl, int32_t c)
{
    return clade_opencl_sum_vectors(cl, c / clade_opencl_lanes(cl, c));
}

static opencl_launch begin(opencl_plan *plan, const char *kernel, int32_t c)
{
    char options[16];
    snprintf(options, sizeof options, "-DNV=%d", vectors_at_once(plan->cl, c));
    return clade_opencl_begin_lanes(plan, "norm", kernel, c, options);
}

/* The arguments m, rows, chunks, c, and the launch: a row of vectors for each chunk. */
static void run_sums(opencl_launch *l, const norm_layout *n)
{
    clade_opencl_u64(l, (uint64_t)n->m);
    clade_opencl_u64(l, (uint64_t)n->rows);
    clade_opencl_i32(l, n->chunks);
    clade_opencl_i32(l, n->c);
    int32_t at_once = clade_opencl_lanes(l->plan->cl, n->c) * vectors_at_once(l->plan->cl, n->c);
    clade_opencl_run_rows(l, (uint64_t)(n->c / at_once), (uint64_t)n->chunks);
}

static uint64_t block_rows(const opencl_launch *l, const norm_layout *n)
{
    const uint64_t block = l->plan->cl->limits.block_vectors,
                   vectors = (uint64_t)(n->c / clade_opencl_lanes(l->plan->cl, n->c));
    return vectors >= block ? 1 : block / vectors;
}

/* The arguments m, rows, c of kernels that work element by element. */
static void elements(opencl_launch *l, const norm_layout *n)
{
    clade_opencl_u64(l, (uint64_t)n->m);
    clade_opencl_u64(l, block_rows(l, n));
    clade_opencl_i32(l, n->c);
}

static void run_elements(opencl_launch *l, const norm_layout *n)
{
    uint64_t rows = block_rows(l, n),
             vectors = (uint64_t)(n->c / clade_opencl_lanes(l->plan->cl, n->c));
    clade_opencl_run_rows(l, rows * vectors, ((uint64_t)n->m + rows - 1) / rows);
}

/* The partial sums of a call, at the front of the workspace; `channel` gets where the values of
 * each channel begin. */
static clade_tensor sums_of(opencl_plan *plan, const norm_layout *n, clade_tensor *channel)
{
    const clade_tensor sums = clade_opencl_part(plan, n->floats);
    *channel = sums;
    channel->offset += n->channel[0];
    return sums;
}

static void apply(opencl_plan *plan, const norm_layout *n, const clade_tensor *x,
                  const clade_tensor *mean, const clade_tensor *scale, const clade_tensor *beta,
                  const clade_tensor *y)
{
    opencl_launch l = begin(plan, "norm_apply", n->c);
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, mean);
    clade_opencl_tensor(&l, scale);
    clade_opencl_tensor(&l, beta);
    clade_opencl_tensor(&l, y);
    elements(&l, n);
    run_elements(&l, n);
}

/* The sums of x or, with `mean`, of (x − mean)². */
static void sum(opencl_plan *plan, const norm_layout *n, const clade_tensor *x,
                const clade_tensor *mean, const clade_tensor *sums)
{
    opencl_launch l = begin(plan, mean ? "norm_square" : "norm_sum", n->c);
    clade_opencl_tensor(&l, x);
    if (mean) clade_opencl_tensor(&l, mean);
    clade_opencl_memory(&l, sums);
    run_sums(&l, n);
}

static void batchnorm(opencl_plan *plan, const clade_args *args)
{
    const clade_batchnorm_args *a = &args->batchnorm;
    const norm_layout n = norm_layout_of(&a->x);
    clade_tensor channel;
    const clade_tensor sums = sums_of(plan, &n, &channel);
    sum(plan, &n, &a->x, NULL, &sums);

    opencl_launch l = begin(plan, "norm_mean", n.c);
    clade_opencl_memory(&l, &sums);
    clade_opencl_tensor(&l, &a->mean);
    clade_opencl_u64(&l, (uint64_t)n.m);
    clade_opencl_i32(&l, n.chunks);
    clade_opencl_i32(&l, n.c);
    clade_opencl_run_elements(&l, (uint64_t)n.c);

    sum(plan, &n, &a->x, &a->mean, &sums);
    l = begin(plan, "norm_rstd", n.c);
    clade_opencl_memory(&l, &sums);
    clade_opencl_tensor(&l, &a->gamma);
    clade_opencl_tensor(&l, &a->mean);
    clade_opencl_tensor(&l, &a->rstd);
    clade_opencl_tensor(&l, &a->running_mean);
    clade_opencl_tensor(&l, &a->running_var);
    clade_opencl_tensor(&l, &channel);
    clade_opencl_u64(&l, (uint64_t)n.m);
    clade_opencl_i32(&l, n.chunks);
    clade_opencl_i32(&l, n.c);
    clade_opencl_f32(&l, a->eps);
    clade_opencl_f32(&l, a->momentum);
    clade_opencl_i32(&l, a->unbiased);
    clade_opencl_run_elements(&l, (uint64_t)n.c);
    apply(plan, &n, &a->x, &a->mean, &channel, &a->beta, &a->y);
}

/* The sums of dy and dy (x − mean). */
static void gradient_sums(opencl_plan *plan, const norm_layout *n, const clade_tensor *x,
                          const clade_tensor *dy, const clade_tensor *mean,
                          const clade_tensor *sums)
{
    opencl_launch l = begin(plan, "norm_dsum", n->c);
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, dy);
    clade_opencl_tensor(&l, mean);
    clade_opencl_memory(&l, sums);
    run_sums(&l, n);
}

static void apply_dx(opencl_plan *plan, const norm_layout *n, const clade_tensor *x,
                     const clade_tensor *dy, const clade_tensor *mean, const clade_tensor *channel,
                     const clade_tensor *dx, int32_t accumulate)
{
    opencl_launch l = begin(plan, "norm_apply_dx", n->c);
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, dy);
    clade_opencl_tensor(&l, mean);
    clade_opencl_tensor(&l, channel);
    clade_opencl_tensor(&l, dx);
    elements(&l, n);
    clade_opencl_i32(&l, accumulate);
    run_elements(&l, n);
}

static void batchnorm_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_batchnorm_dx_args *a = &args->batchnorm_dx;
    const norm_layout n = norm_layout_of(&a->x);
    clade_tensor channel;
    const clade_tensor sums = sums_of(plan, &n, &channel);
    gradient_sums(plan, &n, &a->x, &a->dy, &a->mean, &sums);

    opencl_launch l = begin(plan, "norm_slopes_train", n.c);
    clade_opencl_tensor(&l, &channel);
    clade_opencl_tensor(&l, &a->gamma);
    clade_opencl_tensor(&l, &a->rstd);
    clade_opencl_tensor(&l, &a->dgamma);
    clade_opencl_tensor(&l, &a->dbeta);
    clade_opencl_u64(&l, (uint64_t)n.m);
    clade_opencl_i32(&l, n.chunks);
    clade_opencl_i32(&l, n.c);
    clade_opencl_i32(&l, a->accumulate);
    clade_opencl_run_elements(&l, (uint64_t)n.c);

    apply_dx(plan, &n, &a->x, &a->dy, &a->mean, &channel, &a->dx, a->accumulate);
}

static void batchnorm_sum(opencl_plan *plan, const clade_args *args)
{
    const clade_batchnorm_sum_args *a = &args->batchnorm_sum;
    const norm_layout n = norm_layout_of(&a->x);
    const clade_tensor sums = clade_opencl_part(plan, n.second);
    sum(plan, &n, &a->x, clade_tensor_present(&a->mean) ? &a->mean : NULL, &sums);
    opencl_launch l = begin(plan, "norm_totals", n.c);
    clade_opencl_memory(&l, &sums);
    clade_opencl_tensor(&l, &a->sum);
    clade_opencl_i32(&l, n.chunks);
    clade_opencl_i32(&l, n.c);
    clade_opencl_run_elements(&l, (uint64_t)n.c);
}

static void batchnorm_sync_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_batchnorm_sync_dx_args *a = &args->batchnorm_sync_dx;
    const norm_layout n = norm_layout_of(&a->x);
    const clade_tensor channel = clade_opencl_part(plan, 3 * (uint64_t)n.c);
    opencl_launch l = begin(plan, "norm_slopes_sync", n.c);
    clade_opencl_tensor(&l, &channel);
    clade_opencl_tensor(&l, &a->gamma);
    clade_opencl_tensor(&l, &a->var);
    clade_opencl_tensor(&l, &a->means);
    clade_opencl_i32(&l, n.c);
    clade_opencl_f32(&l, a->eps);
    clade_opencl_run_elements(&l, (uint64_t)n.c);
    apply_dx(plan, &n, &a->x, &a->dy, &a->mean, &channel, &a->dx, a->accumulate);
}

void clade_opencl_norm_scale(opencl_plan *plan, const clade_tensor *gamma, const clade_tensor *var,
                             float eps, const clade_tensor *scale)
{
    opencl_launch l = begin(plan, "norm_scale", var->dim[0]);
    clade_opencl_tensor(&l, gamma);
    clade_opencl_tensor(&l, var);
    clade_opencl_tensor(&l, scale);
    clade_opencl_i32(&l, var->dim[0]);
    clade_opencl_f32(&l, eps);
    clade_opencl_run_elements(&l, (uint64_t)var->dim[0]);
}

static void batchnorm_infer(opencl_plan *plan, const clade_args *args)
{
    const clade_batchnorm_infer_args *a = &args->batchnorm_infer;
    const norm_layout n = norm_layout_of(&a->x);
    const clade_tensor channel = clade_opencl_part(plan, (uint64_t)n.c);
    clade_opencl_norm_scale(plan, &a->gamma, &a->var, a->eps, &channel);
    apply(plan, &n, &a->x, &a->mean, &channel, &a->beta, &a->y);
}

static void batchnorm_infer_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_batchnorm_infer_dx_args *a = &args->batchnorm_infer_dx;
    const norm_layout n = norm_layout_of(&a->x);
    clade_tensor channel;
    const clade_tensor sums = sums_of(plan, &n, &channel);
    bool has_dgamma = clade_tensor_present(&a->dgamma), has_dbeta = clade_tensor_present(&a->dbeta);
    if (has_dgamma || has_dbeta) {
        gradient_sums(plan, &n, &a->x, &a->dy, &a->mean, &sums);
        opencl_launch l = begin(plan, "norm_slopes_infer", n.c);
        clade_opencl_memory(&l, &sums);
        clade_opencl_tensor(&l, &a->var);
        clade_opencl_tensor(&l, &a->dgamma);
        clade_opencl_tensor(&l, &a->dbeta);
        clade_opencl_i32(&l, has_dgamma);
        clade_opencl_i32(&l, has_dbeta);
        clade_opencl_i32(&l, n.chunks);
        clade_opencl_i32(&l, n.c);
        clade_opencl_f32(&l, a->eps);
        clade_opencl_i32(&l, a->accumulate);
        clade_opencl_run_elements(&l, (uint64_t)n.c);
    }
    if (!clade_tensor_present(&a->dx)) return;
    clade_opencl_norm_scale(plan, &a->gamma, &a->var, a->eps, &channel);
    opencl_launch l = begin(plan, "norm_apply_infer_dx", n.c);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &channel);
    clade_opencl_tensor(&l, &a->dx);
    elements(&l, &n);
    clade_opencl_i32(&l, a->accumulate);
    run_elements(&l, &n);
}

const opencl_op clade_opencl_norm_ops[] = {
    {.op = CLADE_OP_batchnorm, .plan = batchnorm},
    {.op = CLADE_OP_batchnorm_dx, .plan = batchnorm_dx},
    {.op = CLADE_OP_batchnorm_sum, .plan = batchnorm_sum},
    {.op = CLADE_OP_batchnorm_sync_dx, .plan = batchnorm_sync_dx},
    {.op = CLADE_OP_batchnorm_infer, .plan = batchnorm_infer},
    {.op = CLADE_OP_batchnorm_infer_dx, .plan = batchnorm_infer_dx},
    {.op = CLADE_OP_none},
};
