/* For those who write a backend: the table of functions that a device is made of.
 *
 * A backend may be a shared object that exports
 *     const clade_backend *clade_backend_entry(void);
 * and is loaded with --plugin (clade_device_options.plugin). The front end checks every call
 * completely before a backend sees it, so a backend checks nothing again. Calls come from one
 * thread at a time for one opened device. Failures return a status after clade_fail(). */
#ifndef CLADE_BACKEND_H
#define CLADE_BACKEND_H

#include <clade/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when this file changes what a backend must do; a plugin built for another is refused.
 * Other changes only add members at the end of structs, and ops, which are found by name: a plugin
 * goes on working, and runs ops that it does not know, or whose arguments have grown, by the
 * reference. */
#define CLADE_BACKEND_ABI 4

/* Memory as the front end keeps it. */
struct clade_buffer {
    clade_device *device;
    void *handle; /* what alloc gave */
    void *host;   /* the same memory seen by the host, or NULL */
    size_t bytes;
};

enum { CLADE_MOST_ALGORITHMS = 8 };

/* A call that a backend can do by several algorithms. */
typedef struct clade_algorithm_choice {
    clade_call call; /* that the choice is kept for: the one asked about, or one inside it */
    const char *algorithms[CLADE_MOST_ALGORITHMS];
    size_t count;
} clade_algorithm_choice;

/* What an algorithm gave for a call. */
typedef struct clade_algorithm_timing {
    const char *algorithm;
    double seconds;      /* of the call */
    const char *failure; /* why it cannot be used; NULL: it can */
} clade_algorithm_timing;

/* What a backend has made of a call: all that is decided before it runs. */
typedef struct clade_plan {
    const char *algorithm; /* its name, a constant of the backend; NULL: the op has but one */
    size_t workspace;      /* bytes that run may use; calls share the memory, which holds nothing */
    size_t launches;       /* kernels and copies that run queues; 0: none, or it is not known */
    void *state;           /* the backend's own; NULL, or `discard` frees it */
} clade_plan;

/* How a backend does an op. */
typedef struct clade_op_slot {
    /* Chooses the algorithm for a call and fills in `plan`, which is zeros. The arguments are
     * checked and final: shapes, parameters, buffers and offsets; only parameters declared with
     * CLADE_STEP_PARAM may be others when it runs. It does not look into memory: of calls that are
     * planned only to know what they take, handles are NULL. NULL: nothing is to be planned. */
    clade_status (*plan)(void *context, const clade_args *args, clade_plan *plan);
    /* Queues what was planned. NULL: the reference runs instead. */
    clade_status (*run)(void *context, const clade_args *args, const clade_plan *plan,
                        void *workspace);
} clade_op_slot;

typedef enum clade_launch_kind {
    CLADE_LAUNCH_VALUE,
    CLADE_LAUNCH_MEMORY,   /* that alloc gave, or none */
    CLADE_LAUNCH_WORKSPACE /* the call's */
} clade_launch_kind;

/* A kernel's argument. */
typedef struct clade_launch_argument {
    clade_launch_kind kind;
    const void *value; /* of memory the handle; NULL: none, or the workspace */
    size_t bytes;      /* of a value */
} clade_launch_argument;

/* One launch of an OpenCL kernel: all that another program needs to repeat it. */
typedef struct clade_launch {
    const char *source, *options; /* of its program: the text without #include, the compiler's */
    const char *kernel;
    uint32_t dims;
    size_t global[3], local[3]; /* local[0] is 0: the driver's choice */
    const clade_launch_argument *arguments;
    size_t argument_count;
} clade_launch;

/* Gets a launch, which lasts until it returns. */
typedef clade_status clade_launch_sink(void *user, const clade_launch *launch);

/* An op as it was when a backend was built: its name, and its slots and parameters, with their
 * kinds and types, in their order. */
typedef struct clade_op_signature {
    const char *name, *arguments;
} clade_op_signature;

