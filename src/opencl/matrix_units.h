/* Ground floor: a device's matrix units: which it may have, which were right on it. */
#ifndef CLADE_OPENCL_MATRIX_UNITS_H
#define CLADE_OPENCL_MATRIX_UNITS_H

#include "opencl/context.h"

typedef struct opencl_matrix_units opencl_matrix_units;

/* One that kernels/matrix_layout.clh has. */
typedef struct opencl_matrix_unit {
    const char *name;
    int32_t number;      /* MATRIX_UNIT */
    int32_t lanes, m, n; /* LANES, UNIT_M, UNIT_N */
    bool tf32;           /* has it that besides 16 bits? */
} opencl_matrix_unit;

/* Finds those that the device may have, and what was kept of trying them. The environment's
 * CLADE_MATRIX_UNIT, if set, is used instead: "none"; or a unit's name, taken to be right; after
 * "emulated-" of its lanes and places, computed in plain OpenCL C; after "untried-" of one that is
 * to be tried. Errors: EINVAL (it is none of these), ENOMEM. */
clade_status clade_opencl_matrix_units_open(opencl_context *cl);
void clade_opencl_matrix_units_close(opencl_context *cl);

/* The unit that products of these factors are taken by; NULL: none is known to be right. */
const opencl_matrix_unit *clade_opencl_matrix_unit_for(const opencl_context *cl,
                                                       clade_products products);
bool clade_opencl_matrix_emulated(const opencl_context *cl);

/* For the backend's table. */
bool clade_opencl_matrix_unit(void *context, size_t i, clade_matrix_unit *out);
clade_status clade_opencl_matrix_judge(void *context, size_t i, const char *failure);

#endif
