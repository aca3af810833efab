/* Results: which are wanted, the command that repeats one, counting them and handing them on. */
#include "conform/conform.h"
#include "op/call_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Glob with * and ? */
static bool glob(const char *pattern, const char *name)
{
    for (; *pattern && *pattern != '*'; pattern++, name++)
        if (!*name || (*pattern != '?' && *pattern != *name)) return false;
    if (!*pattern) return !*name;
    do
        if (glob(pattern + 1, name)) return true;
    while (*name++);
    return false;
}

bool clade_conform_fits(const char *pattern, const char *name)
{
    return !pattern || glob(pattern, name);
}

bool clade_conform_chosen(const conform_run *run, const clade_op_info *info)
{
    const char *pattern = run->options->op;
    return clade_conform_fits(pattern, info->name) || !strcmp(pattern, info->family);
}

const char *clade_conform_call(const clade_op_info *info, const clade_case *test,
                               char text[CLADE_CALL_TEXT_SIZE])
{
    clade_args args, forward;
    return clade_case_args(info, test, &args, &forward) ? ""
                                                        : clade_call_text(info->op, &args, text);
}

const clade_case *clade_conform_case(const conform_run *run, const clade_op_info *info, size_t *i)
{
    const clade_op_impl *source = clade_op_reference(clade_case_op(info));
    if (run->typed.text)
        return clade_case_op(info) == run->typed_op && !(*i)++ ? &run->typed : NULL;
    while (*i < source->case_count) {
        const clade_case *test = &source->cases[(*i)++];
        if (test->kind == CASE_TIMED || (test->kind == CASE_FULL && run->options->quick)) continue;
        if (clade_conform_fits(run->options->case_name, test->name)) return test;
    }
    return NULL;
}

void clade_conform_command(const conform_run *run, const clade_conform_result *result, char *text,
                           size_t size)
{
    const clade_conform_options *o = run->options;
    if (result->mode == CLADE_CONFORM_SELF_TEST) {
        snprintf(text, size, "clade conform --self-test --op %s --case %s --seed %" PRIu64,
                 result->op, result->case_name, o->seed);
        return;
    }
    const char *mode = result->mode == CLADE_CONFORM_GRAD      ? "grad"
                       : result->mode == CLADE_CONFORM_LAYERS  ? "layers"
                       : result->mode == CLADE_CONFORM_NETS    ? "nets"
                       : result->mode == CLADE_CONFORM_SUPPORT ? "support"
                                                               : "ops";
    const char *quote = strchr(result->case_name, ' ') ? "'" : "";
    int n = snprintf(text, size, "clade conform");
    if (o->plugin) n += snprintf(text + n, size - (size_t)n, " --plugin %.256s", o->plugin);
    if (run->device_count && !o->plugin)
        n += snprintf(text + n, size - (size_t)n, " --device %s", run->summary->device.id);
    if (o->kernels) n += snprintf(text + n, size - (size_t)n, " --kernels %.8s", o->kernels);
    if (o->algorithm) n += snprintf(text + n, size - (size_t)n, " --algo %.8s", o->algorithm);
    if (o->model)
        n += snprintf(text + n, size - (size_t)n, " --model %.256s", o->model);
    else
        n += snprintf(text + n, size - (size_t)n, " --mode %s --op %s", mode, result->op);
    if (result->case_name[0])
        n +=
            snprintf(text + n, size - (size_t)n, " --case %s%s%s", quote, result->case_name, quote);
    if (result->mode == CLADE_CONFORM_OPS)
        n += snprintf(text + n, size - (size_t)n, " --accumulate %d", result->accumulate);
    snprintf(text + n, size - (size_t)n, " --math %s --seed %" PRIu64 "%s",
             o->math == CLADE_FAST ? "fast" : "exact", o->seed, o->strict ? " --strict" : "");
}

double clade_conform_begin(const conform_run *run, const clade_conform_result *result)
{
    char command[conform_command_size];
    if (run->options->begins) {
        clade_conform_command(run, result, command, sizeof command);
        run->options->begins(run->user, command);
    }
    return clade_clock();
}

clade_status clade_conform_give(conform_run *run, const clade_conform_result *result)
{
    clade_conform_summary *s = run->summary;
    char command[conform_command_size] = "";
    s->passed += result->verdict == CLADE_CONFORM_PASS;
    s->failed += result->verdict == CLADE_CONFORM_FAIL;
    s->skipped += result->verdict == CLADE_CONFORM_SKIP;
    s->compared += result->compared;
    s->excluded += result->excluded;
    s->mistrusted += result->mistrusted;
    if (!(result->worst <= s->worst)) s->worst = result->worst;
    if (result->verdict == CLADE_CONFORM_FAIL)
        clade_conform_command(run, result, command, sizeof command);
    clade_conform_result given = *result;
    given.reproduce = command;
    if (!given.call) given.call = "";
    return run->sink ? run->sink(run->user, &given) : CLADE_OK;
}

clade_status clade_conform_end(conform_run *run, clade_conform_result *result,
                               const conform_failure *failure, double begun)
{
    if (failure->check) {
        result->verdict = CLADE_CONFORM_FAIL;
        result->check = failure->check;
        result->text = failure->text;
    }
    result->seconds = clade_clock() - begun;
    return clade_conform_give(run, result);
}
