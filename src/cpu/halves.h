/* Calls with tensors of 16 bits. Those of ops that compute in float32: a slice of the batch after
 * the other, of which float32 copies lie in the workspace, few enough to stay in a cache. Those of
 * ops that read 16 bits have their weights rounded there. */
#ifndef CLADE_CPU_HALVES_H
#define CLADE_CPU_HALVES_H

#include "cpu/cpu.h"

/* May the call be cut into slices? */
bool clade_cpu_cuts(clade_op op, const clade_args *args);
clade_status clade_cpu_plan_slices(cpu_context *cpu, clade_op op, const clade_args *args,
                                   clade_plan *plan);
clade_status clade_cpu_run_slices(cpu_context *cpu, clade_op op, const clade_args *args,
                                  const clade_plan *plan, void *workspace);

/* Workspace for the call's rounded weights, behind what the op's own plan needs; and the weights
 * there, in `args`, whose `memory` must outlive the run. */
void clade_cpu_reserve_weights(clade_op op, const clade_args *args, clade_plan *plan);
clade_status clade_cpu_round_weights(cpu_context *cpu, clade_op op, const clade_plan *plan,
                                     void *workspace, clade_args *args,
                                     clade_buffer memory[CLADE_MOST_SLOTS]);

#endif
