/* Opening a device. */
#include "opencl/context.h"

#include "opencl/memory.h"
#include "opencl/profile.h"
#include "opencl/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void clade_opencl_context_close(opencl_context *cl)
{
    if (cl->queue) clade_icd.clFinish(cl->queue);
    clade_opencl_programs_release(cl);
    clade_opencl_staging_release(cl);
    clade_opencl_events_clear(cl);
    free(cl->events);
    if (cl->reads) clade_icd.clReleaseCommandQueue(cl->reads);
    if (cl->queue) clade_icd.clReleaseCommandQueue(cl->queue);
    if (cl->context) clade_icd.clReleaseContext(cl->context);
    free(cl);
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

static clade_status create_queue(opencl_context *cl)
{
    cl_int error;
    cl->context = clade_icd.clCreateContext(NULL, 1, &cl->device, NULL, NULL, &error);
    if (error) return clade_opencl_fail(cl, error, "clCreateContext");
    cl->queue = clade_icd.clCreateCommandQueue(cl->context, cl->device,
                                               cl->profile ? CL_QUEUE_PROFILING_ENABLE : 0, &error);
    return error ? clade_opencl_fail(cl, error, "clCreateCommandQueue") : CLADE_OK;
}

clade_status clade_opencl_context_open(cl_platform_id platform, cl_device_id device,
                                       const clade_device_info *info,
                                       const clade_device_options *options, opencl_context **out)
{
    if (options->kernels && strcmp(options->kernels, "cpu") != 0 &&
        strcmp(options->kernels, "gpu") != 0)
        return clade_fail(CLADE_EUNSUPPORTED,
                          "opencl: there are no kernels '%.20s'; there are: cpu, gpu",
                          options->kernels);
    opencl_context *cl = calloc(1, sizeof *cl);
    if (!cl) return clade_fail(CLADE_ENOMEM, "opencl: out of memory");
    cl->platform = platform;
    cl->device = device;
    snprintf(cl->label, sizeof cl->label, "%.31s (%.60s, %.60s)", info->id, info->name,
             info->driver);
    cl->math = options->math;
    cl->profile = options->profile;
    cl->building = options->building;
    cl->user = options->user;
    cl->cpu_like = options->kernels ? !strcmp(options->kernels, "cpu") : info->cpu_like;
    cl->divides = cl->cpu_like && (clade_opencl_device_number(device, CL_DEVICE_SINGLE_FP_CONFIG) &
                                   CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT);
    cl->memory_bytes = info->memory_bytes;
    cl->driver_caches =
        strstr(info->driver, "NVIDIA") || strstr(info->driver, "Portable Computing");
    clade_status status = clade_opencl_limits_find(options->limits, &cl->limits);
    size_t largest = (size_t)clade_opencl_device_number(device, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    cl->compute_units =
        least(info->compute_units ? info->compute_units : 1, cl->limits.compute_units);
    cl->group_size = least(options->group_size ? options->group_size : 256, cl->limits.group_size);
    if (cl->group_size > largest) cl->group_size = (uint32_t)largest;
    cl_ulong width = clade_opencl_device_number(device, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT);
    cl->vector_width = !cl->cpu_like || width < 8 ? 4 : width < 16 ? 8 : 16;
    cl->lanes = cl->cpu_like ? cl->vector_width : 1;
    if (!status) status = create_queue(cl);
    if (status)
        clade_opencl_context_close(cl);
    else
        *out = cl;
    return status;
}
