/* Group normalisation on the CPU: threads share images and, where there are many channels, blocks
 * of whole groups, each of which stays in a cache from pass to pass. */
#include "cpu/tree.h"

#include "../../kernels/group_norm.clh"

/* x as [n, area, c] in groups of `width` channels; `block` channels in each of an image's `blocks`.
 * The workspace is values of each image and channel, [n, c] each; then of each image, where
 * channels are summed and the columns' means; then where images are summed. */
typedef struct group_plan {
    cpu_tree tree;   /* of an image */
    cpu_tree images; /* of all images, [n, c] */
    int64_t area;
    int32_t n, c, width, block, blocks;
    size_t sums, means, totals; /* where those begin */
} group_plan;

/* What an op's units read and write; what it has no use for is NULL. */
typedef struct group_job {
    group_plan l;
    const float *x, *dy, *gamma, *beta;
    float *mean, *rstd;                   /* [n, groups] */
    float *p, *q, *scale, *shift, *slope; /* [n, c] */
    float *sums, *middle;                 /* [n, floats of the tree], [n, tree.width] */
    float *out;
    float eps;
    int32_t accumulate;
} group_job;

/* An image's block of channels. */
typedef struct group_unit {
    size_t image;
    int32_t first, end;
} group_unit;

static group_unit unit_of(const group_plan *l, size_t number)
{
    group_unit u = {.image = number / (size_t)l->blocks,
                    .first = (int32_t)(number % (size_t)l->blocks) * l->block};
    u.end = l->c - u.first < l->block ? l->c : u.first + l->block;
    return u;
}

/* ---- sums of channels ---- */

/* The sums of the unit's channels over its image, each at the begin of its set. */
INLINE const float *unit_sums(const group_job *j, group_unit u, const int what)
{
    const cpu_tree *t = &j->l.tree;
    const size_t sets = what == NORM_SLOPES ? 2 : 1, at = u.image * (size_t)j->l.area * t->c;
    const cpu_columns s = {.x = j->x + at,
                           .dy = j->dy ? j->dy + at : NULL,
                           .mean = j->middle + u.image * t->width,
                           .level = j->sums + u.image * cpu_tree_floats(t, sets)};
    tree_run(t, &s, 0, (size_t)u.first, (size_t)u.end, what);
    tree_join(t, &s, sets, (size_t)u.first, (size_t)u.end);
    return s.level;
}

/* Keeps the sums of the unit's channels: `to` is [n, c]. */
static void keep(const group_job *j, group_unit u, const float *sum, float *to)
{
    memcpy(to + u.image * (size_t)j->l.c + u.first, sum + u.first,
           (size_t)(u.end - u.first) * sizeof *to);
}

static void sum_channels(const group_job *j, group_unit u)
{
    keep(j, u, unit_sums(j, u, NORM_PLAIN), j->p);
}

static void square_channels(const group_job *j, group_unit u)
{
    keep(j, u, unit_sums(j, u, NORM_SQUARES), j->p);
}

/* dy, and dy (x − mean). */
static void gradient_channels(const group_job *j, group_unit u)
{
    const float *sums = unit_sums(j, u, NORM_SLOPES);
    keep(j, u, sums, j->p);
    keep(j, u, sums + j->l.tree.width, j->q);
}

/* ---- groups ---- */

/* Runs what follows for the unit's groups: `g` is the place in [n, groups], `at` that of the
 * group's first channel in [n, c], k0 that channel. */
#define FOR_GROUPS                                                                                 \
    const int32_t width = j->l.width;                                                              \
    for (int32_t k0 = u.first; k0 < u.end; k0 += width)                                            \
        for (size_t at = u.image * (size_t)j->l.c + (size_t)k0, g = at / (size_t)width, once = 1;  \
             once; once = 0)

/* The sum of n numbers, from 0. */
static float in_order(const float *p, int32_t n)
{
    float sum = 0.0f;
    for (int32_t i = 0; i < n; i++) sum += p[i];
    return sum;
}

static void fill(float *to, float value, int32_t n)
{
    for (int32_t k = 0; k < n; k++) to[k] = value;
}

/* The mean of each column of a group whose first channel is k0. */
static void fill_middle(const group_job *j, group_unit u, int32_t k0, float mean)
{
    const cpu_tree *t = &j->l.tree;
    for (size_t lane = 0; lane < t->lanes; lane++)
        fill(j->middle + u.image * t->width + lane * t->c + k0, mean, j->l.width);
}

