/* The conformance harness: judges a device against the reference (float32, every operation in the
 * stated order) and the oracle (double), per op, per chain of layers, per net.
 *
 * What an op is judged by, for each of its cases, overwriting and accumulating:
 *   - on small integers, on random numbers, and with NaN, infinities, signed zeros and subnormal
 *     numbers in each input in turn;
 *   - in exact mode every bit of every output against the reference; in both modes every element
 *     against the oracle within the op's bound, which follows from the arithmetic and the data;
 * where small integers make every step exact, no error at all;
 *   - outputs are filled with a NaN before, so that what is not written shows; memory before and
 *     after each tensor is NaN, so that what is read there shows, and must not change, nor must the
 *     inputs; tensors begin at odd elements; workspace is NaN, and no larger than was planned;
 *   - run again, with separate buffers, with another work-group size or other numbers of threads,
 *     and with all limits on sizes tiny, the result must be the same bits.
 * Whole nets (CLADE_CONFORM_NETS) are trained on the device and on the CPU: in exact mode every
 * loss and weight must be the same bits; in fast mode they may be apart by a multiple of what a
 * small change of the first weights does on the CPU. Gradients are judged a second time
 * (CLADE_CONFORM_GRAD) without any device: the oracle's backward against finite differences of its
 * forward. */
#ifndef CLADE_CONFORM_H
#define CLADE_CONFORM_H

#include <clade/device.h>
#include <clade/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The form of a case's name: MODE.OP.CASE, of letters, digits, '-', '_' and '='; "/accumulate"
 * behind that of a case which adds to its output: "ops.dense_dw.small/accumulate". Names stay what
 * they are from release to release; a new form would have a new number. */
#define CLADE_CONFORM_NAMES 1

/* What to judge; may be or-ed. */
typedef enum clade_conform_mode {
    CLADE_CONFORM_OPS = 1,        /* every op on the device */
    CLADE_CONFORM_GRAD = 2,       /* the oracle's gradients by finite differences */
    CLADE_CONFORM_LAYERS = 4,     /* forward and backward of chains of ops on the device */
    CLADE_CONFORM_SELF_TEST = 16, /* the harness itself: devices with planted faults */
    CLADE_CONFORM_NETS = 32,      /* the built-in recipes' nets, trained for 1, 10 and 200 steps */
    CLADE_CONFORM_SUPPORT = 64,   /* how the device does each op; nothing is run */
    CLADE_CONFORM_FREEZE = 128,   /* writes what ops read and must give into files */
    CLADE_CONFORM_FROZEN = 256    /* reference and oracle against such files */
} clade_conform_mode;

/* The first word of its results' names: "ops", "grad", … */
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
    const char *device;    /* as in clade_device_open */
    const char *plugin;    /* a backend from this shared object, or NULL */
    const char *op;        /* an op's or a family's name, or a pattern with * and ?; NULL: all */
    const char *case_name; /* the same for cases; or a case that is in no list, as the text of a
                            * call (clade/ops.h) of an op that is no gradient */
    clade_conform_pass pass;
    const char *model;   /* mode nets: instead of the recipes' nets the one in this file, as in
                          * clade_network_read: its outputs, and losses and gradients of one step */
    const char *vectors; /* the folder of modes freeze, for which it has none of the cases, and
                          * frozen */
    clade_precision precision; /* mode nets: what the recipes' nets are trained in */
    unsigned modes;            /* of clade_conform_mode; 0: ops, gradients and layers */
    clade_math math;
    uint64_t seed;   /* the data's; each case adds its name */
    bool quick;      /* only the small cases */
    uint32_t random; /* mode ops: so many cases of each op that are drawn by the seed, instead of
                      * the listed ones; their names are calls, which case_name takes; 0: none */
    bool strict;     /* an op without a version of its own fails */
    int threads;     /* as in clade_device_options */
    uint32_t group_size;   /* the same */
    const char *kernels;   /* the same */
    const char *limits;    /* the same. NULL: it is also judged with tiny ones */
    const char *algorithm; /* the same. NULL: an OpenCL device's dense layers and convolutions are
                            * also judged by each of their algorithms. */
    /* Asked before each case, with the sink's user: is it to be judged? Cases come in the order of
     * clade_conform_list. NULL: all are. */
    bool (*choose)(void *user, const clade_conform_result *about);
    /* Told what is judged next, with the sink's user: where a driver ends the process, nothing else
     * is left of it. NULL: nobody is told. */
    void (*begins)(void *user, const clade_conform_result *about);
} clade_conform_options;

