/* Workspace memory of batch normalisation on the CPU. */
#include "cpu/cpu.h"
#include "op/norm.h"

size_t clade_cpu_norm_workspace(const cpu_context *cpu, clade_op op, const clade_args *args)
{
    (void)cpu;
    return norm_workspace_bytes(op, args);
}
