/* Workspace memory of norm_clip on the CPU: the sums of its chunks. */
#include "cpu/cpu.h"
#include "op/optim.h"

size_t clade_cpu_optim_workspace(const cpu_context *cpu, clade_op op, const clade_args *args)
{
    (void)cpu;
    return op == CLADE_OP_norm_clip ? norm_clip_chunks(&args->norm_clip.g) * sizeof(float) : 0;
}
