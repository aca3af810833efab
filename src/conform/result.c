/* Results: which are wanted, their names, the command that repeats one, counting them and handing
 * them on. */
#include "conform/fault.h"
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

clade_status clade_conform_draw_cases(conform_run *run, const clade_op_info *info)
{
    const clade_op source = clade_case_op(info);
    const clade_conform_options *o = run->options;
    if (!o->random || run->drawn.op == source) return CLADE_OK;
    return clade_conform_drawn_fill(&run->drawn, clade_op_describe(source), o->random, o->seed);
}

const clade_case *clade_conform_case(const conform_run *run, const clade_op_info *info, size_t *i)
{
    const clade_op_impl *source = clade_op_reference(clade_case_op(info));
    if (run->typed.text)
        return clade_case_op(info) == run->typed_op && !(*i)++ ? &run->typed : NULL;
    const clade_case *cases = run->options->random ? run->drawn.cases : source->cases;
    const size_t count = run->options->random ? run->drawn.count : source->case_count;
    while (*i < count) {
        const clade_case *test = &cases[(*i)++];
        if (test->kind == CASE_TIMED || (test->kind == CASE_FULL && run->options->quick)) continue;
        if (clade_conform_fits(run->options->case_name, test->name)) return test;
    }
    return NULL;
}

bool clade_case_store(const clade_op_info *source, const clade_case *test, clade_dtype dtype,
                      char text[CLADE_CALL_TEXT_SIZE])
{
    clade_args args = {0};
    bool any = false;
    if (strchr(test->text, ':') || clade_args_parse(source->op, test->text, &args) ||
        clade_op_shape(source->op, &args))
        return false;
    for (size_t i = 0; i < source->slot_count; i++) {
        if (source->slots[i].dtype != CLADE_SLOT_FLOAT || !clade_tensor_present(&args.slot[i]))
            continue;
        args.slot[i].dtype = dtype;
        any = true;
    }
    if (!any) return false;
    clade_products *products = clade_param_of(source, &args, "products");
    if (products) *products = dtype == CLADE_BF16 ? CLADE_FACTORS_BFLOAT16 : CLADE_FACTORS_FLOAT16;
    clade_call_text(source->op, &args, text);
    return true;
}

static bool store_halves(conform_run *run, const clade_op_info *source, const clade_case *test,
                         clade_dtype dtype)
{
    if (!clade_case_store(source, test, dtype, run->half_text)) return false;
    snprintf(run->half_name, sizeof run->half_name, "%s-%s", test->name,
             dtype == CLADE_BF16 ? "bf16" : "f16");
    run->half = (clade_case){
        .kind = CASE_QUICK, .name = run->half_name, .text = run->half_text + strlen(source->name)};
    return true;
}

const clade_case *clade_conform_half_case(conform_run *run, const clade_op_info *info, size_t *i)
{
    const clade_op_info *source = clade_op_describe(clade_case_op(info));
    const clade_op_impl *impl = clade_op_reference(source->op);
    if (run->typed.text || run->options->random || run->options->quick) return NULL;
    while (*i < 2 * impl->case_count) {
        const size_t number = (*i)++;
        const clade_case *test = &impl->cases[number / 2];
        if (test->kind != CASE_QUICK || (number % 2 && number > 1)) continue;
        if (store_halves(run, source, test, number % 2 ? CLADE_F16 : CLADE_BF16) &&
            clade_conform_fits(run->options->case_name, run->half_name))
            return &run->half;
    }
    return NULL;
}

const char *clade_conform_mode_name(clade_conform_mode mode)
{
    switch (mode) {
    case CLADE_CONFORM_OPS: return "ops";
    case CLADE_CONFORM_GRAD: return "grad";
    case CLADE_CONFORM_LAYERS: return "layers";
    case CLADE_CONFORM_SELF_TEST: return "self-test";
    case CLADE_CONFORM_NETS: return "nets";
    case CLADE_CONFORM_SUPPORT: return "support";
    case CLADE_CONFORM_FREEZE:
    case CLADE_CONFORM_FROZEN: return "vectors";
    }
    return "";
}

