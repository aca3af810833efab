/* Launchers of kernels/norm.cl. */
#include "opencl/ops.h"
#include "opencl/tree.h"

/* The [m, c] matrix that a tensor is. */
typedef struct norm_layout {
    int64_t m;
    int32_t c;
    opencl_tree tree;
} norm_layout;

static norm_layout norm_layout_of(const clade_tensor *x)
{
    norm_layout l = {.c = x->dim[x->rank - 1]};
    l.m = (int64_t)(clade_tensor_count(x) / (size_t)l.c);
    l.tree = clade_opencl_tree(l.m, l.c);
    return l;
}

static opencl_launch begin(opencl_plan *plan, const char *kernel, int32_t c)
{
    return clade_opencl_begin_tree(plan, "norm", kernel, (uint64_t)c,
                                   clade_opencl_lanes(plan->cl, (uint64_t)c));
}

static opencl_launch begin_sums(opencl_plan *plan, const char *kernel, const norm_layout *n)
{
    return clade_opencl_begin_sums(plan, "norm", kernel, &n->tree);
}

/* ---- sums ---- */

/* The sums of x or, with `mean`, of (x − mean)²: what is left of them to be added. */
static opencl_sums sum(opencl_plan *plan, const norm_layout *n, const clade_tensor *x,
                       const clade_tensor *mean)
{
    const clade_tensor sums = clade_opencl_part(plan, (uint64_t)n->tree.blocks * n->tree.width);
    opencl_launch l = begin_sums(plan, mean ? "norm_square" : "norm_sum", n);
    clade_opencl_tensor(&l, x);
    if (mean) clade_opencl_tensor(&l, mean);
    clade_opencl_tensor(&l, &sums);
    clade_opencl_run_sums(&l, &n->tree, 1);
    return clade_opencl_fold_tree(plan, &n->tree, 1, &sums);
}

/* The sums of dy and dy (x − mean). */
static opencl_sums gradient_sums(opencl_plan *plan, const norm_layout *n, const clade_tensor *x,
                                 const clade_tensor *dy, const clade_tensor *mean)
{
    const clade_tensor sums = clade_opencl_part(plan, 2 * (uint64_t)n->tree.blocks * n->tree.width);
    opencl_launch l = begin_sums(plan, "norm_dsum", n);
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, dy);
    clade_opencl_tensor(&l, mean);
    clade_opencl_tensor(&l, &sums);
    clade_opencl_run_sums(&l, &n->tree, 1);
    return clade_opencl_fold_tree(plan, &n->tree, 2, &sums);
}

/* The arguments n, c, width of kernels that add what is left. */
static void left(opencl_launch *l, const norm_layout *n, const opencl_sums *s)
{
    clade_opencl_i32(l, s->n);
    clade_opencl_i32(l, n->c);
    clade_opencl_i32(l, (int32_t)n->tree.width);
}

/* Their launch; lanes are all in one group. */
static void run_channels(opencl_launch *l, const norm_layout *n)
{
    clade_opencl_run_tree(l, n->tree.width, 1);
}

/* ---- elements ---- */

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

