/* Devices: finding and opening them, their memory, and running ops on them. */
#ifndef CLADE_DEVICE_H
#define CLADE_DEVICE_H

#include <clade/ops.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clade_device clade_device;

typedef enum clade_math {
    CLADE_EXACT, /* the stated order of arithmetic: the same bits on every device */
    CLADE_FAST   /* whatever is fastest within the error bounds */
} clade_math;

/* What a device says of itself. */
typedef struct clade_device_info {
    char id[32]; /* "cpu", "opencl:0.0", "plugin:0" */
    char name[128];
    char driver[192]; /* platform and driver version */
    uint32_t compute_units;
    uint64_t memory_bytes;    /* all of it; 0: unknown */
    uint64_t max_alloc_bytes; /* the largest single buffer; 0: no limit of its own */
    bool fma; /* float32 fma is correctly rounded and fast: exact mode is at full speed */
    bool fp16, fp64;
    bool host_memory;   /* shares the host's memory */
    bool cpu_like;      /* few wide cores rather than thousands of lanes */
    char unusable[256]; /* why it cannot be used; empty if it can */
    /* OpenCL: devices of one family have the same choices of algorithms by default:
     * "nvidia-sm_90". Calls for which one was measured on this very device (clade_tune_device), and
     * on another one of its family. */
    char family[64];
    uint32_t measured, shipped;
} clade_device_info;

/* How many sets of parameters "gemm:1", … there are. */
enum { CLADE_GEMM_SETS = 6 };

typedef struct clade_device_options {
    clade_math math;
    int threads; /* CPU: threads; 0: one per processor */
    bool strict; /* an op that would run on the reference instead is EUNSUPPORTED */
    const char
        *plugin; /* a backend from this shared object instead of the built-in ones; or NULL */
    uint32_t group_size;   /* OpenCL: work-group size of element-wise kernels; 0: the default. Never
                            * changes a result in exact mode. */
    const char *kernels;   /* OpenCL: "cpu" or "gpu": the kernels for few wide cores or for many
                            * narrow ones, whatever the device is; NULL: those that suit it. CPU:
                            * "sse2", "avx2" or "avx512", or "neon": those for this instruction
                            * set; NULL: for the best that the processor has. EUNSUPPORTED where
                            * there are none. */
    bool profile;          /* notes when each call ran; see clade_device_profile */
    const char *algorithm; /* OpenCL: how convolutions and dense layers are done where they can be:
                            * "direct", "implicit" (matrix products for GPUs by the same
                            * arithmetic), and in fast mode "winograd", "matrix" (matrix units,
                            * where factors may be rounded), "gemm" (CLBlast's matrix products);
                            * "gemm:1", … is that with one of a few sets of parameters. NULL: as
                            * clade_tune_device has measured, else what mostly is best. */
    /* OpenCL: called while programs of kernels are built or taken from the cache, first with `done`
     * 0, last with done == total, from one thread at a time. May be NULL. */
    void (*building)(void *user, size_t done, size_t total);
    void *user;
    const char *limits; /* "tiny": all sizes at which code takes another path are so small that
                         * small tensors meet every path, for tests. Never changes a result in exact
                         * mode. NULL: those for speed */
} clade_device_options;

/* All devices of all backends, usable or not, the CPU first. The array is the caller's to free().
 * `note` (may be NULL) gets one line on why there is no OpenCL, or an empty string. */
CLADE_API clade_status clade_devices_list(clade_device_info **out, size_t *count, char note[256]);

/* Opens a device by name: "cpu", "opencl" (its first usable device), "opencl:P.D", "auto" (the GPU
 * with the most compute units, else the CPU) or a part of exactly one device's name or driver, case
 * ignored. NULL is "auto". With a plugin: its device number, "0" by default. Errors: ENODEVICE (the
 * text lists what there is), EDEVICE, ENOMEM. */
CLADE_API clade_status clade_device_open(const char *name, const clade_device_options *options,
                                         clade_device **out);
CLADE_API void clade_device_close(clade_device **device);
CLADE_API const clade_device_info *clade_device_describe(const clade_device *device);
CLADE_API clade_math clade_device_math(const clade_device *device);
/* What was wrong, but not enough to fail, when the device was opened: one line; else "". */
CLADE_API const char *clade_device_warning(const clade_device *device);

/* Device memory, not initialised. Errors: ENOMEM, with how much was asked and how much there is. */
CLADE_API clade_status clade_buffer_create(clade_device *device, size_t bytes, clade_buffer **out);
CLADE_API void clade_buffer_destroy(clade_buffer **buffer);
CLADE_API size_t clade_buffer_bytes(const clade_buffer *buffer);
/* Where the host can read and write it directly once clade_device_finish has returned; NULL if not.
 */
CLADE_API void *clade_buffer_host(clade_buffer *buffer);

/* Copies in order with the ops before and after. write returns when `source` may be reused; read
 * when `target` is filled. Offsets and sizes in bytes. */
CLADE_API clade_status clade_buffer_write(clade_buffer *buffer, size_t offset, const void *source,
                                          size_t bytes);
CLADE_API clade_status clade_buffer_read(clade_buffer *buffer, size_t offset, void *target,
                                         size_t bytes);
/* A point in what is queued on a device; NULL, without an error, where it does not copy while it
 * computes. */
CLADE_API clade_status clade_device_point(clade_device *device, void **point);
/* As read, but waits only for what was queued before that point, which is freed: nothing that was
 * queued since then writes to what is read. `target` NULL: only frees it. `point` NULL: now. */
