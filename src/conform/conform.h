/* The conformance harness's inside: problems (an op, a case and its data with what must come out),
 * staging them on a device, comparing, and the run that hands out results. */
#ifndef CLADE_CONFORM_CONFORM_H
#define CLADE_CONFORM_CONFORM_H

#include "base/clock.h"
#include "op/judge.h"

#include <clade/conform.h>
#include <clade/interchange.h>

enum { conform_slots = CLADE_MOST_SLOTS };

/* What a failed check is called, and where and how it failed. The first failure is kept. */
typedef struct conform_failure {
    const char *check; /* NULL while nothing failed */
    char text[512];
} conform_failure;

void clade_failure_set(conform_failure *failure, const char *check, const char *format, ...)
    CLADE_PRINTF(3, 4);
/* Puts the circumstances before the text, if something failed. */
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

/* What outputs hold before a call: NaN of digits that no op gives, of 16 bits in both formats. */
#define CONFORM_PREFILL_F32 0x7fc0deadu
#define CONFORM_PREFILL_I32 0x5ead5ead
#define CONFORM_PREFILL_U8 0xee
#define CONFORM_PREFILL_U16 0x7fad
void clade_conform_prefill(const clade_tensor *t, void *values);

/* Fills `values` of slot `slot` of `args` (shapes known). `plant`: put special values here. The
 * data depend on seed, op, case, slot and kind alone. */
void clade_conform_draw(const clade_op_info *info, const clade_args *args, size_t slot,
                        clade_domain domain, const char *case_name, conform_data data, bool plant,
                        uint64_t seed, void *values);

/* Draws from "op/case/slot/kind". */
struct clade_random clade_conform_random(uint64_t seed, const char *op, const char *case_name,
                                         const char *slot, const char *kind);

/* ---- problems ---- */

/* One op on one case's data, and what must come out. Blocks hold `count` elements of the slot's
 * dtype; those of absent slots are NULL. */
typedef struct conform_problem {
    const clade_op_info *info;
    const char *case_name;
    conform_data data;
    uint64_t seed;
    clade_args args; /* shapes and parameters; buffers are not set */
    size_t count[conform_slots];
    void *initial[conform_slots];  /* before the call */
    void *expected[conform_slots]; /* outputs: the reference's */
    double *truth[conform_slots];  /* outputs that are floats: the oracle's */
    double *bound[conform_slots];  /* float32 outputs: how far a result may be from it */
    bool exact[conform_slots];     /* the data are such that a result must equal the oracle's */
    bool transformed;              /* as clade_op_impl's transforms says */
    bool *padded[conform_slots];   /* outputs: the element's sum passes over padding, zeros that a
                                    * device may multiply with a planted infinity or NaN; or NULL */
} conform_problem;

/* The op that lists the cases: itself, or the forward op of a gradient. */
static inline clade_op clade_case_op(const clade_op_info *info)
{
    return info->forward == CLADE_OP_none ? info->op : info->forward;
}

/* The forward op's slot that slot `name` of its gradient op is the gradient of, or -1. */
int clade_slot_gradient_of(const clade_op_info *forward, const char *name);
/* Where a parameter's value lies in arguments. */
void *clade_param_of(const clade_op_info *info, clade_args *args, const char *name);

/* The arguments of `info` on a case: what its text says, or for a gradient op those that the naming
 * rule of ops.def gives from the forward op's (`forward` gets them, an activation that the gradient
 * has no way to know of made linear). Optional outputs are present. */
clade_status clade_case_args(const clade_op_info *info, const clade_case *test, clade_args *args,
                             clade_args *forward);

/* The next of the small cases of an op, from number *i on, or NULL. */
const clade_case *clade_case_quick(const clade_op_info *info, size_t *i);
/* Is the data kind of use for this op and case? */
bool clade_problem_wanted(const clade_op_info *info, const clade_case *test, conform_data data);
/* Arguments and data alone: what `initial` holds, accumulate 0. */
clade_status clade_problem_draw(const clade_op_info *info, const clade_case *test,
                                conform_data data, uint64_t seed, conform_problem **out);
/* The same, and what reference and oracle make of it. */
clade_status clade_problem_create(const clade_op_info *info, const clade_case *test,
                                  conform_data data, uint64_t seed, conform_problem **out);
