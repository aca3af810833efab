/* reduce on the CPU. Threads share units: a run of blocks of a tree (cpu/tree.h), for columns that
 * lie side by side. Where x is dense, rows of the tree are rows of memory; else terms are visited
 * one by one. */
#include "cpu/broadcast.h"

#include "../../kernels/math.clh"

enum { most_columns = 1024, most_runs = 64, most_levels = 32, least_work = 16384 };

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* A strip of columns: `n` from `first` on, of each lane; `level` has [levels, lanes, n]. */
typedef struct strip {
    size_t row, run, first, n;
    float *level;
} strip;

static size_t level_step(const sum_job *job, const strip *u) { return job->tree.lanes * u->n; }

/* Puts the sums of block i of a run into the counter of partial sums (cpu/tree.h). */
static void count_block(float *level, size_t step, size_t i, float *restrict sum, size_t n)
{
    for (; i & 1; i >>= 1, level += step)
        for (size_t k = 0; k < n; k++) sum[k] = level[k] + sum[k];
    memcpy(level, sum, n * sizeof *sum);
}

/* ---- dense ---- */

/* sum[k] += x[i step + k], in the order of i. */
static void add_columns(float *restrict sum, const float *restrict x, size_t step, size_t m,
                        size_t columns)
{
    size_t i = 0;
    for (; i + 4 <= m; i += 4) {
        const float *r = x + i * step;
        for (size_t k = 0; k < columns; k++)
            sum[k] = sum[k] + r[k] + r[step + k] + r[2 * step + k] + r[3 * step + k];
    }
    for (; i < m; i++)
        for (size_t k = 0; k < columns; k++) sum[k] += x[i * step + k];
}

/* sum + x b, or sum where b must be below and is above 0. */
INLINE float add_product(float x, float b, float sum, const bool below)
{
    const float more = FMA(x, b, sum);
    return below && b > 0.0f ? sum : more;
}

/* The same of products with b. */
INLINE void add_products(float *restrict sum, const float *restrict x, const float *restrict b,
                         size_t step, size_t m, size_t columns, const bool below)
{
    size_t i = 0;
    for (; i + 4 <= m; i += 4) {
        const float *r = x + i * step, *f = b + i * step;
        for (size_t k = 0; k < columns; k++) {
            float s = add_product(r[k], f[k], sum[k], below);
            s = add_product(r[step + k], f[step + k], s, below);
            s = add_product(r[2 * step + k], f[2 * step + k], s, below);
            sum[k] = add_product(r[3 * step + k], f[3 * step + k], s, below);
        }
    }
    for (; i < m; i++)
        for (size_t k = 0; k < columns; k++)
            sum[k] = add_product(x[i * step + k], b[i * step + k], sum[k], below);
}

/* Adds m rows of a matrix, from `at` on. */
static void add_rows(const sum_job *job, float *sum, size_t at, size_t m, size_t columns)
{
    const size_t width = job->tree.width;
    if (!job->b)
        add_columns(sum, job->x + at, width, m, columns);
    else if (job->below)
        add_products(sum, job->x + at, job->b + at, width, m, columns, true);
    else
        add_products(sum, job->x + at, job->b + at, width, m, columns, false);
}

static void sum_dense(const sum_job *job, const strip *u)
{
    const cpu_tree *t = &job->tree;
    const size_t at = u->row * job->s.terms * t->c + u->first, step = level_step(job, u);
    const size_t begin = u->run * t->run, blocks = smaller(t->blocks - begin, t->run);
    float sum[most_columns];
    for (size_t i = 0; i < blocks; i++) {
        const size_t row = (begin + i) * CLADE_TREE_ROWS;
        const size_t count = smaller(t->rows - row, CLADE_TREE_ROWS);
        memset(sum, 0, step * sizeof *sum);
        add_rows(job, sum, at + row * t->width, count, step);
        if (count < CLADE_TREE_ROWS) add_rows(job, sum, at + t->rows * t->width, 1, t->tail);
        count_block(u->level, step, i, sum, step);
    }
}

/* ---- not dense ---- */

