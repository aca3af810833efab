/* The search for the smallest case that fails alike: options, data and layout first, then the call,
 * then the numbers. What is tried and in which order depends on the case alone. */
#include "conform/reduce.h"

#include "base/file.h"
#include "op/recorded.h"
#include "op/call_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { usual_tries = 300, most_seen = 4096 };

typedef struct reducer {
    const clade_conform_options *options;
    const clade_conform_reduction *how;
    clade_conform_reduced *out;
    conform_trial best;           /* fails as is wanted */
    conform_outcome outcome;      /* of it */
    char check[32], text[512];    /* what is wanted: how the first failed */
    conform_values kept, simpler; /* of a recorded call or another case; while values change */
    uint64_t seen[most_seen];     /* what was tried */
    size_t seen_count;
    clade_status status; /* the first error, with its text, after which nothing is tried */
    char error[512];
} reducer;

static void fail(reducer *r, clade_status status)
{
    if (r->status || !status) return;
    r->status = status;
    snprintf(r->error, sizeof r->error, "%s", clade_error());
}

static void free_values(conform_values *values)
{
    for (size_t i = 0; i < conform_slots; i++) free(values->block[i]);
    *values = (conform_values){0};
}

/* ---- one try ---- */

static void work(const void *task, void *result) { clade_trial_run(task, result); }

static void run(reducer *r, const conform_trial *trial, conform_outcome *outcome)
{
    char how[160] = "";
    *outcome = (conform_outcome){0};
    fail(r, r->how->isolate(r->how->user, work, trial, outcome, sizeof *outcome, how));
    r->out->tries++;
    if (r->status || (outcome->done && !how[0])) return;
    outcome->status = CLADE_OK;
    outcome->failed = true;
    snprintf(outcome->check, sizeof outcome->check, "%s",
             strncmp(how, "timed", 5) ? "crash" : "timeout");
    snprintf(outcome->text, sizeof outcome->text, "%s", how);
}

