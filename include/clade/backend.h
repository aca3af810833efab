/* For backend authors: the table of functions that implements a device.
 *
 * A backend may be a shared object that exports
 *     const clade_backend *clade_backend_entry(void);
 * and is loaded with --plugin (clade_device_options.plugin). The front end validates every call
 * completely before a backend sees it, so a backend need not validate anything. Each opened device
 * is called from one thread at a time. On failure, functions call clade_fail() and return its
 * status. */
#ifndef CLADE_BACKEND_H
#define CLADE_BACKEND_H

#include <clade/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The ABI number, raised when this file changes what a backend must do; a plugin built for
 * another number is refused. Compatible changes only add members at the end of structs, and ops,
 * which are matched by name. An older plugin keeps working: ops that it does not know, or whose
 * arguments have grown, run on the reference. */
#define CLADE_BACKEND_ABI 4

/* A buffer as the front end keeps it. */
struct clade_buffer {
    clade_device *device;
    void *handle; /* what alloc returned */
    void *host;   /* the host's view of the same memory, or NULL */
    size_t bytes;
};

enum { CLADE_MOST_ALGORITHMS = 8 };

/* A call for which a backend has several algorithms. */
typedef struct clade_algorithm_choice {
    clade_call call; /* the call to store the choice for: the one asked about, or one inside it */
    const char *algorithms[CLADE_MOST_ALGORITHMS];
    size_t count;
} clade_algorithm_choice;

/* The outcome of trying one algorithm on a call. */
typedef struct clade_algorithm_timing {
    const char *algorithm;
    double seconds;      /* for one run of the call */
    const char *failure; /* why it cannot be used; NULL if it can */
} clade_algorithm_timing;

/* A backend's plan for a call: everything that is decided before the call runs. */
typedef struct clade_plan {
    const char *algorithm; /* its name, a constant of the backend; NULL if the op has only one */
    size_t workspace;      /* bytes that run may use. All calls share this memory; its contents are
                            * undefined */
    size_t launches;       /* kernels and copies that run queues; 0: none, or unknown */
    void *state;           /* owned by the backend: freed by `discard`, or NULL */
} clade_plan;

/* A backend's implementation of an op. */
typedef struct clade_op_slot {
    /* Chooses the algorithm for a call and fills in `plan`, which is all zeros. The arguments are
     * validated and final (shapes, parameters, buffers, offsets), except that parameters declared
     * with CLADE_STEP_PARAM may change before the call runs. Must not access memory: handles are
     * NULL when a call is planned only to find out what it needs. NULL: there is nothing to
     * plan. */
    clade_status (*plan)(void *context, const clade_args *args, clade_plan *plan);
    /* Queues a planned call. NULL: the reference runs instead. */
    clade_status (*run)(void *context, const clade_args *args, const clade_plan *plan,
                        void *workspace);
} clade_op_slot;

typedef enum clade_launch_kind {
    CLADE_LAUNCH_VALUE,
    CLADE_LAUNCH_MEMORY,   /* from alloc, or NULL */
    CLADE_LAUNCH_WORKSPACE /* the call's workspace */
} clade_launch_kind;

/* An argument of a kernel. */
typedef struct clade_launch_argument {
    clade_launch_kind kind;
    const void *value; /* for memory, the handle; NULL: no memory, or the workspace */
    size_t bytes;      /* size of a value */
} clade_launch_argument;

/* One launch of an OpenCL kernel, with all that another program needs to repeat it. */
typedef struct clade_launch {
    const char *source, *options; /* of its program: the text with includes expanded, and the
                                   * compiler options */
    const char *kernel;
    uint32_t dims;
    size_t global[3], local[3]; /* local[0] is 0 if the driver chooses */
    const clade_launch_argument *arguments;
    size_t argument_count;
} clade_launch;

/* Receives a launch, which is valid until this function returns. */
typedef clade_status clade_launch_sink(void *user, const clade_launch *launch);

/* An op as it was when a backend was built: its name, and its slots and parameters in order, with
 * their kinds and types. */
typedef struct clade_op_signature {
    const char *name, *arguments;
} clade_op_signature;

/* The CLADE_OPS ops of this header, in the order of clade_op. */
static inline const clade_op_signature *clade_op_signatures(void)
{
    static const clade_op_signature list[] = {
#define CLADE_OP(id, family, forward, flags, doc) {#id, ""
#define CLADE_SLOT(id, kind, name, type, doc) " " #kind ":" #type ":" #name
#define CLADE_PARAM(id, type, name, doc) " " #type ":" #name
#define CLADE_PARAMS(id, type, name, count, doc) " " #type ":" #count ":" #name
#define CLADE_OP_END(id)                                                                           \
    }                                                                                              \
    ,
#include <clade/ops.def>
    };
    return list;
}

