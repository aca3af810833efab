/* Layer normalisation on the CPU: threads share rows; for gradients blocks of trees (cpu/tree.h)
 * and, where rows are long, strips of them. */
#include "cpu/tree.h"

#include "../../kernels/layer_norm.clh"

/* x as [m, d]; the blocks' sums of dgamma and dbeta, [blocks, lanes, d] each, and where rows are of
 * several strips shift and slope of each row, are in the workspace. */
typedef struct row_plan {
    cpu_tree tree;
    size_t m, strip, strips;
    int32_t d;
} row_plan;

typedef struct row_job {
    row_plan l;
    const float *x, *dy, *gamma, *beta;
    float *mean, *rstd;        /* [m] */
    float *dgamma, *dbeta;     /* [blocks, lanes, d], or NULL */
    layer_norm_slopes *slopes; /* [m] */
    float *out;
    float eps;
    int32_t accumulate;
} row_job;

static const float *row_of(const row_job *j, const float *t, size_t row)
{
    return t + row * (size_t)j->l.d;
}

static void forward_rows(const void *user, size_t first, size_t end)
{
    const row_job *j = user;
    for (size_t row = first; row < end; row++) {
        const float *x = row_of(j, j->x, row);
        const layer_norm_statistics s = layer_norm_row_statistics(x, j->l.d, j->eps);
        j->mean[row] = s.mean;
        j->rstd[row] = s.rstd;
        layer_norm_strip(x, j->gamma, j->beta, j->out + row * (size_t)j->l.d, j->l.d, s);
    }
}

/* ---- gradients ---- */

static layer_norm_slopes slopes_of(const row_job *j, size_t row)
{
    return layer_norm_row_slopes(row_of(j, j->x, row), row_of(j, j->dy, row), j->gamma,
                                 j->mean[row], j->rstd[row], j->l.d);
}

static void find_slopes(const void *user, size_t first, size_t end)
{
    const row_job *j = user;
    for (size_t row = first; row < end; row++) j->slopes[row] = slopes_of(j, row);
}

/* dx of a strip of a block's rows, and what they add to dgamma and dbeta. */
static void backward_strip(const row_job *j, size_t block, size_t at, int32_t n)
{
    const size_t lanes = j->l.tree.lanes, rows = CLADE_TREE_ROWS * lanes, d = (size_t)j->l.d;
    const size_t begin = block * rows, end = begin + rows < j->l.m ? begin + rows : j->l.m;
    for (size_t lane = end - begin; j->dgamma && lane < lanes; lane++) { /* without rows */
        const size_t to = (block * lanes + lane) * d + at;
        memset(j->dgamma + to, 0, (size_t)n * sizeof *j->dgamma);
        memset(j->dbeta + to, 0, (size_t)n * sizeof *j->dbeta);
    }
    for (size_t row = begin; row < end; row++) {
        const float *x = row_of(j, j->x, row) + at, *dy = row_of(j, j->dy, row) + at;
        const layer_norm_statistics s = {j->mean[row], j->rstd[row]};
        const size_t to = (block * lanes + row % lanes) * d + at;
        if (j->out)
            layer_norm_dx_strip(x, dy, j->gamma + at, j->out + row * d + at, n, s,
                                j->slopes ? j->slopes[row] : slopes_of(j, row), j->accumulate);
        if (j->dgamma)
            layer_norm_add_row(x, dy, j->dgamma + to, j->dbeta + to, n, s, row < begin + lanes);
    }
}

static void backward_strips(const void *user, size_t first, size_t end)
{
    const row_job *j = user;
    for (size_t i = first; i < end; i++) {
        const size_t at = i % j->l.strips * j->l.strip, left = (size_t)j->l.d - at;
        backward_strip(j, i / j->l.strips, at, (int32_t)(left < j->l.strip ? left : j->l.strip));
    }
}

/* The totals of the blocks' sums, of one of the two. */
typedef struct part_job {
    const cpu_tree *tree;
    float *part, *target;
    int32_t accumulate;
} part_job;

/* to[k] += from[k] for columns [first, end). */
static void add_columns(float *to, const float *from, size_t first, size_t end)
{
    for (size_t k = first; k < end; k++) to[k] = to[k] + from[k];
}

