/* Trying matrix units, and what a child that tries something says. */
#ifndef CLADE_BENCH_MATRIX_UNIT_H
#define CLADE_BENCH_MATRIX_UNIT_H

#include "base/process.h"

/* What the child does: the products of a few calls on a device by the unit of that name, with
 * factors rounded to `products`, "tf32", …, which must be right. Errors: EMISMATCH (they are wrong,
 * or not taken by it), those of the device. */
clade_status clade_matrix_unit_try(const char *device, const char *unit, const char *products);

enum { CLADE_CHILD_ANSWER = 512 }; /* bytes of a child's answer */

/* Why a child failed: how it ended, or the first line of its answer, which this replaces. */
const char *clade_child_failure(const clade_process_end *end, double limit, char *answer);

#endif
