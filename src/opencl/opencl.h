/* The OpenCL backend's inside: its context, launching kernels, and its families of ops. */
#ifndef CLADE_OPENCL_OPENCL_H
#define CLADE_OPENCL_OPENCL_H

#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>

#include <clade/backend.h>

typedef struct opencl_kernel {
    char name[64], options[192]; /* kernel names are unique over all families */
    cl_kernel kernel;
} opencl_kernel;

typedef struct opencl_program {
    char family[32], options[192];
    cl_program program;
} opencl_program;

/* Whether CLBlast's product of a shape was right when it was tried. */
typedef struct opencl_gemm_verdict {
    size_t m, n, k;
    bool a_transposed, b_transposed, adds, good;
} opencl_gemm_verdict;

/* Host memory that a queued write is still reading: the driver's own, which a GPU fetches while the
 * host goes on; of other memory drivers make a copy first, some after all that is queued. */
typedef struct opencl_staging {
    cl_mem memory; /* mapped at */
    void *mapped;
    size_t bytes;
    cl_event written; /* NULL: free */
} opencl_staging;
enum {
    opencl_stagings = 8,
    opencl_staging_least = 1 << 16,
    opencl_staging_most = 64 << 20,
    opencl_unflushed_most = 16
};

/* What was launched for a call, when profiling. */
typedef struct opencl_event {
    cl_event event;
    size_t number; /* of the call */
    bool last;     /* of several that began after the event before */
} opencl_event;

/* The ops of a device. */
typedef struct opencl_table {
#define CLADE_OP(id, family, forward, flags, doc)                                                  \
    clade_status (*id)(void *context, const clade_##id##_args *args, void *workspace);
#include <clade/ops.def>
} opencl_table;

typedef struct opencl_context {
    opencl_table table;
    cl_platform_id platform;
    cl_device_id device;
    cl_context context;
    cl_command_queue queue;
    clade_math math;
    bool cpu_like; /* few wide cores: explicit vectors, one work-item per group in tiled kernels */
    bool divides;  /* and takes square roots in hardware, rounding correctly (kernels/math.clh) */
    struct opencl_choices *choices; /* how calls are done, in choice.c */
    bool driver_caches;             /* the driver keeps compiled programs itself */
    uint32_t group_size;
    uint32_t compute_units;
    uint32_t vector_width; /* floats in the vectors of tiled kernels: 4, 8 or 16 */
    uint64_t memory_bytes, max_alloc_bytes;
    char label[160]; /* device and driver, for error texts */
    opencl_program *programs;
    size_t program_count;
    uint32_t compiled, cached; /* programs made from source; taken from the cache on disk */
    opencl_kernel *kernels;
    size_t kernel_count;
    opencl_staging staging[opencl_stagings];
    size_t staging_next;
    uint32_t unflushed; /* launches that the driver may still hold back */
    opencl_gemm_verdict *gemms;
    size_t gemm_count;
    bool profile;
    size_t marked; /* the call that launches belong to */
    opencl_event *events;
    size_t event_count, event_room;
} opencl_context;

const clade_backend *clade_opencl_backend(void);

/* A cl_int as its name, "CL_OUT_OF_RESOURCES". */
const char *clade_opencl_error_name(cl_int error);
/* The status that an OpenCL error is, with `what` and the error's name as its text. */
clade_status clade_opencl_fail(const opencl_context *cl, cl_int error, const char *what);

/* One kernel launch being put together: begin, then the arguments in order, then one of the run
 * functions. The first failure is kept and returned by run. */
typedef struct opencl_launch {
    opencl_context *cl;
    cl_kernel kernel;
    const char *name;
    cl_uint next;
    clade_status status;
} opencl_launch;

/* Kernel `kernel` of kernels/FAMILY.cl compiled with `options` ("-DTILE=4", or NULL). Compiled at
 * first use. */
opencl_launch clade_opencl_begin(opencl_context *cl, const char *family, const char *kernel,
                                 const char *options);
void clade_opencl_tensor(opencl_launch *launch, const clade_tensor *t); /* buffer and offset */
void clade_opencl_workspace(opencl_launch *launch, void *workspace);    /* a cl_mem as it is */
void clade_opencl_i32(opencl_launch *launch, int32_t value);
void clade_opencl_u32(opencl_launch *launch, uint32_t value);
void clade_opencl_u64(opencl_launch *launch, uint64_t value);
void clade_opencl_f32(opencl_launch *launch, float value);
void clade_opencl_struct(opencl_launch *launch, const void *value, size_t bytes); /* by value */
/* One work-item per element of n (rounded up to whole groups of the context's size; the kernel
 * checks). */
clade_status clade_opencl_run_elements(opencl_launch *launch, uint64_t n);
/* The arguments ELEMENTS (kernels/elements.clh), which are the kernel's last, and its launch for n
 * elements, each of which takes the time of `work` floats. */
clade_status clade_opencl_run_each(opencl_launch *launch, uint64_t n, uint64_t work);
/* Exactly this grid: `dims` 1…3 sizes and work-group sizes (local NULL: the driver's choice). */
clade_status clade_opencl_run_grid(opencl_launch *launch, cl_uint dims, const size_t *global,
                                   const size_t *local);

/* Families; each sets its ops' slots in a table. */
#define OPENCL_FAMILIES(FAMILY)                                                                    \
    FAMILY(activation)                                                                             \
    FAMILY(conv)                                                                                   \
    FAMILY(conv_pool)                                                                              \
    FAMILY(pool)                                                                                   \
    FAMILY(norm)                                                                                   \
    FAMILY(lrn)                                                                                    \
    FAMILY(dropout)                                                                                \
    FAMILY(optim)                                                                                  \
    FAMILY(image)                                                                                  \
    FAMILY(elementwise)                                                                            \
    FAMILY(reduce)                                                                                 \
    FAMILY(copy)                                                                                   \
    FAMILY(loss)

/* Profiles, in profile.c. Where the next launch's event goes: NULL when nothing is profiled. */
cl_event *clade_opencl_event(opencl_context *cl);
/* The same for several launches that give an event only of the last. */
cl_event *clade_opencl_last_event(opencl_context *cl);
void clade_opencl_events_clear(opencl_context *cl);
void clade_opencl_mark(void *context, size_t number);
clade_status clade_opencl_times(void *context, clade_call_time *times, size_t count);

/* gamma / sqrt(var + eps) of each channel to workspace, from float `at` on; in norm.c. */
clade_status clade_opencl_norm_scale(opencl_context *cl, const clade_tensor *gamma,
                                     const clade_tensor *var, float eps, void *workspace,
                                     uint64_t at);

/* The backend's measure of the device, in peak.c. */
clade_status clade_opencl_peak(void *context, double *flops, double *bytes);

#define FAMILY(name) void clade_opencl_##name(const opencl_context *cl, opencl_table *table);
OPENCL_FAMILIES(FAMILY)
#undef FAMILY

/* Those whose ops need workspace say how many bytes a call needs; 0 for ops that are not theirs. */
#define OPENCL_WORKSPACE_FAMILIES(FAMILY)                                                          \
    FAMILY(conv)                                                                                   \
    FAMILY(conv_pool)                                                                              \
    FAMILY(norm)                                                                                   \
    FAMILY(lrn)                                                                                    \
    FAMILY(optim)                                                                                  \
    FAMILY(elementwise)                                                                            \
    FAMILY(reduce)

#define FAMILY(name)                                                                               \
    size_t clade_opencl_##name##_workspace(opencl_context *cl, clade_op op, const clade_args *args);
OPENCL_WORKSPACE_FAMILIES(FAMILY)
#undef FAMILY

#endif
