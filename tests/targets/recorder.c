/* An OpenCL layer between Clade and the driver (OPENCL_LAYERS of the loader) that writes every
 * program into the folder RECORDED, N.cl with the options as its first line, and the kernels that
 * are taken of it, a line each, N.kernels; the device says that it is a GPU of 128 compute units,
 * and runs no kernel. */
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl_layer.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

static const cl_icd_dispatch *driver;
static cl_icd_dispatch layer;

/* --- programs --- */

enum { most_programs = 1 << 12 };
static struct {
    cl_program program;
    char *text;
} made[most_programs];
static size_t made_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static char *join(cl_uint count, const char **part, const size_t *size)
{
    size_t all = 1, at = 0;
    for (cl_uint i = 0; i < count; i++) all += size && size[i] ? size[i] : strlen(part[i]);
    char *text = malloc(all);
    for (cl_uint i = 0; text && i < count; i++) {
        const size_t n = size && size[i] ? size[i] : strlen(part[i]);
        memcpy(text + at, part[i], n);
        at += n;
    }
    if (text) text[at] = 0;
    return text;
}

static cl_program CL_API_CALL make(cl_context c, cl_uint count, const char **part,
                                   const size_t *size, cl_int *error)
{
    cl_program program = driver->clCreateProgramWithSource(c, count, part, size, error);
    pthread_mutex_lock(&lock);
    if (program) {
        if (made_count == most_programs) abort();
        made[made_count].program = program;
        made[made_count].text = join(count, part, size);
        if (!made[made_count++].text) abort();
    }
    pthread_mutex_unlock(&lock);
    return program;
}

/* Adds to the file of a program. Handles may be used again for a program that is made later: the
 * last one counts. */
static void record(cl_program program, const char *ending, const char *before, const char *line,
                   bool text)
{
    pthread_mutex_lock(&lock);
    size_t i = made_count;
    while (i > 0 && made[i - 1].program != program) i--;
    if (i > 0) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%zu.%s", getenv("RECORDED"), i - 1, ending);
        FILE *f = fopen(path, "a");
        if (!f || fprintf(f, "%s%s\n%s", before, line, text ? made[i - 1].text : "") < 0 ||
            fclose(f))
            abort();
    }
    pthread_mutex_unlock(&lock);
}

static cl_int CL_API_CALL build(cl_program p, cl_uint n, const cl_device_id *d, const char *options,
                                void(CL_CALLBACK *done)(cl_program, void *), void *user)
{
    record(p, "cl", "// ", options ? options : "", true);
    return driver->clBuildProgram(p, n, d, options, done, user);
}

static cl_kernel CL_API_CALL take(cl_program p, const char *name, cl_int *error)
{
    record(p, "kernels", "", name, false);
    return driver->clCreateKernel(p, name, error);
}

/* --- the device --- */

static cl_int CL_API_CALL tell(cl_device_id d, cl_device_info what, size_t size, void *value,
                               size_t *taken)
{
    const cl_device_type type = CL_DEVICE_TYPE_GPU;
    const cl_uint units = 128;
    const cl_int failed = driver->clGetDeviceInfo(d, what, size, value, taken);
    if (!failed && value && what == CL_DEVICE_TYPE) memcpy(value, &type, sizeof type);
    if (!failed && value && what == CL_DEVICE_MAX_COMPUTE_UNITS)
        memcpy(value, &units, sizeof units);
    return failed;
}

static cl_int CL_API_CALL launch(cl_command_queue q, cl_kernel k, cl_uint rank, const size_t *at,
                                 const size_t *global, const size_t *local, cl_uint waits,
                                 const cl_event *wait, cl_event *event)
{
    (void)k, (void)rank, (void)at, (void)global, (void)local;
    return event ? driver->clEnqueueMarkerWithWaitList(q, waits, wait, event) : CL_SUCCESS;
}

/* --- the loader --- */

EXPORTED cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, size_t size, void *value,
                                           size_t *taken)
{
    const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    const void *answer = what == CL_LAYER_NAME ? (const void *)"recorder" : &version;
    const size_t n = what == CL_LAYER_NAME ? sizeof "recorder" : sizeof version;
    if (what != CL_LAYER_API_VERSION && what != CL_LAYER_NAME) return CL_INVALID_VALUE;
    if (value && size < n) return CL_INVALID_VALUE;
    if (value) memcpy(value, answer, n);
    if (taken) *taken = n;
    return CL_SUCCESS;
}

EXPORTED cl_int CL_API_CALL clInitLayer(cl_uint entries, const cl_icd_dispatch *target,
                                        cl_uint *taken, const cl_icd_dispatch **ours)
{
    enum { all = sizeof layer / sizeof(void *) };
    if (entries < all || !getenv("RECORDED")) return CL_INVALID_VALUE;
    driver = target;
    layer = *target;
    layer.clCreateProgramWithSource = make;
    layer.clBuildProgram = build;
    layer.clCreateKernel = take;
    layer.clGetDeviceInfo = tell;
    layer.clEnqueueNDRangeKernel = launch;
    *taken = all;
    *ours = &layer;
    return CL_SUCCESS;
}
