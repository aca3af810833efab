/* Compiled programs: from source, or from the cache on disk. */
#ifndef CLADE_OPENCL_PROGRAM_H
#define CLADE_OPENCL_PROGRAM_H

#include "opencl/opencl.h"

/* kernels/FAMILY.cl built with `options`, or taken from the cache on disk. The directory in the
 * environment's CLADE_KERNELS, if set, is used instead of the embedded sources, and no cache.
 * EDEVICE with the driver's log when it does not compile. */
clade_status clade_opencl_program(opencl_context *cl, const char *family, const char *options,
                                  cl_program *out);

#endif
