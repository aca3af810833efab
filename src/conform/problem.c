/* Problems: an op's arguments on a case, its data, and what reference and oracle make of them. */
#include "conform/conform.h"

#include "op/call_text.h"

#include <stdlib.h>
#include <string.h>

/* ---- arguments ---- */

void *clade_param_of(const clade_op_info *info, clade_args *args, const char *name)
{
    int i = clade_param_find(info, name);
    return i < 0 ? NULL : (char *)args + info->params[i].offset;
}

static size_t param_bytes(const clade_param_info *p)
{
    return p->count * (p->type == CLADE_PARAM_uint64_t ? 8 : 4);
}

/* Optional outputs that are absent get the shape of the first output where the op's shape rule
 * agrees. */
static clade_status complete_shapes(const clade_op_info *info, clade_args *args)
{
    clade_status status = clade_op_shape(info->op, args);
    if (status) return status;
    const clade_tensor *first = NULL;
    for (size_t i = 0; i < info->slot_count; i++) {
        clade_tensor *t = &args->slot[i];
        if (!clade_slot_is_result(info->slots[i].kind)) continue;
        if (!first && !clade_slot_is_optional(info->slots[i].kind)) first = t;
        if (clade_tensor_present(t) || !first) continue;
        clade_args attempt = *args;
        attempt.slot[i] = *first;
        attempt.slot[i].dtype = clade_slot_usual(info->slots[i].dtype);
        if (!clade_op_shape(info->op, &attempt)) *args = attempt;
    }
    return CLADE_OK;
}

int clade_slot_gradient_of(const clade_op_info *forward, const char *name)
{
    return name[0] == 'd' ? clade_slot_find(forward, name + 1) : -1;
}

/* Does a gradient op read what its forward op wrote? */
static bool reads_output(const clade_op_info *info, const clade_op_info *forward)
{
    for (size_t i = 0; i < info->slot_count; i++) {
        int s = clade_slot_find(forward, info->slots[i].name);
        if (s >= 0 && clade_slot_writes(forward->slots[s].kind)) return true;
    }
    return false;
}

clade_status clade_case_args(const clade_op_info *info, const clade_case *test, clade_args *args,
                             clade_args *forward)
{
    if (info->forward == CLADE_OP_none) {
        clade_status status = clade_args_parse(info->op, test->text, args);
        return status ? status : complete_shapes(info, args);
    }
    const clade_op_info *f = clade_op_describe(info->forward);
    clade_status status = clade_args_parse(f->op, test->text, forward);
    if (status) return status;
    int32_t *act = clade_param_of(f, forward, "act");
    if (act && clade_param_find(info, "act") < 0 && !reads_output(info, f)) *act = CLADE_LINEAR;
    status = complete_shapes(f, forward);
    if (status) return status;
    memset(args, 0, sizeof *args);
    for (size_t i = 0; i < info->slot_count; i++) {
        int g = clade_slot_gradient_of(f, info->slots[i].name),
            s = clade_slot_find(f, info->slots[i].name);
        if (g < 0 && s < 0)
            return clade_fail(CLADE_EINVAL, "%s: %s names no slot of %s", info->name,
                              info->slots[i].name, f->name);
        args->slot[i] = forward->slot[g >= 0 ? g : s];
    }
    for (size_t i = 0; i < info->param_count; i++) {
        const clade_param_info *p = &info->params[i];
        const void *from = clade_param_of(f, forward, p->name);
        if (from) memcpy((char *)args + p->offset, from, param_bytes(p));
    }
    return clade_op_shape(info->op, args);
}

/* ---- data ---- */

/* Are all float parameters multiples of 1/16? */
static bool dyadic_params(const clade_op_info *info, clade_args *args)
{
    for (size_t i = 0; i < info->param_count; i++) {
        const clade_param_info *p = &info->params[i];
        const float *v = (const float *)(const void *)((char *)args + p->offset);
        for (size_t j = 0; p->type == CLADE_PARAM_float && j < p->count; j++)
            if (v[j] * 16 != floorf(v[j] * 16)) return false;
    }
    return true;
}

static bool transforms(const clade_op_info *info, const clade_args *args)
{
    const clade_op_impl *impl = clade_op_reference(info->op);
    return impl->transforms && impl->transforms(args);
}

