/* One try of a case that is reduced: its problem, judging it in one way or in all, and which
 * outcomes are of one kind. */
#include "conform/reduce.h"

#include "op/call_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void clade_trial_set(conform_trial *trial, const clade_args *args)
{
    const clade_op_info *source = clade_op_describe(clade_case_op(trial->info));
    clade_call_text(source->op, args, trial->text);
}

clade_device_options clade_trial_device(const conform_trial *trial)
{
    clade_device_options options = clade_conform_asked(&trial->options);
    if (trial->algorithm[0]) options.algorithm = trial->algorithm;
    if (trial->limits[0]) options.limits = trial->limits;
    return options;
}

/* A trial is copied as a whole, so what points into it is set when it is used. */
static void settle(conform_trial *trial)
{
    const clade_op_info *source = clade_op_describe(clade_case_op(trial->info));
    if (trial->text[0])
        trial->test = (clade_case){
            .kind = CASE_QUICK, .name = trial->text, .text = trial->text + strlen(source->name)};
    if (trial->algorithm[0]) trial->options.algorithm = trial->algorithm;
    if (trial->limits[0]) trial->options.limits = trial->limits;
}

clade_status clade_case_of_call(const clade_op_info *info, const clade_args *args, clade_args *test)
{
    const clade_op_info *source = clade_op_describe(clade_case_op(info));
    memset(test, 0, sizeof *test);
    for (size_t i = 0; i < source->slot_count; i++) {
        char gradient[64];
        snprintf(gradient, sizeof gradient, "d%.60s", source->slots[i].name);
        int s = clade_slot_find(info, source->slots[i].name);
        if (s < 0) s = clade_slot_find(info, gradient);
        if (s < 0 || clade_slot_is_result(source->slots[i].kind)) continue;
        test->slot[i] = args->slot[s];
        test->slot[i].buffer = NULL;
        test->slot[i].offset = 0;
    }
    for (size_t i = 0; i < source->param_count; i++) {
        const clade_param_info *p = &source->params[i];
        clade_args from = *args;
        const void *value = clade_param_of(info, &from, p->name);
        if (value)
            memcpy((char *)test + p->offset, value,
                   p->count * (p->type == CLADE_PARAM_uint64_t ? 8 : 4));
    }
    clade_args attempt = *test;
    return clade_op_shape(source->op, &attempt);
}

/* ---- problems ---- */

/* The leading part, of `to`'s shape, of a block of `from`'s. */
static bool cut(const clade_tensor *from, const void *block, const clade_tensor *to, void *out)
{
    const size_t size = clade_dtype_size(to->dtype);
    if (from->dtype != to->dtype || from->rank != to->rank) return false;
    for (int d = 0; d < to->rank; d++)
        if (to->dim[d] > from->dim[d]) return false;
    /* classes and places among images would no longer be any */
    if (to->dtype == CLADE_I32 && clade_tensor_count(from) != clade_tensor_count(to)) return false;
    for (size_t i = 0, n = clade_tensor_count(to); i < n; i++) {
        size_t at = 0, rest = i, stride = 1;
        for (int d = to->rank - 1; d >= 0; d--) {
            at += rest % (size_t)to->dim[d] * stride;
            rest /= (size_t)to->dim[d];
            stride *= (size_t)from->dim[d];
        }
        memcpy((char *)out + i * size, (const char *)block + at * size, size);
    }
    return true;
}

/* The part of kept values that a problem's slot holds; NULL in *out: what is drawn. */
static clade_status take_values(const conform_problem *problem, const conform_values *values,
                                size_t slot, void **out)
{
    const clade_tensor *t = &problem->args.slot[slot];
    *out = NULL;
    if (!values || !values->block[slot] || !problem->initial[slot]) return CLADE_OK;
    *out = malloc(problem->count[slot] * clade_dtype_size(t->dtype) + 1);
    if (!*out) return clade_fail(CLADE_ENOMEM, "out of memory for values");
    if (cut(&values->args.slot[slot], values->block[slot], t, *out)) return CLADE_OK;
    free(*out);
    *out = NULL;
    return clade_fail(CLADE_EINVAL, "%s: there are no values for this shape",
                      problem->info->slots[slot].name);
}

static clade_status solve(const conform_trial *trial, conform_problem *problem)
{
    const clade_op_info *info = trial->info;
    void *prior[conform_slots] = {NULL}, *block;
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < info->slot_count && !status; i++) {
        status = take_values(problem, trial->values, i, &block);
        if (block && clade_slot_accumulates(info->slots[i].kind)) {
            prior[i] = block;
        } else if (block) {
            free(problem->initial[i]);
            problem->initial[i] = block;
        }
    }
    if (!status) status = clade_problem_solve(problem);
    if (!status && trial->accumulate) status = clade_problem_accumulate_to(problem, prior);
    for (size_t i = 0; i < conform_slots; i++) free(prior[i]);
    return status;
}

