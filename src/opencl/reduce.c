/* Launchers of kernels/reduce.cl. */
#include "opencl/broadcast.h"

#include "../../kernels/math.clh"

enum { strip = 4 }; /* STRIP */

size_t clade_opencl_reduce_workspace(opencl_context *cl, clade_op op, const clade_args *args)
{
    (void)cl;
    return op == CLADE_OP_reduce ? clade_broadcast_call_workspace(op, args) : 0;
}

static clade_status add_chunks(opencl_context *cl, const broadcast_sum *s,
                               const clade_tensor *target, float factor, int32_t accumulate,
                               void *workspace)
{
    opencl_launch l = clade_opencl_begin(cl, "reduce", "sum_add_chunks", NULL);
    clade_opencl_workspace(&l, workspace);
    clade_opencl_tensor(&l, target);
    clade_opencl_u64(&l, s->outputs);
    clade_opencl_u64(&l, s->chunks);
    clade_opencl_f32(&l, factor);
    clade_opencl_i32(&l, accumulate);
    return clade_opencl_run_elements(&l, s->outputs);
}

clade_status clade_opencl_sum(opencl_context *cl, const clade_tensor *x, const clade_tensor *b,
                              const clade_tensor *target, float factor, int32_t accumulate,
                              void *workspace)
{
    broadcast_sum s;
    clade_broadcast_sum(x, b, target, &s);
    /* where lanes are many, single ones keep more of them busy */
    int32_t lanes = cl->cpu_like ? clade_opencl_row_lanes(cl, s.kept[3]) : 1;
    uint64_t terms = s.terms < CLADE_REDUCE_CHUNK ? s.terms : CLADE_REDUCE_CHUNK;
    uint64_t rows = s.outputs / s.kept[3];
    opencl_blocks blocks = clade_opencl_blocks(cl, rows * s.chunks, s.kept[3], lanes, terms);
    if (cl->cpu_like && blocks.vector_block < strip)
        blocks.vector_block = blocks.vectors < strip ? blocks.vectors : strip;
    opencl_launch l =
        clade_opencl_begin_broadcast(cl, "reduce", "sum_chunks", s.x_kept, s.b_kept, lanes);
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, b ? b : x);
    clade_opencl_tensor(&l, target);
    clade_opencl_workspace(&l, workspace);
    clade_opencl_i32(&l, b != NULL);
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
    clade_status status = clade_opencl_run_blocks(&l, &blocks);
    if (status || s.chunks == 1) return status;
    return add_chunks(cl, &s, target, factor, accumulate, workspace);
}

static float weight(const clade_tensor *x, const clade_tensor *y, int32_t mean)
{
    return mean ? math_rcp((float)(clade_tensor_count(x) / clade_tensor_count(y))) : 1.0f;
}

static clade_status reduce(void *context, const clade_reduce_args *a, void *workspace)
{
    return clade_opencl_sum(context, &a->x, NULL, &a->y, weight(&a->x, &a->y, a->mean), 0,
                            workspace);
}

static clade_status reduce_dx(void *context, const clade_reduce_dx_args *a, void *workspace)
{
    (void)workspace;
    broadcast_space space;
    clade_broadcast_space(&a->dx, &a->dy, NULL, &space);
    int32_t lanes = clade_opencl_row_lanes(context, space.size[3]);
    opencl_launch l =
        clade_opencl_begin_broadcast(context, "reduce", "broadcast_rows", space.a, space.b, lanes);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->dx);
    clade_opencl_f32(&l, weight(&a->dx, &a->dy, a->mean));
    clade_opencl_i32(&l, a->accumulate);
    return clade_opencl_run_broadcast(&l, &space, lanes);
}

void clade_opencl_reduce(const opencl_context *cl, opencl_table *table)
{
    (void)cl;
    table->reduce = reduce;
    table->reduce_dx = reduce_dx;
}
