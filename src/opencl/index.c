/* Launchers of kernels/index.cl. */
#include "opencl/grid.h"
#include "opencl/ops.h"

static void run(opencl_plan *plan, const char *kernel, const clade_tensor *x, const clade_tensor *y,
                uint64_t all, uint64_t packed)
{
    opencl_launch l = clade_opencl_begin(plan, "index", kernel, NULL);
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, y);
    clade_opencl_u64(&l, all);
    clade_opencl_run_each(&l, packed, 1);
}

static void index_pack(opencl_plan *plan, const clade_args *args)
{
    const clade_index_pack_args *a = &args->index_pack;
    run(plan, "index_pack", &a->x, &a->y, clade_tensor_count(&a->x), clade_tensor_count(&a->y));
}

static void index_unpack(opencl_plan *plan, const clade_args *args)
{
    const clade_index_unpack_args *a = &args->index_unpack;
    run(plan, "index_unpack", &a->x, &a->y, clade_tensor_count(&a->y), clade_tensor_count(&a->x));
}

const opencl_op clade_opencl_index_ops[] = {
    {.op = CLADE_OP_index_pack, .plan = index_pack},
    {.op = CLADE_OP_index_unpack, .plan = index_unpack},
    {.op = CLADE_OP_none},
};
