/* The table of all ops, and what is known of each. */
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

clade_dtype clade_opencl_stored(clade_op op, const clade_args *args, bool mixed)
{
    const clade_op_info *info = clade_op_describe(op);
    clade_dtype stored = CLADE_F32;
    bool any = false;
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &args->slot[i];
        if (info->slots[i].dtype != CLADE_SLOT_FLOAT || !clade_tensor_present(t)) continue;
        if (mixed && t->dtype == CLADE_F32) continue;
        if (any && t->dtype != stored) return CLADE_F32;
        stored = t->dtype;
        any = true;
    }
    return stored;
}