/* Do small integers stay exact in this output of the call? */
static bool integers_exact(const clade_op_info *info, clade_args *args, size_t slot)
{
    const clade_op_impl *impl = clade_op_reference(info->op);
    if (!(info->flags & CLADE_OP_INTEGER) || transforms(info, args) ||
        (impl->inexact ? impl->inexact(args, slot) : !dyadic_params(info, args)))
        return false;
    const clade_act *act = clade_param_of(info, args, "act");
    if (!act) return true;
    clade_activation_size size = clade_activation_describe(*act)->size;
    return size == CLADE_ACTIVATION_EXACT || size == CLADE_ACTIVATION_SCALED;
}

static bool any_exact(const clade_op_info *info, clade_args *args)
{
    for (size_t i = 0; i < info->slot_count; i++)
        if (clade_slot_writes(info->slots[i].kind) && clade_tensor_present(&args->slot[i]) &&
            integers_exact(info, args, i))
            return true;
    return false;
}

const clade_case *clade_case_quick(const clade_op_info *info, size_t *i)
{
    const clade_op_impl *source = clade_op_reference(clade_case_op(info));
    while (*i < source->case_count) {
        const clade_case *test = &source->cases[(*i)++];
        if (test->kind == CASE_QUICK) return test;
    }
    return NULL;
}

/* Is it over in next to no time, by the reference? */
static bool is_cheap(const clade_op_info *info, const clade_args *args)
{
    const clade_op_impl *impl = clade_op_reference(info->op);
    size_t elements = 0;
    for (size_t i = 0; i < info->slot_count; i++)
        if (clade_tensor_present(&args->slot[i])) elements += clade_tensor_count(&args->slot[i]);
    return elements <= 1 << 16 && (!impl->flops || impl->flops(args) <= 1 << 24);
}

bool clade_problem_wanted(const clade_op_info *info, const clade_case *test, conform_data data)
{
    if (data == CONFORM_RANDOM) return true;
    clade_args args, forward;
    if (clade_case_args(info, test, &args, &forward)) return false;
    if (data == CONFORM_INTEGERS) return any_exact(info, &args);
    return clade_special_fits(info, &args, (size_t)(data - CONFORM_SPECIAL)) &&
           (test->kind != CASE_FULL || is_cheap(info, &args));
}

static clade_status allocate(conform_problem *problem, size_t slot, void **block)
{
    size_t bytes = problem->count[slot] * clade_dtype_size(problem->args.slot[slot].dtype);
    *block = malloc(bytes ? bytes : 1);
    return *block ? CLADE_OK
                  : clade_fail(CLADE_ENOMEM, "%s: out of memory for %zu bytes of test data",
                               problem->info->name, bytes);
}

static clade_status copy_blocks(conform_problem *problem)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; !status && i < problem->info->slot_count; i++) {
        if (!problem->initial[i]) continue;
        status = allocate(problem, i, &problem->expected[i]);
        if (!status)
            memcpy(problem->expected[i], problem->initial[i],
                   problem->count[i] * clade_dtype_size(problem->args.slot[i].dtype));
    }
    return status;
}

/* Data of an op that lists its own cases; special values are planted in slot `plant`, -1: none. */
static clade_status draw_own(conform_problem *problem, int plant)
{
    const clade_op_info *info = problem->info;
    const clade_op_impl *impl = clade_op_reference(info->op);
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &problem->args.slot[i];
        clade_domain domain = (clade_domain)impl->domain[i];
        if (!clade_tensor_present(t)) continue;
        clade_status status = allocate(problem, i, &problem->initial[i]);
        if (status) return status;
        if (!clade_slot_reads(info->slots[i].kind)) {
            clade_conform_prefill(t, problem->initial[i]);
            continue;
        }
        clade_conform_draw(info, &problem->args, i, domain, problem->case_name, problem->data,
                           (int)i == plant, problem->seed, problem->initial[i]);
    }
    return CLADE_OK;
}

