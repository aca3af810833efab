/* What fuzz targets of calls share. */
#ifndef CLADE_FUZZ_PLAN_H
#define CLADE_FUZZ_PLAN_H

#include <clade/backend.h>

/* Plans a call whose shapes are right as each backend does, on no device: by the CPU's families,
 * and by OpenCL's for few wide and many narrow cores, in exact and in fast mode. */
void fuzz_plan(clade_op op, const clade_args *args);

#endif
