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

/* A device's description of itself. */
typedef struct clade_device_info {
    char id[32]; /* "cpu", "opencl:0.0", "plugin:0" */
    char name[128];
    char driver[192]; /* platform and driver version */
    uint32_t compute_units;
    uint64_t memory_bytes;    /* total; 0: unknown */
    uint64_t max_alloc_bytes; /* the largest single buffer; 0: no limit of its own */
    bool fma; /* float32 fma is correctly rounded and fast: exact mode runs at full speed */
    bool fp16, fp64;
    bool host_memory;   /* shares the host's memory */
    bool cpu_like;      /* few wide cores rather than thousands of lanes */
    char unusable[256]; /* why it cannot be used; empty if it can */
    /* OpenCL: devices of one family, such as "nvidia-sm_90", share the default choices of
     * algorithms. measured: calls whose algorithm was measured on this very device
     * (clade_tune_device); shipped: on another of its family. */
    char family[64];
    uint32_t measured, shipped;
} clade_device_info;

/* Number of parameter sets: "gemm:1", …. */
enum { CLADE_GEMM_SETS = 6 };

typedef struct clade_device_options {
    clade_math math;
    int threads; /* CPU: threads; 0: one per processor */
    bool strict; /* an op that would run on the reference is EUNSUPPORTED instead */
    const char
        *plugin; /* shared object with a backend to use instead of the built-in ones; or NULL */
    uint32_t group_size;   /* OpenCL: work-group size of element-wise kernels; 0: the default. Never
                            * changes a result in exact mode. */
    const char *kernels;   /* OpenCL: "cpu" or "gpu": use the kernels for few wide cores or for many
                            * narrow ones, whatever the device is; NULL: those that suit it. CPU:
                            * "sse2", "avx2", "avx512" or "neon": use those for this instruction
                            * set; NULL: the best that the processor has. EUNSUPPORTED if there are
                            * none. */
    bool profile;          /* records when each call ran; see clade_device_profile */
    const char *algorithm; /* OpenCL: the algorithm for convolutions and dense layers that have it:
                            * "direct", "implicit" (matrix products for GPUs with the same
                            * arithmetic), and in fast mode "winograd", "matrix" (matrix units,
                            * which may round factors), "gemm" (CLBlast's matrix products);
                            * "gemm:1", … is gemm with one of several parameter sets. NULL: what
                            * clade_tune_device measured, else what is usually fastest. */
    /* OpenCL: reports progress while kernels' programs are built or taken from the cache: first
     * with `done` 0, last with done == total, from one thread at a time. May be NULL. */
    void (*building)(void *user, size_t done, size_t total);
    void *user;
    const char *limits; /* "tiny": sets all sizes at which code takes another path so low that small
                         * tensors reach every path, for tests. Never changes a result in exact
                         * mode. NULL: tuned for speed */
} clade_device_options;

/* Lists all devices of all backends, usable or not, the CPU first. The caller frees the array.
 * `note` (may be NULL) receives one line on why there is no OpenCL, or an empty string. */
CLADE_API clade_status clade_devices_list(clade_device_info **out, size_t *count, char note[256]);

/* Opens a device by name: "cpu", "opencl" (its first usable device), "opencl:P.D", "auto" (the GPU
 * with the most compute units, else the CPU) or a part of exactly one device's name or driver,
 * ignoring case. NULL is "auto". With a plugin: its device number, "0" by default. Errors:
 * ENODEVICE (the text lists the devices), EDEVICE, ENOMEM. */
CLADE_API clade_status clade_device_open(const char *name, const clade_device_options *options,
                                         clade_device **out);
CLADE_API void clade_device_close(clade_device **device);
CLADE_API const clade_device_info *clade_device_describe(const clade_device *device);
CLADE_API clade_math clade_device_math(const clade_device *device);
/* Returns one line on what was wrong, but not fatal, when the device was opened; else "". */
CLADE_API const char *clade_device_warning(const clade_device *device);

/* Allocates device memory, uninitialised. Errors: ENOMEM, with the sizes requested and
 * available. */
CLADE_API clade_status clade_buffer_create(clade_device *device, size_t bytes, clade_buffer **out);
CLADE_API void clade_buffer_destroy(clade_buffer **buffer);
CLADE_API size_t clade_buffer_bytes(const clade_buffer *buffer);
/* Returns the address at which the host can access the memory directly, once clade_device_finish
 * has returned; NULL if it cannot. */
CLADE_API void *clade_buffer_host(clade_buffer *buffer);

/* Copy in order with the ops before and after. write returns when `source` may be reused; read when
 * `target` is filled. Offsets and sizes in bytes. */
CLADE_API clade_status clade_buffer_write(clade_buffer *buffer, size_t offset, const void *source,
                                          size_t bytes);
CLADE_API clade_status clade_buffer_read(clade_buffer *buffer, size_t offset, void *target,
                                         size_t bytes);
/* Marks the current end of the device's queue. Gives NULL, without an error, if the device cannot
 * copy while it computes. */
CLADE_API clade_status clade_device_point(clade_device *device, void **point);
/* Reads like clade_buffer_read, but waits only for work queued before the point, and frees the
 * point. Nothing queued since then may write to what is read. `target` NULL: only frees the point.
 * `point` NULL: now. */
CLADE_API clade_status clade_buffer_read_at(clade_buffer *buffer, void *point, size_t offset,
                                            void *target, size_t bytes);
