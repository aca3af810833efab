/* Roof: the backend. */
#ifndef CLADE_OPENCL_OPENCL_H
#define CLADE_OPENCL_OPENCL_H

#include <clade/backend.h>

const clade_backend *clade_opencl_backend(void);

/* Its measure of a device, in peak.c. */
clade_status clade_opencl_peak(void *context, double *flops, double *bytes);

#endif