static clade_status start(const clade_op_info *info, const char *case_name, conform_data data,
                          uint64_t seed, const clade_args *args, conform_problem **out)
{
    conform_problem *problem = *out = calloc(1, sizeof *problem);
    if (!problem) return clade_fail(CLADE_ENOMEM, "out of memory");
    problem->info = info;
    problem->case_name = case_name;
    problem->data = data;
    problem->seed = seed;
    problem->args = *args;
    for (size_t i = 0; i < info->slot_count; i++)
        if (clade_tensor_present(&args->slot[i]))
            problem->count[i] = clade_tensor_count(&args->slot[i]);
    return CLADE_OK;
}

clade_status clade_problem_forward(const conform_problem *problem, const clade_args *args,
                                   conform_problem **out)
{
    const clade_op_info *f = clade_op_describe(problem->info->forward);
    int plant = clade_special_slot(problem);
    clade_status status = start(f, problem->case_name, problem->data, problem->seed, args, out);
    if (plant >= 0) plant = clade_slot_find(f, problem->info->slots[plant].name);
    if (!status) status = draw_own(*out, plant);
    if (status) return status;
    if (!reads_output(problem->info, f)) return CLADE_OK;
    status = copy_blocks(*out);
    return status ? status : clade_reference_run_on(f, args, (*out)->expected);
}

/* Data of a gradient op: inputs and saved outputs of the forward op, random incoming gradients. */
static clade_status draw_gradient(conform_problem *problem, const clade_args *forward_args)
{
    const clade_op_info *info = problem->info, *f = clade_op_describe(info->forward);
    conform_problem *forward = NULL;
    clade_status status = clade_problem_forward(problem, forward_args, &forward);
    for (size_t i = 0; !status && i < info->slot_count; i++) {
        const clade_tensor *t = &problem->args.slot[i];
        if (!clade_tensor_present(t)) continue;
        status = allocate(problem, i, &problem->initial[i]);
        if (status) break;
        int s = clade_slot_find(f, info->slots[i].name);
        if (clade_slot_writes(info->slots[i].kind)) {
            clade_conform_prefill(t, problem->initial[i]);
        } else if (clade_slot_gradient_of(f, info->slots[i].name) >= 0) {
            clade_conform_draw(info, &problem->args, i, CLADE_DOMAIN_NORMAL, problem->case_name,
                               problem->data, (int)i == clade_special_slot(problem), problem->seed,
                               problem->initial[i]);
        } else {
            const void *from =
                clade_slot_writes(f->slots[s].kind) ? forward->expected[s] : forward->initial[s];
            memcpy(problem->initial[i], from, problem->count[i] * clade_dtype_size(t->dtype));
        }
    }
    clade_problem_destroy(&forward);
    return status;
}

static clade_status run_oracle(conform_problem *problem)
{
    const clade_op_info *info = problem->info;
    void *before[conform_slots] = {0}, *blocks[conform_slots] = {0};
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < info->slot_count; i++) {
        if (!problem->initial[i]) continue;
        const clade_tensor *t = &problem->args.slot[i];
        const clade_dtype rounding = clade_slot_rounding(info, &problem->args, i);
        before[i] = clade_block_widen(t, rounding, problem->initial[i]);
        blocks[i] = clade_block_widen(t, rounding, problem->initial[i]);
        if (before[i] && blocks[i]) continue;
        status = clade_fail(CLADE_ENOMEM, "%s: out of memory for the oracle", info->name);
        goto fail;
    }
    clade_oracle_run_on(info, &problem->args, blocks);
    for (size_t i = 0; !status && i < info->slot_count; i++) {
        if (!blocks[i] || !clade_slot_writes(info->slots[i].kind) ||
            !clade_dtype_is_float(problem->args.slot[i].dtype))
            continue;
        problem->bound[i] = malloc((problem->count[i] + 1) * sizeof(double));
        if (!problem->bound[i])
            status = clade_fail(CLADE_ENOMEM, "%s: out of memory for bounds", info->name);
        else
            status = clade_impl_bound(info, &problem->args, before, blocks, i, problem->bound[i]);
    }
    for (size_t i = 0; !status && i < info->slot_count; i++) {
        if (!problem->bound[i]) continue;
        problem->truth[i] = blocks[i];
        blocks[i] = NULL;
    }
