/* Reducing a case that fails: one try of it, smaller ones, and what is written of the smallest. */
#ifndef CLADE_CONFORM_REDUCE_H
#define CLADE_CONFORM_REDUCE_H

#include "conform/conform.h"

/* What slots hold instead of what is drawn for them: blocks of the shapes in `args`, NULL: what is
 * drawn. Of a gradient that is added to, what lies there before. */
typedef struct conform_values {
    clade_args args;
    void *block[conform_slots];
} conform_values;

/* A case and how it is judged. */
typedef struct conform_trial {
    clade_conform_options options;
    const clade_op_info *info;
    clade_case test; /* of clade_case_op(info) */
    char text[CLADE_CALL_TEXT_SIZE];
    int accumulate;
    bool
        whole; /* with all data and layouts, on all that the device is opened as; else as follows */
    conform_data data;
    conform_layout layout;
    char algorithm[16], limits[16]; /* what options points to */
    const conform_values *values;   /* NULL: all are drawn */
} conform_trial;

/* What came of it; in memory that outlives a crash. */
typedef struct conform_outcome {
    clade_status status; /* why it could not be judged, with `text` */
    bool done, failed;
    char check[32], text[512];
    conform_where where;
} conform_outcome;

/* The trial's problem, solved. Errors: EINVAL where there is no such call, or the values do not
 * fit; ENOMEM. */
clade_status clade_trial_problem(const conform_trial *trial, conform_problem **out);
/* Is the data kind of use for the trial's case? */
bool clade_trial_wants(const conform_trial *trial, conform_data data);
/* Judges it in this process. */
void clade_trial_run(const conform_trial *trial, conform_outcome *outcome);
/* Is it a failure of the same kind as one with this check and text? Other bits may become a larger
 * error, but not the other way. */
bool clade_outcome_alike(const conform_outcome *o, const char *check, const char *text);
/* The options of the device that the trial is judged on. */
clade_device_options clade_trial_device(const conform_trial *trial);
/* Makes the trial's case this call of clade_case_op(info). */
void clade_trial_set(conform_trial *trial, const clade_args *args);

/* The call of the forward op whose case a gradient's call is, by the naming rule of ops.def; the
 * call itself where the op has none. Optional outputs are absent. Errors: EINVAL. */
clade_status clade_case_of_call(const clade_op_info *info, const clade_args *args,
                                clade_args *test);

/* Offers smaller calls than *args of an op that lists cases, until it has no more. `attempt` says
 * whether one is taken, which it then puts into *args. */
typedef bool conform_attempt(void *user, const clade_args *smaller);
void clade_shrink_call(const clade_op_info *info, clade_args *args, conform_attempt *attempt,
                       void *user);

/* Offers simpler values of a problem's inputs, in the same way; those in `values` at the time are
 * tried, and put back where they are not taken. */
void clade_shrink_values(const conform_problem *problem, const conform_values *values,
                         bool (*attempt)(void *user), void *user);

/* Writes what the trial reads and must give into `folder`, which must not exist, for --repeat and
 * for programs that know nothing of Clade; and, where the device works by OpenCL's launches alone,
 * a program that makes them: case.c and the kernels. *program: did it? else `why` says why not. */
clade_status clade_trial_write(const conform_trial *trial, const conform_outcome *outcome,
                               const char *folder, bool *program, char why[256]);

#endif