static uint64_t hash(uint64_t h, const void *bytes, size_t size)
{
    for (const unsigned char *p = bytes; size; size--, p++) h = (h ^ *p) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t number_of(const conform_trial *t)
{
    const int32_t numbers[] = {
        t->accumulate,    t->whole,           (int32_t)t->data,   t->layout.separate,
        t->layout.absent, t->layout.in_place, t->options.threads, (int32_t)t->options.group_size};
    const clade_op_info *info = t->info;
    uint64_t h = hash(UINT64_C(0xcbf29ce484222325), t->text, strlen(t->text));
    h = hash(h, numbers, sizeof numbers);
    h = hash(h, &t->options.seed, sizeof t->options.seed);
    h = hash(h, t->algorithm, strlen(t->algorithm) + 1);
    h = hash(h, t->limits, strlen(t->limits) + 1);
    for (size_t i = 0; t->values && i < info->slot_count; i++)
        if (t->values->block[i])
            h = hash(h, t->values->block[i],
                     clade_tensor_count(&t->values->args.slot[i]) *
                         clade_dtype_size(t->values->args.slot[i].dtype));
    return h;
}

/* Is it new, and is there still a try for it? */
static bool is_worth_it(reducer *r, const conform_trial *trial)
{
    const uint32_t most = r->how->tries ? r->how->tries : usual_tries;
    const uint64_t number = number_of(trial);
    if (r->status || r->out->tries >= most) return false;
    for (size_t i = 0; i < r->seen_count; i++)
        if (r->seen[i] == number) return false;
    if (r->seen_count < most_seen) r->seen[r->seen_count++] = number;
    conform_problem *problem = NULL;
    const bool is_call = trial->whole || !clade_trial_problem(trial, &problem);
    clade_problem_destroy(&problem);
    return is_call;
}

/* Takes the trial for the best where it fails alike. */
static bool attempt(reducer *r, const conform_trial *trial)
{
    conform_outcome outcome;
    if (!is_worth_it(r, trial)) return false;
    run(r, trial, &outcome);
    if (r->status || !clade_outcome_alike(&outcome, r->check, r->text)) return false;
    r->best = *trial;
    r->outcome = outcome;
    r->out->taken++;
    return true;
}

/* ---- the first ---- */

/* The search goes on from this trial. */
static void begin(reducer *r, const conform_trial *trial, const conform_outcome *outcome,
                  const char *call)
{
    r->out->failed = true;
    r->best = *trial;
    r->outcome = *outcome;
    snprintf(r->out->first_call, sizeof r->out->first_call, "%s", call);
    memcpy(r->out->first_check, outcome->check, sizeof outcome->check);
    memcpy(r->out->first_text, outcome->text, sizeof outcome->text);
}

/* The cases that the options choose, until one fails. */
typedef struct first_case {
    reducer *r;
    size_t count;
} first_case;

static clade_status try_first(void *user, const clade_conform_result *about)
{
    first_case *f = user;
    reducer *r = f->r;
    const clade_op_info *info = clade_op_describe(clade_op_find(about->op));
    conform_trial t = {.options = *r->options, .info = info, .accumulate = about->accumulate};
    const clade_op_impl *source = clade_op_reference(clade_case_op(info));
    if (!about->case_name[0] || r->out->failed) return CLADE_OK;
    f->count++;
    t.whole = true;
    for (size_t i = 0; i < source->case_count; i++)
        if (!strcmp(source->cases[i].name, about->case_name)) t.test = source->cases[i];
    if (!t.test.text) snprintf(t.text, sizeof t.text, "%s", about->case_name); /* a call */
    conform_outcome outcome;
    run(r, &t, &outcome);
    if (outcome.status) fail(r, clade_fail(outcome.status, "%s", outcome.text));
    if (r->status || !outcome.failed) return r->status;
    begin(r, &t, &outcome, about->call);
    return CLADE_OK;
}

static clade_status find_first(reducer *r)
{
    first_case f = {.r = r};
    clade_conform_options o = *r->options;
    o.modes = CLADE_CONFORM_OPS;
    clade_status status = clade_conform_list(&o, try_first, &f);
    if (!status && !f.count) status = clade_fail(CLADE_EINVAL, "no case of mode ops is chosen");
    return status;
}

/* What a folder has of a call's slots. */
static clade_status read_values(const char *folder, const clade_call *call, conform_values *values)
{
    const clade_op_info *info = clade_op_describe(call->op);
    clade_status status = CLADE_OK;
    values->args = call->args;
    for (size_t i = 0; i < info->slot_count && !status; i++)
        if (clade_tensor_present(&call->args.slot[i]))
            status = clade_recorded_slot(folder, info->slots[i].name, &call->args.slot[i],
                                         &values->block[i]);
    return status;
}

/* The call in a folder, on the numbers there. */
static clade_status take_recorded(reducer *r)
{
    clade_call call;
    clade_args test;
    clade_status status = clade_recorded_call(r->how->recorded, &call);
    if (!status) status = read_values(r->how->recorded, &call, &r->kept);
    if (status) return status;
    const clade_op_info *info = clade_op_describe(call.op);
    conform_trial t = {.options = *r->options,
                       .info = info,
                       .data = CONFORM_RANDOM,
                       .layout = {.separate = true, .absent = -1, .in_place = -1},
                       .values = &r->kept};
    const int32_t *accumulate = clade_param_of(info, &call.args, "accumulate");
    t.accumulate = accumulate && *accumulate;
    status = clade_case_of_call(info, &call.args, &test);
    if (status) return status;
    clade_trial_set(&t, &test);
    conform_outcome outcome;
    run(r, &t, &outcome);
    if (outcome.status) fail(r, clade_fail(outcome.status, "%s", outcome.text));
    if (r->status || !outcome.failed) return CLADE_OK;
    char text[CLADE_CALL_TEXT_SIZE];
    begin(r, &t, &outcome, clade_call_text(call.op, &call.args, text));
    return CLADE_OK;
}

/* ---- how it is judged ---- */

/* Only where it failed, instead of all that a case is judged by. */
static void narrow(reducer *r)
{
    const conform_where *w = &r->outcome.where;
    conform_trial t = r->best;
    if (!t.whole || !w->info.id[0]) return;
    t.whole = false;
    t.data = w->data;
    t.layout = w->layout;
    t.options.threads = w->threads;
    t.options.group_size = w->group_size;
    memcpy(t.algorithm, w->algorithm, sizeof t.algorithm);
    memcpy(t.limits, w->limits, sizeof t.limits);
    attempt(r, &t);
}

/* The case as a call, which names its data; where those do not fail, the data of before. */
static void name_by_call(reducer *r)
{
    conform_trial t = r->best;
    clade_args args;
    const clade_op_info *source = clade_op_describe(clade_case_op(t.info));
    if (t.text[0]) { /* it is one; of a recorded call the numbers may not matter */
        t.values = NULL;
        attempt(r, &t);
        return;
    }
    if (clade_args_parse(source->op, t.test.text, &args)) return;
    clade_trial_set(&t, &args);
    if (attempt(r, &t) || t.whole) return;
    conform_problem *p = NULL;
    if (clade_trial_problem(&r->best, &p)) return;
    r->kept.args = p->args;
    for (size_t i = 0; i < p->info->slot_count; i++) {
        const clade_slot_kind kind = p->info->slots[i].kind;
        const bool prior = t.accumulate && clade_slot_accumulates(kind);
        if (!p->initial[i] || !(clade_slot_reads(kind) || prior)) continue;
        r->kept.block[i] = p->initial[i];
        p->initial[i] = NULL;
    }
    clade_problem_destroy(&p);
    t.values = &r->kept;
    attempt(r, &t);
}

/* None in particular; but where it may be CLBlast's, which no program of ours can repeat, the
 * plainest of our own. */
static void simplify_algorithm(reducer *r)
{
    conform_trial t = r->best;
    const bool opencl = !strncmp(r->outcome.where.info.id, "opencl", 6);
    if (opencl && t.options.math == CLADE_FAST && !r->options->algorithm &&
        (t.info->flags & CLADE_OP_PRODUCT)) {
        snprintf(t.algorithm, sizeof t.algorithm, "direct");
        if (!strcmp(r->best.algorithm, "direct") || attempt(r, &t)) return;
    }
    t = r->best;
    t.algorithm[0] = 0;
    attempt(r, &t);
}

/* Plainer data, memory and options. */
static void simplify(reducer *r)
{
    conform_trial t = r->best;
    t.accumulate = 0;
    attempt(r, &t);
    for (int data = 0; data < (int)r->best.data; data++) {
        t = r->best;
        t.data = (conform_data)data;
        if (!t.values && clade_trial_wants(&t, t.data) && attempt(r, &t)) break;
    }
    t = r->best;
    t.layout = (conform_layout){.separate = true, .absent = -1, .in_place = -1};
    if (!t.whole && !r->best.layout.separate && !attempt(r, &t)) {
        t.layout.separate = false;
        attempt(r, &t);
    }
    t = r->best;
    t.options.threads = r->options->threads;
    t.options.group_size = r->options->group_size;
    attempt(r, &t);
    simplify_algorithm(r);
    t = r->best;
    t.limits[0] = 0;
    attempt(r, &t);
}

/* ---- the call, and its numbers ---- */

static bool try_call(void *user, const clade_args *smaller)
{
    reducer *r = user;
    conform_trial t = r->best;
    clade_trial_set(&t, smaller);
    return attempt(r, &t);
}

static void shrink_call(reducer *r)
{
    const clade_op_info *source = clade_op_describe(clade_case_op(r->best.info));
    clade_args args;
    if (!r->best.text[0] ||
        clade_args_parse(source->op, r->best.text + strlen(source->name), &args))
        return;
    clade_shrink_call(source, &args, try_call, r);
}

static bool try_values(void *user)
{
    reducer *r = user;
    conform_trial t = r->best;
    t.values = &r->simpler;
    return attempt(r, &t);
}

/* Of what the problem reads. */
static void shrink_values(reducer *r)
{
    conform_problem *p = NULL;
    if (r->best.whole || clade_trial_problem(&r->best, &p)) return;
    r->simpler.args = p->args;
    for (size_t i = 0; i < p->info->slot_count; i++) {
        const clade_slot_kind kind = p->info->slots[i].kind;
        const bool prior = r->best.accumulate && clade_slot_accumulates(kind);
        const size_t bytes = p->count[i] * clade_dtype_size(p->args.slot[i].dtype);
        if (!p->initial[i] || !(clade_slot_reads(kind) || prior)) continue;
        r->simpler.block[i] = malloc(bytes + 1);
        if (r->simpler.block[i]) memcpy(r->simpler.block[i], p->initial[i], bytes);
    }
    clade_shrink_values(p, &r->simpler, try_values, r);
    clade_problem_destroy(&p);
}

/* ---- the result ---- */

/* The command that repeats the best, if it does so without the numbers that were changed. */
static void set_command(reducer *r, const conform_trial *drawn)
{
    clade_conform_summary summary = {.device = r->outcome.where.info};
    conform_trial t = *drawn;
    conform_outcome outcome;
    if (t.values || !t.text[0]) return;
    t.whole = true;
    run(r, &t, &outcome);
    if (r->status || !clade_outcome_alike(&outcome, r->check, r->text)) return;
    if (t.algorithm[0]) t.options.algorithm = t.algorithm;
    if (t.limits[0]) t.options.limits = t.limits;
    conform_run *command = calloc(1, sizeof *command);
    if (!command) {
        fail(r, clade_fail(CLADE_ENOMEM, "out of memory"));
        return;
    }
    command->options = &t.options;
    command->summary = &summary;
    command->device_count = 1;
    clade_conform_command(command, &(clade_conform_result){.mode = CLADE_CONFORM_OPS,
                                                           .op = t.info->name,
                                                           .case_name = t.text,
                                                           .accumulate = t.accumulate});
    snprintf(r->out->reproduce, sizeof r->out->reproduce, "%.*s", (int)sizeof r->out->reproduce - 1,
             command->command);
    free(command);
}

static void describe(reducer *r)
{
    conform_problem *p = NULL;
    clade_conform_reduced *out = r->out;
    snprintf(out->check, sizeof out->check, "%s", r->outcome.check);
    snprintf(out->text, sizeof out->text, "%s", r->outcome.text);
    if (clade_trial_problem(&r->best, &p)) return;
    clade_call_text(p->info->op, &p->args, out->call);
    clade_problem_destroy(&p);
}

/* What writing is told, and says. */
typedef struct reduction_writing {
    const reducer *r;
    const conform_trial *trial;
} reduction_writing;

typedef struct reduction_files {
    clade_status status;
    bool program;
    char why[256], error[512];
} reduction_files;

static void write_work(const void *task, void *result)
{
    const reduction_writing *w = task;
    reduction_files *out = result;
    out->status =
        clade_trial_write(w->trial, &w->r->outcome, w->r->how->out, &out->program, out->why);
    if (out->status) snprintf(out->error, sizeof out->error, "%s", clade_error());
}

static void write_out(reducer *r)
{
    reduction_files done = {0};
    char how[160] = "";
    const reduction_writing w = {.r = r, .trial = &r->best};
    fail(r, r->how->isolate(r->how->user, write_work, &w, &done, sizeof done, how));
    if (done.status) fail(r, clade_fail(done.status, "%s", done.error));
    if (how[0]) fail(r, clade_fail(CLADE_EDEVICE, "%s: writing %s", r->how->out, how));
    r->out->program = done.program;
    memcpy(r->out->why, done.why, sizeof r->out->why);
}

static void reduce(reducer *r)
{
    memcpy(r->check, r->outcome.check, sizeof r->check);
    memcpy(r->text, r->outcome.text, sizeof r->text);
    narrow(r);
    name_by_call(r);
    /* what was in another way than the first may now be told plainly, and is wanted so */
    memcpy(r->check, r->outcome.check, sizeof r->check);
    simplify(r);
    shrink_call(r);
    simplify(r);
    const conform_trial drawn = r->best;
    shrink_values(r);
    if (!r->status) describe(r);
    if (!r->status) set_command(r, &drawn);
    if (!r->status && r->how->out) write_out(r);
}

clade_status clade_conform_reduce(const clade_conform_options *options,
                                  const clade_conform_reduction *reduction,
                                  clade_conform_reduced *out)
{
    bool exists = false;
    *out = (clade_conform_reduced){0};
    if (reduction->out) {
        clade_status status = clade_file_exists(reduction->out, &exists);
        if (status) return status;
    }
    if (exists) return clade_fail(CLADE_EINVAL, "%s already exists", reduction->out);
    reducer *r = calloc(1, sizeof *r);
    if (!r) return clade_fail(CLADE_ENOMEM, "out of memory");
    r->options = options;
    r->how = reduction;
    r->out = out;
    fail(r, reduction->recorded ? take_recorded(r) : find_first(r));
    if (!r->status && out->failed) reduce(r);
    const clade_status status = r->status ? clade_fail(r->status, "%s", r->error) : CLADE_OK;
    free_values(&r->kept);
    free_values(&r->simpler);
    free(r);
    return status;
}