fail:
    for (size_t i = 0; i < conform_slots; i++) {
        free(before[i]);
        free(blocks[i]);
    }
    return status;
}

clade_status clade_problem_draw(const clade_op_info *info, const clade_case *test,
                                conform_data data, uint64_t seed, conform_problem **out)
{
    *out = NULL;
    clade_args args, forward;
    conform_problem *problem = NULL;
    clade_status status = clade_case_args(info, test, &args, &forward);
    if (!status) status = start(info, test->name, data, seed, &args, &problem);
    if (!status)
        status = info->forward == CLADE_OP_none ? draw_own(problem, clade_special_slot(problem))
                                                : draw_gradient(problem, &forward);
    if (status)
        clade_problem_destroy(&problem);
    else
        *out = problem;
    return clade_context(status, "case %s", test->name);
}

static void free_answers(conform_problem *problem)
{
    for (size_t i = 0; i < conform_slots; i++) {
        free(problem->expected[i]);
        free(problem->truth[i]);
        free(problem->bound[i]);
        free(problem->padded[i]);
        problem->expected[i] = NULL;
        problem->padded[i] = NULL;
        problem->truth[i] = problem->bound[i] = NULL;
    }
}

clade_status clade_problem_solve(conform_problem *problem)
{
    const clade_op_info *info = problem->info;
    free_answers(problem);
    clade_status status = copy_blocks(problem);
    if (!status) status = clade_reference_run_on(info, &problem->args, problem->expected);
    if (status) return status;
    for (size_t i = 0; i < info->slot_count; i++)
        problem->exact[i] =
            problem->data == CONFORM_INTEGERS && integers_exact(info, &problem->args, i);
    problem->transformed = transforms(info, &problem->args);
    status = run_oracle(problem);
    return status ? status : clade_special_padding(problem);
}

clade_status clade_problem_create(const clade_op_info *info, const clade_case *test,
                                  conform_data data, uint64_t seed, conform_problem **out)
{
    conform_problem *problem = NULL;
    *out = NULL;
    clade_status status = clade_problem_draw(info, test, data, seed, &problem);
    if (!status) status = clade_problem_solve(problem);
    if (status)
        clade_problem_destroy(&problem);
    else
        *out = problem;
    return status;
}

clade_status clade_problem_accumulate(conform_problem *problem)
{
    void *const drawn[conform_slots] = {NULL};
    return clade_problem_accumulate_to(problem, drawn);
}

clade_status clade_problem_accumulate_to(conform_problem *problem,
                                         void *const prior_of[conform_slots])
{
    const clade_op_info *info = problem->info;
    for (size_t i = 0; i < info->slot_count; i++) {
        if (!clade_slot_accumulates(info->slots[i].kind) || !problem->expected[i]) continue;
        const clade_dtype dtype = problem->args.slot[i].dtype;
        if (prior_of[i])
            memcpy(problem->initial[i], prior_of[i], problem->count[i] * clade_dtype_size(dtype));
        else
            clade_conform_draw(info, &problem->args, i, CLADE_DOMAIN_NORMAL, problem->case_name,
                               problem->data, false, problem->seed, problem->initial[i]);
        double *truth = problem->truth[i], *bound = problem->bound[i];
        for (size_t j = 0; j < problem->count[i]; j++) {
            truth[j] = (double)clade_float_of(dtype, problem->initial[i], j) + truth[j];
            /* one more rounding, of a sum that is no larger than this */
            bound[j] += CLADE_UNIT * (fabs(truth[j]) + bound[j]);
        }
    }
    int32_t *accumulate = clade_param_of(info, &problem->args, "accumulate");
    if (accumulate) *accumulate = 1;
    for (size_t i = 0; i < info->slot_count; i++)
        if (problem->expected[i])
            memcpy(problem->expected[i], problem->initial[i],
                   problem->count[i] * clade_dtype_size(problem->args.slot[i].dtype));
    return clade_reference_run_on(info, &problem->args, problem->expected);
}

void clade_problem_destroy(conform_problem **handle)
{
    conform_problem *problem = *handle;
    if (!problem) return;
    for (size_t i = 0; i < conform_slots; i++) free(problem->initial[i]);
    free_answers(problem);
    free(problem);
    *handle = NULL;
}