/* The mean of the group whose channels' sums are at `sum`. */
static float mean_of(const group_job *j, const float *sum)
{
    return math_div(in_order(sum, j->l.width), (float)((u64)j->l.area * (u64)j->l.width));
}

static void find_means(const group_job *j, group_unit u)
{
    FOR_GROUPS
    {
        j->mean[g] = mean_of(j, j->p + at);
        fill_middle(j, u, k0, j->mean[g]);
    }
}

static void find_scales(const group_job *j, group_unit u)
{
    FOR_GROUPS
    {
        j->rstd[g] = math_rsqrt(mean_of(j, j->p + at) + j->eps);
        for (int32_t k = 0; k < width; k++)
            j->scale[at + (size_t)k] = j->rstd[g] * j->gamma[k0 + k];
    }
}

static void spread_means(const group_job *j, group_unit u)
{
    FOR_GROUPS fill_middle(j, u, k0, j->mean[g]);
}

static void find_slopes(const group_job *j, group_unit u)
{
    FOR_GROUPS
    {
        const float *gamma = j->gamma + k0;
        const float rstd = j->rstd[g];
        for (int32_t k = 0; k < width; k++) {
            j->q[at + (size_t)k] = rstd * j->q[at + (size_t)k];
            j->scale[at + (size_t)k] = rstd * gamma[k];
        }
        group_slopes s = group_slopes_of(gamma, j->p + at, j->q + at, rstd, width, (u64)j->l.area);
        fill(j->shift + at, s.shift, width);
        fill(j->slope + at, s.slope, width);
    }
}

/* ---- elements ---- */

/* Runs BODY(k, lanes) for each place of the unit and each vector of channels: `at` is the element,
 * `of` the place of image and channel in [n, c]. */
#define FOR_ROWS(BODY)                                                                             \
    const size_t c = (size_t)j->l.c, of = u.image * c + (size_t)u.first;                           \
    const float *middle = j->middle + u.image * j->l.tree.width + u.first;                         \
    const size_t begin = u.image * (size_t)j->l.area * c + (size_t)u.first;                        \
    for (size_t at = begin; at < begin + (size_t)j->l.area * c; at += c)                           \
    FOR_LANES(u.end - u.first, BODY)

static void apply(const group_job *j, group_unit u)
{
#define BODY(k, lanes)                                                                             \
    LANES_STORE(j->out + at + (k),                                                                 \
                norm_y(LANES_LOAD(j->x + at + (k), lanes), LANES_LOAD(middle + (k), lanes),        \
                       LANES_LOAD(j->scale + of + (k), lanes),                                     \
                       LANES_LOAD(j->beta + u.first + (k), lanes)),                                \
                lanes)
    FOR_ROWS(BODY);
#undef BODY
}

static void apply_dx(const group_job *j, group_unit u)
{
    const int32_t accumulate = j->accumulate;
#define BODY(k, lanes)                                                                             \
    lanes_put(j->out + at + (k),                                                                   \
              group_dx(LANES_LOAD(j->x + at + (k), lanes), LANES_LOAD(j->dy + at + (k), lanes),    \
                       LANES_LOAD(middle + (k), lanes), LANES_LOAD(j->scale + of + (k), lanes),    \
                       LANES_LOAD(j->shift + of + (k), lanes),                                     \
                       LANES_LOAD(j->slope + of + (k), lanes)),                                    \
              accumulate, lanes)
    FOR_ROWS(BODY);
#undef BODY
}

/* ---- ops ---- */

static clade_status plan_groups(const cpu_context *cpu, const clade_tensor *x, int32_t groups,
                                size_t values, size_t sets, clade_plan *plan)
{
    group_plan *l = clade_cpu_state(plan, sizeof *l);
    if (!l) return CLADE_ENOMEM;
    l->n = x->dim[0];
    l->c = x->dim[x->rank - 1];
    l->width = l->c / groups;
    l->area = (int64_t)(clade_tensor_count(x) / ((size_t)l->n * (size_t)l->c));
    l->tree = cpu_tree_of(l->area, (size_t)l->c, 1);
    l->block = (cpu->limits.channels + l->width - 1) / l->width * l->width;
    l->blocks = (l->c + l->block - 1) / l->block;
    const size_t n = (size_t)l->n;
    cpu_reserve(plan, values * n * (size_t)l->c);
    l->sums = cpu_reserve(plan, cpu_product(n, cpu_tree_floats(&l->tree, sets)));
    l->means = cpu_reserve(plan, n * l->tree.width);
    l->images = cpu_tree_of(l->n, (size_t)l->c, 1);
    l->totals = cpu_reserve(plan, sets > 1 ? cpu_tree_floats(&l->images, 1) : 0);
    return CLADE_OK;
}

