/* A run: opening the device with different options, and the modes in turn. */
#include "conform/chain.h"

#include "op/call_text.h"

#include <clade/train.h>

#include <stdio.h>
#include <string.h>

/* --case may be a call, which has words with "=": a case that is not in any list. */
static clade_status take_typed_case(conform_run *run)
{
    const char *text = run->options->case_name, *words;
    clade_args args, forward;
    if (!text || !strchr(text, '=')) return CLADE_OK;
    clade_status status = clade_call_split(text, &run->typed_op, &words);
    if (status) return status;
    const clade_op_info *info = clade_op_describe(run->typed_op);
    if (info->forward != CLADE_OP_none) {
        const char *f = clade_op_describe(info->forward)->name;
        return clade_fail(CLADE_EINVAL,
                          "%s takes the cases of %s: give a call of that, and '--op %s'",
                          info->name, f, info->name);
    }
    status = clade_args_parse(run->typed_op, words, &args);
    if (status) return status;
    /* in the usual order, so that the data do not depend on how it was typed */
    clade_call_text(run->typed_op, &args, run->typed_text);
    run->typed = (clade_case){
        .kind = CASE_QUICK, .name = run->typed_text, .text = run->typed_text + strlen(info->name)};
    return clade_case_args(info, &run->typed, &args, &forward);
}

clade_device_options clade_conform_asked(const clade_conform_options *o)
{
    return (clade_device_options){.math = o->math,
                                  .threads = o->threads,
                                  .strict = o->strict,
                                  .plugin = o->plugin,
                                  .group_size = o->group_size,
                                  .kernels = o->kernels,
                                  .algorithm = o->algorithm,
                                  .limits = o->limits};
}

static clade_status open_device(conform_run *run, const clade_device_options *options,
                                const char *check, const char *how)
{
    const clade_conform_options *o = run->options;
    conform_device *d = &run->devices[run->device_count];
    /* the further ones are the first by its id */
    const char *name = run->device_count && !o->plugin ? run->summary->device.id : o->device;
    clade_status status = clade_device_open(name, options, &d->device);
    if (status) return status;
    d->options = *options;
    d->check = check;
    d->products = options->algorithm && !o->algorithm;
    snprintf(d->how, sizeof d->how, "%s", how);
    run->device_count++;
    return CLADE_OK;
}

/* As asked for, but with tiny limits, unless that was asked for. */
static clade_status open_tiny(conform_run *run, const char *algorithm, const char *how)
{
    clade_device_options options = clade_conform_asked(run->options);
    if (options.limits) return CLADE_OK;
    if (algorithm) options.algorithm = algorithm;
    options.limits = "tiny";
    return open_device(run, &options, "limits", how);
}

static clade_status open_algorithm(conform_run *run, const char *algorithm, const char *how)
{
    clade_device_options options = clade_conform_asked(run->options);
    options.algorithm = algorithm;
    return open_device(run, &options, "algorithm", how);
}

static bool has_matrix_unit(const clade_device *device)
{
    bool has = false;
    for (int p = CLADE_FACTORS_TF32; p < CLADE_FACTORS && !has; p++)
        has = clade_device_products(device, p, NULL) != NULL;
    return has;
}

/* The algorithms that there are, unless one was asked for; in exact mode those that give the same
 * bits.
 */
static clade_status open_algorithms(conform_run *run)
{
    const clade_conform_options *o = run->options;
    const char *kernels = o->kernels;
    bool gpu = kernels ? !strcmp(kernels, "gpu") : !run->summary->device.cpu_like;
    clade_status status = CLADE_OK;
    if (o->math == CLADE_FAST) {
        status = open_algorithm(run, "gemm", "with CLBlast's products");
        if (!status) status = open_tiny(run, "gemm", "with CLBlast's products and tiny limits");
    }
    if (status == CLADE_EUNSUPPORTED) status = CLADE_OK; /* a build without CLBlast */
    if (!status && (gpu || o->math == CLADE_FAST))
        status = open_algorithm(run, "direct", "by direct kernels");
    if (!status && gpu) status = open_tiny(run, "direct", "by direct kernels with tiny limits");
    if (!status && gpu) status = open_algorithm(run, "implicit", "by implicit products");
    if (!status && has_matrix_unit(run->devices[0].device))
        status = open_tiny(run, "matrix", "by matrix units with tiny limits");
    return status;
}

static clade_status open_threads(conform_run *run, int threads, const char *how)
{
    clade_device_options options = clade_conform_asked(run->options);
    options.threads = threads;
    return open_device(run, &options, "threads", how);
}

/* The device as asked for, then with tiny limits, and with other numbers of threads or another
 * work-group size. */
clade_status clade_conform_open(conform_run *run, unsigned modes)
{
    const clade_conform_options *o = run->options;
    clade_device_options options = clade_conform_asked(run->options);
    clade_status status = open_device(run, &options, "", "");
    if (status) return status;
    run->summary->device = *clade_device_describe(run->devices[0].device);
    if (!(modes & (CLADE_CONFORM_OPS | CLADE_CONFORM_LAYERS))) return CLADE_OK;
    status = open_tiny(run, NULL, "with tiny limits");
    if (status) return status;
    if (!strncmp(run->summary->device.id, "opencl", 6)) {
        options.group_size = o->group_size == 64 ? 32 : 64;
        status = open_device(run, &options, "group size", "with another work-group size");
        return status || o->algorithm ? status : open_algorithms(run);
    }
    if (!o->quick) status = open_threads(run, 1, "with 1 thread");
    if (!status) status = open_threads(run, 2, "with 2 threads");
    if (!status) status = open_threads(run, 3, "with 3 threads");
    return status;
}

