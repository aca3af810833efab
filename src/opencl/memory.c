/* Device memory, and copies to and from it. */
#include "opencl/memory.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void CL_CALLBACK free_host(cl_mem memory, void *host)
{
    (void)memory;
    free(host);
}

/* On a CPU large memory is ours, which drivers use where it lies. */
static cl_mem create_buffer(const opencl_context *cl, size_t bytes, cl_int *error)
{
    void *host = cl->cpu_like && bytes >= cl->limits.host_memory ? clade_memory(bytes) : NULL;
    cl_mem_flags flags = CL_MEM_READ_WRITE | (host ? CL_MEM_USE_HOST_PTR : 0);
    cl_mem memory = clade_icd.clCreateBuffer(cl->context, flags, bytes, host, error);
    if (!*error && host)
        *error = clade_icd.clSetMemObjectDestructorCallback(memory, free_host, host);
    if (!*error) return memory;
    if (memory) clade_icd.clReleaseMemObject(memory);
    free(host);
    return NULL;
}

clade_status clade_opencl_alloc(void *context, size_t bytes, void **handle)
{
    opencl_context *cl = context;
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

void clade_opencl_free(void *context, void *handle)
{
    opencl_context *cl = context;
    cl->freed++;
    clade_icd.clReleaseMemObject(handle);
}

static void release(const opencl_context *cl, opencl_staging *staging)
{
    if (!staging->memory) return;
    clade_icd.clEnqueueUnmapMemObject(cl->queue, staging->memory, staging->mapped, 0, NULL, NULL);
    clade_icd.clReleaseMemObject(staging->memory);
    staging->memory = NULL;
    staging->bytes = 0;
}

void clade_opencl_staging_release(opencl_context *cl)
{
    for (size_t i = 0; i < opencl_stagings; i++) {
        if (cl->staging[i].written) clade_icd.clReleaseEvent(cl->staging[i].written);
        release(cl, &cl->staging[i]);
    }
}

static clade_status grow_staging(const opencl_context *cl, opencl_staging *staging, size_t bytes)
{
    cl_int error;
    if (bytes < opencl_staging_least) bytes = opencl_staging_least;
    release(cl, staging);
    cl_mem memory = clade_icd.clCreateBuffer(cl->context, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR,
                                             bytes, NULL, &error);
    if (error) return clade_opencl_fail(cl, error, "clCreateBuffer for memory of the host");
    staging->mapped = clade_icd.clEnqueueMapBuffer(cl->queue, memory, CL_TRUE, CL_MAP_WRITE, 0,
                                                   bytes, 0, NULL, NULL, &error);
    if (error) {
        clade_icd.clReleaseMemObject(memory);
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
        cl_int error = clade_icd.clWaitForEvents(1, &staging->written);
        clade_icd.clReleaseEvent(staging->written);
        staging->written = NULL;
        if (error) return clade_opencl_fail(cl, error, "clWaitForEvents");
    }
    *out = staging;
    return staging->bytes < bytes ? grow_staging(cl, staging, bytes) : CLADE_OK;
}

/* Through a copy, so that the caller goes on while the device computes; what is too large to copy
 * waits. */
clade_status clade_opencl_write(void *context, void *handle, size_t offset, const void *source,
                                size_t bytes)
{
    opencl_context *cl = context;
    bool wait = bytes > cl->limits.staging;
    opencl_staging *staging = NULL;
    if (!wait) {
        clade_status status = next_staging(cl, bytes, &staging);
        if (status) return status;
        memcpy(staging->mapped, source, bytes);
        source = staging->mapped;
    }
    cl_int error = clade_icd.clEnqueueWriteBuffer(cl->queue, handle, wait, offset, bytes, source, 0,
                                                  NULL, staging ? &staging->written : NULL);
    if (!error && staging) error = clade_icd.clFlush(cl->queue);
    return error ? clade_opencl_fail(cl, error, "clEnqueueWriteBuffer") : CLADE_OK;
}

clade_status clade_opencl_read(void *context, void *handle, size_t offset, void *target,
                               size_t bytes)
{
    opencl_context *cl = context;
    cl_int error = clade_icd.clEnqueueReadBuffer(cl->queue, handle, CL_TRUE, offset, bytes, target,
                                                 0, NULL, NULL);
    return error ? clade_opencl_fail(cl, error, "clEnqueueReadBuffer") : CLADE_OK;
}

/* The marker's event. It is flushed, as another queue waits for it. */
clade_status clade_opencl_point(void *context, void **point)
{
    const opencl_context *cl = context;
    cl_event event;
    cl_int error = clade_icd.clEnqueueMarkerWithWaitList(cl->queue, 0, NULL, &event);
    if (error) return clade_opencl_fail(cl, error, "clEnqueueMarkerWithWaitList");
    error = clade_icd.clFlush(cl->queue);
    if (error) {
        clade_icd.clReleaseEvent(event);
        return clade_opencl_fail(cl, error, "clFlush");
    }
    *point = event;
    return CLADE_OK;
}

clade_status clade_opencl_read_at(void *context, void *point, void *handle, size_t offset,
                                  void *target, size_t bytes)
{
    opencl_context *cl = context;
    cl_event event = point;
    cl_int error = CL_SUCCESS;
    const char *what = "clCreateCommandQueue";
    if (target && !cl->reads)
        cl->reads = clade_icd.clCreateCommandQueue(cl->context, cl->device, 0, &error);
    if (target && !error) {
        what = "clEnqueueReadBuffer";
        error = clade_icd.clEnqueueReadBuffer(cl->reads, handle, CL_TRUE, offset, bytes, target, 1,
                                              &event, NULL);
    }
    clade_icd.clReleaseEvent(event);
    return error ? clade_opencl_fail(cl, error, what) : CLADE_OK;
}

clade_status clade_opencl_finish(void *context)
{
    opencl_context *cl = context;
    cl_int error = clade_icd.clFinish(cl->queue);
    return error ? clade_opencl_fail(cl, error, "clFinish") : CLADE_OK;
}
