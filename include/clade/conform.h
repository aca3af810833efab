/* The conformance harness: judges a device against the reference (float32, every operation in the
 * stated order) and the oracle (double), per op, per chain of layers, per net.
 *
 * Each case of an op is judged both overwriting and accumulating:
 *   - on small integers, on random numbers, and with NaN, infinities, signed zeros and subnormal
 *     numbers in each input in turn;
 *   - in exact mode, every bit of every output against the reference; in both modes, every element
 *     against the oracle within the op's bound, which follows from the arithmetic and the data.
 *     Where small integers make every step exact, no error is allowed;
 *   - outputs are filled with NaN first, which exposes elements that are not written. Memory before
 *     and after each tensor is NaN, which exposes reads there. Neither this memory nor the inputs
 * may change. Tensors begin at odd elements. The workspace is NaN, and no larger than planned;
 *   - run again with separate buffers, with another work-group size or other numbers of threads,
 * and with all size limits tiny, the result must have the same bits.
 *
 * Whole nets (CLADE_CONFORM_NETS) are trained on the device and on the CPU. In exact mode every
 * loss and weight must have the same bits. In fast mode they may differ by a multiple of the effect
 * that a small change of the initial weights has on the CPU. Gradients are also judged without any
 * device (CLADE_CONFORM_GRAD): the oracle's backward against finite differences of its forward. */
#ifndef CLADE_CONFORM_H
#define CLADE_CONFORM_H

#include <clade/device.h>
#include <clade/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of the form of case names: MODE.OP.CASE, of letters, digits, '-', '_' and '=', followed
 * by "/accumulate" for a case that adds to its output: "ops.dense_dw.small/accumulate". Names do
 * not change between releases; a new form would get a new number. */
#define CLADE_CONFORM_NAMES 1

/* What to judge; may be combined with |. */
typedef enum clade_conform_mode {
    CLADE_CONFORM_OPS = 1,        /* every op on the device */
    CLADE_CONFORM_GRAD = 2,       /* the oracle's gradients against finite differences */
    CLADE_CONFORM_LAYERS = 4,     /* forward and backward of chains of ops on the device */
    CLADE_CONFORM_SELF_TEST = 16, /* the harness itself, on devices with planted faults */
    CLADE_CONFORM_NETS = 32,      /* the built-in recipes' nets, trained for 1, 10 and 200 steps */
    CLADE_CONFORM_SUPPORT = 64,   /* lists how the device does each op; runs nothing */
    CLADE_CONFORM_FREEZE = 128,   /* writes the inputs and expected outputs of ops to files */
    CLADE_CONFORM_FROZEN = 256    /* judges reference and oracle against such files */
} clade_conform_mode;

/* Returns the first word of the names of a mode's results: "ops", "grad", … */
CLADE_API const char *clade_conform_mode_name(clade_conform_mode mode);

typedef struct clade_conform_result clade_conform_result;

typedef enum clade_conform_verdict {
    CLADE_CONFORM_PASS,
    CLADE_CONFORM_FAIL,
    CLADE_CONFORM_SKIP
} clade_conform_verdict;

typedef enum clade_conform_pass {
    CLADE_CONFORM_BOTH,
    CLADE_CONFORM_OVERWRITE, /* only cases with accumulate 0 */
    CLADE_CONFORM_ACCUMULATE /* only cases with accumulate 1 */
} clade_conform_pass;

/* Zero is the default everywhere. */
typedef struct clade_conform_options {
    const char *device;    /* see clade_device_open */
    const char *plugin;    /* a backend from this shared object, or NULL */
    const char *op;        /* name of an op or a family, or a pattern with * and ?; NULL: all */
    const char *case_name; /* the same for cases; or an unlisted case, as the text of a call
                            * (clade/ops.h) of an op that is not a gradient */
    clade_conform_pass pass;
    const char *model;   /* mode nets: judges the net in this file (see clade_network_read) instead
                          * of the recipes' nets: its outputs, and losses and gradients of one
                          * step */
    const char *vectors; /* the folder of modes freeze, where it must not yet have any of the cases,
                          * and frozen */
    clade_precision precision; /* mode nets: the precision in which the recipes' nets train */
    unsigned modes;            /* of clade_conform_mode; 0: ops, gradients and layers */
    clade_math math;
    uint64_t seed;   /* of the data; each case mixes in its name */
    bool quick;      /* only the small cases */
    uint32_t random; /* mode ops: judges this many cases of each op, drawn by the seed, instead of
                      * the listed ones. Their names are calls, which case_name accepts. 0: none */
    bool strict;     /* fails ops that the device does not implement itself */
    int threads;     /* see clade_device_options */
    uint32_t group_size;   /* likewise */
    const char *kernels;   /* likewise */
    const char *limits;    /* likewise. NULL: also judges with tiny limits */
    const char *algorithm; /* likewise. NULL: also judges the dense layers and convolutions of an
                            * OpenCL device with each of their algorithms. */
    /* Returns whether to judge a case; called before each, with the sink's user, in the order of
     * clade_conform_list. NULL: all are judged. */
    bool (*choose)(void *user, const clade_conform_result *about);
    /* Called before a case is judged, with the sink's user, so that a record is left if a driver
     * ends the process. May be NULL. */
    void (*begins)(void *user, const clade_conform_result *about);
} clade_conform_options;

