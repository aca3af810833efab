/* Mode ops: every op on every case, on the device that is judged. */
#include "conform/conform.h"
#include "op/half.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_blocks(void *blocks[conform_slots])
{
    for (int i = 0; i < conform_slots; i++) free(blocks[i]);
}

static const conform_layout plain = {.absent = -1, .in_place = -1};
static const conform_layout apart = {.separate = true, .absent = -1, .in_place = -1};

static void tell(const conform_run *run, const conform_problem *problem, const conform_device *on,
                 const conform_layout *layout)
{
    conform_where *w = run->where;
    if (!w) return;
    *w = (conform_where){.data = problem->data,
                         .layout = *layout,
                         .device = (size_t)(on - run->devices),
                         .info = run->summary->device,
                         .threads = on->options.threads,
                         .group_size = on->options.group_size};
    if (on->options.algorithm)
        snprintf(w->algorithm, sizeof w->algorithm, "%s", on->options.algorithm);
    if (on->options.limits) snprintf(w->limits, sizeof w->limits, "%s", on->options.limits);
}

/* Stages a problem in one layout and compares what comes back. `first` (may be NULL): an earlier
 * run's outputs, which must be met bit for bit. */
static clade_status stage_and_compare(const conform_run *run, const conform_problem *problem,
                                      const conform_device *on, const conform_layout *layout,
                                      bool bits, void *const first[conform_slots],
                                      const char *check, const char *how, conform_tally *tally,
                                      conform_failure *failure)
{
    void *got[conform_slots];
    tell(run, problem, on, layout);
    clade_status status = clade_problem_stage(problem, on->device, layout, got, failure);
    if (!status && first) clade_problem_same(problem, got, first, check, how, failure);
    if (!status) clade_problem_compare(problem, got, bits, tally, failure);
    free_blocks(got);
    return status;
}

/* Does the result depend on whether an optional input is there: that of a forward op, and of a
 * gradient what the forward op may go without, too? */
static bool matters(const clade_op_info *info, size_t slot)
{
    if (info->forward == CLADE_OP_none) return true;
    const clade_op_info *f = clade_op_describe(info->forward);
    const int s = clade_slot_find(f, info->slots[slot].name);
    return s >= 0 && clade_slot_is_optional(f->slots[s].kind) &&
           !clade_slot_writes(f->slots[s].kind);
}

/* Each optional slot that the op's shape rule lets go, left out. */
static clade_status judge_absent(const conform_run *run, const conform_problem *problem,
                                 const conform_device *on, bool bits, conform_tally *tally,
                                 conform_failure *failure)
{
    const clade_op_info *info = problem->info;
    clade_status status = CLADE_OK;
    size_t outputs = 0;
    for (size_t i = 0; i < info->slot_count; i++)
        outputs += problem->initial[i] && clade_slot_writes(info->slots[i].kind);
    for (size_t i = 0; !status && !failure->check && i < info->slot_count; i++) {
        clade_slot_kind kind = info->slots[i].kind;
        bool output = !clade_slot_reads(kind), input = !clade_slot_writes(kind);
        if (!problem->initial[i] || !clade_slot_is_optional(kind) ||
            (output ? outputs < 2 : !input || matters(info, i)))
            continue;
        clade_args attempt = problem->args;
        attempt.slot[i] = (clade_tensor){0};
        if (clade_op_shape(info->op, &attempt)) continue;
        conform_layout layout = {.absent = (int)i, .in_place = -1};
        status =
            stage_and_compare(run, problem, on, &layout, bits, NULL, NULL, NULL, tally, failure);
        char how[96];
        snprintf(how, sizeof how, "without %s", info->slots[i].name);
        clade_failure_how(failure, how);
    }
    return status;
}

/* The first output in the memory of each input of its size. */
static clade_status judge_in_place(const conform_run *run, const conform_problem *problem,
                                   const conform_device *on, bool bits, conform_tally *tally,
                                   conform_failure *failure)
{
    const clade_op_info *info = problem->info;
    clade_status status = CLADE_OK;
    size_t out = 0;
    while (!clade_slot_writes(info->slots[out].kind)) out++;
    for (size_t i = 0; !status && !failure->check && i < out; i++) {
        const clade_tensor *t = &problem->args.slot[i], *y = &problem->args.slot[out];
        if (!problem->initial[i] || t->dtype != y->dtype ||
            problem->count[i] != problem->count[out])
            continue;
        conform_layout layout = {.absent = -1, .in_place = (int)i};
        status =
            stage_and_compare(run, problem, on, &layout, bits, NULL, NULL, NULL, tally, failure);
        char how[96];
        snprintf(how, sizeof how, "in place of %s", info->slots[i].name);
        clade_failure_how(failure, how);
    }
    return status;
}

/* The device opened in another way. */
static clade_status judge_other(const conform_run *run, const conform_problem *problem,
                                const conform_device *on, bool bits,
                                void *const first[conform_slots], conform_tally *tally,
                                conform_failure *failure)
{
    clade_status status = stage_and_compare(run, problem, on, &plain, bits, bits ? first : NULL,
                                            on->check, on->how, tally, failure);
    if (failure->check && strcmp(failure->check, on->check) != 0)
        clade_failure_how(failure, on->how);
    return status;
}

/* Has a device that is opened in another way than the first one a version of the call, too? One
 * algorithm takes tensors of 16 bits where another, or the same with tiny limits, does not. */
static bool has_version(const conform_device *on, const conform_problem *problem)
{
    const clade_call call = {.op = problem->info->op, .args = problem->args};
    return !clade_args_have_halves(problem->info, &call.args) ||
           clade_device_takes_halves(on->device, &call);
}

