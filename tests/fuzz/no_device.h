/* Stands in for the ICD loader where a context has no device. */
#ifndef CLADE_FUZZ_NO_DEVICE_H
#define CLADE_FUZZ_NO_DEVICE_H

#include "opencl/library.h"

static cl_int CL_API_CALL tell_no_platform(cl_platform_id platform, cl_platform_info what,
                                           size_t size, void *value, size_t *needed)
{
    (void)platform, (void)what, (void)size, (void)value, (void)needed;
    return CL_INVALID_PLATFORM;
}

static cl_int CL_API_CALL tell_no_device(cl_device_id device, cl_device_info what, size_t size,
                                         void *value, size_t *needed)
{
    (void)device, (void)what, (void)size, (void)value, (void)needed;
    return CL_INVALID_DEVICE;
}

static inline void use_no_device(void)
{
    clade_icd.clGetPlatformInfo = tell_no_platform;
    clade_icd.clGetDeviceInfo = tell_no_device;
}

#endif
