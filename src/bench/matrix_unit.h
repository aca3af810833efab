/* Tries matrix units, and describes how a child process failed. */
#ifndef CLADE_BENCH_MATRIX_UNIT_H
#define CLADE_BENCH_MATRIX_UNIT_H

#include "base/process.h"

/* Does the child's work: computes the products of a few calls on a device with the unit of that
 * name, factors rounded to `products`, "tf32", …, and checks them. Errors: EMISMATCH (they are
 * wrong, or the unit is not used), those of the device. */
clade_status clade_matrix_unit_try(const char *device, const char *unit, const char *products);

enum { CLADE_CHILD_ANSWER = 512 }; /* size of a child's answer in bytes */

/* Returns why a child failed: how it ended, or the first line of its answer, which this
 * replaces. */
const char *clade_child_failure(const clade_process_end *end, double limit, char *answer);

#endif
