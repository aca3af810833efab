/* An OpenCL layer between Clade and the driver (OPENCL_LAYERS of the loader). Kinds are the names
 * of the functions, and `any`, which counts the calls of them all. A call that is due fails with
 * FAULT_HOW where that is an error, a negative number; otherwise:
 *
 * 0  it comes late
 * 1  clEnqueueReadBuffer and clEnqueueWriteBuffer: a bit of what is copied is another
 * 2  clGetDeviceInfo: numbers that are asked for as FAULT_LIMIT are at most FAULT_VALUE
 * 3  clEnqueueNDRangeKernel: a bit of a number that the kernel changes is another; a kernel that
 *    changes none has not failed */
#define _GNU_SOURCE
#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "fault.h"

#include <CL/cl_layer.h>
#include <time.h>

enum { late = 0, flip = 1, lie = 2, spoil = 3 };

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
STATUS(clWaitForEvents, (cl_uint n, const cl_event *e), (n, e))
STATUS(clFlush, (cl_command_queue q), (q))
STATUS(clFinish, (cl_command_queue q), (q))
STATUS(clEnqueueUnmapMemObject, (cl_command_queue q, cl_mem m, void *p, EVENTS),
       (q, m, p, waits, wait, event))
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

/* --- what kernels write --- */

enum { most_buffers = 1 << 14, most_arguments = 1 << 16, most_of_kernel = 64 };
static cl_mem buffers[most_buffers]; /* all that there have been */
static size_t buffer_count;
static struct kernel_buffer {
    cl_kernel kernel;
    cl_uint number;
    cl_mem buffer; /* NULL: another kind of argument */
} arguments[most_arguments];
static size_t argument_count;

static cl_mem CL_API_CALL fault_clCreateBuffer(cl_context c, cl_mem_flags f, size_t n, void *host,
                                               cl_int *error)
{
    bool due;
    cl_int failed = judge("clCreateBuffer", &due);
    cl_mem made = failed ? NULL : driver->clCreateBuffer(c, f, n, host, error);
    if (failed && error) *error = failed;
    if (made && buffer_count < most_buffers) buffers[buffer_count++] = made;
    return made;
}

static void note_argument(cl_kernel k, cl_uint number, size_t n, const void *value)
{
    cl_mem buffer = NULL;
    size_t i = 0;
    for (size_t b = 0; b < buffer_count && n == sizeof buffer && value; b++)
        if (!memcmp(&buffers[b], value, n)) buffer = buffers[b];
    while (i < argument_count && (arguments[i].kernel != k || arguments[i].number != number)) i++;
    if (i == most_arguments) return;
    arguments[i] = (struct kernel_buffer){k, number, buffer};
    if (i == argument_count) argument_count++;
}

static cl_int CL_API_CALL fault_clSetKernelArg(cl_kernel k, cl_uint number, size_t n,
                                               const void *value)
{
    bool due;
    cl_int error = judge("clSetKernelArg", &due);
    if (!error && fault.how == spoil) note_argument(k, number, n, value);
    return error ? error : driver->clSetKernelArg(k, number, n, value);
}

/* A buffer of a kernel before it runs. */
typedef struct copied_buffer {
    cl_mem buffer;
    uint32_t *word;
} copied_buffer;

static uint32_t *copy_buffer(cl_command_queue q, cl_mem buffer, size_t *words)
{
    size_t size = 0;
    driver->clGetMemObjectInfo(buffer, CL_MEM_SIZE, sizeof size, &size, NULL);
    uint32_t *word = malloc(size + 1);
    if (word) driver->clEnqueueReadBuffer(q, buffer, CL_TRUE, 0, size, word, 0, NULL, NULL);
    *words = size / sizeof *word;
    return word;
}

/* Flips a bit of the word in the middle of those that have changed. */
static bool spoil_buffer(cl_command_queue q, const copied_buffer *before)
{
    size_t words, changed = 0, seen = 0;
    uint32_t *word = copy_buffer(q, before->buffer, &words);
    for (size_t i = 0; i < words; i++) changed += word[i] != before->word[i];
    for (size_t i = 0; i < words && changed; i++) {
        if (word[i] == before->word[i] || seen++ != changed / 2) continue;
        word[i] ^= UINT32_C(1) << 30;
        driver->clEnqueueWriteBuffer(q, before->buffer, CL_TRUE, i * sizeof *word, sizeof *word,
                                     &word[i], 0, NULL, NULL);
    }
    free(word);
    return changed > 0;
}

static cl_int CL_API_CALL fault_clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint n,
                                                       const size_t *offset, const size_t *all,
                                                       const size_t *group, EVENTS)
{
    bool due;
    copied_buffer before[most_of_kernel];
    size_t count = 0, words;
    cl_int error = judge("clEnqueueNDRangeKernel", &due);
    const bool spoils = due && fault.how == spoil;
    for (size_t i = 0; i < argument_count && spoils && count < most_of_kernel; i++) {
        if (arguments[i].kernel != k || !arguments[i].buffer) continue;
        before[count].buffer = arguments[i].buffer;
        before[count].word = copy_buffer(q, arguments[i].buffer, &words);
        count++;
    }
    if (!error)
        error = driver->clEnqueueNDRangeKernel(q, k, n, offset, all, group, waits, wait, event);
    bool spoilt = false;
    for (size_t i = 0; i < count; i++) {
        if (!spoilt) spoilt = spoil_buffer(q, &before[i]);
        free(before[i].word);
    }
    if (spoils && !spoilt) atomic_fetch_sub(&fault.counts->failed, 1);
    return error;
}

/* --- copies --- */

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
