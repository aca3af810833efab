/* reduce on the CPU. Threads share units: a chunk of what is summed, for a block of columns, which
 * are outputs that lie side by side in x; or, where none do, for a few outputs whose chains of
 * additions run at the same time. */
#include "cpu/broadcast.h"

#include "../../kernels/math.clh"

#include <math.h>

enum { most_columns = 1024, chains = 8, least_work = 16384 };

/* Where a row's first element is, and its factor. */
static row_walk row_at(const broadcast_sum *s, size_t row)
{
    row_walk w = {.size = {s->kept[0], s->kept[1], s->kept[2]},
                  .a_step = {s->x_kept[0], s->x_kept[1], s->x_kept[2]},
                  .b_step = {s->b_kept[0], s->b_kept[1], s->b_kept[2]}};
    walk_to(&w, row);
    return w;
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* ---- columns ---- */

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

/* sum + x b, or sum where b is above `most`. */
static inline float add_product(float x, float b, float most, float sum)
{
    float more = FMA(x, b, sum);
    return b > most ? sum : more;
}

/* The same of products with b. `many`: each column has its own factor; else one serves a row. */
static void add_products(float *restrict sum, const float *restrict x, size_t step,
                         const float *restrict b, size_t b_step, bool many, float most, size_t m,
                         size_t columns)
{
    size_t i = 0;
    for (; many && i + 4 <= m; i += 4) {
        const float *r = x + i * step, *f = b + i * b_step;
        for (size_t k = 0; k < columns; k++) {
            float s = add_product(r[k], f[k], most, sum[k]);
            s = add_product(r[step + k], f[b_step + k], most, s);
            s = add_product(r[2 * step + k], f[2 * b_step + k], most, s);
            sum[k] = add_product(r[3 * step + k], f[3 * b_step + k], most, s);
        }
    }
    for (; many && i < m; i++)
        for (size_t k = 0; k < columns; k++)
            sum[k] = add_product(x[i * step + k], b[i * b_step + k], most, sum[k]);
    for (; i < m; i++) {
        const float f = b[i * b_step];
        for (size_t k = 0; k < columns; k++) sum[k] = add_product(x[i * step + k], f, most, sum[k]);
    }
}

static void write_sums(const sum_job *job, size_t chunk, size_t at, const float *sum, size_t n)
{
    float *part = job->part + chunk * job->s.outputs + at, *target = job->target + at;
    const float scale = job->scale;
    if (job->s.chunks > 1)
        memcpy(part, sum, n * sizeof *sum);
    else if (job->accumulate)
        for (size_t k = 0; k < n; k++) target[k] += scale * sum[k];
    else
        for (size_t k = 0; k < n; k++) target[k] = scale * sum[k];
}

static void sum_columns(const void *user, size_t first, size_t end)
{
    const sum_job *job = user;
    const broadcast_sum *s = &job->s;
    float sum[most_columns];
    for (size_t unit = first; unit < end; unit++) {
        size_t column = unit % job->blocks * job->columns, row = unit / job->blocks % job->rows;
        size_t chunk = unit / job->blocks / job->rows;
        size_t n = smaller(job->width - column, job->columns);
        row_walk w = row_at(s, row);
        size_t i = chunk * CLADE_REDUCE_CHUNK, stop = smaller(i + CLADE_REDUCE_CHUNK, s->terms);
        memset(sum, 0, n * sizeof *sum);
        while (i < stop) {
            size_t outer = i / s->summed[1], inner = i % s->summed[1];
            size_t m = smaller(s->summed[1] - inner, stop - i);
            const float *x =
                job->x + w.a + column + outer * s->x_summed[0] + inner * s->x_summed[1];
            if (job->b)
                add_products(sum, x, s->x_summed[1],
                             job->b + w.b + column * s->b_kept[3] + outer * s->b_summed[0] +
                                 inner * s->b_summed[1],
                             s->b_summed[1], s->b_kept[3] != 0, job->most, m, n);
            else
                add_columns(sum, x, s->x_summed[1], m, n);
            i += m;
        }
        write_sums(job, chunk, row * job->width + column, sum, n);
    }
}

/* ---- chains ---- */

/* One output of one chunk: x and b where it begins, if its terms are evenly spaced. */
typedef struct reduce_chain {
    const float *x, *b;
    size_t terms, row, chunk;
} reduce_chain;

static reduce_chain chain_at(const sum_job *job, size_t unit)
{
    reduce_chain c = {.row = unit % job->rows, .chunk = unit / job->rows};
    row_walk w = row_at(&job->s, c.row);
    c.terms = smaller(job->s.terms - c.chunk * CLADE_REDUCE_CHUNK, CLADE_REDUCE_CHUNK);
    c.x = job->x + w.a;
    c.b = job->b ? job->b + w.b : NULL;
    return c;
}

static float sum_chain(const sum_job *job, const reduce_chain *c)
{
    const broadcast_sum *s = &job->s;
    size_t i = c->chunk * CLADE_REDUCE_CHUNK, stop = i + c->terms;
    float sum = 0.0f;
    for (; i < stop; i++) {
        size_t outer = i / s->summed[1], inner = i % s->summed[1];
        float x = c->x[outer * s->x_summed[0] + inner * s->x_summed[1]];
        float b = c->b ? c->b[outer * s->b_summed[0] + inner * s->b_summed[1]] : 1.0f;
        sum = add_product(x, b, job->most, sum);
    }
    return sum;
}

/* As many chains of equal length as run at the same time, each over one dimension. */
static void sum_together(const sum_job *job, const reduce_chain *c, float sum[chains])
{
    const broadcast_sum *s = &job->s;
    const size_t step = s->x_summed[1], b_step = s->b_summed[1];
    const float *x[chains], *b[chains], most = job->most;
    for (int j = 0; j < chains; j++) {
        x[j] = c[j].x + c[j].chunk * CLADE_REDUCE_CHUNK * step;
        b[j] = c[j].b ? c[j].b + c[j].chunk * CLADE_REDUCE_CHUNK * b_step : NULL;
        sum[j] = 0.0f;
    }
    if (job->b)
        for (size_t i = 0; i < c->terms; i++)
            for (int j = 0; j < chains; j++)
                sum[j] = add_product(x[j][i * step], b[j][i * b_step], most, sum[j]);
    else
        for (size_t i = 0; i < c->terms; i++)
            for (int j = 0; j < chains; j++) sum[j] += x[j][i * step];
}

static void sum_chains(const void *user, size_t first, size_t end)
{
    const sum_job *job = user;
    reduce_chain c[chains];
    float sum[chains];
    for (size_t unit = first; unit < end; unit += chains) {
        size_t n = smaller(end - unit, chains);
        bool even = n == chains && job->s.summed[0] == 1;
        for (size_t j = 0; j < n; j++) {
            c[j] = chain_at(job, unit + j);
            even = even && c[j].terms == c[0].terms;
        }
        if (even) sum_together(job, c, sum);
        for (size_t j = 0; j < n; j++) {
            if (!even) sum[j] = sum_chain(job, &c[j]);
            write_sums(job, c[j].chunk, c[j].row, &sum[j], 1);
        }
    }
}

/* ---- chunks ---- */

static void add_chunks(const void *user, size_t first, size_t end)
{
    const sum_job *job = user;
    const size_t outputs = job->s.outputs;
    float sum[most_columns];
    for (size_t at = first; at < end; at += most_columns) {
        size_t n = smaller(end - at, most_columns);
        memset(sum, 0, n * sizeof *sum);
        for (size_t i = 0; i < job->s.chunks; i++)
            for (size_t k = 0; k < n; k++) sum[k] += job->part[i * outputs + at + k];
        for (size_t k = 0; k < n; k++) {
            float value = job->scale * sum[k];
            job->target[at + k] = job->accumulate ? job->target[at + k] + value : value;
        }
    }
}

sum_job CPU_NAME(plan_sum)(const clade_tensor *x, const clade_tensor *b, const clade_tensor *target,
                           float scale, int32_t accumulate)
{
    sum_job job = {.scale = scale, .most = INFINITY, .accumulate = accumulate};
    clade_broadcast_sum(x, b, target, &job.s);
    job.width = job.s.kept[3];
    job.rows = job.s.outputs / job.width;
    return job;
}

void CPU_NAME(sum)(cpu_context *cpu, const sum_job *planned)
{
    sum_job cut = *planned, *job = &cut;
    const broadcast_sum *s = &job->s;
    job->columns = smaller(cpu->limits.columns, most_columns);
    job->blocks = (job->width + job->columns - 1) / job->columns;
    size_t units = s->chunks * job->rows * job->blocks;
    size_t work = smaller(s->terms, CLADE_REDUCE_CHUNK) * smaller(job->width, job->columns);
    size_t grain = (least_work + work - 1) / work;
    bool alone = job->width == 1;
    if (alone) grain = (grain + chains - 1) / chains * chains;
    clade_cpu_range(cpu, (cpu_range){alone ? sum_chains : sum_columns, job, units, grain});
    if (s->chunks > 1) clade_cpu_range(cpu, (cpu_range){add_chunks, job, s->outputs, most_columns});
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
    plan->workspace = clade_broadcast_workspace(&job->s);
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

void CPU_NAME(reduce)(clade_op_slot *slot)
{
    slot[CLADE_OP_reduce] = (clade_op_slot){plan_reduce, reduce};
    slot[CLADE_OP_reduce_dx] = (clade_op_slot){plan_reduce_dx, reduce_dx};
}
