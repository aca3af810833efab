/* Ground: families of devices, for which Clade comes with choices of algorithms (kernels/tuning).
 */
#ifndef CLADE_OPENCL_FAMILY_H
#define CLADE_OPENCL_FAMILY_H

#include "opencl/context.h"

/* By what a kernel's speed goes: "nvidia-sm_90" (the compute capability), "amd-gfx90a", "pocl-16"
 * (a CPU's vectors of so many floats); of other devices their own name, in lower case, words
 * joined. */
void clade_opencl_family(cl_platform_id platform, cl_device_id device,
                         char family[sizeof((clade_device_info *)NULL)->family]);

/* What was measured on a device of a family: a file of kernels/tuning. */
typedef struct opencl_shipped {
    const char *family;
    const unsigned char *text; /* JSON */
    size_t size;
} opencl_shipped;

/* All of them, up to one without a family. */
extern const opencl_shipped clade_opencl_shipped[];

#endif