clade_status clade_conform_support(conform_run *run)
{
    clade_status status = CLADE_OK;
    for (int op = 0; !status && op < CLADE_OPS; op++) {
        const clade_op_info *info = clade_op_describe((clade_op)op);
        if (!clade_conform_chosen(run, info)) continue;
        clade_conform_result result = {.mode = CLADE_CONFORM_SUPPORT,
                                       .op = info->name,
                                       .case_name = "",
                                       .check = "",
                                       .text = ""};
        conform_failure failure = {0};
        if (!clade_conform_begin(run, &result)) continue;
        result.support = clade_device_support(run->devices[0].device, info->op);
        if (run->options->strict && result.support != 'n')
            clade_failure_set(&failure, "strict", "it has no version of its own");
        status = clade_conform_end(run, &result, &failure);
    }
    return status;
}

/* EINVAL unless --op chooses something. */
static clade_status check_choice(const conform_run *run)
{
    for (int op = 0; op < CLADE_OPS; op++)
        if (clade_conform_chosen(run, clade_op_describe((clade_op)op))) return CLADE_OK;
    for (size_t i = 0; i < clade_chain_count; i++)
        if (clade_conform_fits(run->options->op, clade_chains[i].name)) return CLADE_OK;
    for (const char *const *name = clade_recipe_names(); *name; name++)
        if (clade_conform_fits(run->options->op, *name)) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "no op, family, chain of layers or recipe is called '%s'",
                      run->options->op);
}

/* The modes in turn, in this order. */
static clade_status run_modes(conform_run *run)
{
    static const struct {
        clade_conform_mode mode;
        clade_status (*judge)(conform_run *run);
    } all[] = {
        {CLADE_CONFORM_OPS, clade_conform_ops},
        {CLADE_CONFORM_GRAD, clade_conform_grad},
        {CLADE_CONFORM_LAYERS, clade_conform_layers},
        {CLADE_CONFORM_NETS, clade_conform_nets},
        {CLADE_CONFORM_SUPPORT, clade_conform_support},
        {CLADE_CONFORM_FREEZE, clade_conform_freeze},
        {CLADE_CONFORM_FROZEN, clade_conform_frozen},
        {CLADE_CONFORM_SELF_TEST, clade_conform_self_test},
    };
    const clade_conform_options *o = run->options;
    unsigned modes = o->modes;
    if (o->random && (modes & ~(unsigned)CLADE_CONFORM_OPS))
        return clade_fail(CLADE_EINVAL, "cases are drawn at random in mode ops alone");
    if (!modes) modes = CLADE_CONFORM_OPS | CLADE_CONFORM_GRAD | CLADE_CONFORM_LAYERS;
    bool needs_device = modes & (CLADE_CONFORM_OPS | CLADE_CONFORM_LAYERS | CLADE_CONFORM_NETS |
                                 CLADE_CONFORM_SUPPORT);
    clade_status status = check_choice(run);
    if (!status) status = take_typed_case(run);
    if (!status && needs_device && !run->listing) status = clade_conform_open(run, modes);
    for (size_t i = 0; !status && i < sizeof all / sizeof *all; i++)
        if (modes & all[i].mode) status = all[i].judge(run);
    if (!status && !run->any)
        status = clade_fail(CLADE_EINVAL, "there is no case '%s' of '%s'%s",
                            o->case_name ? o->case_name : "*", o->op ? o->op : "*",
                            o->quick ? " among the small ones" : "");
    return status;
}

clade_status clade_conform_run(const clade_conform_options *options, clade_conform_sink sink,
                               void *user, clade_conform_summary *summary)
{
    static const clade_conform_options defaults = {0};
    clade_conform_summary unused;
    conform_run run = {.options = options ? options : &defaults,
                       .drawn = {.op = CLADE_OP_none},
                       .sink = sink,
                       .user = user,
                       .summary = summary ? summary : &unused};
    double begun = clade_clock();
    memset(run.summary, 0, sizeof *run.summary);
    clade_status status = run_modes(&run);
    for (size_t i = 0; i < run.device_count; i++) clade_device_close(&run.devices[i].device);
    clade_conform_drawn_clear(&run.drawn);
    run.summary->seconds = clade_clock() - begun;
    return status;
}

clade_status clade_conform_list(const clade_conform_options *options, clade_conform_sink sink,
                                void *user)
{
    static const clade_conform_options defaults = {0};
    clade_conform_summary unused = {0};
    conform_run run = {.options = options ? options : &defaults,
                       .drawn = {.op = CLADE_OP_none},
                       .sink = sink,
                       .user = user,
                       .summary = &unused,
                       .listing = true};
    clade_status status = run_modes(&run);
    clade_conform_drawn_clear(&run.drawn);
    return status ? status : run.listed;
}
