/* Launchers of kernels/group_norm.cl. */
#include "opencl/ops.h"
#include "opencl/tree.h"

/* x as [n, area, c] in groups of `width` channels; the tree of an image's sums. */
typedef struct group_layout {
    int32_t n, c, groups, width;
    int64_t area;
    opencl_tree tree;
    uint64_t channels; /* n c */
} group_layout;

static group_layout layout_of(const clade_tensor *x, int32_t groups)
{
    group_layout l = {.n = x->dim[0], .c = x->dim[x->rank - 1], .groups = groups};
    l.channels = (uint64_t)l.n * (uint64_t)l.c;
    l.area = (int64_t)(clade_tensor_count(x) / l.channels);
    l.width = l.c / groups;
    l.tree = clade_opencl_tree(l.area, l.c);
    return l;
}

/* ---- sums ---- */

static opencl_launch begin_sums(opencl_plan *plan, const char *kernel, const group_layout *g)
{
    return clade_opencl_begin_sums(plan, "group_norm", kernel, &g->tree);
}

/* The arguments n, area and those of a tree, and the launch. */
static void run_sums(opencl_launch *l, const group_layout *g)
{
    clade_opencl_i32(l, g->n);
    clade_opencl_u64(l, (uint64_t)g->area);
    clade_opencl_run_sums(l, &g->tree, (uint64_t)g->n);
}

/* Floats of one or two sets of blocks' sums. */
static uint64_t sum_floats(const group_layout *g, uint64_t sets)
{
    return sets * (uint64_t)g->n * (uint64_t)g->tree.blocks * g->tree.width;
}

/* ---- elements ---- */

static opencl_launch begin(opencl_plan *plan, const char *kernel, const group_layout *g)
{
    return clade_opencl_begin_tree(plan, "group_norm", kernel, (uint64_t)g->c,
                                   clade_opencl_lanes(plan->cl, (uint64_t)g->c));
}

/* The arguments n, blocks, area, rows, c; `rows` and `blocks` get those of an image. */
static void elements(opencl_launch *l, const group_layout *g, uint64_t *rows, uint64_t *blocks)
{
    const uint64_t block = l->plan->cl->limits.block_vectors;
    uint64_t vectors = (uint64_t)(g->c / clade_opencl_lanes(l->plan->cl, (uint64_t)g->c));
    *rows = vectors >= block ? 1 : block / vectors;
    if (*rows > (uint64_t)g->area) *rows = (uint64_t)g->area;
    *blocks = ((uint64_t)g->area + *rows - 1) / *rows;
    clade_opencl_u64(l, (uint64_t)g->n);
    clade_opencl_u64(l, *blocks);
    clade_opencl_u64(l, (uint64_t)g->area);
    clade_opencl_u64(l, *rows);
    clade_opencl_i32(l, g->c);
}

static void run_elements(opencl_launch *l, const group_layout *g, uint64_t rows, uint64_t blocks)
{
    uint64_t vectors = (uint64_t)(g->c / clade_opencl_lanes(l->plan->cl, (uint64_t)g->c));
    clade_opencl_run_rows(l, rows * vectors, (uint64_t)g->n * blocks);
}

/* ---- ops ---- */

/* total[n, c] from the blocks' sums of channels. */
static void join(opencl_plan *plan, const group_layout *g, const clade_tensor *partial,
                 const clade_tensor *total)
{
    const uint64_t next = plan->next;
    const opencl_sums s = clade_opencl_fold_tree(plan, &g->tree, (uint64_t)g->n, partial);
    opencl_launch l = begin_sums(plan, "group_join", g);
    clade_opencl_tensor(&l, &s.at);
    clade_opencl_tensor(&l, total);
    clade_opencl_u64(&l, (uint64_t)g->n);
    clade_opencl_i32(&l, s.n);
    clade_opencl_i32(&l, g->c);
    clade_opencl_i32(&l, (int32_t)g->tree.width);
    clade_opencl_run_tree(&l, g->tree.width, (uint64_t)g->n);
    clade_opencl_release_parts(plan, next);
}

/* The arguments n, area, c, width of kernels with a work-item for each image and group. */
static void groups(opencl_launch *l, const group_layout *g)
{
    clade_opencl_i32(l, g->n);
    clade_opencl_u64(l, (uint64_t)g->area);
    clade_opencl_i32(l, g->c);
    clade_opencl_i32(l, g->width);
}

/* mean and rstd; those of each channel, the second times gamma, go to `middle` and `scale`. */
static void statistics(opencl_plan *plan, const group_layout *g, const clade_group_norm_args *a,
                       const clade_tensor *middle, const clade_tensor *scale)
{
    const clade_tensor partial = clade_opencl_part(plan, sum_floats(g, 1));
    const clade_tensor total = clade_opencl_part(plan, g->channels);
    const uint64_t count = (uint64_t)g->n * (uint64_t)g->groups;
    opencl_launch l = begin_sums(plan, "group_sum", g);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &partial);
    run_sums(&l, g);
    join(plan, g, &partial, &total);
    l = begin(plan, "group_means", g);
    clade_opencl_tensor(&l, &total);
    clade_opencl_tensor(&l, &a->mean);
    clade_opencl_tensor(&l, middle);
    groups(&l, g);
    clade_opencl_run_elements(&l, count);

    l = begin_sums(plan, "group_square", g);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, middle);
    clade_opencl_tensor(&l, &partial);
    run_sums(&l, g);
    join(plan, g, &partial, &total);
    l = begin(plan, "group_scales", g);
    clade_opencl_tensor(&l, &total);
    clade_opencl_tensor(&l, &a->gamma);
    clade_opencl_tensor(&l, &a->rstd);
    clade_opencl_tensor(&l, scale);
    groups(&l, g);
    clade_opencl_f32(&l, a->eps);
    clade_opencl_run_elements(&l, count);
}