typedef struct clade_backend {
    uint32_t abi;  /* CLADE_BACKEND_ABI */
    uint32_t size; /* sizeof(clade_backend): members that a later Clade adds at the end count as
                    * NULL */
    const char *name;

    /* Counts the devices. With none, sets 0 and `note`, and returns CLADE_OK. */
    clade_status (*count)(size_t *count, char note[256]);
    clade_status (*describe)(size_t index, clade_device_info *info);
    clade_status (*open)(size_t index, const clade_device_options *options, void **context);
    void (*close)(void *context);

    clade_status (*alloc)(void *context, size_t bytes, void **handle);
    void (*free)(void *context, void *handle);
    clade_status (*write)(void *context, void *handle, size_t offset, const void *source,
                          size_t bytes);
    clade_status (*read)(void *context, void *handle, size_t offset, void *target, size_t bytes);
    clade_status (*finish)(void *context);

    /* Optional: returns the host's view of the memory, valid after finish, if the host shares it.
     * Without this function, ops that the backend lacks run through host copies. */
    void *(*host)(void *context, void *handle);

    /* clade_op_signatures and CLADE_OPS: the ops that the backend was built with; may be NULL and 0
     * as long as it has none. */
    const clade_op_signature *(*signatures)(void);
    size_t op_count;
    /* Called once after open: sets slot[op] for each op that this device implements. The slots are
     * zero before the call. */
    void (*ops)(void *context, clade_op_slot *slot);
    /* Optional: frees the state of a plan. */
    void (*discard)(void *context, void *state);

    /* Optional, both or neither, for devices that run asynchronously; used when options.profile is
     * set. mark: everything queued from now on belongs to call `number`, counted from 0. times:
     * waits, sets begin, end and busy of the `count` marked calls, and forgets them. The times are
     * 0 before, and stay so for calls that queued nothing. */
    void (*mark)(void *context, size_t number);
    clade_status (*times)(void *context, clade_call_time *times, size_t count);

    /* Optional, for backends that choose an algorithm by measurement. choice: lists the algorithms
     * for a call (its buffers do not matter); returns false if there is nothing to choose. choose:
     * stores the timings of a call for later (NULL: of matrix products in general). A call's layout
     * depends on the list of ops, so both are for backends built with the same list. warning:
     * returns the text for clade_device_warning. */
    bool (*choice)(void *context, const clade_call *call, clade_algorithm_choice *out);
    clade_status (*choose)(void *context, const clade_call *call,
                           const clade_algorithm_timing *timings, size_t count);
    const char *(*warning)(void *context);

    /* Optional: measures the device's limits, in a few tenths of a second: flops, operations per
     * second of fused multiply-adds in registers, and bytes per second of a[i] = b[i] + s c[i]. */
    clade_status (*peak)(void *context, double *flops, double *bytes);

    /* Optional, called once after open: updates what describe reported to reflect the options. */
    void (*amend)(void *context, clade_device_info *info);

    /* Optional: excludes the algorithm that this call was planned with from all future plans, for
     * its op or the op inside it. Returns false if the call has no other algorithm. */
    bool (*exclude)(void *context, const clade_call *call, const char *algorithm);

    /* Optional, for OpenCL backends: passes on the launches of a plan that has not run, in order.
     * Returns EUNSUPPORTED if the plan needs anything besides launches. */
    clade_status (*launches)(void *context, const clade_args *args, const clade_plan *plan,
                             clade_launch_sink *sink, void *user);

    /* Optional, both or neither, for devices that copy while they compute. point: marks the current
     * end of the queue. read_at: like read, but waits only for work queued before that point, and
     * frees the point; with `target` NULL it only frees it. */
    clade_status (*point)(void *context, void **point);
    clade_status (*read_at)(void *context, void *point, void *handle, size_t offset, void *target,
                            size_t bytes);

    /* Optional, with choice and choose: returns the choices stored for this device as a text, which
     * the caller frees. EUNSUPPORTED: none are stored. */
    clade_status (*choices)(void *context, char **out);

    /* Optional, both or neither. matrix_unit: see clade_device_matrix_unit. judge_matrix_unit:
     * stores the outcome of trying the i-th unit: why it cannot be used, or NULL. Calls planned
     * from now on follow it. */
    bool (*matrix_unit)(void *context, size_t i, clade_matrix_unit *out);
    clade_status (*judge_matrix_unit)(void *context, size_t i, const char *failure);

    /* Optional: returns whether the backend's implementation of the call's op accepts its 16-bit
     * tensors (ops.def: FLOAT). Buffers do not matter. NULL: no op does, and calls with such
     * tensors run on the reference. */
    bool (*takes_halves)(void *context, const clade_call *call);
} clade_backend;

typedef const clade_backend *(*clade_backend_entry_function)(void);

/* Returns what alloc returned for a tensor's memory; NULL for an absent tensor. */
static inline void *clade_tensor_handle(const clade_tensor *t)
{
    return t->buffer ? t->buffer->handle : NULL;
}
/* Returns the first element of a tensor in memory that the host shares. */
static inline void *clade_tensor_host(const clade_tensor *t)
{
    return (char *)t->buffer->host + t->offset * clade_dtype_size(t->dtype);
}

#ifdef __cplusplus
}
#endif
#endif
