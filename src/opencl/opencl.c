/* The OpenCL backend: platforms and devices, memory, the queue. */
#include "base/memory.h"
#include "opencl/algorithm.h"
#include "opencl/vendors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { max_platforms = 64, max_devices = 64 };

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

/* ---- finding devices ---- */

/* A text property with its spaces trimmed. */
static void device_text(cl_device_id device, cl_device_info what, char *text, size_t size)
{
    char raw[512] = "";
    clGetDeviceInfo(device, what, sizeof raw - 1, raw, NULL);
    const char *first = raw + strspn(raw, " ");
    size_t n = strlen(first);
    while (n && first[n - 1] == ' ') n--;
    snprintf(text, size, "%.*s", (int)n, first);
}

static void platform_text(cl_platform_id platform, cl_platform_info what, char *text, size_t size)
{
    text[0] = 0;
    char raw[512] = "";
    clGetPlatformInfo(platform, what, sizeof raw - 1, raw, NULL);
    snprintf(text, size, "%s", raw);
}

/* Walks all devices of all platforms in the loader's order; returns how many there are and, if
 * `index` is among them, that one. */
static size_t find_device(size_t index, cl_platform_id *platform, cl_device_id *device, unsigned *p,
                          unsigned *d)
{
    cl_platform_id platforms[max_platforms];
    cl_device_id devices[max_devices];
    cl_uint platform_count = 0, device_count;
    size_t seen = 0;
    if (clGetPlatformIDs(max_platforms, platforms, &platform_count)) return 0;
    for (unsigned i = 0; i < platform_count && i < max_platforms; i++) {
        device_count = 0;
        if (clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, max_devices, devices, &device_count))
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
    if (clGetPlatformIDs(max_platforms, platforms, &count) || !count) {
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

static clade_status opencl_count(size_t *count, char note[256])
{
    cl_platform_id platform;
    cl_device_id device;
    unsigned p, d;
    *count = find_device(SIZE_MAX, &platform, &device, &p, &d);
    if (!*count) explain_none(note);
    return CLADE_OK;
}

static cl_ulong device_number(cl_device_id device, cl_device_info what)
{
    /* cl_uint, cl_bool and size_t properties come in fewer bytes; the rest stays 0 */
    unsigned char raw[8] = {0};
    size_t size = 0;
    cl_ulong wide = 0;
    cl_uint narrow = 0;
    if (clGetDeviceInfo(device, what, sizeof raw, raw, &size)) return 0;
    if (size == sizeof narrow) {
        memcpy(&narrow, raw, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, raw, sizeof wide);
    return wide;
}

static clade_status opencl_describe(size_t index, clade_device_info *info)
{
    cl_platform_id platform = NULL;
    cl_device_id device = NULL;
    unsigned p = 0, d = 0;
    if (find_device(index, &platform, &device, &p, &d) <= index)
        return clade_fail(CLADE_ENODEVICE, "opencl: there is no device %zu", index);
    snprintf(info->id, sizeof info->id, "opencl:%u.%u", p, d);
    device_text(device, CL_DEVICE_NAME, info->name, sizeof info->name);
    char version[64], name[96];
    device_text(device, CL_DRIVER_VERSION, version, sizeof version);
    platform_text(platform, CL_PLATFORM_NAME, name, sizeof name);
    snprintf(info->driver, sizeof info->driver, "%s %s", name, version);
    info->compute_units = (uint32_t)device_number(device, CL_DEVICE_MAX_COMPUTE_UNITS);
    info->memory_bytes = device_number(device, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->max_alloc_bytes = device_number(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info->fma = device_number(device, CL_DEVICE_SINGLE_FP_CONFIG) & CL_FP_FMA;
    char extensions[8192] = "";
    clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, sizeof extensions - 1, extensions, NULL);
    info->fp16 = strstr(extensions, "cl_khr_fp16") != NULL;
    info->fp64 = device_number(device, CL_DEVICE_DOUBLE_FP_CONFIG) != 0;
    info->host_memory = device_number(device, CL_DEVICE_HOST_UNIFIED_MEMORY) != 0;
    /* some drivers for CPUs, Mesa's, make a lane of each work-item, as GPUs do */
    info->cpu_like = (device_number(device, CL_DEVICE_TYPE) & CL_DEVICE_TYPE_CPU) &&
                     device_number(device, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT) > 1;
    if (!device_number(device, CL_DEVICE_AVAILABLE))
        snprintf(info->unusable, sizeof info->unusable, "the driver says it is not available");
    else if (!device_number(device, CL_DEVICE_COMPILER_AVAILABLE))
        snprintf(info->unusable, sizeof info->unusable, "its driver has no compiler");
    else if (!device_number(device, CL_DEVICE_ENDIAN_LITTLE))
        snprintf(info->unusable, sizeof info->unusable, "it is big-endian");
    return CLADE_OK;
}

/* ---- opening ---- */

static void release_staging(const opencl_context *cl, opencl_staging *staging)
{
    if (!staging->memory) return;
    clEnqueueUnmapMemObject(cl->queue, staging->memory, staging->mapped, 0, NULL, NULL);
    clReleaseMemObject(staging->memory);
    staging->memory = NULL;
    staging->bytes = 0;
}

static void opencl_close(void *context)
{
    opencl_context *cl = context;
    for (size_t i = 0; i < cl->kernel_count; i++) clReleaseKernel(cl->kernels[i].kernel);
    for (size_t i = 0; i < cl->program_count; i++) clReleaseProgram(cl->programs[i].program);
    if (cl->queue) clFinish(cl->queue);
    for (size_t i = 0; i < opencl_stagings; i++) {
        if (cl->staging[i].written) clReleaseEvent(cl->staging[i].written);
        release_staging(cl, &cl->staging[i]);
    }
    clade_opencl_events_clear(cl);
    free(cl->events);
    clade_opencl_choices_close(cl);
    free(cl->gemms);
    free(cl->kernels);
    free(cl->programs);
    if (cl->queue) clReleaseCommandQueue(cl->queue);
    if (cl->context) clReleaseContext(cl->context);
    free(cl);
}

static clade_status opencl_open(size_t index, const clade_device_options *options, void **context)
{
    clade_device_info info = {0};
    opencl_context *cl = calloc(1, sizeof *cl);
    if (!cl) return clade_fail(CLADE_ENOMEM, "opencl: out of memory");
    unsigned p, d;
    clade_status status = opencl_describe(index, &info);
    if (!status && info.unusable[0])
        status = clade_fail(CLADE_ENODEVICE, "%s (%s): %s", info.id, info.name, info.unusable);
    if (status) goto fail;
    find_device(index, &cl->platform, &cl->device, &p, &d);
    snprintf(cl->label, sizeof cl->label, "%.31s (%.60s, %.60s)", info.id, info.name, info.driver);
    cl->math = options->math;
    cl->profile = options->profile;
    cl->cpu_like = options->kernels ? !strcmp(options->kernels, "cpu") : info.cpu_like;
    cl->divides = cl->cpu_like && (device_number(cl->device, CL_DEVICE_SINGLE_FP_CONFIG) &
                                   CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT);
    cl->memory_bytes = info.memory_bytes;
    cl->max_alloc_bytes = info.max_alloc_bytes;
    cl->driver_caches = strstr(info.driver, "NVIDIA") || strstr(info.driver, "Portable Computing");
    size_t largest = (size_t)device_number(cl->device, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    cl->compute_units = info.compute_units ? info.compute_units : 1;
    cl->group_size = options->group_size ? options->group_size : 256;
    if (cl->group_size > largest) cl->group_size = (uint32_t)largest;
    cl_ulong width = device_number(cl->device, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT);
    cl->vector_width = !cl->cpu_like || width < 8 ? 4 : width < 16 ? 8 : 16;
    cl_int error;
    cl->context = clCreateContext(NULL, 1, &cl->device, NULL, NULL, &error);
    if (error) {
        status = clade_opencl_fail(cl, error, "clCreateContext");
        goto fail;
    }
    cl->queue = clCreateCommandQueue(cl->context, cl->device,
                                     options->profile ? CL_QUEUE_PROFILING_ENABLE : 0, &error);
    if (error) {
        status = clade_opencl_fail(cl, error, "clCreateCommandQueue");
        goto fail;
    }
    status = clade_opencl_choices_open(cl, options->algorithm);
    if (status) goto fail;
    *context = cl;
    return CLADE_OK;
fail:
    opencl_close(cl);
    return status;
}

static size_t workspace_of(void *context, clade_op op, const clade_args *args)
{
    size_t bytes = 0;
#define FAMILY(name)                                                                               \
    if (!bytes) bytes = clade_opencl_##name##_workspace(context, op, args);
    OPENCL_WORKSPACE_FAMILIES(FAMILY)
#undef FAMILY
    return bytes;
}

#define CLADE_OP(id, family, forward, flags, doc)                                                  \
    static clade_status plan_##id(void *context, const clade_args *args, clade_plan *plan)         \
    {                                                                                              \
        plan->workspace = workspace_of(context, CLADE_OP_##id, args);                              \
        return CLADE_OK;                                                                           \
    }                                                                                              \
    static clade_status run_##id(void *context, const clade_args *args, const clade_plan *plan,    \
                                 void *workspace)                                                  \
    {                                                                                              \
        (void)plan;                                                                                \
        const opencl_context *cl = context;                                                        \
        return cl->table.id(context, &args->id, workspace);                                        \
    }
#include <clade/ops.def>

static void opencl_ops(void *context, clade_op_slot *slot)
{
    opencl_context *cl = context;
#define FAMILY(name) clade_opencl_##name(cl, &cl->table);
    OPENCL_FAMILIES(FAMILY)
#undef FAMILY
#define CLADE_OP(id, family, forward, flags, doc)                                                  \
    if (cl->table.id) slot[CLADE_OP_##id] = (clade_op_slot){plan_##id, run_##id};
#include <clade/ops.def>
}

/* ---- memory ---- */

static void CL_CALLBACK free_host(cl_mem memory, void *host)
{
    (void)memory;
    free(host);
}

/* On a CPU large memory is ours, which drivers use where it lies. */
static cl_mem create_buffer(const opencl_context *cl, size_t bytes, cl_int *error)
{
    void *host = cl->cpu_like && bytes >= 1 << 20 ? clade_memory(bytes) : NULL;
    cl_mem_flags flags = CL_MEM_READ_WRITE | (host ? CL_MEM_USE_HOST_PTR : 0);
    cl_mem memory = clCreateBuffer(cl->context, flags, bytes, host, error);
    if (!*error && host) *error = clSetMemObjectDestructorCallback(memory, free_host, host);
    if (!*error) return memory;
    if (memory) clReleaseMemObject(memory);
    free(host);
    return NULL;
}

static clade_status opencl_alloc(void *context, size_t bytes, void **handle)
{
    opencl_context *cl = context;
    if (cl->max_alloc_bytes && bytes > cl->max_alloc_bytes)
        return clade_fail(CLADE_ENOMEM,
                          "%s: %zu bytes asked for in one buffer; it allows %llu, of %llu in all",
                          cl->label, bytes, (unsigned long long)cl->max_alloc_bytes,
                          (unsigned long long)cl->memory_bytes);
    cl_int error;
    cl_mem memory = create_buffer(cl, bytes ? bytes : 1, &error);
    if (error) {
        clade_opencl_fail(cl, error, "clCreateBuffer");
        return clade_context(CLADE_ENOMEM, "%zu bytes asked for, the device has %llu", bytes,
                             (unsigned long long)cl->memory_bytes);
    }
    *handle = memory;
    return CLADE_OK;
}

static void opencl_free(void *context, void *handle)
{
    (void)context;
    clReleaseMemObject(handle);
}

static clade_status grow_staging(const opencl_context *cl, opencl_staging *staging, size_t bytes)
{
    cl_int error;
    if (bytes < opencl_staging_least) bytes = opencl_staging_least;
    release_staging(cl, staging);
    cl_mem memory =
        clCreateBuffer(cl->context, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, bytes, NULL, &error);
    if (error) return clade_opencl_fail(cl, error, "clCreateBuffer for memory of the host");
    staging->mapped = clEnqueueMapBuffer(cl->queue, memory, CL_TRUE, CL_MAP_WRITE, 0, bytes, 0,
                                         NULL, NULL, &error);
    if (error) {
        clReleaseMemObject(memory);
        return clade_opencl_fail(cl, error, "clEnqueueMapBuffer");
    }
    staging->memory = memory;
    staging->bytes = bytes;
    return CLADE_OK;
}

/* The staging block that was used longest ago, free and large enough. */
static clade_status next_staging(opencl_context *cl, size_t bytes, opencl_staging **out)
{
    opencl_staging *staging = &cl->staging[cl->staging_next];
    cl->staging_next = (cl->staging_next + 1) % opencl_stagings;
    if (staging->written) {
        cl_int error = clWaitForEvents(1, &staging->written);
        clReleaseEvent(staging->written);
        staging->written = NULL;
        if (error) return clade_opencl_fail(cl, error, "clWaitForEvents");
    }
    *out = staging;
    return staging->bytes < bytes ? grow_staging(cl, staging, bytes) : CLADE_OK;
}

/* Through a copy, so that the caller goes on while the device computes; what is too large to copy
 * waits. */
static clade_status opencl_write(void *context, void *handle, size_t offset, const void *source,
                                 size_t bytes)
{
    opencl_context *cl = context;
    bool wait = bytes > opencl_staging_most;
    opencl_staging *staging = NULL;
    if (!wait) {
        clade_status status = next_staging(cl, bytes, &staging);
        if (status) return status;
        memcpy(staging->mapped, source, bytes);
        source = staging->mapped;
    }
    cl_int error = clEnqueueWriteBuffer(cl->queue, handle, wait, offset, bytes, source, 0, NULL,
                                        staging ? &staging->written : NULL);
    if (!error && staging) error = clFlush(cl->queue);
    return error ? clade_opencl_fail(cl, error, "clEnqueueWriteBuffer") : CLADE_OK;
}

static clade_status opencl_read(void *context, void *handle, size_t offset, void *target,
                                size_t bytes)
{
    opencl_context *cl = context;
    cl_int error =
        clEnqueueReadBuffer(cl->queue, handle, CL_TRUE, offset, bytes, target, 0, NULL, NULL);
    return error ? clade_opencl_fail(cl, error, "clEnqueueReadBuffer") : CLADE_OK;
}

static clade_status opencl_finish(void *context)
{
    opencl_context *cl = context;
    cl_int error = clFinish(cl->queue);
    return error ? clade_opencl_fail(cl, error, "clFinish") : CLADE_OK;
}

const clade_backend *clade_opencl_backend(void)
{
    static const clade_backend backend = {
        .abi = CLADE_BACKEND_ABI,
        .size = sizeof(clade_backend),
        .name = "opencl",
        .count = opencl_count,
        .describe = opencl_describe,
        .open = opencl_open,
        .close = opencl_close,
        .alloc = opencl_alloc,
        .free = opencl_free,
        .write = opencl_write,
        .read = opencl_read,
        .finish = opencl_finish,
        .signatures = clade_op_signatures,
        .op_count = CLADE_OPS,
        .ops = opencl_ops,
        .mark = clade_opencl_mark,
        .times = clade_opencl_times,
        .choice = clade_opencl_choice,
        .choose = clade_opencl_choose,
        .warning = clade_opencl_warning,
        .peak = clade_opencl_peak,
    };
    return &backend;
}
