/* Internals of the conformance harness: problems (an op, a case, its data and the expected
 * results), staging them on a device, comparing, and the run that reports results. */
#ifndef CLADE_CONFORM_CONFORM_H
#define CLADE_CONFORM_CONFORM_H

#include "base/clock.h"
#include "op/judge.h"

#include <clade/conform.h>
#include <clade/interchange.h>

enum { conform_slots = CLADE_MOST_SLOTS };

/* The name of a failed check, and where and how it failed. The first failure is kept. */
typedef struct conform_failure {
    const char *check; /* NULL while nothing failed */
    char text[512];
} conform_failure;

void clade_failure_set(conform_failure *failure, const char *check, const char *format, ...)
    CLADE_PRINTF(3, 4);
/* Prepends the circumstances to the text, if something failed. */
void clade_failure_how(conform_failure *failure, const char *how);

/* ---- data ---- */

typedef enum conform_data {
    CONFORM_INTEGERS, /* small, so that sums of products are exact */
    CONFORM_RANDOM,
    CONFORM_SPECIAL, /* NaN, infinities, signed zeros and tiny numbers among random ones: in the
                      * first slot; CONFORM_SPECIAL + i: in slot i */
    CONFORM_DATA_KINDS = CONFORM_SPECIAL + conform_slots
} conform_data;

const char *clade_conform_data_name(conform_data data);

/* Contents of outputs before a call: NaN with a payload that no op gives, for 16 bits in both
 * formats. */
#define CONFORM_PREFILL_F32 0x7fc0deadu
#define CONFORM_PREFILL_I32 0x5ead5ead
#define CONFORM_PREFILL_U8 0xee
#define CONFORM_PREFILL_U16 0x7fad
void clade_conform_prefill(const clade_tensor *t, void *values);

/* Draws the values of slot `slot` of `args`, whose shapes are known. `plant`: adds special values.
 * The data depend only on seed, op, case, slot and kind. */
void clade_conform_draw(const clade_op_info *info, const clade_args *args, size_t slot,
                        clade_domain domain, const char *case_name, conform_data data, bool plant,
                        uint64_t seed, void *values);

/* Returns a generator seeded with "op/case/slot/kind". */
struct clade_random clade_conform_random(uint64_t seed, const char *op, const char *case_name,
                                         const char *slot, const char *kind);

/* ---- problems ---- */

/* One op on one case's data, with the expected results. Blocks hold `count` elements of the slot's
 * dtype; those of absent slots are NULL. */
typedef struct conform_problem {
    const clade_op_info *info;
    const char *case_name;
    conform_data data;
    uint64_t seed;
    clade_args args; /* shapes and parameters; buffers are not set */
    size_t count[conform_slots];
    void *initial[conform_slots];  /* contents before the call */
    void *expected[conform_slots]; /* outputs: the reference's */
    double *truth[conform_slots];  /* outputs that are floats: the oracle's */
    double *bound[conform_slots];  /* float32 outputs: the allowed distance of a result from it */
    bool exact[conform_slots];     /* with these data, a result must equal the oracle's */
    bool transformed;              /* see clade_op_impl's transforms */
    bool *padded[conform_slots];   /* outputs: whether the element's sum includes padding, zeros
                                    * that a device may multiply with a planted infinity or NaN; or
                                    * NULL */
} conform_problem;

/* Returns the op that lists the cases: itself, or the forward op of a gradient. */
static inline clade_op clade_case_op(const clade_op_info *info)
{
    return info->forward == CLADE_OP_none ? info->op : info->forward;
}

/* Returns the forward op's slot whose gradient is the gradient op's slot `name`, or -1. */
int clade_slot_gradient_of(const clade_op_info *forward, const char *name);
/* Returns the address of a parameter's value in arguments. */
void *clade_param_of(const clade_op_info *info, clade_args *args, const char *name);

/* Gives the arguments of `info` for a case: from its text or, for a gradient op, from the forward
 * op's by the naming rule of ops.def. `forward` receives the forward op's arguments, with the
 * activation made linear if the gradient op cannot know it. Optional outputs are present. */
clade_status clade_case_args(const clade_op_info *info, const clade_case *test, clade_args *args,
                             clade_args *forward);

/* Returns the next small case of an op, from number *i on, or NULL. */
const clade_case *clade_case_quick(const clade_op_info *info, size_t *i);
/* Returns whether this kind of data makes sense for the op and case. */
bool clade_problem_wanted(const clade_op_info *info, const clade_case *test, conform_data data);
/* Draws arguments and data only: the contents of `initial`, accumulate 0. */
clade_status clade_problem_draw(const clade_op_info *info, const clade_case *test,
                                conform_data data, uint64_t seed, conform_problem **out);
