/* Reducing a failing case: one try of it, smaller variants, and the files written for the
 * smallest. */
#ifndef CLADE_CONFORM_REDUCE_H
#define CLADE_CONFORM_REDUCE_H

#include "conform/conform.h"

/* Contents of slots in place of drawn data: blocks of the shapes in `args`; NULL: drawn. For a
 * gradient that is added to, its previous contents. */
typedef struct conform_values {
    clade_args args;
    void *block[conform_slots];
} conform_values;

/* A case and how to judge it. */
typedef struct conform_trial {
    clade_conform_options options;
    const clade_op_info *info;
    clade_case test; /* of clade_case_op(info) */
    char text[CLADE_CALL_TEXT_SIZE];
    int accumulate;
    bool whole; /* with all data and layouts, on all variants of the device; else as follows */
    conform_data data;
    conform_layout layout;
    char algorithm[16], limits[16]; /* texts that options point to */
    const conform_values *values;   /* NULL: all are drawn */
} conform_trial;

/* The outcome of a trial, in memory that outlives a crash. */
typedef struct conform_outcome {
    clade_status status; /* why it could not be judged, with `text` */
    bool done, failed;
    char check[32], text[512];
    conform_where where;
} conform_outcome;

/* Gives the trial's problem, solved. Errors: EINVAL if there is no such call, or the values do not
 * fit; ENOMEM. */
clade_status clade_trial_problem(const conform_trial *trial, conform_problem **out);
/* Returns whether this kind of data makes sense for the trial's case. */
bool clade_trial_wants(const conform_trial *trial, conform_data data);
/* Judges it in this process. */
void clade_trial_run(const conform_trial *trial, conform_outcome *outcome);
/* Returns whether it is a failure of the same kind as one with this check and text. Different bits
 * may turn into a larger error, but not the other way round. */
bool clade_outcome_alike(const conform_outcome *o, const char *check, const char *text);
/* Returns the options of the device on which to judge the trial. */
clade_device_options clade_trial_device(const conform_trial *trial);
/* Sets the trial's case to this call of clade_case_op(info). */
void clade_trial_set(conform_trial *trial, const clade_args *args);

/* Gives the forward op's call for a gradient's call, by the naming rule of ops.def; the call itself
 * if the op has no forward op. Optional outputs are absent. Errors: EINVAL. */
clade_status clade_case_of_call(const clade_op_info *info, const clade_args *args,
                                clade_args *test);

/* Offers calls smaller than *args, of an op that lists cases, until there are no more. `attempt`
 * returns whether to take one, and then stores it in *args. */
typedef bool conform_attempt(void *user, const clade_args *smaller);
void clade_shrink_call(const clade_op_info *info, clade_args *args, conform_attempt *attempt,
                       void *user);

/* Offers simpler values of a problem's inputs in the same way: it tries the ones in `values`, and
 * restores the old ones if they are not taken. */
void clade_shrink_values(const conform_problem *problem, const conform_values *values,
                         bool (*attempt)(void *user), void *user);

/* Writes the trial's inputs and expected outputs into `folder`, which must not exist, for --repeat
 * and for programs without Clade; and, if the device only uses OpenCL launches, a program that
 * makes them: case.c and the kernels. *program: whether it did; if not, `why` says why. */
clade_status clade_trial_write(const conform_trial *trial, const conform_outcome *outcome,
                               const char *folder, bool *program, char why[256]);

#endif