static clade_status plan_group_norm(void *context, const clade_args *args, clade_plan *plan)
{
    return plan_groups(context, &args->group_norm.x, args->group_norm.groups, 2, 1, plan);
}

static clade_status plan_group_norm_dx(void *context, const clade_args *args, clade_plan *plan)
{
    return plan_groups(context, &args->group_norm_dx.x, args->group_norm_dx.mean.dim[1], 5, 2,
                       plan);
}

/* Value number i of each image and channel in the workspace. */
static float *value(const group_job *j, void *workspace, size_t i)
{
    return (float *)workspace + i * (size_t)j->l.n * (size_t)j->l.c;
}

static void use_workspace(group_job *j, float *workspace)
{
    j->sums = workspace + j->l.sums;
    j->middle = workspace + j->l.means;
}

static void run_units(cpu_context *cpu, const group_job *j,
                      void (*body)(const void *user, size_t first, size_t end))
{
    clade_cpu_range(cpu, (cpu_range){body, j, (size_t)j->l.n * (size_t)j->l.blocks, 1});
}

static void forward(const void *user, size_t first, size_t end)
{
    const group_job *j = user;
    for (size_t i = first; i < end; i++) {
        const group_unit u = unit_of(&j->l, i);
        sum_channels(j, u);
        find_means(j, u);
        square_channels(j, u);
        find_scales(j, u);
        apply(j, u);
    }
}

static void backward(const void *user, size_t first, size_t end)
{
    const group_job *j = user;
    for (size_t i = first; i < end; i++) {
        const group_unit u = unit_of(&j->l, i);
        spread_means(j, u);
        gradient_channels(j, u);
        find_slopes(j, u);
        if (j->out) apply_dx(j, u);
    }
}

static clade_status group_norm(void *context, const clade_args *args, const clade_plan *plan,
                               void *workspace)
{
    const clade_group_norm_args *a = &args->group_norm;
    group_job j = {.l = *(const group_plan *)plan->state,
                   .x = cpu_host(&a->x),
                   .gamma = cpu_host(&a->gamma),
                   .beta = cpu_host(&a->beta),
                   .mean = cpu_host(&a->mean),
                   .rstd = cpu_host(&a->rstd),
                   .out = cpu_host(&a->y),
                   .eps = a->eps};
    use_workspace(&j, workspace);
    j.p = value(&j, workspace, 0), j.scale = value(&j, workspace, 1);
    run_units(context, &j, forward);
    return CLADE_OK;
}

/* The gradient of a weight from each image's part of it; `level` is of the images' tree. */
static void add_images(const group_job *j, const float *part, float *level, float *target)
{
    const cpu_tree *t = &j->l.images;
    const cpu_columns s = {.x = part, .level = level};
    if (!target) return;
    tree_run(t, &s, 0, 0, t->c, NORM_PLAIN);
    tree_join(t, &s, 1, 0, t->c);
    for (size_t k = 0; k < t->c; k++) target[k] = j->accumulate ? target[k] + level[k] : level[k];
}

static clade_status group_norm_dx(void *context, const clade_args *args, const clade_plan *plan,
                                  void *workspace)
{
    const clade_group_norm_dx_args *a = &args->group_norm_dx;
    group_job j = {.l = *(const group_plan *)plan->state,
                   .x = cpu_host(&a->x),
                   .dy = cpu_host(&a->dy),
                   .gamma = cpu_host(&a->gamma),
                   .mean = cpu_host(&a->mean),
                   .rstd = cpu_host(&a->rstd),
                   .out = cpu_host(&a->dx),
                   .accumulate = a->accumulate};
    j.p = value(&j, workspace, 0), j.q = value(&j, workspace, 1);
    j.scale = value(&j, workspace, 2), j.shift = value(&j, workspace, 3);
    j.slope = value(&j, workspace, 4);
    use_workspace(&j, workspace);
    run_units(context, &j, backward);
    float *totals = (float *)workspace + j.l.totals;
    add_images(&j, j.q, totals, cpu_host(&a->dgamma));
    add_images(&j, j.p, totals, cpu_host(&a->dbeta));
    return CLADE_OK;
}

void CPU_NAME(group_norm)(cpu_op *op)
{
    op[CLADE_OP_group_norm] = (cpu_op){.plan = plan_group_norm, .run = group_norm};
    op[CLADE_OP_group_norm_dx] = (cpu_op){.plan = plan_group_norm_dx, .run = group_norm_dx};
}