/* The sum of a lane's block for columns from k on. */
INLINE V apart_sum(const sum_job *job, const float *x, const float *b, size_t block, size_t lane,
                   const int lanes)
{
    const broadcast_sum *s = &job->s;
    V sum = V_SPLAT(0.0f);
    size_t i = block * CLADE_TREE_ROWS * job->tree.lanes + lane;
    for (size_t r = 0; r < CLADE_TREE_ROWS && i < s->terms; r++, i += job->tree.lanes) {
        const size_t outer = i / s->summed[1], inner = i % s->summed[1];
        const V value = LANES_LOAD(x + outer * s->x_summed[0] + inner * s->x_summed[1], lanes);
        if (!b) {
            sum = sum + value;
            continue;
        }
        const float *q = b + outer * s->b_summed[0] + inner * s->b_summed[1];
        const V factor = s->b_kept[3] ? LANES_LOAD(q, lanes) : V_SPLAT(*q);
        if (job->below)
            norm_add_term(&sum, &sum, value, factor, NORM_PRODUCTS_BELOW);
        else
            norm_add_term(&sum, &sum, value, factor, NORM_PRODUCTS);
    }
    return sum;
}

static void sum_apart(const sum_job *job, const strip *u)
{
    const broadcast_sum *s = &job->s;
    const cpu_tree *t = &job->tree;
    const size_t step = level_step(job, u);
    const size_t begin = u->run * t->run, blocks = smaller(t->blocks - begin, t->run);
    row_walk w = {.size = {s->kept[0], s->kept[1], s->kept[2]},
                  .a_step = {s->x_kept[0], s->x_kept[1], s->x_kept[2]},
                  .b_step = {s->b_kept[0], s->b_kept[1], s->b_kept[2]}};
    walk_to(&w, u->row);
    const float *x = job->x + w.a + u->first;
    const float *b = job->b ? job->b + w.b + u->first * s->b_kept[3] : NULL;
    for (size_t i = 0; i < blocks; i++)
        for (size_t lane = 0; lane < t->lanes; lane++) {
#define BODY(k, lanes)                                                                             \
    do {                                                                                           \
        const float *factor = b ? b + (size_t)(k)*s->b_kept[3] : NULL;                             \
        V sum = apart_sum(job, x + (k), factor, begin + i, lane, lanes);                           \
        tree_count(u->level + lane * u->n + (size_t)(k), step, i, &sum, 1, lanes);                 \
    } while (0)
            FOR_LANES((int32_t)u->n, BODY);
#undef BODY
        }
}

/* ---- units ---- */

/* Joins the lanes of a strip, and writes its outputs. */
static void finish(const sum_job *job, const strip *u)
{
    float *sum = u->level, *target = job->target + u->row * job->width + u->first;
    for (size_t half = job->tree.lanes / 2; half; half /= 2)
        for (size_t k = 0; k < half * u->n; k++) sum[k] = sum[k] + sum[k + half * u->n];
    for (size_t k = 0; k < u->n; k++) {
        const float value = job->scale * (0.0f + sum[k]);
        target[k] = job->accumulate ? target[k] + value : value;
    }
}

/* The sums of a strip's run. */
static float *part_of(const sum_job *job, const strip *u, size_t run)
{
    return job->part + (u->row * job->tree.runs + run) * job->tree.lanes * job->width + u->first;
}

static strip strip_of(const sum_job *job, size_t unit, float *level)
{
    strip u = {.first = unit % job->strips * job->columns,
               .row = unit / job->strips % job->rows,
               .run = unit / job->strips / job->rows,
               .level = level};
    u.n = smaller(job->width - u.first, job->columns);
    return u;
}

static void sum_runs(const void *user, size_t first, size_t end)
{
    const sum_job *job = user;
    const cpu_tree *t = &job->tree;
    float level[most_levels * most_columns];
    for (size_t i = first; i < end; i++) {
        const strip u = strip_of(job, i, level);
        const size_t step = level_step(job, &u);
        if (job->s.dense)
            sum_dense(job, &u);
        else
            sum_apart(job, &u);
        tree_collapse(level, t->levels, step, smaller(t->blocks - u.run * t->run, t->run), step);
        if (t->runs == 1)
            finish(job, &u);
        else /* several lanes: all of their columns are in the strip */
            memcpy(part_of(job, &u, u.run), level, step * sizeof *level);
    }
}

/* Adds the runs' sums of a strip. */
static void join_runs(const void *user, size_t first, size_t end)
{
    const sum_job *job = user;
    for (size_t i = first; i < end; i++) {
        strip u = strip_of(job, i, NULL);
        u.level = part_of(job, &u, 0);
        for (size_t apart = 1; apart < job->tree.runs; apart *= 2)
            for (size_t run = 0; run + apart < job->tree.runs; run += 2 * apart) {
                float *to = part_of(job, &u, run), *from = part_of(job, &u, run + apart);
                for (size_t k = 0; k < level_step(job, &u); k++) to[k] = to[k] + from[k];
            }
        finish(job, &u);
    }
}

