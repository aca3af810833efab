/* Calls with tensors of 16 bits, of ops that compute in float32: a slice of the batch after the
 * other, of which float32 copies lie in the workspace, few enough to stay in a cache. */
#ifndef CLADE_CPU_HALVES_H
#define CLADE_CPU_HALVES_H

#include "cpu/cpu.h"

/* May the call be cut into slices? */
bool clade_cpu_cuts(clade_op op, const clade_args *args);
clade_status clade_cpu_plan_slices(cpu_context *cpu, clade_op op, const clade_args *args,
                                   clade_plan *plan);
clade_status clade_cpu_run_slices(cpu_context *cpu, clade_op op, const clade_args *args,
                                  const clade_plan *plan, void *workspace);

#endif
