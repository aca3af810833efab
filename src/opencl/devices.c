/* The platforms and devices that there are. */
#include "opencl/devices.h"

#include "opencl/gemm.h"
#include "opencl/tuning_cache.h"
#include "opencl/vendors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { max_platforms = 64, max_devices = 64 };

/* A text property with its spaces trimmed. */
static void device_text(cl_device_id device, cl_device_info what, char *text, size_t size)
{
    char raw[512] = "";
    clade_icd.clGetDeviceInfo(device, what, sizeof raw - 1, raw, NULL);
    const char *first = raw + strspn(raw, " ");
    size_t n = strlen(first);
    while (n && first[n - 1] == ' ') n--;
    snprintf(text, size, "%.*s", (int)n, first);
}

static void platform_text(cl_platform_id platform, cl_platform_info what, char *text, size_t size)
{
    text[0] = 0;
    char raw[512] = "";
    clade_icd.clGetPlatformInfo(platform, what, sizeof raw - 1, raw, NULL);
    snprintf(text, size, "%s", raw);
}

/* Walks all devices of all platforms in the loader's order; returns how many there are and, if
 * `index` is among them, that one. */
static size_t walk(size_t index, cl_platform_id *platform, cl_device_id *device, unsigned *p,
                   unsigned *d)
{
    cl_platform_id platforms[max_platforms];
    cl_device_id devices[max_devices];
    cl_uint platform_count = 0, device_count;
    size_t seen = 0;
    const char *why;
    if (!clade_opencl_load(&why)) return 0;
    if (clade_icd.clGetPlatformIDs(max_platforms, platforms, &platform_count)) return 0;
    for (unsigned i = 0; i < platform_count && i < max_platforms; i++) {
        device_count = 0;
        if (clade_icd.clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, max_devices, devices,
                                     &device_count))
            continue;
        for (unsigned j = 0; j < device_count && j < max_devices; j++, seen++) {
            if (seen != index) continue;
            *platform = platforms[i];
            *device = devices[j];
            *p = i;
            *d = j;
        }
    }
    return seen;
}

/* Why there is no device. */
static void explain_none(char note[256])
{
    enum { size = 256 };
    cl_platform_id platforms[max_platforms];
    cl_uint count = 0;
    char text[200];
    const char *why;
    if (!clade_opencl_load(&why)) {
        snprintf(note, size, "OpenCL: %s", why);
        return;
    }
    if (clade_icd.clGetPlatformIDs(max_platforms, platforms, &count) || !count) {
        bool broken = clade_opencl_broken_vendor(text, sizeof text);
        snprintf(note, size, "OpenCL: %s",
                 broken ? text : "no driver is installed (the ICD loader shows no platform)");
        return;
    }
    int n = snprintf(note, size, "OpenCL: no device on");
    for (cl_uint i = 0; i < count && i < max_platforms && n < size; i++) {
        platform_text(platforms[i], CL_PLATFORM_NAME, text, sizeof text);
        bool asks = !strcmp(text, "rusticl") && !getenv("RUSTICL_ENABLE");
        n += snprintf(note + n, (size_t)(size - n), "%s %s%s", i ? "," : "", text,
                      asks ? " (the variable RUSTICL_ENABLE names Mesa's drivers to use)" : "");
    }
}

clade_status clade_opencl_count(size_t *count, char note[256])
{
    cl_platform_id platform;
    cl_device_id device;
    unsigned p, d;
    *count = walk(SIZE_MAX, &platform, &device, &p, &d);
    const char *why;
    if (!*count)
        explain_none(note);
    else if (!clade_opencl_gemm_present(&why))
        snprintf(note, 256, "CLBlast: %s; fast mode uses Clade's own matrix products", why);
    return CLADE_OK;
}

clade_status clade_opencl_describe(size_t index, clade_device_info *info)
{
    cl_platform_id platform = NULL;
    cl_device_id device = NULL;
    unsigned p = 0, d = 0;
    if (walk(index, &platform, &device, &p, &d) <= index)
        return clade_fail(CLADE_ENODEVICE, "opencl: there is no device %zu", index);
    snprintf(info->id, sizeof info->id, "opencl:%u.%u", p, d);
    device_text(device, CL_DEVICE_NAME, info->name, sizeof info->name);
    char version[64], name[96];
    device_text(device, CL_DRIVER_VERSION, version, sizeof version);
    platform_text(platform, CL_PLATFORM_NAME, name, sizeof name);
    snprintf(info->driver, sizeof info->driver, "%s %s", name, version);
    info->compute_units = (uint32_t)clade_opencl_device_number(device, CL_DEVICE_MAX_COMPUTE_UNITS);
    info->memory_bytes = clade_opencl_device_number(device, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->max_alloc_bytes = clade_opencl_device_number(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info->fma = clade_opencl_device_number(device, CL_DEVICE_SINGLE_FP_CONFIG) & CL_FP_FMA;
    char extensions[8192] = "";
    clade_icd.clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, sizeof extensions - 1, extensions,
                              NULL);
    info->fp16 = strstr(extensions, "cl_khr_fp16") != NULL;
    info->fp64 = clade_opencl_device_number(device, CL_DEVICE_DOUBLE_FP_CONFIG) != 0;
    info->host_memory = clade_opencl_device_number(device, CL_DEVICE_HOST_UNIFIED_MEMORY) != 0;
    /* some drivers for CPUs, Mesa's, make a lane of each work-item, as GPUs do */
    info->cpu_like = (clade_opencl_device_number(device, CL_DEVICE_TYPE) & CL_DEVICE_TYPE_CPU) &&
                     clade_opencl_device_number(device, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT) > 1;
    clade_opencl_tuning_describe(platform, device, info);
    if (!clade_opencl_device_number(device, CL_DEVICE_AVAILABLE))
        snprintf(info->unusable, sizeof info->unusable, "the driver says it is not available");
    else if (!clade_opencl_device_number(device, CL_DEVICE_COMPILER_AVAILABLE))
        snprintf(info->unusable, sizeof info->unusable, "its driver has no compiler");
    else if (!clade_opencl_device_number(device, CL_DEVICE_ENDIAN_LITTLE))
        snprintf(info->unusable, sizeof info->unusable, "it is big-endian");
    return CLADE_OK;
}

bool clade_opencl_find(size_t index, cl_platform_id *platform, cl_device_id *device)
{
    unsigned p, d;
    return walk(index, platform, device, &p, &d) > index;
}