static void batchnorm(opencl_plan *plan, const clade_args *args)
{
    const clade_batchnorm_args *a = &args->batchnorm;
    const norm_layout n = norm_layout_of(&a->x);
    const clade_tensor channel = clade_opencl_part(plan, (uint64_t)n.c);
    const uint64_t next = plan->next;
    opencl_sums sums = sum(plan, &n, &a->x, NULL);
    opencl_launch l = begin_sums(plan, "norm_mean", &n);
    clade_opencl_tensor(&l, &sums.at);
    clade_opencl_tensor(&l, &a->mean);
    clade_opencl_u64(&l, (uint64_t)n.m);
    left(&l, &n, &sums);
    run_channels(&l, &n);

    clade_opencl_release_parts(plan, next);
    sums = sum(plan, &n, &a->x, &a->mean);
    l = begin_sums(plan, "norm_rstd", &n);
    clade_opencl_tensor(&l, &sums.at);
    clade_opencl_tensor(&l, &a->gamma);
    clade_opencl_tensor(&l, &a->mean);
    clade_opencl_tensor(&l, &a->rstd);
    clade_opencl_tensor(&l, &a->running_mean);
    clade_opencl_tensor(&l, &a->running_var);
    clade_opencl_tensor(&l, &channel);
    clade_opencl_u64(&l, (uint64_t)n.m);
    left(&l, &n, &sums);
    clade_opencl_f32(&l, a->eps);
    clade_opencl_f32(&l, a->momentum);
    clade_opencl_i32(&l, a->unbiased);
    run_channels(&l, &n);
    apply(plan, &n, &a->x, &a->mean, &channel, &a->beta, &a->y);
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
    const clade_tensor channel = clade_opencl_part(plan, 3 * (uint64_t)n.c);
    const opencl_sums sums = gradient_sums(plan, &n, &a->x, &a->dy, &a->mean);
    opencl_launch l = begin_sums(plan, "norm_slopes_train", &n);
    clade_opencl_tensor(&l, &sums.at);
    clade_opencl_tensor(&l, &channel);
    clade_opencl_tensor(&l, &a->gamma);
    clade_opencl_tensor(&l, &a->rstd);
    clade_opencl_tensor(&l, &a->dgamma);
    clade_opencl_tensor(&l, &a->dbeta);
    clade_opencl_u64(&l, (uint64_t)n.m);
    left(&l, &n, &sums);
    clade_opencl_i32(&l, a->accumulate);
    run_channels(&l, &n);
    apply_dx(plan, &n, &a->x, &a->dy, &a->mean, &channel, &a->dx, a->accumulate);
}

static void batchnorm_sum(opencl_plan *plan, const clade_args *args)
{
    const clade_batchnorm_sum_args *a = &args->batchnorm_sum;
    const norm_layout n = norm_layout_of(&a->x);
    const opencl_sums sums = sum(plan, &n, &a->x, clade_tensor_present(&a->mean) ? &a->mean : NULL);
    opencl_launch l = begin_sums(plan, "norm_totals", &n);
    clade_opencl_tensor(&l, &sums.at);
    clade_opencl_tensor(&l, &a->sum);
    left(&l, &n, &sums);
    run_channels(&l, &n);
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
    bool has_dgamma = clade_tensor_present(&a->dgamma), has_dbeta = clade_tensor_present(&a->dbeta);
    if (has_dgamma || has_dbeta) {
        const opencl_sums sums = gradient_sums(plan, &n, &a->x, &a->dy, &a->mean);
        opencl_launch l = begin_sums(plan, "norm_slopes_infer", &n);
        clade_opencl_tensor(&l, &sums.at);
        clade_opencl_tensor(&l, &a->var);
        clade_opencl_tensor(&l, &a->dgamma);
        clade_opencl_tensor(&l, &a->dbeta);
        clade_opencl_i32(&l, has_dgamma);
        clade_opencl_i32(&l, has_dbeta);
        left(&l, &n, &sums);
        clade_opencl_f32(&l, a->eps);
        clade_opencl_i32(&l, a->accumulate);
        run_channels(&l, &n);
    }
    if (!clade_tensor_present(&a->dx)) return;
    const clade_tensor channel = clade_opencl_part(plan, (uint64_t)n.c);
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
    {.op = CLADE_OP_batchnorm, .halves = OPENCL_ALIKE, .plan = batchnorm},
    {.op = CLADE_OP_batchnorm_dx, .halves = OPENCL_ALIKE, .plan = batchnorm_dx},
    {.op = CLADE_OP_batchnorm_sum, .halves = OPENCL_ALIKE, .plan = batchnorm_sum},
    {.op = CLADE_OP_batchnorm_sync_dx, .halves = OPENCL_ALIKE, .plan = batchnorm_sync_dx},
    {.op = CLADE_OP_batchnorm_infer, .halves = OPENCL_ALIKE, .plan = batchnorm_infer},
    {.op = CLADE_OP_batchnorm_infer_dx, .halves = OPENCL_ALIKE, .plan = batchnorm_infer_dx},
    {.op = CLADE_OP_none},
};
