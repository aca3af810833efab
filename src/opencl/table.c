/* The table of all ops. */
#include "opencl/table.h"

const opencl_op *clade_opencl_op(clade_op op)
{
    static const opencl_op *const families[] = {
#define FAMILY(name) clade_opencl_##name##_ops,
        OPENCL_FAMILIES(FAMILY)
#undef FAMILY
    };
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (const opencl_op *o = families[i]; o->op != CLADE_OP_none; o++)
            if (o->op == op) return o;
    return NULL;
}