/* Does the same, and runs reference and oracle. */
clade_status clade_problem_create(const clade_op_info *info, const clade_case *test,
                                  conform_data data, uint64_t seed, conform_problem **out);
/* Runs reference and oracle on `initial` again, replacing their earlier results. */
clade_status clade_problem_solve(conform_problem *problem);
/* Turns a problem into one with accumulate 1, by the definition: previous contents + the value. */
clade_status clade_problem_accumulate(conform_problem *problem);
/* Does the same, with the previous contents in `prior` for each slot; NULL: drawn. */
clade_status clade_problem_accumulate_to(conform_problem *problem,
                                         void *const prior[conform_slots]);
void clade_problem_destroy(conform_problem **problem);
/* Gives the forward op with `args` on a gradient problem's data; runs its reference only if the
 * gradient op reads one of its outputs. */
clade_status clade_problem_forward(const conform_problem *problem, const clade_args *args,
                                   conform_problem **out);

/* Returns the slot in which special values are planted, or -1. */
int clade_special_slot(const conform_problem *problem);
/* Returns whether special values may be planted in this slot. For gradient ops, these are the slots
 * of their forward op and the incoming gradients; values saved by the forward op follow from the
 * former. */
bool clade_special_fits(const clade_op_info *info, const clade_args *args, size_t slot);
/* Finds the elements of outputs that are `padded`. */
clade_status clade_special_padding(conform_problem *problem);

/* ---- staging ---- */

/* The layout of a problem's tensors in device memory. */
typedef struct conform_layout {
    bool separate; /* a buffer for each tensor, aligned; else one for all, at odd elements */
    int absent;    /* this optional slot is omitted; -1: none */
    int in_place;  /* the first output uses the memory of this slot; -1: none */
} conform_layout;

/* Runs a problem's op on a device. `got` receives the outputs (blocks that the caller frees, NULL
 * if there is none). Changed memory outside the outputs and failing calls set `failure`; the status
 * only reports lack of memory here. */
clade_status clade_problem_stage(const conform_problem *problem, clade_device *device,
                                 const conform_layout *layout, void *got[conform_slots],
                                 conform_failure *failure);

/* ---- comparing ---- */

typedef struct conform_tally {
    uint64_t compared, zeros, outputs;
    double worst, error;
} conform_tally;

/* Compares outputs of a device with the expected results. */
void clade_problem_compare(const conform_problem *problem, void *const got[conform_slots],
                           bool bits, conform_tally *tally, conform_failure *failure);
/* Compares the outputs of two runs with each other: every bit. */
void clade_problem_same(const conform_problem *problem, void *const got[conform_slots],
                        void *const again[conform_slots], const char *check, const char *how,
                        conform_failure *failure);

/* Compares what oracle and reference now compute for output `slot` with what was frozen of it. */
void clade_frozen_compare(const conform_problem *problem, size_t slot, const double *out,
                          const double *bound, clade_conform_result *result,
                          conform_failure *failure);

/* ---- runs ---- */

/* What is being staged, recorded beforehand, since nothing else is left after a crash. */
typedef struct conform_where {
    conform_data data;
    conform_layout layout;
    size_t device; /* index in the run's devices */
    clade_device_info info;
    int threads; /* with which the device was opened */
    uint32_t group_size;
    char algorithm[16], limits[16];
} conform_where;

/* The device to judge, opened several times with different options. */
typedef struct conform_device {
    clade_device *device;
    clade_device_options options;
    char how[48]; /* "3 threads"; "" for the first */
    const char *check;
    bool products; /* opened for another algorithm for matrix products: it only runs ops that have
                    * products */
} conform_device;

enum {
    conform_devices = 9,
    conform_name_size = 128 + CLADE_CALL_TEXT_SIZE,
    conform_command_size = 1024 + CLADE_CALL_TEXT_SIZE
};

/* Returns the device options as requested. */
clade_device_options clade_conform_asked(const clade_conform_options *o);

/* Random cases of an op. */
typedef struct conform_drawn {
    clade_op op;
    size_t count;
    clade_case *cases;
    char (*texts)[CLADE_CALL_TEXT_SIZE]; /* the cases' names */
} conform_drawn;

/* Draws at most n different cases for an op that lists cases; they depend only on n, op and seed.
 * Errors: ENOMEM. */
clade_status clade_conform_drawn_fill(conform_drawn *drawn, const clade_op_info *info, size_t n,
                                      uint64_t seed);
void clade_conform_drawn_clear(conform_drawn *drawn);

