/* Launchers of kernels/tree.cl. */
#include "opencl/tree.h"

#include "../../kernels/tree.clh"

#include <assert.h>
#include <stdio.h>

static_assert(TREE_ROWS == CLADE_TREE_ROWS, "one definition");

opencl_tree clade_opencl_tree(int64_t m, int64_t c)
{
    const int32_t lanes = c < TREE_COLUMNS ? clade_tree_lanes((int32_t)c) : 1;
    opencl_tree t = {.rows = (uint64_t)(m / lanes), .c = (uint64_t)c};
    t.width = (uint64_t)lanes * t.c;
    t.tail = lanes > 1 ? (int32_t)(m % lanes * c) : 0;
    t.blocks = (int32_t)((t.rows + (t.tail > 0) + TREE_ROWS - 1) / TREE_ROWS);
    return t;
}

/* Work-items of a group that share a column; 0: there are no groups that are large enough. */
static size_t teams(const opencl_context *cl)
{
    const size_t most = TREE_FOLD / TREE_RUN, fit = cl->group_size / TREE_COLUMNS;
    return cl->cpu_like ? 0 : fit >= most ? most : fit > 2 ? 2 : fit;
}

static opencl_launch begin(opencl_plan *plan, clade_dtype stored, const char *family,
                           const char *kernel, uint64_t width, int32_t lanes)
{
    char options[64];
    snprintf(options, sizeof options, "-DVW=%d -DNV=%d -DTREE_TEAMS=%zu", lanes,
             clade_opencl_sum_vectors(plan->cl, width / (uint64_t)lanes), teams(plan->cl));
    return clade_opencl_begin_stored(plan, stored, family, kernel, options);
}

opencl_launch clade_opencl_begin_tree(opencl_plan *plan, const char *family, const char *kernel,
                                      uint64_t width, int32_t lanes)
{
    return begin(plan, plan->stored, family, kernel, width, lanes);
}

opencl_launch clade_opencl_begin_sums(opencl_plan *plan, const char *family, const char *kernel,
                                      const opencl_tree *t)
{
    return clade_opencl_begin_tree(plan, family, kernel, t->width,
                                   clade_opencl_sum_lanes(plan->cl, t->width));
}

void clade_opencl_run_sums(opencl_launch *l, const opencl_tree *t, uint64_t matrices)
{
    const opencl_context *cl = l->plan->cl;
    const uint64_t lanes = (uint64_t)clade_opencl_sum_lanes(cl, t->width);
    const uint64_t at_once = lanes * (uint64_t)clade_opencl_sum_vectors(cl, t->width / lanes);
    clade_opencl_u64(l, t->rows);
    clade_opencl_i32(l, t->tail);
    clade_opencl_i32(l, t->blocks);
    clade_opencl_u64(l, t->c);
    clade_opencl_u64(l, t->width);
    clade_opencl_run_rows(l, t->width / at_once, matrices * (uint64_t)t->blocks);
}

void clade_opencl_run_tree(opencl_launch *l, uint64_t columns, uint64_t matrices)
{
    const opencl_context *cl = l->plan->cl;
    const size_t local[2] = {teams(cl) ? TREE_COLUMNS : 1, teams(cl) ? teams(cl) : 1};
    const size_t groups = matrices < cl->limits.groups ? matrices : cl->limits.groups;
    const size_t global[2] = {(columns + local[0] - 1) / local[0] * local[0], groups * local[1]};
    clade_opencl_run_grid(l, 2, global, local);
}

opencl_sums clade_opencl_fold_tree(opencl_plan *plan, const opencl_tree *t, uint64_t matrices,
                                   const clade_tensor *sums)
{
    opencl_sums s = {*sums, t->blocks};
    const int32_t fold = plan->cl->limits.fold;
    while (s.n > fold) {
        const uint64_t segments = ((uint64_t)s.n + (uint64_t)fold - 1) / (uint64_t)fold;
        const clade_tensor to = clade_opencl_part(plan, matrices * segments * t->width);
        opencl_launch l = begin(plan, CLADE_F32, "tree", "tree_fold", t->width,
                                clade_opencl_sum_lanes(plan->cl, t->width));
        clade_opencl_tensor(&l, &s.at);
        clade_opencl_tensor(&l, &to);
        clade_opencl_u64(&l, matrices);
        clade_opencl_i32(&l, s.n);
        clade_opencl_u64(&l, t->width);
        clade_opencl_i32(&l, fold);
        clade_opencl_run_tree(&l, t->width, matrices * segments);
        s = (opencl_sums){to, (int32_t)segments};
    }
    return s;
}

