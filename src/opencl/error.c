/* What a device's errors are called, and what it says of itself. */
#include "opencl/context.h"

#include <string.h>

const char *clade_opencl_error_name(cl_int error)
{
    switch (error) {
#define NAME(code)                                                                                 \
    case code: return #code;
        NAME(CL_DEVICE_NOT_FOUND)
        NAME(CL_DEVICE_NOT_AVAILABLE)
        NAME(CL_COMPILER_NOT_AVAILABLE)
        NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE)
        NAME(CL_OUT_OF_RESOURCES)
        NAME(CL_OUT_OF_HOST_MEMORY)
        NAME(CL_BUILD_PROGRAM_FAILURE)
        NAME(CL_INVALID_VALUE)
        NAME(CL_INVALID_PLATFORM)
        NAME(CL_INVALID_DEVICE)
        NAME(CL_INVALID_CONTEXT)
        NAME(CL_INVALID_COMMAND_QUEUE)
        NAME(CL_INVALID_MEM_OBJECT)
        NAME(CL_INVALID_BINARY)
        NAME(CL_INVALID_BUILD_OPTIONS)
        NAME(CL_INVALID_PROGRAM_EXECUTABLE)
        NAME(CL_INVALID_KERNEL_NAME)
        NAME(CL_INVALID_KERNEL)
        NAME(CL_INVALID_ARG_INDEX)
        NAME(CL_INVALID_ARG_VALUE)
        NAME(CL_INVALID_ARG_SIZE)
        NAME(CL_INVALID_KERNEL_ARGS)
        NAME(CL_INVALID_WORK_GROUP_SIZE)
        NAME(CL_INVALID_WORK_ITEM_SIZE)
        NAME(CL_INVALID_BUFFER_SIZE)
        NAME(CL_INVALID_GLOBAL_WORK_SIZE)
#undef NAME
    case -1001: return "CL_PLATFORM_NOT_FOUND_KHR";
    case -9999: return "-9999 (NVIDIA: illegal read or write by a kernel)";
    default: return "an OpenCL error";
    }
}

clade_status clade_opencl_fail(const opencl_context *cl, cl_int error, const char *what)
{
    clade_status status = CLADE_EDEVICE;
    if (error == CL_MEM_OBJECT_ALLOCATION_FAILURE || error == CL_OUT_OF_HOST_MEMORY)
        status = CLADE_ENOMEM;
    return clade_fail(status, "%s: %s: %s (%d)", cl->label, what, clade_opencl_error_name(error),
                      (int)error);
}

cl_ulong clade_opencl_device_number(cl_device_id device, cl_device_info what)
{
    /* cl_uint, cl_bool and size_t properties come in fewer bytes; the rest stays 0 */
    unsigned char raw[8] = {0};
    size_t size = 0;
    cl_ulong wide = 0;
    cl_uint narrow = 0;
    if (clade_icd.clGetDeviceInfo(device, what, sizeof raw, raw, &size)) return 0;
    if (size == sizeof narrow) {
        memcpy(&narrow, raw, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, raw, sizeof wide);
    return wide;
}