/* The ops of this header, in the order of clade_op; CLADE_OPS of them. */
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
    uint32_t size; /* sizeof(clade_backend): members that a later Clade adds at the end are NULL */
    const char *name;

    /* How many devices there are; 0 with CLADE_OK and `note` when there are none. */
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

    /* Optional: the memory as the host sees it (valid after finish), if it is the host's memory
     * too. Without it ops that the backend does not have run through host copies. */
    void *(*host)(void *context, void *handle);

    /* clade_op_signatures and CLADE_OPS: the ops that the backend was built with; may be NULL and 0
     * as long as it has none. */
    const clade_op_signature *(*signatures)(void);
    size_t op_count;
    /* Called once after open: sets slot[op] for each op that this device has a version of; the
     * others are zeros. */
    void (*ops)(void *context, clade_op_slot *slot);
    /* Optional: frees the state of a plan. */
    void (*discard)(void *context, void *state);

    /* Optional, both or none, for devices that work behind the host; used when options.profile is
     * set. mark: what is queued from now on belongs to call `number`, from 0. times: waits, sets
     * begin, end and busy of the `count` calls that were marked (they are 0 before; so they stay
     * for calls that queued nothing), and forgets them. */
    void (*mark)(void *context, size_t number);
    clade_status (*times)(void *context, clade_call_time *times, size_t count);

    /* Optional, for backends that choose by measurement how a call is done. choice: the algorithms
     * for a call (its buffers do not matter); false: there is nothing to choose. choose: keeps for
     * later what timings of a call gave (NULL: of matrix products in general). A call's layout goes
     * with the list of ops, so these two are for backends built with the same one. warning: what
     * clade_device_warning gives. */
    bool (*choice)(void *context, const clade_call *call, clade_algorithm_choice *out);
    clade_status (*choose)(void *context, const clade_call *call,
                           const clade_algorithm_timing *timings, size_t count);
    const char *(*warning)(void *context);

    /* Optional: measures the device's own limits, in some tenths of a second: operations of fused
     * multiply-adds in registers per second, and bytes per second of a[i] = b[i] + s c[i]. */
    clade_status (*peak)(void *context, double *flops, double *bytes);

    /* Optional, called once after open: corrects what describe said by what the options chose. */
    void (*amend)(void *context, clade_device_info *info);

    /* Optional: plans made from now on do not use the algorithm by which this call was planned, for
     * its op or the one inside it. false: there is no other for this call. */
    bool (*exclude)(void *context, const clade_call *call, const char *algorithm);

    /* Optional, for backends of OpenCL: hands on the launches of a plan that has not run, in order.
     * EUNSUPPORTED where something else belongs to it. */
    clade_status (*launches)(void *context, const clade_args *args, const clade_plan *plan,
                             clade_launch_sink *sink, void *user);

    /* Optional, both or none, for devices that copy while they compute. point: notes what is queued
     * so far. read_at: as read, but waits only for what was queued before that point, which is
     * freed; `target` NULL: frees it and reads nothing. */
    clade_status (*point)(void *context, void **point);
    clade_status (*read_at)(void *context, void *point, void *handle, size_t offset, void *target,
                            size_t bytes);

    /* Optional, with choice and choose: what is kept for this device, as a text to be freed.
     * EUNSUPPORTED: nothing is. */
    clade_status (*choices)(void *context, char **out);

    /* Optional, both or none. matrix_unit: as clade_device_matrix_unit. judge_matrix_unit: keeps
     * for later what came of trying the i-th: why it cannot be used, or NULL; calls planned from
     * now on go by it. */
    bool (*matrix_unit)(void *context, size_t i, clade_matrix_unit *out);
    clade_status (*judge_matrix_unit)(void *context, size_t i, const char *failure);

    /* Optional: does the backend's version of the call's op take its tensors of 16 bits (ops.def:
     * FLOAT)? Buffers do not matter. NULL: no op does, and calls with such tensors run the
     * reference. */
    bool (*takes_halves)(void *context, const clade_call *call);
} clade_backend;

typedef const clade_backend *(*clade_backend_entry_function)(void);

/* What alloc gave for a tensor's memory; NULL for an absent tensor. */
static inline void *clade_tensor_handle(const clade_tensor *t)
{
    return t->buffer ? t->buffer->handle : NULL;
}
/* First element of a tensor in memory that the host shares. */
static inline void *clade_tensor_host(const clade_tensor *t)
{
    return (char *)t->buffer->host + t->offset * clade_dtype_size(t->dtype);
}

#ifdef __cplusplus
}
#endif
#endif
