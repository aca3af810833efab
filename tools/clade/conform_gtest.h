/* `clade conform` as a program of googletest: for runners that start such programs, watch them and
 * read what they print, as deqp-runner does. The suite is all of a case's name but its last part.
 */
#ifndef CLADE_TOOLS_CONFORM_GTEST_H
#define CLADE_TOOLS_CONFORM_GTEST_H

#include "conform_plan.h"

void conform_gtest_list(const conform_plan *plan);

/* Judges in this very process, whose end tells the runner of a crash. Gives an exit status. */
int conform_gtest_run(const clade_conform_options *options, const conform_plan *plan);

#endif
