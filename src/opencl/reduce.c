/* Launchers of kernels/reduce.cl. */
#include "opencl/broadcast.h"
#include "opencl/ops.h"
#include "opencl/tree.h"

#include "../../kernels/math.clh"

/* The blocks' sums of terms that lie apart. */
static clade_tensor sum_apart(opencl_plan *plan, const broadcast_sum *s, const opencl_tree *t,
                              const opencl_terms *terms)
{
    const uint64_t matrices = s->outputs / s->columns, lanes = t->width / t->c;
    const uint64_t rows = s->outputs / s->kept[3] * (uint64_t)t->blocks * lanes;
    const clade_tensor part = clade_opencl_part(plan, matrices * (uint64_t)t->blocks * t->width);
    const int32_t vector = clade_opencl_sum_lanes(plan->cl, s->kept[3]);
    const opencl_blocks blocks =
        clade_opencl_blocks(plan->cl, rows, s->kept[3], vector, CLADE_TREE_ROWS);
    opencl_launch l =
        clade_opencl_begin_broadcast(plan, "reduce", "sum_apart", s->x_kept, s->b_kept, vector);
    clade_opencl_tensor(&l, terms->x);
    clade_opencl_tensor(&l, terms->b ? terms->b : terms->x);
    clade_opencl_tensor(&l, &part);
    clade_opencl_i32(&l, terms->b != NULL);
    clade_opencl_i32(&l, terms->below);
    clade_opencl_u64(&l, s->terms);
    clade_opencl_u64(&l, s->summed[1]);
    clade_opencl_u64(&l, s->x_summed[0]);
    clade_opencl_u64(&l, s->x_summed[1]);
    clade_opencl_u64(&l, s->b_summed[0]);
    clade_opencl_u64(&l, s->b_summed[1]);
    clade_opencl_u64(&l, s->columns);
    clade_opencl_u64(&l, lanes);
    clade_opencl_u64(&l, (uint64_t)t->blocks);
    clade_opencl_block_arguments(&l, &blocks);
    clade_opencl_walk_arguments(&l, s->kept, s->x_kept, s->b_kept);
    clade_opencl_run_blocks(&l, &blocks);
    return part;
}

void clade_opencl_sum(opencl_plan *plan, const clade_tensor *x, const clade_tensor *b, bool below,
                      const clade_tensor *target, float factor, int32_t accumulate)
{
    broadcast_sum s;
    clade_broadcast_sum(x, b, target, &s);
    const opencl_terms terms = {x, b, below};
    const uint64_t matrices = s.outputs / s.columns, next = plan->next;
    if (s.dense) {
        clade_opencl_sum_rows(plan, terms, matrices, (int64_t)s.terms, (int64_t)s.columns, target,
                              factor, accumulate);
        return;
    }
    const opencl_tree t = clade_opencl_tree((int64_t)s.terms, (int64_t)s.columns);
    const clade_tensor part = sum_apart(plan, &s, &t, &terms);
    const opencl_sums left = clade_opencl_fold_tree(plan, &t, matrices, &part);
    clade_opencl_tree_totals(plan, &t, matrices, &left, target, factor, accumulate);
    clade_opencl_release_parts(plan, next);
}

static float weight(const clade_tensor *x, const clade_tensor *y, int32_t mean)
{
    return mean ? math_rcp((float)(clade_tensor_count(x) / clade_tensor_count(y))) : 1.0f;
}

static void reduce(opencl_plan *plan, const clade_args *args)
{
    const clade_reduce_args *a = &args->reduce;
    clade_opencl_sum(plan, &a->x, NULL, false, &a->y, weight(&a->x, &a->y, a->mean), 0);
}

static void reduce_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_reduce_dx_args *a = &args->reduce_dx;
    broadcast_space space;
    clade_broadcast_space(&a->dx, &a->dy, NULL, &space);
    int32_t lanes = clade_opencl_lanes(plan->cl, space.size[3]);
    opencl_launch l =
        clade_opencl_begin_broadcast(plan, "reduce", "broadcast_rows", space.a, space.b, lanes);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->dx);
    clade_opencl_f32(&l, weight(&a->dx, &a->dy, a->mean));
    clade_opencl_i32(&l, a->accumulate);
    clade_opencl_run_broadcast(&l, &space, lanes);
}

const opencl_op clade_opencl_reduce_ops[] = {
    {.op = CLADE_OP_reduce, .halves = OPENCL_ALIKE, .plan = reduce},
    {.op = CLADE_OP_reduce_dx, .halves = OPENCL_ALIKE, .plan = reduce_dx},
    {.op = CLADE_OP_none},
};
