/* The self-test: devices with planted faults are judged by the very code that judges devices. A
 * fault counts as caught if any case of its op fails, the small cases first; on a device without a
 * fault all small cases must pass. */
#include "conform/fault.h"

#include <stdio.h>
#include <string.h>

/* How one fault, or the device without one, fared. */
typedef struct outcome {
    conform_failure failure;
    char where[96]; /* the case that caught it */
    uint64_t cases;
} outcome;

static clade_status judge_op(conform_run *run, const clade_op_info *info, outcome *o)
{
    const clade_op_impl *source = clade_op_reference(clade_case_op(info));
    bool accumulates = clade_param_find(info, "accumulate") >= 0;
    clade_status status = CLADE_OK;
    for (int kind = CASE_QUICK; kind <= (run->fault ? CASE_FULL : CASE_QUICK); kind++)
        for (size_t i = 0; !status && !o->failure.check && i < source->case_count; i++) {
            const clade_case *test = &source->cases[i];
            if ((int)test->kind != kind) continue;
            for (int accumulate = 0; !status && !o->failure.check && accumulate <= accumulates;
                 accumulate++) {
                clade_conform_result unused = {0};
                status = clade_conform_judge(run, info, test, accumulate, &unused, &o->failure);
                snprintf(o->where, sizeof o->where, "%.60s, accumulate %d", test->name, accumulate);
                o->cases++;
            }
        }
    return status;
}

static clade_status judge_gradients(conform_run *run, const clade_op_info *info, outcome *o)
{
    const clade_op_impl *source = clade_op_reference(info->forward);
    clade_status status = CLADE_OK;
    for (size_t i = 0; !status && !o->failure.check && i < source->case_count; i++) {
        const clade_case *test = &source->cases[i];
        clade_conform_result unused = {0};
        if (test->kind != CASE_QUICK) continue;
        status = clade_conform_differentiate(run, info, test, &unused, &o->failure);
        snprintf(o->where, sizeof o->where, "%.60s", test->name);
        o->cases++;
    }
    return status;
}

static clade_status judge_fault(conform_run *run, const clade_op_info *info,
                                const conform_fault *fault, outcome *o)
{
    conform_run with = *run;
    clade_status status = CLADE_OK;
    memset(o, 0, sizeof *o);
    memset(with.devices, 0, sizeof with.devices);
    with.fault = fault;
    if (fault && fault->oracle) return judge_gradients(&with, info, o);
    for (int i = 0; !status && i < 2; i++) {
        with.devices[i].check = "threads";
        snprintf(with.devices[i].how, sizeof with.devices[i].how, "on another device");
        status = clade_fault_device(fault, i, &with.devices[i].device);
    }
    with.device_count = 2;
    if (!status) status = judge_op(&with, info, o);
    for (int i = 0; i < 2; i++) clade_device_close(&with.devices[i].device);
    return status;
}

/* The op on a device without a fault. */
static clade_status judge_control(conform_run *run, const clade_op_info *info)
{
    outcome o;
    clade_conform_result result = {.mode = CLADE_CONFORM_SELF_TEST,
                                   .op = info->name,
                                   .case_name = CLADE_FAULT_NONE,
                                   .check = "",
                                   .text = ""};
    if (!clade_conform_fits(run->options->case_name, CLADE_FAULT_NONE) ||
        !clade_conform_begin(run, &result))
        return CLADE_OK;
    clade_status status = judge_fault(run, info, NULL, &o);
    return status ? status : clade_conform_end(run, &result, &o.failure);
}

static clade_status judge_planted(conform_run *run, const clade_op_info *info,
                                  const conform_fault *fault)
{
    outcome o;
    char text[768];
    clade_conform_result result = {.mode = CLADE_CONFORM_SELF_TEST,
                                   .op = info->name,
                                   .case_name = fault->name,
                                   .check = "",
                                   .text = ""};
    if (!clade_conform_fits(run->options->case_name, fault->name) ||
        !clade_conform_begin(run, &result))
        return CLADE_OK;
    clade_status status = judge_fault(run, info, fault, &o);
    if (status) return status;
    bool caught = o.failure.check != NULL;
    if (caught)
        snprintf(text, sizeof text, "%s, case %s: %s", fault->part, o.where, o.failure.text);
    else
        snprintf(text, sizeof text, "%s: not caught in %llu cases", fault->part,
                 (unsigned long long)o.cases);
    result.verdict = caught ? CLADE_CONFORM_PASS : CLADE_CONFORM_FAIL;
    result.check = caught ? o.failure.check : "";
    result.text = text;
    return clade_conform_end(run, &result, &(conform_failure){0});
}

/* Is it the first of its op that is planted in a device? */
static bool is_first(const conform_fault *fault)
{
    bool first = !fault->oracle;
    for (const conform_fault *f = clade_faults; f < fault; f++)
        first = first && (f->oracle || f->op != fault->op);
    return first;
}

clade_status clade_conform_self_test(conform_run *run)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; !status && i < clade_fault_count; i++) {
        const conform_fault *fault = &clade_faults[i];
        const clade_op_info *info = clade_op_describe(fault->op);
        if (!clade_conform_chosen(run, info)) continue;
        if (is_first(fault)) status = judge_control(run, info);
        if (!status) status = judge_planted(run, info, fault);
        if (status) return clade_context(status, "%s", info->name);
    }
    return status;
}
