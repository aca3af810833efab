/* The launcher of kernels/cast.cl. */
#include "opencl/grid.h"
#include "opencl/ops.h"

#include <stdio.h>

static void cast(opencl_plan *plan, const clade_args *args)
{
    static const char *const name[] = {
        [CLADE_F32] = "f32", [CLADE_BF16] = "bf16", [CLADE_F16] = "f16"};
    static const char *const bits[] = {
        [CLADE_F32] = "uint", [CLADE_BF16] = "ushort", [CLADE_F16] = "ushort"};
    const clade_cast_args *a = &args->cast;
    const clade_dtype of = a->x.dtype, to = a->y.dtype;
    char options[80];
    snprintf(options, sizeof options, "-DOF=%s -DOF_BITS=%s -DTO=%s -DTO_BITS=%s", name[of],
             bits[of], name[to], bits[to]);
    opencl_launch l = clade_opencl_begin_stored(plan, CLADE_F32, "cast", "cast", options);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_run_each(&l, clade_tensor_count(&a->x), 1);
}

const opencl_op clade_opencl_cast_ops[] = {
    {.op = CLADE_OP_cast, .halves = OPENCL_EACH, .plan = cast},
    {.op = CLADE_OP_none},
};