sum_job CPU_NAME(plan_sum)(const clade_tensor *x, const clade_tensor *b, const clade_tensor *target,
                           float scale, int32_t accumulate)
{
    sum_job job = {.scale = scale, .accumulate = accumulate};
    clade_broadcast_sum(x, b, target, &job.s);
    const broadcast_sum *s = &job.s;
    job.width = s->dense ? s->columns : s->kept[3];
    job.rows = s->outputs / job.width;
    const size_t units = job.rows * ((job.width + most_columns - 1) / most_columns);
    job.tree =
        cpu_tree_of((int64_t)s->terms, s->columns, units < most_runs ? most_runs / units : 1);
    return job;
}

size_t CPU_NAME(sum_workspace)(const sum_job *job)
{
    const cpu_tree *t = &job->tree;
    const size_t bytes = cpu_product(job->rows * job->width, t->runs * t->lanes * sizeof(float));
    return t->runs > 1 ? bytes : 0;
}

void CPU_NAME(sum)(cpu_context *cpu, const sum_job *planned)
{
    sum_job cut = *planned, *job = &cut;
    const cpu_tree *t = &job->tree;
    job->columns = t->lanes > 1 ? job->width : smaller(cpu->limits.columns, most_columns);
    job->strips = (job->width + job->columns - 1) / job->columns;
    const size_t units = job->rows * job->strips;
    const size_t terms = smaller(job->s.terms, t->run * CLADE_TREE_ROWS * t->lanes);
    const size_t work = terms * smaller(job->width, job->columns);
    clade_cpu_range(cpu, (cpu_range){sum_runs, job, units * t->runs, 1 + least_work / work});
    if (t->runs > 1) clade_cpu_range(cpu, (cpu_range){join_runs, job, units, 1});
}

static float weight(const clade_tensor *x, const clade_tensor *y, int32_t mean)
{
    return mean ? math_rcp((float)(clade_tensor_count(x) / clade_tensor_count(y))) : 1.0f;
}

static clade_status plan_reduce(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    const clade_reduce_args *a = &args->reduce;
    sum_job *job = clade_cpu_state(plan, sizeof *job);
    if (!job) return CLADE_ENOMEM;
    *job = CPU_NAME(plan_sum)(&a->x, NULL, &a->y, weight(&a->x, &a->y, a->mean), 0);
    plan->workspace = CPU_NAME(sum_workspace)(job);
    return CLADE_OK;
}

static clade_status reduce(void *context, const clade_args *args, const clade_plan *plan,
                           void *workspace)
{
    sum_job job = *(const sum_job *)plan->state;
    job.x = clade_tensor_host(&args->reduce.x);
    job.target = clade_tensor_host(&args->reduce.y);
    job.part = workspace;
    CPU_NAME(sum)(context, &job);
    return CLADE_OK;
}

/* alpha times a stretched gradient */
static void broadcast_row(const broadcast_job *job, float *y, const float *a, const float *b,
                          size_t n)
{
    (void)b;
    const float alpha = job->alpha, one = alpha * *a;
    const bool many = job->space.a[3] != 0;
    if (job->accumulate && many)
        EACH_ALONE for (size_t k = 0; k < n; k++) y[k] += a[k] * alpha;
    else if (job->accumulate)
        EACH_ALONE for (size_t k = 0; k < n; k++) y[k] += one;
    else if (many)
        EACH_ALONE for (size_t k = 0; k < n; k++) y[k] = a[k] * alpha;
    else
        for (size_t k = 0; k < n; k++) y[k] = one;
}

static clade_status plan_reduce_dx(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    const clade_reduce_dx_args *a = &args->reduce_dx;
    broadcast_job job = {.row = broadcast_row,
                         .alpha = weight(&a->dx, &a->dy, a->mean),
                         .accumulate = a->accumulate};
    return plan_broadcast(job, &a->dx, &a->dy, NULL, plan);
}

static clade_status reduce_dx(void *context, const clade_args *args, const clade_plan *plan,
                              void *workspace)
{
    (void)workspace;
    const clade_reduce_dx_args *a = &args->reduce_dx;
    return run_broadcast(context, *(const broadcast_job *)plan->state, &a->dx, &a->dy, NULL);
}

void CPU_NAME(reduce)(cpu_op *op)
{
    op[CLADE_OP_reduce] = (cpu_op){.plan = plan_reduce, .run = reduce};
    op[CLADE_OP_reduce_dx] = (cpu_op){.plan = plan_reduce_dx, .run = reduce_dx};
}