bool clade_trial_wants(const conform_trial *trial, conform_data data)
{
    conform_trial t = *trial;
    settle(&t);
    return clade_problem_wanted(t.info, &t.test, data);
}

clade_status clade_trial_problem(const conform_trial *trial, conform_problem **out)
{
    conform_trial t = *trial;
    settle(&t);
    clade_status status = clade_problem_draw(t.info, &t.test, t.data, t.options.seed, out);
    if (status) return status;
    (*out)->case_name = ""; /* the trial's text may go before it */
    status = solve(&t, *out);
    if (status) clade_problem_destroy(out);
    return status;
}

/* ---- judging ---- */

/* Once; and, where that is right, again, as what fails may be that it is not the same then. */
static clade_status judge(const conform_trial *trial, const conform_problem *problem,
                          clade_device *device, conform_failure *failure)
{
    enum { most = 3 };
    void *got[most][conform_slots] = {{NULL}};
    conform_tally tally = {0};
    clade_status status = CLADE_OK;
    for (int run = 0; run < most && !status && !failure->check; run++) {
        status = clade_problem_stage(problem, device, &trial->layout, got[run], failure);
        if (!status && run)
            clade_problem_same(problem, got[0], got[run], "repeat", "when run again", failure);
        if (!status)
            clade_problem_compare(problem, got[run], trial->options.math == CLADE_EXACT, &tally,
                                  failure);
    }
    for (int run = 0; run < most; run++)
        for (size_t i = 0; i < conform_slots; i++) free(got[run][i]);
    return status;
}

static clade_status judge_one(const conform_trial *trial, conform_outcome *outcome,
                              conform_failure *failure)
{
    const clade_device_options options = clade_trial_device(trial);
    clade_device *device = NULL;
    conform_problem *problem = NULL;
    clade_status status = clade_trial_problem(trial, &problem);
    if (!status) status = clade_device_open(trial->options.device, &options, &device);
    if (!status) {
        outcome->where.info = *clade_device_describe(device);
        status = judge(trial, problem, device, failure);
    }
    clade_device_close(&device);
    clade_problem_destroy(&problem);
    return status;
}

static clade_status judge_whole(const conform_trial *trial, conform_run *run,
                                conform_failure *failure)
{
    clade_conform_result unused = {0};
    clade_status status = clade_conform_open(run, CLADE_CONFORM_OPS);
    if (!status)
        status = clade_conform_judge(run, trial->info, &trial->test, trial->accumulate, &unused,
                                     failure);
    for (size_t i = 0; i < run->device_count; i++) clade_device_close(&run->devices[i].device);
    return status;
}

void clade_trial_run(const conform_trial *trial, conform_outcome *outcome)
{
    conform_trial t = *trial;
    conform_failure failure = {0};
    clade_conform_summary summary = {0};
    settle(&t);
    conform_run run = {.options = &t.options,
                       .drawn = {.op = CLADE_OP_none},
                       .summary = &summary,
                       .where = &outcome->where};
    outcome->status = t.whole ? judge_whole(&t, &run, &failure) : judge_one(&t, outcome, &failure);
    outcome->failed = failure.check != NULL;
    snprintf(outcome->check, sizeof outcome->check, "%s", failure.check ? failure.check : "");
    snprintf(outcome->text, sizeof outcome->text, "%s",
             outcome->status ? clade_error() : failure.text);
    outcome->done = true;
}

/* ---- outcomes ---- */

static bool is_one_of(const char *check, const char *const *names)
{
    while (*names && strcmp(check, *names) != 0) names++;
    return *names != NULL;
}

bool clade_outcome_alike(const conform_outcome *o, const char *check, const char *text)
{
    static const char *const values[] = {"bound", "integers", NULL};
    static const char *const others[] = {"bits",      "limits",     "threads",
                                         "algorithm", "group size", NULL};
    static const char *const kept[] = {"nan", "infinity", NULL};
    static const char *const memory[] = {"guard", "workspace", "input", NULL};
    if (o->status || !o->failed) return false;
    if (is_one_of(check, others)) return is_one_of(o->check, others) || is_one_of(o->check, values);
    if (is_one_of(check, values)) return is_one_of(o->check, values);
    if (is_one_of(check, kept)) return is_one_of(o->check, kept);
    if (is_one_of(check, memory)) return is_one_of(o->check, memory);
    if (strcmp(o->check, check) != 0) return false;
    if (!strcmp(check, "crash")) return !strcmp(o->text, text);
    if (strcmp(check, "status") != 0) return true;
    const size_t n = strcspn(text, ":"); /* the status' name */
    return !strncmp(o->text, text, n + 1);
}