static void group_norm(opencl_plan *plan, const clade_args *args)
{
    const clade_group_norm_args *a = &args->group_norm;
    const group_layout g = layout_of(&a->x, a->groups);
    const clade_tensor middle = clade_opencl_part(plan, g.channels);
    const clade_tensor scale = clade_opencl_part(plan, g.channels);
    statistics(plan, &g, a, &middle, &scale);
    uint64_t rows, blocks;
    opencl_launch l = begin(plan, "group_apply", &g);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &middle);
    clade_opencl_tensor(&l, &scale);
    clade_opencl_tensor(&l, &a->beta);
    clade_opencl_tensor(&l, &a->y);
    elements(&l, &g, &rows, &blocks);
    run_elements(&l, &g, rows, blocks);
}

/* p and q of each channel into `sums`, [2, n, c]; the channels' means into `middle`. */
static void gradient_sums(opencl_plan *plan, const group_layout *g,
                          const clade_group_norm_dx_args *a, const clade_tensor *middle,
                          const clade_tensor *sums)
{
    const clade_tensor partial = clade_opencl_part(plan, sum_floats(g, 2));
    opencl_launch l = begin(plan, "group_spread", g);
    clade_opencl_tensor(&l, &a->mean);
    clade_opencl_tensor(&l, middle);
    clade_opencl_i32(&l, g->n);
    clade_opencl_i32(&l, g->c);
    clade_opencl_i32(&l, g->width);
    clade_opencl_run_elements(&l, g->channels);

    l = begin_sums(plan, "group_dsum", g);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, middle);
    clade_opencl_tensor(&l, &partial);
    run_sums(&l, g);

    const opencl_sums s = clade_opencl_fold_tree(plan, &g->tree, 2 * (uint64_t)g->n, &partial);
    l = begin_sums(plan, "group_djoin", g);
    clade_opencl_tensor(&l, &s.at);
    clade_opencl_tensor(&l, &a->rstd);
    clade_opencl_tensor(&l, sums);
    clade_opencl_u64(&l, (uint64_t)g->n);
    clade_opencl_i32(&l, s.n);
    clade_opencl_i32(&l, g->c);
    clade_opencl_i32(&l, (int32_t)g->tree.width);
    clade_opencl_i32(&l, g->width);
    clade_opencl_run_tree(&l, g->tree.width, (uint64_t)g->n);
}

/* dgamma and dbeta, the sums of q and p over images. */
static void weights(opencl_plan *plan, const group_layout *g, const clade_group_norm_dx_args *a,
                    const clade_tensor *sums)
{
    const clade_tensor *target[2] = {&a->dbeta, &a->dgamma};
    clade_tensor of = *sums;
    for (int i = 0; i < 2; i++, of.offset += g->channels)
        if (clade_tensor_present(target[i]))
            clade_opencl_sum_rows(plan, (opencl_terms){.x = &of}, 1, g->n, g->c, target[i], 1,
                                  a->accumulate);
}

static void group_norm_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_group_norm_dx_args *a = &args->group_norm_dx;
    const group_layout g = layout_of(&a->x, a->mean.dim[1]);
    const clade_tensor middle = clade_opencl_part(plan, g.channels);
    const clade_tensor sums = clade_opencl_part(plan, 2 * g.channels);
    const clade_tensor value = clade_opencl_part(plan, 3 * g.channels);
    gradient_sums(plan, &g, a, &middle, &sums);
    weights(plan, &g, a, &sums);
    if (!clade_tensor_present(&a->dx)) return;
    opencl_launch l = begin(plan, "group_values", &g);
    clade_opencl_tensor(&l, &sums);
    clade_opencl_tensor(&l, &a->gamma);
    clade_opencl_tensor(&l, &a->rstd);
    clade_opencl_tensor(&l, &value);
    groups(&l, &g);
    clade_opencl_run_elements(&l, (uint64_t)g.n * (uint64_t)g.groups);

    uint64_t rows, blocks;
    l = begin(plan, "group_apply_dx", &g);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &middle);
    clade_opencl_tensor(&l, &value);
    clade_opencl_tensor(&l, &a->dx);
    elements(&l, &g, &rows, &blocks);
    clade_opencl_i32(&l, a->accumulate);
    run_elements(&l, &g, rows, blocks);
}

const opencl_op clade_opencl_group_norm_ops[] = {
    {.op = CLADE_OP_group_norm, .halves = OPENCL_ALIKE, .plan = group_norm},
    {.op = CLADE_OP_group_norm_dx, .halves = OPENCL_ALIKE, .plan = group_norm_dx},
    {.op = CLADE_OP_none},
};