/* What reference and oracle make of `initial`, instead of what they made of it before. */
clade_status clade_problem_solve(conform_problem *problem);
/* Makes a problem one of accumulate 1, by the definition: what was there + the value. */
clade_status clade_problem_accumulate(conform_problem *problem);
/* The same, to what `prior` holds of each slot; NULL: to what is drawn. */
clade_status clade_problem_accumulate_to(conform_problem *problem,
                                         void *const prior[conform_slots]);
void clade_problem_destroy(conform_problem **problem);
/* The forward op with `args` on a gradient problem's data; its reference is run only if the
 * gradient op reads one of its outputs. */
clade_status clade_problem_forward(const conform_problem *problem, const clade_args *args,
                                   conform_problem **out);

/* The slot that special values are planted in, or -1. */
int clade_special_slot(const conform_problem *problem);
/* May special values be planted in this slot? Gradient ops have those of their forward op and the
 * incoming gradients; what the forward saved follows from the former. */
bool clade_special_fits(const clade_op_info *info, const clade_args *args, size_t slot);
/* Finds the elements of outputs that are `padded`. */
clade_status clade_special_padding(conform_problem *problem);

/* ---- staging ---- */

/* How a problem's tensors lie in device memory. */
typedef struct conform_layout {
    bool separate; /* one buffer for each tensor, aligned; else one for all, at odd elements */
    int absent;    /* this optional slot is left out; -1: none */
    int in_place;  /* the first output is the very memory of this slot; -1: of none */
} conform_layout;

/* Runs a problem's op on a device. Outputs come back in `got` (blocks to be freed by the caller,
 * NULL where there is none). Changed memory outside the outputs and failing calls set `failure`;
 * the status tells only of memory exhausted here. */
clade_status clade_problem_stage(const conform_problem *problem, clade_device *device,
                                 const conform_layout *layout, void *got[conform_slots],
                                 conform_failure *failure);

/* ---- comparing ---- */

typedef struct conform_tally {
    uint64_t compared, zeros, outputs;
    double worst, error;
} conform_tally;

/* Outputs that came back against what must come out. */
void clade_problem_compare(const conform_problem *problem, void *const got[conform_slots],
                           bool bits, conform_tally *tally, conform_failure *failure);
/* Two runs' outputs against each other: every bit. */
void clade_problem_same(const conform_problem *problem, void *const got[conform_slots],
                        void *const again[conform_slots], const char *check, const char *how,
                        conform_failure *failure);

/* What oracle and reference make of output `slot` now against what was frozen of it. */
void clade_frozen_compare(const conform_problem *problem, size_t slot, const double *out,
                          const double *bound, clade_conform_result *result,
                          conform_failure *failure);

/* ---- runs ---- */

/* What is staged: told before it is, as nothing else is left of a crash. */
typedef struct conform_where {
    conform_data data;
    conform_layout layout;
    size_t device; /* among the run's */
    clade_device_info info;
    int threads; /* as the device was opened */
    uint32_t group_size;
    char algorithm[16], limits[16];
} conform_where;

/* The device that is judged, opened several times, with different options. */
typedef struct conform_device {
    clade_device *device;
    clade_device_options options;
    char how[48]; /* "3 threads"; "" for the first */
    const char *check;
    bool products; /* opened for another way to multiply matrices: only what does that is run */
} conform_device;

enum {
    conform_devices = 9,
    conform_name_size = 128 + CLADE_CALL_TEXT_SIZE,
    conform_command_size = 1024 + CLADE_CALL_TEXT_SIZE
};

/* The device as it is asked for. */
clade_device_options clade_conform_asked(const clade_conform_options *o);

/* Cases of an op that were drawn at random. */
typedef struct conform_drawn {
    clade_op op;
    size_t count;
    clade_case *cases;
    char (*texts)[CLADE_CALL_TEXT_SIZE]; /* which are their names */
} conform_drawn;

/* Draws at most n different ones for an op that lists cases; they depend on n, op and seed alone.
 * Errors: ENOMEM. */
clade_status clade_conform_drawn_fill(conform_drawn *drawn, const clade_op_info *info, size_t n,
                                      uint64_t seed);
