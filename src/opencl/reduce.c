/* Launchers of kernels/reduce.cl. */
#include "opencl/broadcast.h"
#include "opencl/ops.h"

#include "../../kernels/math.clh"

#include <math.h>

enum { strip = 4 }; /* STRIP */

static void add_chunks(opencl_plan *plan, const broadcast_sum *s, const clade_tensor *sums,
                       const clade_tensor *target, float factor, int32_t accumulate)
{
    opencl_launch l = clade_opencl_begin(plan, "reduce", "sum_add_chunks", NULL);
    clade_opencl_memory(&l, sums);
    clade_opencl_tensor(&l, target);
    clade_opencl_u64(&l, s->outputs);
    clade_opencl_u64(&l, s->chunks);
    clade_opencl_f32(&l, factor);
    clade_opencl_i32(&l, accumulate);
    clade_opencl_run_elements(&l, s->outputs);
}

void clade_opencl_sum(opencl_plan *plan, const clade_tensor *x, const clade_tensor *b, float most,
                      const clade_tensor *target, float factor, int32_t accumulate)
{
    broadcast_sum s;
    clade_broadcast_sum(x, b, target, &s);
    int32_t lanes = clade_opencl_sum_lanes(plan->cl, s.kept[3]);
    uint64_t terms = s.terms < CLADE_REDUCE_CHUNK ? s.terms : CLADE_REDUCE_CHUNK;
    uint64_t rows = s.outputs / s.kept[3], next = plan->next;
    opencl_blocks blocks =
        clade_opencl_blocks(plan->cl, rows * s.chunks, s.kept[3], lanes, terms, strip);
    const clade_tensor sums =
        clade_opencl_part(plan, clade_broadcast_workspace(&s) / sizeof(float));
    opencl_launch l =
        clade_opencl_begin_broadcast(plan, "reduce", "sum_chunks", s.x_kept, s.b_kept, lanes);
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, b ? b : x);
    clade_opencl_tensor(&l, target);
    clade_opencl_memory(&l, &sums);
    clade_opencl_i32(&l, b != NULL);
    clade_opencl_f32(&l, most);
    clade_opencl_f32(&l, factor);
    clade_opencl_i32(&l, accumulate);
    clade_opencl_u64(&l, s.chunks);
    clade_opencl_u64(&l, CLADE_REDUCE_CHUNK);
    clade_opencl_u64(&l, s.terms);
    clade_opencl_u64(&l, s.summed[1]);
    clade_opencl_u64(&l, s.x_summed[0]);
    clade_opencl_u64(&l, s.x_summed[1]);
    clade_opencl_u64(&l, s.b_summed[0]);
    clade_opencl_u64(&l, s.b_summed[1]);
    clade_opencl_u64(&l, s.outputs);
    opencl_blocks of_target = blocks;
    of_target.rows = rows;
    clade_opencl_block_arguments(&l, &of_target);
    clade_opencl_walk_arguments(&l, s.kept, s.x_kept, s.b_kept);
    clade_opencl_run_blocks(&l, &blocks);
    if (s.chunks > 1) add_chunks(plan, &s, &sums, target, factor, accumulate);
    clade_opencl_release_parts(plan, next);
}

static float weight(const clade_tensor *x, const clade_tensor *y, int32_t mean)
{
    return mean ? math_rcp((float)(clade_tensor_count(x) / clade_tensor_count(y))) : 1.0f;
}

static void reduce(opencl_plan *plan, const clade_args *args)
{
    const clade_reduce_args *a = &args->reduce;
    clade_opencl_sum(plan, &a->x, NULL, INFINITY, &a->y, weight(&a->x, &a->y, a->mean), 0);
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
    {.op = CLADE_OP_reduce, .plan = reduce},
    {.op = CLADE_OP_reduce_dx, .plan = reduce_dx},
    {.op = CLADE_OP_none},
};