static void add_parts(const void *user, size_t first, size_t end)
{
    const part_job *p = user;
    const cpu_tree *t = p->tree;
    for (size_t apart = 1; apart < t->blocks; apart *= 2)
        for (size_t i = 0; i + apart < t->blocks; i += 2 * apart)
            for (size_t lane = 0; lane < t->lanes; lane++) {
                float *to = p->part + i * t->width + lane * t->c;
                add_columns(to, to + apart * t->width, first, end);
            }
    for (size_t half = t->lanes / 2; half; half /= 2)
        for (size_t lane = 0; lane < half; lane++)
            add_columns(p->part + lane * t->c, p->part + (lane + half) * t->c, first, end);
    for (size_t k = first; k < end; k++) {
        const float sum = 0.0f + p->part[k];
        p->target[k] = p->accumulate ? p->target[k] + sum : sum;
    }
}

static void add_weights(cpu_context *cpu, const row_job *j, float *part, const clade_tensor *target)
{
    if (!clade_tensor_present(target)) return;
    const part_job p = {&j->l.tree, part, clade_tensor_host(target), j->accumulate};
    clade_cpu_range(cpu, (cpu_range){add_parts, &p, (size_t)j->l.d, 1 + j->l.strip / 4});
}

/* ---- ops ---- */

static clade_status plan_layer_norm_dx(void *context, const clade_args *args, clade_plan *plan)
{
    const cpu_context *cpu = context;
    const clade_layer_norm_dx_args *a = &args->layer_norm_dx;
    row_plan *l = clade_cpu_state(plan, sizeof *l);
    if (!l) return CLADE_ENOMEM;
    const size_t d = clade_tensor_count(&a->gamma);
    l->d = (int32_t)d;
    l->m = clade_tensor_count(&a->x) / d;
    l->tree = cpu_tree_of((int64_t)l->m, d, 1);
    l->strip = (size_t)cpu->limits.strip;
    l->strips = (d + l->strip - 1) / l->strip;
    if (clade_tensor_present(&a->dgamma) || clade_tensor_present(&a->dbeta))
        cpu_reserve(plan, cpu_product(2 * l->tree.blocks, l->tree.width));
    if (l->strips > 1) cpu_reserve(plan, 2 * l->m);
    return CLADE_OK;
}

static clade_status layer_norm(void *context, const clade_args *args, const clade_plan *plan,
                               void *workspace)
{
    (void)plan, (void)workspace;
    const clade_layer_norm_args *a = &args->layer_norm;
    cpu_context *cpu = context;
    const size_t d = clade_tensor_count(&a->gamma);
    const row_job j = {.l = {.d = (int32_t)d, .m = clade_tensor_count(&a->x) / d},
                       .x = cpu_host(&a->x),
                       .gamma = cpu_host(&a->gamma),
                       .beta = cpu_host(&a->beta),
                       .mean = cpu_host(&a->mean),
                       .rstd = cpu_host(&a->rstd),
                       .out = cpu_host(&a->y),
                       .eps = a->eps};
    clade_cpu_range(cpu, (cpu_range){forward_rows, &j, j.l.m, 1 + (size_t)cpu->limits.strip / d});
    return CLADE_OK;
}

static clade_status layer_norm_dx(void *context, const clade_args *args, const clade_plan *plan,
                                  void *workspace)
{
    const clade_layer_norm_dx_args *a = &args->layer_norm_dx;
    row_job j = {.l = *(const row_plan *)plan->state,
                 .x = cpu_host(&a->x),
                 .dy = cpu_host(&a->dy),
                 .gamma = cpu_host(&a->gamma),
                 .mean = cpu_host(&a->mean),
                 .rstd = cpu_host(&a->rstd),
                 .out = cpu_host(&a->dx),
                 .accumulate = a->accumulate};
    float *next = workspace;
    if (clade_tensor_present(&a->dgamma) || clade_tensor_present(&a->dbeta)) {
        j.dgamma = next;
        j.dbeta = next + j.l.tree.blocks * j.l.tree.width;
        next = j.dbeta + j.l.tree.blocks * j.l.tree.width;
    }
    if (j.l.strips > 1 && j.out) {
        j.slopes = (layer_norm_slopes *)next;
        clade_cpu_range(context, (cpu_range){find_slopes, &j, j.l.m, 1});
    }
    clade_cpu_range(context, (cpu_range){backward_strips, &j, j.l.tree.blocks * j.l.strips, 1});
    add_weights(context, &j, j.dgamma, &a->dgamma);
    add_weights(context, &j, j.dbeta, &a->dbeta);
    return CLADE_OK;
}

void CPU_NAME(layer_norm)(cpu_op *op)
{
    op[CLADE_OP_layer_norm].run = layer_norm;
    op[CLADE_OP_layer_norm_dx] = (cpu_op){.plan = plan_layer_norm_dx, .run = layer_norm_dx};
}