void clade_conform_drawn_clear(conform_drawn *drawn);

typedef struct conform_run {
    const clade_conform_options *options;
    conform_drawn drawn; /* of the op in hand */
    clade_case typed;    /* the call that --case gives; no text where it gives a pattern */
    clade_op typed_op;
    char typed_text[CLADE_CALL_TEXT_SIZE];
    clade_case half; /* the case of 16 bits in hand */
    char half_name[64], half_text[CLADE_CALL_TEXT_SIZE];
    clade_conform_sink sink;
    void *user;
    clade_conform_summary *summary;
    bool listing;        /* cases are handed on instead of judged */
    bool any;            /* a case was offered to `choose` */
    clade_status listed; /* what the sink said of a case in a list */
    double begun;        /* when the case in hand did */
    char name[conform_name_size];
    char command[conform_command_size]; /* that repeats it */
    conform_device devices[conform_devices];
    size_t device_count;
    conform_where *where;              /* is told; NULL: nobody is */
    const struct conform_fault *fault; /* planted in the oracle's backward; NULL: none */
} conform_run;

/* Does a name fit an option's pattern? NULL fits all. */
bool clade_conform_fits(const char *pattern, const char *name);
/* Does --op choose this op? */
bool clade_conform_chosen(const conform_run *run, const clade_op_info *info);
/* A case's call as text. */
const char *clade_conform_call(const clade_op_info *info, const clade_case *test,
                               char text[CLADE_CALL_TEXT_SIZE]);
/* The next of an op's cases that --case, --quick and --random choose, from number *i on, or NULL.
 */
const clade_case *clade_conform_case(const conform_run *run, const clade_op_info *info, size_t *i);
/* The call of a case of `source` with its FLOAT slots in a format of 16 bits, to which its factors
 * may be rounded; false: it has none, or says itself how they are stored. */
bool clade_case_store(const clade_op_info *source, const clade_case *test, clade_dtype dtype,
                      char text[CLADE_CALL_TEXT_SIZE]);
/* The next of the same cases, from number *i on, with tensors of 16 bits in all FLOAT slots:
 * "NAME-bf16" of small cases, and "NAME-f16" of the first; or NULL, and with --quick none. Lasts
 * until the next one. */
const clade_case *clade_conform_half_case(conform_run *run, const clade_op_info *info, size_t *i);
/* Draws an op's cases if --random asks for them; before the first of them is asked for. */
clade_status clade_conform_draw_cases(conform_run *run, const clade_op_info *info);
/* The command that repeats a result: in `run->command`. */
void clade_conform_command(conform_run *run, const clade_conform_result *result);
/* Is the case that comes next to be judged? Then the options' `begins` has been told. A list gets
 * it here instead. */
bool clade_conform_begin(conform_run *run, clade_conform_result *result);
/* Counts the result of a case that has begun, failed where the failure says so, adds the command
 * that repeats it if it failed, and hands it on. */
clade_status clade_conform_end(conform_run *run, clade_conform_result *result,
                               const conform_failure *failure);

/* Opens the device with the ways of options that ops and layers are judged with. */
clade_status clade_conform_open(conform_run *run, unsigned modes);

/* Judges one op on one case, all its data; fills in what the result says of it. */
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
/* The recipe's net after so many steps, on the run's device and on this CPU. */
clade_status clade_conform_training(const conform_run *run, const clade_recipe *recipe, int steps,
                                    clade_device *cpu, clade_conform_result *result,
                                    conform_failure *failure);
/* A net's output, or its losses and gradients. */
clade_status clade_conform_match(const conform_run *run, const clade_network *network,
                                 bool gradient, clade_device *cpu, clade_conform_result *result,
                                 conform_failure *failure);
/* The net in the file that the options name, on the device and on this CPU. */
clade_status clade_conform_network(conform_run *run, clade_device *cpu);
clade_status clade_conform_support(conform_run *run);
clade_status clade_conform_freeze(conform_run *run);
clade_status clade_conform_frozen(conform_run *run);
clade_status clade_conform_self_test(conform_run *run);
clade_status clade_conform_bounds(conform_run *run);

#endif