typedef struct conform_run {
    const clade_conform_options *options;
    conform_drawn drawn; /* of the current op */
    clade_case typed;    /* the call given by --case; no text if that is a pattern */
    clade_op typed_op;
    char typed_text[CLADE_CALL_TEXT_SIZE];
    clade_case half; /* the current 16-bit case */
    char half_name[64], half_text[CLADE_CALL_TEXT_SIZE];
    clade_conform_sink sink;
    void *user;
    clade_conform_summary *summary;
    bool listing;        /* cases are listed instead of judged */
    bool any;            /* a case was offered to `choose` */
    clade_status listed; /* what the sink returned for a listed case */
    double begun;        /* when the current case began */
    char name[conform_name_size];
    char command[conform_command_size]; /* which repeats the case */
    conform_device devices[conform_devices];
    size_t device_count;
    conform_where *where;              /* where to record it; may be NULL */
    const struct conform_fault *fault; /* planted in the oracle's backward; NULL: none */
} conform_run;

/* Returns whether a name matches an option's pattern; NULL matches all. */
bool clade_conform_fits(const char *pattern, const char *name);
/* Returns whether --op selects this op. */
bool clade_conform_chosen(const conform_run *run, const clade_op_info *info);
/* Returns a case's call as text. */
const char *clade_conform_call(const clade_op_info *info, const clade_case *test,
                               char text[CLADE_CALL_TEXT_SIZE]);
/* Returns the next of an op's cases that --case, --quick and --random select, from number *i on, or
 * NULL. */
const clade_case *clade_conform_case(const conform_run *run, const clade_op_info *info, size_t *i);
/* Gives the call of a case of `source` with its FLOAT slots in a 16-bit format, to which its
 * factors may be rounded; false: it has no such slots, or sets their format itself. */
bool clade_case_store(const clade_op_info *source, const clade_case *test, clade_dtype dtype,
                      char text[CLADE_CALL_TEXT_SIZE]);
/* Returns the next of the same cases, from number *i on, with 16-bit tensors in all FLOAT slots:
 * "NAME-bf16" for small cases, and "NAME-f16" for the first; or NULL, with --quick always. Valid
 * until the next one. */
const clade_case *clade_conform_half_case(conform_run *run, const clade_op_info *info, size_t *i);
/* Draws an op's cases if --random asks for them; call it before the first of them is used. */
clade_status clade_conform_draw_cases(conform_run *run, const clade_op_info *info);
/* Writes the command that repeats a result to `run->command`. */
void clade_conform_command(conform_run *run, const clade_conform_result *result);
/* Returns whether to judge the next case; if so, the options' `begins` has been called. Listing
 * passes the case on here instead. */
bool clade_conform_begin(conform_run *run, clade_conform_result *result);
/* Counts the result of a case that was begun, as failed if `failure` is set, with the command that
 * repeats it, and passes it on. */
clade_status clade_conform_end(conform_run *run, clade_conform_result *result,
                               const conform_failure *failure);

/* Opens the device with each set of options that ops and layers are judged with. */
clade_status clade_conform_open(conform_run *run, unsigned modes);

/* Judges one op on one case, with all its data; fills in the result. */
clade_status clade_conform_judge(conform_run *run, const clade_op_info *info,
                                 const clade_case *test, int accumulate,
                                 clade_conform_result *result, conform_failure *failure);

/* Judges the oracle's gradients on one case by finite differences. */
clade_status clade_conform_differentiate(conform_run *run, const clade_op_info *info,
                                         const clade_case *test, clade_conform_result *result,
                                         conform_failure *failure);

/* The modes. */
clade_status clade_conform_ops(conform_run *run);
clade_status clade_conform_grad(conform_run *run);
clade_status clade_conform_layers(conform_run *run);
clade_status clade_conform_nets(conform_run *run);
/* Trains the recipe's net for this many steps, on the run's device and on this CPU, and
 * compares. */
clade_status clade_conform_training(const conform_run *run, const clade_recipe *recipe, int steps,
                                    clade_device *cpu, clade_conform_result *result,
                                    conform_failure *failure);
/* Compares a net's output, or its losses and gradients. */
clade_status clade_conform_match(const conform_run *run, const clade_network *network,
                                 bool gradient, clade_device *cpu, clade_conform_result *result,
                                 conform_failure *failure);
/* Judges the net in the options' file, on the device and on this CPU. */
clade_status clade_conform_network(conform_run *run, clade_device *cpu);
clade_status clade_conform_support(conform_run *run);
clade_status clade_conform_freeze(conform_run *run);
clade_status clade_conform_frozen(conform_run *run);
clade_status clade_conform_self_test(conform_run *run);
clade_status clade_conform_bounds(conform_run *run);

#endif
