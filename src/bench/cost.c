/* The cost of a call, by its shapes: operations and memory traffic. */
#include "bench/bench.h"

#include "op/op.h"

static double count(const clade_tensor *t)
{
    return clade_tensor_present(t) ? (double)clade_tensor_count(t) : 0;
}

/* Each input is read once, each output written once, a state both. */
static double traffic(const clade_call *call)
{
    const clade_op_info *info = clade_op_describe(call->op);
    double bytes = 0;
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &call->args.slot[i];
        clade_slot_kind kind = info->slots[i].kind;
        bool both = clade_slot_reads(kind) && clade_slot_writes(kind);
        bytes += count(t) * (double)clade_dtype_size(t->dtype) * (both ? 2 : 1);
    }
    return bytes;
}

bench_cost clade_bench_call_cost(const clade_call *call)
{
    const clade_op_impl *impl = clade_op_reference(call->op);
    return (bench_cost){impl->flops ? impl->flops(&call->args) : 0, traffic(call)};
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