/* All that is asked of a device on one problem. */
static clade_status judge_problem(conform_run *run, const conform_problem *problem, int accumulate,
                                  conform_tally *tally, conform_failure *failure)
{
    bool bits = run->options->math == CLADE_EXACT;
    const conform_device *on = &run->devices[0];
    void *got[conform_slots];
    tell(run, problem, on, &plain);
    clade_status status = clade_problem_stage(problem, on->device, &plain, got, failure);
    if (!status) clade_problem_compare(problem, got, bits, tally, failure);
    if (status || failure->check || problem->data != CONFORM_RANDOM) goto done;
    status = stage_and_compare(run, problem, on, &plain, bits, got, "repeat", "when run again",
                               tally, failure);
    if (!status && !failure->check)
        status =
            stage_and_compare(run, problem, on, &apart, bits, NULL, NULL, NULL, tally, failure);
    for (size_t i = 1; !status && !failure->check && i < run->device_count; i++)
        if ((!run->devices[i].products || (problem->info->flags & CLADE_OP_PRODUCT)) &&
            has_version(&run->devices[i], problem))
            status = judge_other(run, problem, &run->devices[i], bits, got, tally, failure);
    if (!status && !failure->check) status = judge_absent(run, problem, on, bits, tally, failure);
    if (!status && !failure->check && !accumulate && (problem->info->flags & CLADE_OP_INPLACE))
        status = judge_in_place(run, problem, on, bits, tally, failure);
done:
    free_blocks(got);
    return status;
}

clade_status clade_conform_judge(conform_run *run, const clade_op_info *info,
                                 const clade_case *test, int accumulate,
                                 clade_conform_result *result, conform_failure *failure)
{
    conform_tally tally = {0};
    clade_status status = CLADE_OK;
    for (int data = 0; !status && !failure->check && data < CONFORM_DATA_KINDS; data++) {
        conform_problem *problem = NULL;
        if (!clade_problem_wanted(info, test, (conform_data)data)) continue;
        status = clade_problem_create(info, test, (conform_data)data, run->options->seed, &problem);
        if (!status && accumulate) status = clade_problem_accumulate(problem);
        if (!status) status = judge_problem(run, problem, accumulate, &tally, failure);
        clade_problem_destroy(&problem);
    }
    result->compared = tally.compared;
    result->worst = tally.worst;
    result->error = tally.error;
    result->mistrusted = tally.outputs && tally.zeros * 20 > tally.outputs * 19;
    return status;
}

/* Has the device, if it has a version of the op, one of this call, where that has tensors of 16
 * bits? */
static bool takes_halves(const conform_run *run, const clade_op_info *info, const clade_case *test)
{
    clade_call call = {.op = info->op};
    const clade_device *device = run->devices[0].device;
    clade_args forward;
    if (clade_case_args(info, test, &call.args, &forward)) return test != &run->half;
    if (test != &run->half && clade_device_support(device, info->op) != 'n') return true;
    return !clade_args_have_halves(info, &call.args) || clade_device_takes_halves(device, &call);
}

static clade_status judge_case(conform_run *run, const clade_op_info *info, const clade_case *test,
                               int accumulate)
{
    conform_failure failure = {0};
    char text[CLADE_CALL_TEXT_SIZE];
    clade_conform_result result = {
        .mode = CLADE_CONFORM_OPS,
        .op = info->name,
        .case_name = test->name,
        .call = clade_conform_call(info, test, text),
        .accumulate = accumulate,
        .check = "",
        .text = "",
    };
    if (!clade_conform_begin(run, &result)) return CLADE_OK;
    /* no model has a call of 16 bits that the device has no version of */
    if (test != &run->typed && !takes_halves(run, info, test))
        return clade_conform_end(run, &result, &failure);
    result.support = clade_device_support(run->devices[0].device, info->op);
    clade_status status = clade_conform_judge(run, info, test, accumulate, &result, &failure);
    if (status) return clade_context(status, "%s", info->name);
    return clade_conform_end(run, &result, &failure);
}

static clade_status judge_passes(conform_run *run, const clade_op_info *info,
                                 const clade_case *test, bool accumulates)
{
    const clade_conform_pass pass = run->options->pass;
    clade_status status = CLADE_OK;
    if (pass != CLADE_CONFORM_ACCUMULATE) status = judge_case(run, info, test, 0);
    if (!status && accumulates && pass != CLADE_CONFORM_OVERWRITE)
        status = judge_case(run, info, test, 1);
    return status;
}

clade_status clade_conform_ops(conform_run *run)
{
    clade_status status = CLADE_OK;
    for (int op = 0; !status && op < CLADE_OPS; op++) {
        const clade_op_info *info = clade_op_describe((clade_op)op);
        if (!clade_conform_chosen(run, info)) continue;
        const clade_op_impl *source = clade_op_reference(clade_case_op(info));
        if (!source->case_count) {
            clade_conform_result none = {.mode = CLADE_CONFORM_OPS,
                                         .op = info->name,
                                         .case_name = "",
                                         .check = "",
                                         .text = ""};
            const conform_failure failure = {.check = "cases", .text = "it has no case"};
            if (clade_conform_begin(run, &none)) status = clade_conform_end(run, &none, &failure);
        }
        if (!status) status = clade_conform_draw_cases(run, info);
        bool accumulates = clade_param_find(info, "accumulate") >= 0;
        const clade_case *test;
        for (size_t i = 0; !status && (test = clade_conform_case(run, info, &i));)
            status = judge_passes(run, info, test, accumulates);
        for (size_t i = 0; !status && (test = clade_conform_half_case(run, info, &i));)
            status = judge_passes(run, info, test, accumulates);
    }
    return status;
}