/* The result of one case. Before a case is judged, only its identity is set and, in `begins`,
 * `reproduce`. Texts are valid until the callback returns. */
struct clade_conform_result {
    const char *name; /* of the case; unique in a run */
    clade_conform_mode mode;
    clade_conform_verdict verdict;
    const char *op; /* name of the op, the chain or the fault */
    const char *case_name;
    const char *call; /* the judged call as text; "" if it was not a call */
    int accumulate;
    char support;      /* see clade_device_support; 0 if no op ran on a device */
    const char *check; /* the check that failed: "bound", "bits", "guard", …; in a self-test the
                        * one that caught the fault; else "" */
    const char *text;  /* why it failed or was skipped; for nets that passed, their loss and the
                        * SHA-256 of their weights or, in fast mode, their deviation; else "".
                        * One line. */
    const char *reproduce; /* for failures, the command that repeats it; else "" */
    uint64_t compared;     /* elements */
    uint64_t excluded;     /* gradients: points left out because the function has a kink there */
    double worst;          /* the largest ratio of error to bound; at most 1 passes */
    double error;          /* the largest absolute error */
    bool mistrusted;       /* nearly everything compared is zero */
    double seconds;        /* time that judging took */
};

typedef struct clade_conform_summary {
    uint64_t passed, failed, skipped;
    uint64_t compared, excluded, mistrusted;
    uint64_t faults, caught; /* self-test only */
    double worst, seconds;
    clade_device_info device; /* the judged device; empty if none was needed */
} clade_conform_summary;

/* Adds a result to a summary, except to its time and device. */
CLADE_API void clade_conform_count(clade_conform_summary *summary,
                                   const clade_conform_result *result);

/* Receives each result as it is made. Any status but CLADE_OK ends the run with that status. */
typedef clade_status (*clade_conform_sink)(void *user, const clade_conform_result *result);

/* Judges. Failures of a device are results, not errors: the status only says whether judging was
 * possible. A run passed if summary->failed is 0 and summary->passed is not. Errors: ENODEVICE,
 * ENOMEM, EINVAL if op or case match nothing. */
CLADE_API clade_status clade_conform_run(const clade_conform_options *options,
                                         clade_conform_sink sink, void *user,
                                         clade_conform_summary *summary);

/* Passes on each case that a run with these options would judge, in the same order. Opens no device
 * and judges nothing. Errors: EINVAL as above. */
CLADE_API clade_status clade_conform_list(const clade_conform_options *options,
                                          clade_conform_sink sink, void *user);

/* ---- reducing ---- */

typedef struct clade_conform_reduction {
    const char *recorded; /* the folder of a call, kept by a verification or written here; NULL: the
                           * first failing case that the options select */
    const char *out;      /* a new folder for the inputs and expected outputs of the smallest case
                           * and, for OpenCL, a C program that runs it without Clade; NULL: nothing
                           * is written */
    uint32_t tries;       /* at most; 0: 300 */
    /* Calls work(task, result) in a process of its own and copies back the `size` bytes of
     * `result`, however it ends. `how` receives "" if it returned, else "crashed: …" or "timed out
     * …". Errors: no process can be started. */
    clade_status (*isolate)(void *user, void (*work)(const void *task, void *result),
                            const void *task, void *result, size_t size, char how[160]);
    void *user;
} clade_conform_reduction;

typedef struct clade_conform_reduced {
    bool failed; /* a failing case was found; the rest describes it */
    char first_call[CLADE_CALL_TEXT_SIZE], first_check[32], first_text[512]; /* the original */
    char call[CLADE_CALL_TEXT_SIZE], check[32], text[512];                   /* the smallest */
    char reproduce[1024 + CLADE_CALL_TEXT_SIZE]; /* the command that repeats it; "": only the
                                                  * numbers in `out` reproduce it */
    uint32_t tries, taken;
    bool program;  /* `out` contains a program */
    char why[256]; /* why not */
} clade_conform_reduced;

/* Reduces a failing case of mode ops to a smaller one with the same kind of failure. The result
 * depends on the options and the device alone. Errors: EINVAL if nothing is selected, or `out`
 * exists; EIO, ENOMEM, ENODEVICE. */
CLADE_API clade_status clade_conform_reduce(const clade_conform_options *options,
                                            const clade_conform_reduction *reduction,
                                            clade_conform_reduced *out);

#ifdef __cplusplus
}
#endif
#endif
