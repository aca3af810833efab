/* Ground floor of the OpenCL backend: the opened device and what every file needs of it.
 *
 * The room has three floors, and no file includes a header of a higher one (checked by
 * tests/include_rules_test.py):
 *   ground  context, memory, compiled programs, plans and launches, grids and tiles, profiles
 *   middle  the ops: for each its algorithms, which record launches into a plan
 *   roof    the table of the backend, the list of devices, which algorithm a call gets */
#ifndef CLADE_OPENCL_CONTEXT_H
#define CLADE_OPENCL_CONTEXT_H

#include "opencl/library.h"
#include "opencl/limits.h"

#include <clade/backend.h>

/* Host memory that a queued write is still reading: the driver's own, which a GPU fetches while the
 * host goes on; of other memory drivers make a copy first, some after all that is queued. */
typedef struct opencl_staging {
    cl_mem memory; /* mapped at */
    void *mapped;
    size_t bytes;
    cl_event written; /* NULL: free */
} opencl_staging;
enum { opencl_stagings = 8, opencl_staging_least = 1 << 16 };

/* What was launched for a call, when profiling. */
typedef struct opencl_event {
    cl_event event;
    size_t number; /* of the call */
    bool last;     /* of several that began after the event before */
} opencl_event;

typedef struct opencl_context {
    cl_platform_id platform;
    cl_device_id device;
    cl_context context;
    cl_command_queue queue;
    cl_command_queue reads; /* beside it, of what is read at a point; NULL: nothing was */
    clade_math math;
    opencl_limits limits;
    bool cpu_like; /* few wide cores: explicit vectors, one work-item per group in tiled kernels */
    bool divides;  /* and takes square roots in hardware, rounding correctly (kernels/math.clh) */
    bool driver_caches; /* the driver keeps compiled programs itself */
    uint32_t group_size;
    uint32_t compute_units;
    uint32_t vector_width; /* floats in the vectors of tiled kernels: 4, 8 or 16 */
    uint32_t lanes;        /* floats side by side that are one work-item's: those, or 1 where cores
                            * are narrow */
    uint64_t memory_bytes;
    char label[160];                  /* device and driver, for error texts */
    struct opencl_program **programs; /* in program.c */
    size_t program_count;
    void (*building)(void *user, size_t done, size_t total); /* clade_device_options */
    void *user;
    uint32_t compiled, cached; /* programs made from source; taken from the cache on disk */
    opencl_staging staging[opencl_stagings];
    size_t staging_next;
    uint64_t freed;     /* buffers so far: a handle may be another buffer's by then */
    uint32_t unflushed; /* launches that the driver may still hold back */
    struct opencl_gemm_verdict *gemms; /* in gemm.c */
    size_t gemm_count;
    struct opencl_choices *choices;           /* in algorithm.c */
    struct opencl_matrix_units *matrix_units; /* in matrix_units.c */
    bool profile;
    size_t marked; /* the call that launches belong to */
    opencl_event *events;
    size_t event_count, event_room;
} opencl_context;

/* Opens a device. Errors: EDEVICE, ENOMEM. */
clade_status clade_opencl_context_open(cl_platform_id platform, cl_device_id device,
                                       const clade_device_info *info,
                                       const clade_device_options *options, opencl_context **out);
/* Waits for what is queued first. */
void clade_opencl_context_close(opencl_context *cl);

/* A number among a device's properties; 0 if it has no such. */
cl_ulong clade_opencl_device_number(cl_device_id device, cl_device_info what);

/* A cl_int as its name, "CL_OUT_OF_RESOURCES". */
const char *clade_opencl_error_name(cl_int error);
/* The status that an OpenCL error is, with `what` and the error's name as its text. */
clade_status clade_opencl_fail(const opencl_context *cl, cl_int error, const char *what);

#endif
