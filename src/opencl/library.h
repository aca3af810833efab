/* Ground floor: the functions of OpenCL, found in the ICD loader's library when the first device is
 * looked for, so that one build runs where there is OpenCL and where there is none. */
#ifndef CLADE_OPENCL_LIBRARY_H
#define CLADE_OPENCL_LIBRARY_H

#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>

#include <stdbool.h>
#include <stddef.h>

/* All that the backend calls: clade_icd.clFinish(queue). */
#define OPENCL_FUNCTIONS(FUNCTION)                                                                 \
    FUNCTION(clBuildProgram)                                                                       \
    FUNCTION(clCreateBuffer)                                                                       \
    FUNCTION(clCreateCommandQueue)                                                                 \
    FUNCTION(clCreateContext)                                                                      \
    FUNCTION(clCreateKernel)                                                                       \
    FUNCTION(clCreateProgramWithBinary)                                                            \
    FUNCTION(clCreateProgramWithSource)                                                            \
    FUNCTION(clEnqueueFillBuffer)                                                                  \
    FUNCTION(clEnqueueMapBuffer)                                                                   \
    FUNCTION(clEnqueueMarkerWithWaitList)                                                          \
    FUNCTION(clEnqueueNDRangeKernel)                                                               \
    FUNCTION(clEnqueueReadBuffer)                                                                  \
    FUNCTION(clEnqueueUnmapMemObject)                                                              \
    FUNCTION(clEnqueueWriteBuffer)                                                                 \
    FUNCTION(clFinish)                                                                             \
    FUNCTION(clFlush)                                                                              \
    FUNCTION(clGetDeviceIDs)                                                                       \
    FUNCTION(clGetDeviceInfo)                                                                      \
    FUNCTION(clGetEventProfilingInfo)                                                              \
    FUNCTION(clGetPlatformIDs)                                                                     \
    FUNCTION(clGetPlatformInfo)                                                                    \
    FUNCTION(clGetProgramBuildInfo)                                                                \
    FUNCTION(clGetProgramInfo)                                                                     \
    FUNCTION(clReleaseCommandQueue)                                                                \
    FUNCTION(clReleaseContext)                                                                     \
    FUNCTION(clReleaseEvent)                                                                       \
    FUNCTION(clReleaseKernel)                                                                      \
    FUNCTION(clReleaseMemObject)                                                                   \
    FUNCTION(clReleaseProgram)                                                                     \
    FUNCTION(clSetKernelArg)                                                                       \
    FUNCTION(clSetMemObjectDestructorCallback)                                                     \
    FUNCTION(clWaitForEvents)

typedef struct opencl_functions {
#define MEMBER(name) __typeof__(name) *name;
    OPENCL_FUNCTIONS(MEMBER)
#undef MEMBER
} opencl_functions;
extern opencl_functions clade_icd;

/* Finds them; from any thread. False: they are not here, and the text says why. */
bool clade_opencl_load(const char **why);

/* A library that may be there, with the functions that are wanted of it. */
typedef struct opencl_library {
    const char *file, *package; /* "libOpenCL.so.1"; Debian's package of it */
    size_t count;
    const char *const *names;
    void (**functions)(void);
} opencl_library;

/* Finds a library's functions, those of a preloaded library first. False: `why` says what is
 * missing. */
bool clade_opencl_library_open(const opencl_library *library, char *why, size_t size);

#endif
