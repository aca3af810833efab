/* An OpenCL layer between Clade and the driver (OPENCL_LAYERS of the loader). Kinds are the names
 * of the functions, and `any`, which counts the calls of them all. A call that is due fails with
 * FAULT_HOW where that is an error, a negative number; otherwise:
 *
 * 0  it comes late
 * 1  clEnqueueReadBuffer and clEnqueueWriteBuffer: a bit of what is copied is another
 * 2  clGetDeviceInfo: numbers that are asked for as FAULT_LIMIT are at most FAULT_VALUE */
#define _GNU_SOURCE
#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "fault.h"

#include <CL/cl_layer.h>
#include <time.h>

enum { late = 0, flip = 1, lie = 2 };

static const cl_icd_dispatch *driver;
static cl_icd_dispatch layer;
static cl_device_info limit;
static cl_ulong limit_value;

/* What a call of that name ends with before it has begun; sets *due to whether it is to be changed
 * in another way. */
static cl_int judge(const char *name, bool *due)
{
    *due = false;
    if (!fault_due(name) && !fault_due("any")) return CL_SUCCESS;
    if (fault.how < 0) return (cl_int)fault.how;
    if (fault.how == late) nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    *due = true;
    return CL_SUCCESS;
}

/* name(PARAMETERS) with ARGUMENTS, for functions that return their error ... */
#define STATUS(name, parameters, arguments)                                                        \
    static cl_int CL_API_CALL fault_##name parameters                                              \
    {                                                                                              \
        bool due;                                                                                  \
        cl_int failed = judge(#name, &due);                                                        \
        return failed ? failed : driver->name arguments;                                           \
    }
/* ... and for those that return what they make */
#define HANDLE(type, name, parameters, arguments)                                                  \
    static type CL_API_CALL fault_##name parameters                                                \
    {                                                                                              \
        bool due;                                                                                  \
        cl_int failed = judge(#name, &due);                                                        \
        if (!failed) return driver->name arguments;                                                \
        if (error) *error = failed;                                                                \
        return NULL;                                                                               \
    }
#define EVENTS cl_uint waits, const cl_event *wait, cl_event *event

STATUS(clGetPlatformIDs, (cl_uint room, cl_platform_id *list, cl_uint *count), (room, list, count))
STATUS(clGetPlatformInfo, (cl_platform_id p, cl_platform_info w, size_t n, void *v, size_t *r),
       (p, w, n, v, r))
STATUS(clGetDeviceIDs,
       (cl_platform_id p, cl_device_type t, cl_uint room, cl_device_id *list, cl_uint *count),
       (p, t, room, list, count))
STATUS(clGetProgramInfo, (cl_program p, cl_program_info w, size_t n, void *v, size_t *r),
       (p, w, n, v, r))
STATUS(clGetProgramBuildInfo,
       (cl_program p, cl_device_id d, cl_program_build_info w, size_t n, void *v, size_t *r),
       (p, d, w, n, v, r))
STATUS(clGetEventProfilingInfo, (cl_event e, cl_profiling_info w, size_t n, void *v, size_t *r),
       (e, w, n, v, r))
STATUS(clBuildProgram,
       (cl_program p, cl_uint n, const cl_device_id *d, const char *options,
        void(CL_CALLBACK *done)(cl_program, void *), void *user),
       (p, n, d, options, done, user))
STATUS(clSetMemObjectDestructorCallback,
       (cl_mem m, void(CL_CALLBACK *done)(cl_mem, void *), void *user), (m, done, user))
STATUS(clSetKernelArg, (cl_kernel k, cl_uint i, size_t n, const void *v), (k, i, n, v))
STATUS(clWaitForEvents, (cl_uint n, const cl_event *e), (n, e))
STATUS(clFlush, (cl_command_queue q), (q))
STATUS(clFinish, (cl_command_queue q), (q))
STATUS(clEnqueueUnmapMemObject, (cl_command_queue q, cl_mem m, void *p, EVENTS),
       (q, m, p, waits, wait, event))
STATUS(clEnqueueNDRangeKernel,
       (cl_command_queue q, cl_kernel k, cl_uint n, const size_t *offset, const size_t *all,
        const size_t *group, EVENTS),
       (q, k, n, offset, all, group, waits, wait, event))
STATUS(clEnqueueMarkerWithWaitList, (cl_command_queue q, EVENTS), (q, waits, wait, event))
STATUS(clEnqueueFillBuffer,
       (cl_command_queue q, cl_mem m, const void *p, size_t n, size_t at, size_t size, EVENTS),
       (q, m, p, n, at, size, waits, wait, event))
HANDLE(cl_context, clCreateContext,
       (const cl_context_properties *p, cl_uint n, const cl_device_id *d,
        void(CL_CALLBACK *told)(const char *, const void *, size_t, void *), void *user,
        cl_int *error),
       (p, n, d, told, user, error))
HANDLE(cl_command_queue, clCreateCommandQueue,
       (cl_context c, cl_device_id d, cl_command_queue_properties p, cl_int *error),
       (c, d, p, error))
HANDLE(cl_mem, clCreateBuffer, (cl_context c, cl_mem_flags f, size_t n, void *host, cl_int *error),
       (c, f, n, host, error))
HANDLE(cl_program, clCreateProgramWithSource,
       (cl_context c, cl_uint n, const char **text, const size_t *size, cl_int *error),
       (c, n, text, size, error))
HANDLE(cl_program, clCreateProgramWithBinary,
       (cl_context c, cl_uint n, const cl_device_id *d, const size_t *size,
        const unsigned char **binary, cl_int *state, cl_int *error),
       (c, n, d, size, binary, state, error))
HANDLE(cl_kernel, clCreateKernel, (cl_program p, const char *name, cl_int *error), (p, name, error))
HANDLE(void *, clEnqueueMapBuffer,
       (cl_command_queue q, cl_mem m, cl_bool blocking, cl_map_flags f, size_t at, size_t size,
        EVENTS, cl_int *error),
       (q, m, blocking, f, at, size, waits, wait, event, error))

/* A high bit of the byte in the middle. */
static void flip_bit(void *bytes, size_t size)
{
    if (size) ((unsigned char *)bytes)[size / 2] ^= 0x40;
}

static cl_int CL_API_CALL fault_clEnqueueReadBuffer(cl_command_queue q, cl_mem m, cl_bool blocking,
                                                    size_t at, size_t size, void *to, EVENTS)
{
    bool due;
    cl_int error = judge("clEnqueueReadBuffer", &due);
    bool flipped = due && fault.how == flip;
    if (flipped) blocking = CL_TRUE;
    if (!error)
        error = driver->clEnqueueReadBuffer(q, m, blocking, at, size, to, waits, wait, event);
    if (flipped && !error) flip_bit(to, size);
    return error;
}

static cl_int CL_API_CALL fault_clEnqueueWriteBuffer(cl_command_queue q, cl_mem m, cl_bool blocking,
                                                     size_t at, size_t size, const void *from,
                                                     EVENTS)
{
    bool due;
    cl_int error = judge("clEnqueueWriteBuffer", &due);
    if (error) return error;
    if (!due || fault.how != flip)
        return driver->clEnqueueWriteBuffer(q, m, blocking, at, size, from, waits, wait, event);
    void *copy = malloc(size ? size : 1);
    if (!copy) return CL_OUT_OF_HOST_MEMORY;
    memcpy(copy, from, size);
    flip_bit(copy, size);
    error = driver->clEnqueueWriteBuffer(q, m, CL_TRUE, at, size, copy, waits, wait, event);
    free(copy);
    return error;
}

static cl_int CL_API_CALL fault_clGetDeviceInfo(cl_device_id d, cl_device_info what, size_t size,
                                                void *value, size_t *taken)
{
    bool due;
    size_t n = 0;
    cl_int error = judge("clGetDeviceInfo", &due);
    if (!error) error = driver->clGetDeviceInfo(d, what, size, value, &n);
    if (taken) *taken = n;
    if (error || !due || fault.how != lie || what != limit || !value) return error;
    cl_ulong number = 0;
    if (n > sizeof number) return error;
    memcpy(&number, value, n);
    if (number > limit_value) memcpy(value, &limit_value, n); /* little-endian */
    return error;
}

EXPORTED cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, size_t size, void *value,
                                           size_t *taken)
{
    const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    static const char name[] = "Clade's faults";
    const void *answer = what == CL_LAYER_API_VERSION ? (const void *)&version : name;
    size_t n = what == CL_LAYER_API_VERSION ? sizeof version : sizeof name;
    if (what != CL_LAYER_API_VERSION && what != CL_LAYER_NAME) return CL_INVALID_VALUE;
    if (value && size < n) return CL_INVALID_VALUE;
    if (value) memcpy(value, answer, n);
    if (taken) *taken = n;
    return CL_SUCCESS;
}

EXPORTED cl_int CL_API_CALL clInitLayer(cl_uint entries, const cl_icd_dispatch *target,
                                        cl_uint *taken, const cl_icd_dispatch **ours)
{
    const char *what = getenv("FAULT_LIMIT"), *value = getenv("FAULT_VALUE");
    enum { all = sizeof layer / sizeof(void *) };
    if (entries < all) return CL_INVALID_VALUE;
    fault_begin();
    limit = what ? (cl_device_info)strtoul(what, NULL, 0) : 0;
    limit_value = value ? strtoull(value, NULL, 0) : 0;
    driver = target;
    layer = *target;
#define TAKE(name) layer.name = fault_##name
    TAKE(clGetPlatformIDs), TAKE(clGetPlatformInfo), TAKE(clGetDeviceIDs), TAKE(clGetDeviceInfo);
    TAKE(clGetProgramInfo), TAKE(clGetProgramBuildInfo), TAKE(clGetEventProfilingInfo);
    TAKE(clCreateContext), TAKE(clCreateCommandQueue), TAKE(clCreateBuffer);
    TAKE(clSetMemObjectDestructorCallback), TAKE(clCreateProgramWithSource);
    TAKE(clCreateProgramWithBinary), TAKE(clBuildProgram), TAKE(clCreateKernel);
    TAKE(clSetKernelArg), TAKE(clEnqueueNDRangeKernel), TAKE(clEnqueueFillBuffer);
    TAKE(clEnqueueMapBuffer), TAKE(clEnqueueUnmapMemObject), TAKE(clEnqueueMarkerWithWaitList);
    TAKE(clEnqueueReadBuffer), TAKE(clEnqueueWriteBuffer), TAKE(clWaitForEvents);
    TAKE(clFlush), TAKE(clFinish);
    *taken = all;
    *ours = &layer;
    return CL_SUCCESS;
}
