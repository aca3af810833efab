/* What a call costs by its shapes: operations and memory traffic. */
#include "bench/bench.h"

static double count(const clade_tensor *t)
{
    return clade_tensor_present(t) ? (double)clade_tensor_count(t) : 0;
}

/* A product for every element of y, tap and input channel. */
static double convolution(const clade_tensor *y, const clade_tensor *w)
{
    return 2 * count(y) * w->dim[0] * w->dim[1] * w->dim[2];
}

static double operations(const clade_call *call)
{
    const clade_args *a = &call->args;
    switch (call->op) {
    case CLADE_OP_conv2d: return convolution(&a->conv2d.y, &a->conv2d.w);
    case CLADE_OP_conv2d_norm: return convolution(&a->conv2d_norm.y, &a->conv2d_norm.w);
    case CLADE_OP_conv2d_dx: return convolution(&a->conv2d_dx.dy, &a->conv2d_dx.w);
    case CLADE_OP_conv2d_dw: return convolution(&a->conv2d_dw.dy, &a->conv2d_dw.dw);
    /* four results of the convolution to each that is kept */
    case CLADE_OP_conv2d_maxpool:
        return 4 * convolution(&a->conv2d_maxpool.y, &a->conv2d_maxpool.w);
    case CLADE_OP_conv2d_maxpool_dx:
        return 4 * convolution(&a->conv2d_maxpool_dx.dy, &a->conv2d_maxpool_dx.w);
    case CLADE_OP_conv2d_maxpool_dw:
        return 4 * convolution(&a->conv2d_maxpool_dw.dy, &a->conv2d_maxpool_dw.dw);
    case CLADE_OP_dense: return 2 * count(&a->dense.w) * a->dense.x.dim[0];
    case CLADE_OP_dense_dx: return 2 * count(&a->dense_dx.w) * a->dense_dx.dy.dim[0];
    case CLADE_OP_dense_dw: return 2 * count(&a->dense_dw.dw) * a->dense_dw.dy.dim[0];
    default: return 0;
    }
}

/* Every input read once, every output written once, a state both. */
static double traffic(const clade_call *call)
{
    const clade_op_info *info = clade_op_describe(call->op);
    double bytes = 0;
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &call->args.slot[i];
        clade_slot_kind kind = info->slots[i].kind;
        bool both = kind == CLADE_SLOT_STATE || kind == CLADE_SLOT_OPTSTATE;
        bytes += count(t) * (double)clade_dtype_size(t->dtype) * (both ? 2 : 1);
    }
    return bytes;
}

bench_cost clade_bench_call_cost(const clade_call *call)
{
    return (bench_cost){operations(call), traffic(call)};
}

bench_cost clade_bench_pass_cost(const clade_model *model, clade_pass pass)
{
    bench_cost sum = {0};
    size_t count;
    const clade_layer_call *calls = clade_model_calls(model, pass, &count);
    for (size_t i = 0; i < count; i++) {
        bench_cost cost = clade_bench_call_cost(&calls[i].call);
        sum.flops += cost.flops;
        sum.bytes += cost.bytes;
    }
    return sum;
}