/* Copy a whole tensor, dense. */
CLADE_API clade_status clade_tensor_write(const clade_tensor *t, const void *source);
CLADE_API clade_status clade_tensor_read(const clade_tensor *t, void *target);

/* Validates a call completely (shapes, dtypes, buffers of this device, ranges, overlaps), has the
 * backend plan it, and reserves the workspace that the plan needs. A prepared call may run any
 * number of times; between runs only the parameters that ops.def declares with CLADE_STEP_PARAM may
 * change. Preparing it again releases its previous plan. */
CLADE_API clade_status clade_call_prepare(clade_device *device, clade_call *call);
/* Frees the plan of a call; call this before its device is closed. A call that was never prepared
 * has none. Copies of a prepared call share its plan: release only one of them. */
CLADE_API void clade_call_release(clade_call *call);
/* Queues a prepared call. Nothing is checked, decided, looked up or allocated, with one exception:
 * if kernels of a plan are not yet compiled, the first call to run compiles all that are
 * missing. */
CLADE_API clade_status clade_call_run(const clade_call *call);
/* Returns the backend's name for the algorithm of a prepared call: "winograd", "direct". NULL
 * before it is prepared, and if the op has only one. Lives as long as the device. */
CLADE_API const char *clade_call_algorithm(const clade_call *call);
/* Returns the number of kernels and copies that a prepared call queues on its device, counting a
 * CLBlast product as one; 0 if nothing is queued, as on the CPU. */
CLADE_API size_t clade_call_launches(const clade_call *call);
/* Prepares, runs and releases a single call. */
CLADE_API clade_status clade_op_run(clade_device *device, clade_op op, const clade_args *args);

/* When a call ran. */
typedef struct clade_call_time {
    const clade_call *call; /* as passed to clade_call_run */
    double begin, end;      /* seconds since an arbitrary moment, by the device's clock */
    double busy;            /* time between them that the device spent on the call */
} clade_call_time;

/* Waits, and gives the times of the calls that ran since this function was last called, in order.
 * The device must be opened with `profile`. If it has no clock of its own, the host waits for each
 * call and takes the time itself. The array lives until the next call of the device. Errors:
 * EINVAL, EDEVICE. */
CLADE_API clade_status clade_device_profile(clade_device *device, const clade_call_time **times,
                                            size_t *count);

/* Waits until everything queued is done. Errors: EDEVICE, also from earlier work. */
CLADE_API clade_status clade_device_finish(clade_device *device);

/* Returns how a device does an op: 'n' natively, 'r' by the reference in place, 'h' by the
 * reference through host copies. */
CLADE_API char clade_device_support(const clade_device *device, clade_op op);
/* Returns whether the device itself implements the call's op for the call's 16-bit tensors (FLOAT
 * in ops.def). Buffers do not matter. */
CLADE_API bool clade_device_takes_halves(const clade_device *device, const clade_call *call);
/* Returns the number of calls that ran on the reference so far. */
CLADE_API uint64_t clade_device_fallbacks(const clade_device *device);

/* Measures the device's limits, in a few tenths of a second: flops, operations per second of fused
 * multiply-adds in registers (two for each: a multiplication and an addition), and bytes per second
 * of a[i] = b[i] + s c[i] on memory that no cache holds. Errors: EUNSUPPORTED if the backend cannot
 * measure, ENOMEM, EDEVICE. */
CLADE_API clade_status clade_device_peak(clade_device *device, double *flops, double *bytes);

/* A hardware unit for matrix products, for one kind of factors. Fast math uses it once it was tried
 * on this very device and gave correct results (clade_try_matrix_units). */
typedef struct clade_matrix_unit {
    const char *name; /* NVIDIA: "mma"; AMD: "wmma-gfx11", "wmma-gfx12" and "mfma"; Intel: "xmx-8"
                       * and "xmx-16"; see also CLADE_MATRIX_UNIT in docs/drivers.md */
    clade_products products;
    bool judged;         /* it was tried */
    const char *failure; /* why it cannot be used; NULL: no known reason */
} clade_matrix_unit;

/* Gives the i-th unit of a device; returns false if there are no more. */
CLADE_API bool clade_device_matrix_unit(const clade_device *device, size_t i,
                                        clade_matrix_unit *out);
/* Returns the name of the unit that a device uses for products of these factors. NULL: it computes
 * them in float32, and `why` (may be NULL) receives a short reason. */
CLADE_API const char *clade_device_products(const clade_device *device, clade_products products,
                                            char why[128]);

/* Gives the bytes of device memory allocated now and at the peak. */
CLADE_API void clade_device_memory(const clade_device *device, uint64_t *now, uint64_t *peak);
/* The parts of the peak: bytes of the largest buffer so far, and of the workspace that all calls
 * share. */
CLADE_API uint64_t clade_device_largest(const clade_device *device);
CLADE_API uint64_t clade_device_workspace(const clade_device *device);

/* Creates a device that plans every call as `device` would, but whose buffers have no memory:
 * copies and calls do nothing, and clade_device_memory gives what the real device would use. Close
 * it before the real device. Planning leaves no trace, except that some programs may be built
 * unnecessarily. */
CLADE_API clade_status clade_device_create_planner(const clade_device *device, clade_device **out);
CLADE_API bool clade_device_is_planner(const clade_device *device);

#ifdef __cplusplus
}
#endif
#endif
