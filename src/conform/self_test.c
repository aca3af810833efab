/* The self-test: devices with planted faults are judged by the very code that judges devices. A
 * fault counts as caught if any case of its op fails, the small cases first; on a device without a
 * fault all small cases must pass. */
#include "conform/chain.h"
#include "conform/fault.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* How one fault, or the device without one, fared. */
typedef struct outcome {
    conform_failure failure;
    char where[96]; /* the case that caught it */
    uint64_t cases;
} outcome;

static clade_status judge_case(conform_run *run, const clade_op_info *info, const clade_case *test,
                               outcome *o)
{
    const bool accumulates = clade_param_find(info, "accumulate") >= 0;
    clade_status status = CLADE_OK;
    for (int accumulate = 0; !status && !o->failure.check && accumulate <= accumulates;
         accumulate++) {
        clade_conform_result unused = {0};
        status = clade_conform_judge(run, info, test, accumulate, &unused, &o->failure);
        snprintf(o->where, sizeof o->where, "%.60s, accumulate %d", test->name, accumulate);
        o->cases++;
    }
    return status;
}

static clade_status judge_op(conform_run *run, const clade_op_info *info, outcome *o)
{
    const clade_op_impl *source = clade_op_reference(clade_case_op(info));
    const clade_case *test;
    clade_status status = CLADE_OK;
    for (int kind = CASE_QUICK; kind <= (run->fault ? CASE_FULL : CASE_QUICK); kind++)
        for (size_t i = 0; !status && !o->failure.check && i < source->case_count; i++) {
            test = &source->cases[i];
            if ((int)test->kind == kind) status = judge_case(run, info, test, o);
        }
    for (size_t i = 0;
         !status && !o->failure.check && (test = clade_conform_half_case(run, info, &i));)
        status = judge_case(run, info, test, o);
    return status;
}

static clade_status judge_gradients(conform_run *run, const clade_op_info *info, outcome *o)
{
    clade_status status = CLADE_OK;
    const clade_case *test;
    for (size_t i = 0; !status && !o->failure.check && (test = clade_case_quick(info, &i));) {
        clade_conform_result unused = {0};
        status = clade_conform_differentiate(run, info, test, &unused, &o->failure);
        snprintf(o->where, sizeof o->where, "%.60s", test->name);
        o->cases++;
    }
    return status;
}

/* The chains of layers, the small ones. */
static clade_status judge_chains(conform_run *run, outcome *o)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; !status && !o->failure.check && i < clade_chain_count; i++) {
        clade_conform_result unused = {0};
        if (clade_chains[i].full) continue;
        status = clade_conform_chain(run, &clade_chains[i], &unused, &o->failure);
        snprintf(o->where, sizeof o->where, "%.60s", clade_chains[i].name);
        o->cases++;
    }
    return status;
}

static clade_status judge_place(conform_run *run, const clade_op_info *info, fault_place place,
                                outcome *o)
{
    switch (place) {
    case FAULT_IN_OP: return judge_op(run, info, o);
    case FAULT_IN_CHAIN: return judge_chains(run, o);
    default:
        snprintf(o->where, sizeof o->where, "a small net");
        o->cases++;
        return clade_fault_net(run, place, &o->failure);
    }
}

/* A device with the fault, NULL: without, where the fault has its place. */
static clade_status judge_fault(const conform_run *run, const clade_op_info *info,
                                const conform_fault *fault, fault_place place, bool fast,
                                outcome *o)
{
    conform_run with = *run;
    clade_conform_options options = *run->options;
    clade_status status = CLADE_OK;
    memset(o, 0, sizeof *o);
    memset(with.devices, 0, sizeof with.devices);
    options.math = fast ? CLADE_FAST : CLADE_EXACT;
    options.case_name = NULL; /* of the fault */
    options.quick = false;
    with.options = &options;
    with.fault = fault;
    if (place == FAULT_IN_ORACLE) return judge_gradients(&with, info, o);
    for (int i = 0; !status && i < 2; i++) {
        with.devices[i].check = "threads";
        snprintf(with.devices[i].how, sizeof with.devices[i].how, "on another device");
        status = clade_fault_device(fault, i, &with.devices[i].device);
    }
    with.device_count = 2;
    if (!status) status = judge_place(&with, info, place, o);
    for (int i = 0; i < 2; i++) clade_device_close(&with.devices[i].device);
    return status;
}

