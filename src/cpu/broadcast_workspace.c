/* Workspace memory of the CPU's sums over stretched dimensions. */
#include "cpu/cpu.h"
#include "op/broadcast.h"

size_t clade_cpu_elementwise_workspace(const cpu_context *cpu, clade_op op, const clade_args *args)
{
    (void)cpu;
    return op == CLADE_OP_reduce ? 0 : clade_broadcast_call_workspace(op, args);
}

size_t clade_cpu_reduce_workspace(const cpu_context *cpu, clade_op op, const clade_args *args)
{
    (void)cpu;
    return op == CLADE_OP_reduce ? clade_broadcast_call_workspace(op, args) : 0;
}
