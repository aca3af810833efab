/* Benchmarks: how long ops and models take on a device. */
#ifndef CLADE_BENCH_H
#define CLADE_BENCH_H

#include <clade/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum clade_bench_part {
    CLADE_BENCH_OP,        /* one op at a size that training uses */
    CLADE_BENCH_FORWARD,   /* a batch through a model, with its losses */
    CLADE_BENCH_BACKWARD,  /* the gradients: forward and backward, minus forward alone */
    CLADE_BENCH_STEP,      /* a whole training step: forward, backward, optimizer */
    CLADE_BENCH_FROM_BYTES /* the same from uint8 images, moved and scaled first by the recipe's
                            * augmentation */
} clade_bench_part;

/* What was measured for one item. Times are in seconds per call. Texts live as long as the
 * benchmark and its device. */
typedef struct clade_bench_result {
    const char *name; /* of the op or the recipe */
    const char *call; /* ops: the timed call as text (clade/ops.h); else NULL */
    clade_bench_part part;
    char support;          /* ops: see clade_device_support; else 0 */
    const char *algorithm; /* ops: see clade_call_algorithm; else NULL */
    double median, least;  /* over the rounds; 0: not measured yet, or too small a difference to
                            * measure */
    double spread;         /* noise: the interquartile range as a share of the median */
    double flops;          /* multiplications and additions in products, counted from the shapes */
    double bytes;          /* minimum traffic: every operand of every call once */
    int32_t images;        /* models: the batch size; ops: 0 */
} clade_bench_result;

/* A set of items to time on one device. */
typedef struct clade_bench clade_bench;

/* Creates an empty benchmark. The device must outlive it. Errors: ENOMEM. */
CLADE_API clade_status clade_bench_create(clade_device *device, clade_bench **out);
CLADE_API void clade_bench_destroy(clade_bench **bench);

/* Adds the ops whose name or family matches `pattern` (* and ? are wildcards), at sizes that
 * training uses. Errors: EINVAL when none match; those of clade_call_prepare. */
CLADE_API clade_status clade_bench_add_ops(clade_bench *bench, const char *pattern);
/* Adds a recipe's model on random images, with the recipe's loss and optimizer: forward, backward,
 * step, and step from bytes. batch 0: the recipe's. Errors: EINVAL when the model cannot be
 * trained, ENOMEM. */
CLADE_API clade_status clade_bench_add_model(clade_bench *bench, const clade_recipe *recipe,
                                             int32_t batch);

/* Times everything in `rounds` rounds. Each round takes the items in turn, so that a temporary
 * slowdown of the machine affects all of them. Each item first runs twice untimed; items that take
 * less than a few milliseconds run several times in a row. Errors: those of the calls. */
CLADE_API clade_status clade_bench_run(clade_bench *bench, int rounds);

CLADE_API size_t clade_bench_results(const clade_bench *bench);
CLADE_API const clade_bench_result *clade_bench_result_at(const clade_bench *bench, size_t i);

/* ---- profiles ---- */

/* One call of a training step. Times are in seconds since the first step began. */
typedef struct clade_profile_call {
    clade_op op;
    char layer[CLADE_NAME_SIZE]; /* the layer's name, or "optimizer" */
    const char *algorithm;       /* see clade_call_algorithm */
    size_t launches;             /* see clade_call_launches */
    int step;                    /* from 0 */
    double begin, end;           /* by the clock of clade_device_profile */
    double busy;                 /* time between them that the device spent on the call */
    double flops, bytes;         /* as in clade_bench_result */
} clade_profile_call;

/* Training steps, call by call. */
typedef struct clade_profile {
    clade_profile_call *call; /* in the order they ran */
    size_t count;
    int steps;
    int32_t batch;
    double seconds; /* of one step, by the host's clock */
} clade_profile;

/* Runs one untimed and `steps` timed training steps of a recipe's model, on a device opened with
 * `profile`. batch 0: the recipe's. Errors: those of clade_bench_add_model and
 * clade_device_profile. */
CLADE_API clade_status clade_bench_profile(clade_device *device, const clade_recipe *recipe,
                                           int32_t batch, int steps, clade_profile **out);
CLADE_API void clade_profile_destroy(clade_profile **profile);

/* ---- choosing by measurement ---- */

/* How to measure the algorithms that an OpenCL device has for the calls of some models. */
typedef struct clade_tune_device_options {
    const char *device;         /* see clade_device_open */
    const char *const *recipes; /* built-in recipes or files, ended by NULL */
    int32_t batch;              /* 0: the recipes' */
    const char *const *command; /* a program and its first arguments, ended by NULL: it passes the
                                 * arguments appended to these on to clade_tune_device_child */
    double candidate_seconds, total_seconds; /* limits */
    bool products;                           /* also tune CLBlast's parameters, on the largest
                                              * call */
    void *user;
    /* Receives each candidate with its time in seconds, or why it failed (else NULL). May be
     * NULL. */
    void (*timing)(void *user, const char *call, const char *algorithm, double seconds,
                   const char *failure);
} clade_tune_device_options;

typedef struct clade_tune_device_summary {
    size_t found, calls;  /* calls with several algorithms; those that now have a chosen one */
    size_t tried, failed; /* candidates */
    clade_device_info device;
} clade_tune_device_summary;

/* Measures every candidate in a process of its own, so that one that crashes or hangs harms nothing
 * else. A candidate's result must be correct before its time counts. Stores the choices in Clade's
 * cache folder for this device, driver and version: for fast mode the fastest algorithm, for exact
 * mode the fastest of those with the same bits. Calls that the time limit does not reach keep their
 * algorithm. Errors: those of clade_device_open; EUNSUPPORTED for devices without a choice, EDEVICE
 * when not even an unchanged step works, EIO. */
CLADE_API clade_status clade_tune_device(const clade_tune_device_options *options,
                                         clade_tune_device_summary *summary);
/* Writes the stored choices of a device to a new file, in the format of those that Clade ships
 * (kernels/tuning). device NULL: the first OpenCL device. `info` receives the device's description.
 * Errors: those of clade_device_open; EUNSUPPORTED if nothing was measured, EINVAL if the file
 * exists, EIO. */
CLADE_API clade_status clade_tune_device_export(const char *device, const char *path,
                                                clade_device_info *info);
/* Does the work of one such process. `argv` is what was appended to the command. `out` receives the
 * text for standard output, which the caller frees. On an error that text is one line saying so,
 * and the exit status must be 1. */
CLADE_API clade_status clade_tune_device_child(int argc, const char *const *argv, char **out);

/* Tries the device's matrix units for products of these factors (FLOAT32: of any) that were not
 * tried before, each in a process of its own for at most `seconds`; `command` and what follows are
 * as in clade_tune_device. Each computes a few products, which must be correct. Stores the outcome
 * on disk for this device, driver and these kernels; calls prepared from now on follow it. Errors:
 * EIO. */
CLADE_API clade_status clade_try_matrix_units(clade_device *device, clade_products products,
                                              const char *const *command, double seconds);

#ifdef __cplusplus
}
#endif
#endif