void clade_opencl_tree_totals(opencl_plan *plan, const opencl_tree *t, uint64_t matrices,
                              const opencl_sums *s, const clade_tensor *target, float factor,
                              int32_t accumulate)
{
    opencl_launch l = begin(plan, target->dtype, "tree", "tree_totals", t->width,
                            clade_opencl_sum_lanes(plan->cl, t->width));
    clade_opencl_tensor(&l, &s->at);
    clade_opencl_tensor(&l, target);
    clade_opencl_i32(&l, clade_dtype_is_half(target->dtype));
    clade_opencl_u64(&l, matrices);
    clade_opencl_f32(&l, factor);
    clade_opencl_i32(&l, accumulate);
    clade_opencl_i32(&l, s->n);
    clade_opencl_u64(&l, t->c);
    clade_opencl_u64(&l, t->width);
    clade_opencl_run_tree(&l, t->width, matrices);
}

/* A kernel with the arguments x, b, to, narrow, has_b, below, matrices, floats, factor, accumulate.
 */
static opencl_launch begin_terms(opencl_plan *plan, const char *kernel, const opencl_tree *t,
                                 const opencl_terms *terms, const clade_tensor *to,
                                 uint64_t matrices, uint64_t floats, float factor,
                                 int32_t accumulate)
{
    opencl_launch l = begin(plan, terms->x->dtype, "tree", kernel, t->width,
                            clade_opencl_sum_lanes(plan->cl, t->width));
    clade_opencl_tensor(&l, terms->x);
    clade_opencl_tensor(&l, terms->b ? terms->b : terms->x);
    clade_opencl_tensor(&l, to);
    clade_opencl_i32(&l, clade_dtype_is_half(to->dtype));
    clade_opencl_i32(&l, terms->b != NULL);
    clade_opencl_i32(&l, terms->below);
    clade_opencl_u64(&l, matrices);
    clade_opencl_u64(&l, floats);
    clade_opencl_f32(&l, factor);
    clade_opencl_i32(&l, accumulate);
    return l;
}

/* The last arguments of tree_small, and its launch. */
static void run_small(opencl_launch *l, const opencl_tree *t, uint64_t matrices, uint64_t floats)
{
    enum { block = 4096 }; /* floats of a work-item's matrices on a wide core */
    const opencl_context *cl = l->plan->cl;
    clade_opencl_u64(l, t->rows);
    clade_opencl_i32(l, t->tail);
    clade_opencl_i32(l, (int32_t)t->c);
    clade_opencl_i32(l, (int32_t)t->width);
    if (teams(cl))
        clade_opencl_run_tree(l, t->width, (matrices + teams(cl) - 1) / teams(cl));
    else
        clade_opencl_run_long(l, clade_opencl_shares(cl, matrices, 1 + block / floats));
}

void clade_opencl_sum_rows(opencl_plan *plan, opencl_terms terms, uint64_t matrices, int64_t m,
                           int64_t c, const clade_tensor *target, float factor, int32_t accumulate)
{
    const opencl_tree t = clade_opencl_tree(m, c);
    const bool whole = t.blocks == 1 && t.width == t.c;
    const uint64_t next = plan->next, floats = (uint64_t)m * t.c;
    opencl_launch l;
    if (t.blocks == 1 && !whole) {
        l = begin_terms(plan, "tree_small", &t, &terms, target, matrices, floats, factor,
                        accumulate);
        run_small(&l, &t, matrices, floats);
        return;
    }
    const clade_tensor sums =
        whole ? *target : clade_opencl_part(plan, matrices * (uint64_t)t.blocks * t.width);
    l = begin_terms(plan, "tree_sums", &t, &terms, &sums, matrices, floats, factor, accumulate);
    clade_opencl_run_sums(&l, &t, matrices);
    if (whole) return;
    const opencl_sums left = clade_opencl_fold_tree(plan, &t, matrices, &sums);
    clade_opencl_tree_totals(plan, &t, matrices, &left, target, factor, accumulate);
    clade_opencl_release_parts(plan, next);
}