/* A word of a name: what has a meaning in patterns and lists becomes '_'. */
static void add_word(char *name, const char *word)
{
    static const char fit[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=";
    size_t n = strlen(name);
    if (!*word) return;
    if (n) name[n++] = '.';
    for (; *word && n + 1 < conform_name_size; word++) name[n++] = strchr(fit, *word) ? *word : '_';
    name[n] = 0;
}

static void make_name(conform_run *run, const clade_conform_result *result)
{
    run->name[0] = 0;
    add_word(run->name, clade_conform_mode_name(result->mode));
    add_word(run->name, result->op);
    add_word(run->name, result->case_name);
    size_t n = strlen(run->name);
    if (result->accumulate) snprintf(run->name + n, sizeof run->name - n, "/accumulate");
}

void clade_conform_command(conform_run *run, const clade_conform_result *result)
{
    const clade_conform_options *o = run->options;
    char *text = run->command;
    const size_t size = sizeof run->command;
    if (result->mode == CLADE_CONFORM_SELF_TEST) {
        snprintf(text, size, "clade conform --self-test --op %s --case %s --seed %" PRIu64,
                 result->op, result->case_name, o->seed);
        return;
    }
    const char *quote = strchr(result->case_name, ' ') ? "'" : "";
    int n = snprintf(text, size, "clade conform");
    if (o->plugin) n += snprintf(text + n, size - (size_t)n, " --plugin %.256s", o->plugin);
    if (run->device_count && !o->plugin)
        n += snprintf(text + n, size - (size_t)n, " --device %s", run->summary->device.id);
    if (o->kernels) n += snprintf(text + n, size - (size_t)n, " --kernels %.8s", o->kernels);
    if (o->algorithm) n += snprintf(text + n, size - (size_t)n, " --algo %.8s", o->algorithm);
    if (o->limits) n += snprintf(text + n, size - (size_t)n, " --limits %.8s", o->limits);
    if (o->threads) n += snprintf(text + n, size - (size_t)n, " --threads %d", o->threads);
    if (o->group_size)
        n += snprintf(text + n, size - (size_t)n, " --group-size %" PRIu32, o->group_size);
    if (result->mode == CLADE_CONFORM_FREEZE || result->mode == CLADE_CONFORM_FROZEN)
        n += snprintf(text + n, size - (size_t)n, " --vectors%s %.256s --op %s",
                      result->mode == CLADE_CONFORM_FROZEN ? "-check" : "", o->vectors, result->op);
    else if (o->model)
        n += snprintf(text + n, size - (size_t)n, " --model %.256s", o->model);
    else
        n += snprintf(text + n, size - (size_t)n, " --mode %s --op %s",
                      clade_conform_mode_name(result->mode), result->op);
    if (result->case_name[0])
        n +=
            snprintf(text + n, size - (size_t)n, " --case %s%s%s", quote, result->case_name, quote);
    if (result->mode == CLADE_CONFORM_OPS)
        n += snprintf(text + n, size - (size_t)n, " --accumulate %d", result->accumulate);
    snprintf(text + n, size - (size_t)n, " --math %s --seed %" PRIu64 "%s",
             o->math == CLADE_FAST ? "fast" : "exact", o->seed, o->strict ? " --strict" : "");
    if (o->precision)
        snprintf(text + strlen(text), size - strlen(text), " --precision %s",
                 clade_precision_words()[o->precision]);
}

bool clade_conform_begin(conform_run *run, clade_conform_result *result)
{
    make_name(run, result);
    result->name = run->name;
    result->reproduce = "";
    if (!result->call) result->call = "";
    run->any = true;
    const clade_conform_options *o = run->options;
    if (run->listed || (o->choose && !o->choose(run->user, result))) return false;
    if (run->listing) {
        run->listed = run->sink(run->user, result);
        return false;
    }
    clade_conform_command(run, result);
    clade_conform_result about = *result;
    about.reproduce = run->command;
    if (o->begins) o->begins(run->user, &about);
    run->begun = clade_clock();
    return true;
}

void clade_conform_count(clade_conform_summary *s, const clade_conform_result *result)
{
    bool pass = result->verdict == CLADE_CONFORM_PASS;
    bool fault = result->mode == CLADE_CONFORM_SELF_TEST &&
                 strcmp(result->case_name, CLADE_FAULT_NONE) != 0 &&
                 strcmp(result->case_name, CLADE_FAULT_BOUND) != 0;
    s->passed += pass;
    s->failed += result->verdict == CLADE_CONFORM_FAIL;
    s->skipped += result->verdict == CLADE_CONFORM_SKIP;
    s->compared += result->compared;
    s->excluded += result->excluded;
    s->mistrusted += result->mistrusted;
    s->faults += fault;
    s->caught += fault && pass;
    if (!(result->worst <= s->worst)) s->worst = result->worst;
}

clade_status clade_conform_end(conform_run *run, clade_conform_result *result,
                               const conform_failure *failure)
{
    if (failure->check) {
        result->verdict = CLADE_CONFORM_FAIL;
        result->check = failure->check;
        result->text = failure->text;
    }
    if (result->verdict == CLADE_CONFORM_FAIL) result->reproduce = run->command;
    result->seconds = clade_clock() - run->begun;
    clade_conform_count(run->summary, result);
    return run->sink ? run->sink(run->user, result) : CLADE_OK;
}