CLADE_API clade_status clade_buffer_read_at(clade_buffer *buffer, void *point, size_t offset,
                                            void *target, size_t bytes);
/* The whole of a tensor, dense. */
CLADE_API clade_status clade_tensor_write(const clade_tensor *t, const void *source);
CLADE_API clade_status clade_tensor_read(const clade_tensor *t, void *target);

/* Checks a call completely (shapes, dtypes, buffers of this device, ranges, overlaps), has the
 * backend plan it, and sets aside the workspace that the plan needs. A prepared call may be run any
 * number of times; of its arguments only the parameters that ops.def declares with CLADE_STEP_PARAM
 * may change in between. Preparing it again releases the plan it had. */
CLADE_API clade_status clade_call_prepare(clade_device *device, clade_call *call);
/* Frees the plan of a call, before its device is closed; a call that was never prepared has none. A
 * copy of a prepared call shares its plan: only one of them is released. */
CLADE_API void clade_call_release(clade_call *call);
/* Queues a prepared call. Nothing is checked, decided, looked up or allocated; only where something
 * that was planned is not yet compiled, the first call to run compiles all that is not. */
CLADE_API clade_status clade_call_run(const clade_call *call);
/* The algorithm by which a prepared call is done, by the backend's name for it: "winograd",
 * "direct". NULL before it is prepared, and where an op has but one. Lives as long as the device.
 */
CLADE_API const char *clade_call_algorithm(const clade_call *call);
/* Kernels and copies that a prepared call queues on its device, a product by CLBlast counted as
 * one; 0 where nothing is queued, as on the CPU. */
CLADE_API size_t clade_call_launches(const clade_call *call);
/* Prepares, runs and releases a single call. */
CLADE_API clade_status clade_op_run(clade_device *device, clade_op op, const clade_args *args);

/* When a call ran. */
typedef struct clade_call_time {
    const clade_call *call; /* as clade_call_run got it */
    double begin, end;      /* seconds since some moment, by the device's clock */
    double busy;            /* of that, in which the device worked on it */
} clade_call_time;

/* Waits, and gives the times of the calls that ran since this was last asked, in order; of a device
 * that was opened with `profile`. A device without a clock of its own is waited for after every
 * call, and the host's is taken. The array lives until the next call of the device. Errors: EINVAL,
 * EDEVICE. */
CLADE_API clade_status clade_device_profile(clade_device *device, const clade_call_time **times,
                                            size_t *count);

/* Waits until all that was queued is done. Errors: EDEVICE, also of what ran before. */
CLADE_API clade_status clade_device_finish(clade_device *device);

/* How a device does an op: 'n' natively, 'r' by the reference in place, 'h' by the reference
 * through host copies. */
CLADE_API char clade_device_support(const clade_device *device, clade_op op);
/* Has it a version of its own of the call's op that takes the call's tensors of 16 bits (FLOAT in
 * ops.def)? Buffers do not matter. */
CLADE_API bool clade_device_takes_halves(const clade_device *device, const clade_call *call);
/* Calls that ran on the reference so far. */
CLADE_API uint64_t clade_device_fallbacks(const clade_device *device);

/* Measures what the device can do at most, in some tenths of a second: operations of fused
 * multiply-adds in registers per second (a multiplication and an addition each), and bytes per
 * second of a[i] = b[i] + s c[i] on memory that no cache holds. Errors: EUNSUPPORTED where the
 * backend has no measure, ENOMEM, EDEVICE. */
CLADE_API clade_status clade_device_peak(clade_device *device, double *flops, double *bytes);

/* A unit for matrix products that a device may have, for factors of one kind. It is used, in fast
 * math, once it was tried on this very device and was right (clade_try_matrix_units). */
typedef struct clade_matrix_unit {
    const char *name; /* "mma" of NVIDIA, "wmma-gfx11", "wmma-gfx12" and "mfma" of AMD, "xmx-8" and
                       * "xmx-16" of Intel; see also CLADE_MATRIX_UNIT in docs/drivers.md */
    clade_products products;
    bool judged;         /* was it tried? */
    const char *failure; /* why it cannot be used; NULL: nothing is known against it */
} clade_matrix_unit;

/* The i-th of a device's; false: there are no more. */
CLADE_API bool clade_device_matrix_unit(const clade_device *device, size_t i,
                                        clade_matrix_unit *out);
/* The name of the unit by which a device takes products of these factors; NULL: it takes them of
 * float32, and `why` (may be NULL) says in a few words why. */
CLADE_API const char *clade_device_products(const clade_device *device, clade_products products,
                                            char why[128]);

/* What a device's memory holds at present and held at most, in bytes. */
CLADE_API void clade_device_memory(const clade_device *device, uint64_t *now, uint64_t *peak);
/* Of these, bytes of the largest buffer that there has been, and of the workspace that all calls
 * share. */
CLADE_API uint64_t clade_device_largest(const clade_device *device);
CLADE_API uint64_t clade_device_workspace(const clade_device *device);

/* A device that plans every call as `device` would, but whose buffers have no memory: copies and
 * calls do nothing, and its clade_device_memory is what the other's would be. It is closed before
 * the other one. What was planned leaves no trace but programs that may be built without need. */
CLADE_API clade_status clade_device_create_planner(const clade_device *device, clade_device **out);
CLADE_API bool clade_device_is_planner(const clade_device *device);

#ifdef __cplusplus
}
#endif
#endif