static clade_status judge_no_fault(conform_run *run, const clade_op_info *info,
                                   conform_failure *failure)
{
    outcome o;
    clade_status status = judge_fault(run, info, NULL, FAULT_IN_OP, false, &o);
    *failure = o.failure;
    return status;
}

static clade_status judge_bound(conform_run *run, const clade_op_info *info,
                                conform_failure *failure)
{
    return clade_bounds_judge(info, run->options->seed, failure);
}

static clade_status judge_edge(conform_run *run, const clade_op_info *info,
                               conform_failure *failure)
{
    return clade_edges_judge(info, run->options->seed, failure);
}

static clade_status judge_frozen(conform_run *run, const clade_op_info *info,
                                 conform_failure *failure)
{
    return clade_frozen_judge(info, run->options->seed, failure);
}

/* What is asked of every op before a fault is planted in it. */
static clade_status judge_controls(conform_run *run, const clade_op_info *info)
{
    static const struct {
        const char *name;
        clade_status (*judge)(conform_run *run, const clade_op_info *info,
                              conform_failure *failure);
    } all[] = {{CLADE_FAULT_NONE, judge_no_fault},
               {CLADE_FAULT_BOUND, judge_bound},
               {"edge", judge_edge},
               {"frozen", judge_frozen}};
    clade_status status = CLADE_OK;
    for (size_t i = 0; !status && i < sizeof all / sizeof *all; i++) {
        conform_failure failure = {0};
        clade_conform_result result = {.mode = CLADE_CONFORM_SELF_TEST,
                                       .op = info->name,
                                       .case_name = all[i].name,
                                       .check = "",
                                       .text = ""};
        if (!clade_conform_fits(run->options->case_name, all[i].name) ||
            !clade_conform_begin(run, &result))
            continue;
        status = all[i].judge(run, info, &failure);
        if (!status) status = clade_conform_end(run, &result, &failure);
    }
    return status;
}

/* Is the very thing that sees a fault content without it? That of ops is judged by judge_controls,
 * that of gradients by mode grad. */
static clade_status judge_control(const conform_run *run, const conform_fault *fault,
                                  conform_failure *failure)
{
    outcome o;
    const clade_op_info *info = clade_op_describe(fault->op);
    if (fault->place == FAULT_IN_OP || fault->place == FAULT_IN_ORACLE) return CLADE_OK;
    clade_status status = judge_fault(run, info, NULL, fault->place, fault->fast, &o);
    if (!status && o.failure.check)
        clade_failure_set(failure, o.failure.check, "without the fault: %s", o.failure.text);
    return status;
}

static clade_status judge_planted(conform_run *run, const clade_op_info *info,
                                  const conform_fault *fault)
{
    outcome o;
    char text[640];
    clade_conform_result result = {.mode = CLADE_CONFORM_SELF_TEST,
                                   .op = info->name,
                                   .case_name = fault->name,
                                   .check = "",
                                   .text = ""};
    if (!clade_conform_fits(run->options->case_name, fault->name) ||
        !clade_conform_begin(run, &result))
        return CLADE_OK;
    conform_failure failure = {0};
    clade_status status = judge_control(run, fault, &failure);
    if (!status) status = judge_fault(run, info, fault, fault->place, fault->fast, &o);
    if (status) return status;
    const char *check = o.failure.check;
    if (check) snprintf(text, sizeof text, "%s, case %s: %s", fault->part, o.where, o.failure.text);
    if (!check)
        clade_failure_set(&failure, "caught", "%s: not caught in %" PRIu64 " cases", fault->part,
                          o.cases);
    else if (fault->check && strcmp(check, fault->check) != 0)
        clade_failure_set(&failure, check, "%s, not caught by check %s", text, fault->check);
    result.check = check ? check : "";
    result.text = check ? text : "";
    return clade_conform_end(run, &result, &failure);
}

clade_status clade_conform_self_test(conform_run *run)
{
    clade_status status = CLADE_OK;
    for (int op = 0; !status && op < CLADE_OPS; op++) {
        const clade_op_info *info = clade_op_describe((clade_op)op);
        if (!clade_conform_chosen(run, info)) continue;
        status = judge_controls(run, info);
        for (size_t i = 0; !status && i < clade_fault_count; i++)
            if (clade_faults[i].op == info->op) status = judge_planted(run, info, &clade_faults[i]);
        if (status) return clade_context(status, "%s", info->name);
    }
    return status;
}