/* One thing judged, or about to be: then nothing is known but what it is, and `reproduce` in
 * `begins`. All text lasts until the callback returns. */
struct clade_conform_result {
    const char *name; /* of the case; of no other in the same run */
    clade_conform_mode mode;
    clade_conform_verdict verdict;
    const char *op; /* its name; the chain's; the fault's */
    const char *case_name;
    const char *call; /* the call that was judged, as text; "" where it was not one */
    int accumulate;
    char support;          /* as clade_device_support gives it; 0 where no op of a device was run */
    const char *check;     /* the check that failed: "bound", "bits", "guard"...; in a self-test the
                            * one that caught the fault; else "" */
    const char *text;      /* why it failed or was skipped; of nets that passed, their loss and the
                            * SHA-256 of their weights or, in fast mode, how far off they are; else
                            * "". One line. */
    const char *reproduce; /* of a failure: the command that repeats it; else "" */
    uint64_t compared;     /* elements */
    uint64_t excluded;     /* of gradients: points left out, as the function has a kink there */
    double worst;          /* the largest error divided by its bound; at most 1 passes */
    double error;          /* the largest absolute error */
    bool mistrusted;       /* nearly all that was compared is zero */
    double seconds;        /* of the judging */
};

typedef struct clade_conform_summary {
    uint64_t passed, failed, skipped;
    uint64_t compared, excluded, mistrusted;
    uint64_t faults, caught; /* of the self-test */
    double worst, seconds;
    clade_device_info device; /* that was judged; empty where none was needed */
} clade_conform_summary;

/* Adds a result to all of a summary but its time and device. */
CLADE_API void clade_conform_count(clade_conform_summary *summary,
                                   const clade_conform_result *result);

/* Gets each result as it is made; anything but CLADE_OK ends the run with that status. */
typedef clade_status (*clade_conform_sink)(void *user, const clade_conform_result *result);

/* Judges. Failures found are results, not errors: the status tells only whether judging was
 * possible. A run passed if summary->failed is 0 and summary->passed is not. Errors: ENODEVICE,
 * ENOMEM, EINVAL where op or case match nothing. */
CLADE_API clade_status clade_conform_run(const clade_conform_options *options,
                                         clade_conform_sink sink, void *user,
                                         clade_conform_summary *summary);

/* Hands on each case that a run with these options would judge, in its order. No device is opened
 * and nothing is judged. Errors: EINVAL as above. */
CLADE_API clade_status clade_conform_list(const clade_conform_options *options,
                                          clade_conform_sink sink, void *user);

/* ---- reducing ---- */

typedef struct clade_conform_reduction {
    const char *recorded; /* the folder of a call that a verification has kept, or that was written
                           * here; NULL: the first case that fails of those that options choose */
    const char *out;      /* a folder that is not there, which gets what the smallest case reads and
                           * must give and, where OpenCL does it, a program in C that runs it without
                           * Clade; NULL: nothing is written */
    uint32_t tries;       /* at most; 0: 300 */
    /* Calls work(task, result) in a process of its own and brings back what `result`, `size` bytes,
     * is by its end, however it ends: `how` gets "" where it returned, else "crashed: …", "timed
     * out …". Errors: there is no such process. */
    clade_status (*isolate)(void *user, void (*work)(const void *task, void *result),
                            const void *task, void *result, size_t size, char how[160]);
    void *user;
} clade_conform_reduction;

typedef struct clade_conform_reduced {
    bool failed; /* is there a case that fails? the rest is about it */
    char first_call[CLADE_CALL_TEXT_SIZE], first_check[32], first_text[512]; /* as it was */
    char call[CLADE_CALL_TEXT_SIZE], check[32], text[512];                   /* the smallest */
    char reproduce[1024 +
                   CLADE_CALL_TEXT_SIZE]; /* its command; "": only the numbers in `out` do it */
    uint32_t tries, taken;
    bool program;  /* `out` has a program, … */
    char why[256]; /* … or why not */
} clade_conform_reduced;

/* Makes a case of mode ops that fails as small as it can be for the same kind of failure. It
 * depends on the options and the device alone. Errors: EINVAL where nothing is chosen, or `out`
 * exists; EIO, ENOMEM, ENODEVICE. */
CLADE_API clade_status clade_conform_reduce(const clade_conform_options *options,
                                            const clade_conform_reduction *reduction,
                                            clade_conform_reduced *out);

#ifdef __cplusplus
}
#endif
#endif
