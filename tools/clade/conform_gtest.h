/* `clade conform` with the interface of a googletest program, for runners that start such programs
 * and read their output, as deqp-runner does. The suite is a case's name without its last part. */
#ifndef CLADE_TOOLS_CONFORM_GTEST_H
#define CLADE_TOOLS_CONFORM_GTEST_H

#include "conform_plan.h"

void conform_gtest_list(const conform_plan *plan);

/* Judges in this process; its end tells the runner of a crash. Returns an exit status. */
int conform_gtest_run(const clade_conform_options *options, const conform_plan *plan);

#endif
