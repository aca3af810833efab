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
    CLADE_BENCH_BACKWARD,  /* the gradients: forward and backward, less forward alone */
    CLADE_BENCH_STEP,      /* a whole training step: forward, backward, optimizer */
    CLADE_BENCH_FROM_BYTES /* the same from images of bytes, which are moved and scaled first as
                            * the recipe augments them */
} clade_bench_part;

/* What was measured of one thing. Times are in seconds, of one call; text lives as long as the
 * benchmark and its device. */
typedef struct clade_bench_result {
    const char *name; /* the op's or the recipe's */
    const char *call; /* of an op: the call that is timed, as text (clade/ops.h); else NULL */
    clade_bench_part part;
    char support;          /* of an op: as clade_device_support gives it; else 0 */
    const char *algorithm; /* of an op: as clade_call_algorithm gives it; else NULL */
    double median, least;  /* over the rounds; 0: none yet, or a difference too small to measure */
    double spread;  /* how noisy it was: the distance of the quartiles as a share of the median */
    double flops;   /* multiplications and additions of products, counted from the shapes */
    double bytes;   /* that must move at least: every operand of every call once */
    int32_t images; /* of a model: the batch; of an op: 0 */
} clade_bench_result;

/* Things to be timed on one device. */
typedef struct clade_bench clade_bench;

/* The device must outlive it. Errors: ENOMEM. */
CLADE_API clade_status clade_bench_create(clade_device *device, clade_bench **out);
CLADE_API void clade_bench_destroy(clade_bench **bench);

/* Adds the ops, or the family of ops, of this name, * and ? matching any, at sizes that training
 * uses. Errors: EINVAL when there is none; those of clade_call_prepare. */
CLADE_API clade_status clade_bench_add_ops(clade_bench *bench, const char *pattern);
/* Adds a recipe's model on random images with the recipe's loss and optimizer: forward, backward,
 * step, and step from bytes. batch 0: the recipe's. Errors: EINVAL when it cannot be trained,
 * ENOMEM. */
CLADE_API clade_status clade_bench_add_model(clade_bench *bench, const clade_recipe *recipe,
                                             int32_t batch);

/* Times everything in `rounds` rounds, each of which takes the things in turn, so that what slows
 * the machine for a while slows them all. Each is run twice before that; what takes less than some
 * milliseconds is run several times in a row. Errors: those of the calls. */
CLADE_API clade_status clade_bench_run(clade_bench *bench, int rounds);

CLADE_API size_t clade_bench_results(const clade_bench *bench);
CLADE_API const clade_bench_result *clade_bench_result_at(const clade_bench *bench, size_t i);

/* ---- profiles ---- */

/* One call of a training step, in seconds since the first step began. */
typedef struct clade_profile_call {
    clade_op op;
    char layer[CLADE_NAME_SIZE]; /* its name; "optimizer" */
    const char *algorithm;       /* as clade_call_algorithm gives it */
    size_t launches;             /* as clade_call_launches gives them */
    int step;                    /* from 0 */
    double begin, end;           /* by the clock that clade_device_profile has */
    double busy;                 /* of that, in which the device worked on it */
    double flops, bytes;         /* as in clade_bench_result */
} clade_profile_call;

/* Training steps, call by call. */
typedef struct clade_profile {
    clade_profile_call *call; /* in the order in which they ran */
    size_t count;
    int steps;
    int32_t batch;
    double seconds; /* of one step, by the host's clock */
} clade_profile;

/* Runs `steps` training steps of a recipe's model on a device that was opened with `profile`, after
 * one that is not counted. batch 0: the recipe's. Errors: those of clade_bench_add_model and
 * clade_device_profile. */
CLADE_API clade_status clade_bench_profile(clade_device *device, const clade_recipe *recipe,
                                           int32_t batch, int steps, clade_profile **out);
CLADE_API void clade_profile_destroy(clade_profile **profile);

/* ---- choosing by measurement ---- */

/* How to try the algorithms that an OpenCL device has for the calls of some models. */
typedef struct clade_tune_device_options {
    const char *device;         /* as in clade_device_open */
    const char *const *recipes; /* built-in ones or files, NULL at the end */
    int32_t batch;              /* 0: the recipes' */
    const char *const
        *command; /* a program and its first arguments, NULL at the end, that does what
                   * clade_tune_device_child does with the arguments put behind */
    double candidate_seconds, total_seconds; /* limits */
    bool products;                           /* also CLBlast's parameters, on the largest call */
    void *user;
    /* Told of each candidate: its seconds, or why it failed (else NULL). May be NULL. */
    void (*timing)(void *user, const char *call, const char *algorithm, double seconds,
                   const char *failure);
} clade_tune_device_options;

typedef struct clade_tune_device_summary {
    size_t found,
        calls; /* calls that can be done by several algorithms; those of them now chosen for */
    size_t tried, failed; /* candidates */
    clade_device_info device;
} clade_tune_device_summary;

/* Tries every candidate in a process of its own, so that one that crashes or hangs costs no more
 * than itself. Its result must be right before its time counts. What is chosen is kept on disk, in
 * Clade's cache folder, for this device, driver and version: for fast mode the fastest, for exact
 * mode the fastest of those with the same bits. Calls for which the time does not suffice stay as
 * they are. Errors: those of clade_device_open; EUNSUPPORTED for devices without a choice, EDEVICE
 * when not even a step as it is works, EIO. */
CLADE_API clade_status clade_tune_device(const clade_tune_device_options *options,
                                         clade_tune_device_summary *summary);
/* Writes what was kept for a device to a file that is not there yet, in the form of those that
 * Clade comes with (kernels/tuning); the device may be NULL for the first OpenCL one. `info` gets
 * what the device says of itself. Errors: those of clade_device_open; EUNSUPPORTED where nothing
 * was measured, EINVAL where the file is there, EIO. */
CLADE_API clade_status clade_tune_device_export(const char *device, const char *path,
                                                clade_device_info *info);
/* What the processes do: `argv` is what was put behind the command. `out` gets what is to be
 * written to standard output, to be freed; an error is written there as a line of text instead, and
 * the exit status is 1. */
CLADE_API clade_status clade_tune_device_child(int argc, const char *const *argv, char **out);

/* Tries those of a device's matrix units for products of these factors (FLOAT32: of any) that were
 * not tried, each in a process of its own for at most `seconds`: `command` and what follows is as
 * for clade_tune_device. It computes a few products by the unit, which must be right. What came of
 * it is kept on disk, for this device, driver and these kernels, and calls that are prepared from
 * now on go by it. Errors: EIO. */
CLADE_API clade_status clade_try_matrix_units(clade_device *device, clade_products products,
                                              const char *const *command, double seconds);

#ifdef __cplusplus
}
#endif
#endif
