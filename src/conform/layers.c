/* Mode layers: chains of ops, forward, backward and an optimizer step, on the device against the
 * reference (every bit, in exact mode) and against the oracle.
 *
 * How far a chain's result may be from the oracle's follows from the chain itself: the oracle runs
 * again several times with every op's result moved by a random part of that op's error bound
 * (Parker's Monte Carlo arithmetic, 1997). A variable may be as far off, in the Euclidean norm, as
 * a few times the farthest of these runs. Which element a maximum takes is the reference's in all
 * oracle runs. */
#include "conform/chain.h"

#include "base/random.h"
#include "op/call_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { most_variables = 96, most_calls = 64, perturbed_runs = 3 };

typedef struct variable {
    char name[24];
    clade_tensor shape;
    float *initial; /* its data as the dtype says */
    bool written;
    size_t count, bytes;
} variable;

typedef struct tape_call {
    const clade_op_info *info;
    clade_args args;
    int slot[conform_slots]; /* variables; -1: absent */
} tape_call;

/* A chain unrolled: all its variables and calls. */
typedef struct tape {
    const chain *source;
    uint64_t seed;
    variable variables[most_variables];
    int variable_count;
    tape_call calls[most_calls];
    int call_count;
} tape;

static int find_variable(const tape *t, const char *name)
{
    for (int i = 0; i < t->variable_count; i++)
        if (!strcmp(t->variables[i].name, name)) return i;
    return -1;
}

/* A new variable; its memory is filled for reading or, as an output, with the prefill. */
static clade_status add_variable(tape *t, const char *name, const clade_tensor *shape,
                                 const clade_op_info *info, const clade_args *args, int slot,
                                 clade_domain domain, int *out)
{
    if (t->variable_count == most_variables)
        return clade_fail(CLADE_EINVAL, "%s: more than %d variables", t->source->name,
                          most_variables);
    variable *v = &t->variables[ *out = t->variable_count++];
    snprintf(v->name, sizeof v->name, "%s", name);
    v->shape = *shape;
    v->count = clade_tensor_count(shape);
    v->bytes = v->count * clade_dtype_size(shape->dtype);
    v->initial = malloc(v->bytes + 1);
    if (!v->initial) return clade_fail(CLADE_ENOMEM, "out of memory");
    if (slot < 0) {
        clade_conform_prefill(shape, v->initial);
        return CLADE_OK;
    }
    char key[96];
    snprintf(key, sizeof key, "%.60s/%s", t->source->name, name);
    clade_conform_draw(info, args, (size_t)slot, domain, key, CONFORM_RANDOM, false, t->seed,
                       v->initial);
    /* weights as initialisers make them, so that signals keep their size along the chain */
    if (domain == CLADE_DOMAIN_NORMAL && shape->dtype == CLADE_F32 && shape->rank > 1 &&
        clade_slot_is_weight(info->slots[slot].kind)) {
        float scale = sqrtf((float)shape->dim[shape->rank - 1] / (float)v->count);
        for (size_t i = 0; i < v->count; i++) v->initial[i] *= scale;
    }
    return CLADE_OK;
}

static clade_status add_forward(tape *t, const chain_step *step)
{
    const clade_op_info *info = clade_op_describe(step->op);
    const clade_op_impl *impl = clade_op_reference(step->op);
    if (t->call_count == most_calls)
        return clade_fail(CLADE_EINVAL, "%s: more than %d calls", t->source->name, most_calls);
    tape_call *c = &t->calls[t->call_count++];
    *c = (tape_call){.info = info};
    clade_status status = clade_args_parse(step->op, step->text, &c->args);
    for (size_t i = 0; !status && i < info->slot_count; i++) {
        const char *name = step->slot[i];
        c->slot[i] = name ? find_variable(t, name) : -1;
        if (c->slot[i] >= 0) c->args.slot[i] = t->variables[c->slot[i]].shape;
        if (name && clade_slot_is_result(info->slots[i].kind) &&
            clade_slot_is_optional(info->slots[i].kind) && c->slot[i] < 0)
            c->args.slot[i] = (clade_tensor){0};
    }
    if (!status) status = clade_op_shape(step->op, &c->args);
    for (size_t i = 0; !status && i < info->slot_count; i++) {
        clade_tensor *shape = &c->args.slot[i];
        clade_slot_kind kind = info->slots[i].kind;
        if (!step->slot[i] || c->slot[i] >= 0) continue;
        if (clade_slot_is_result(kind) &&
            clade_slot_is_optional(kind)) { /* a maximum's index: as its values */
            *shape = c->args.slot[i - 1];
            shape->dtype = clade_slot_usual(info->slots[i].dtype);
        }
        status = add_variable(t, step->slot[i], shape, info, &c->args,
                              clade_slot_reads(kind) ? (int)i : -1, (clade_domain)impl->domain[i],
                              &c->slot[i]);
    }
    return clade_context(status, "chain %s", t->source->name);
}

/* The variable that holds the gradient of another; made if there is none yet. */
static clade_status gradient_variable(tape *t, int of, int *out)
{
    char name[24];
    snprintf(name, sizeof name, "d:%.20s", t->variables[of].name);
    *out = find_variable(t, name);
    if (*out >= 0) return CLADE_OK;
    clade_tensor shape = t->variables[of].shape;
    return add_variable(t, name, &shape, NULL, NULL, -1, CLADE_DOMAIN_NORMAL, out);
}

/* One slot of a gradient call, by the naming rule. */
static clade_status wire_gradient(tape *t, const tape_call *forward, tape_call *c, size_t i)
{
    const clade_op_info *f = forward->info;
    const char *name = c->info->slots[i].name;
    int g = clade_slot_gradient_of(f, name), s = clade_slot_find(f, name);
    if (g < 0) {
        c->slot[i] = forward->slot[s];
        return CLADE_OK;
    }
    c->slot[i] = -1;
    if (forward->slot[g] < 0) return CLADE_OK;
    clade_status status = gradient_variable(t, forward->slot[g], &c->slot[i]);
    if (status || !clade_slot_writes(c->info->slots[i].kind)) return status;
    variable *v = &t->variables[c->slot[i]];
    int32_t *accumulate = clade_param_of(c->info, &c->args, "accumulate");
    if (v->written && accumulate) *accumulate = 1;
    v->written = true;
    return CLADE_OK;
}

/* The op without a gradient op, copy, is its own, the other way. */
static clade_status add_copy_back(tape *t, const tape_call *forward)
{
    tape_call *c = &t->calls[t->call_count++];
    *c = (tape_call){.info = forward->info};
    clade_status status = gradient_variable(t, forward->slot[1], &c->slot[0]);
    if (!status) status = gradient_variable(t, forward->slot[0], &c->slot[1]);
    if (status) return status;
    variable *v = &t->variables[c->slot[1]];
    c->args.copy.accumulate = v->written;
    v->written = true;
    for (int i = 0; i < 2; i++) c->args.slot[i] = t->variables[c->slot[i]].shape;
    return clade_op_shape(CLADE_OP_copy, &c->args);
}

static clade_status add_backward(tape *t, const tape_call *forward)
{
    clade_status status = CLADE_OK;
    bool found = false;
    for (int op = 0; !status && op < CLADE_OPS; op++) {
        const clade_op_info *info = clade_op_describe((clade_op)op);
        if (info->forward != forward->info->op) continue;
        found = true;
        if (t->call_count == most_calls)
            return clade_fail(CLADE_EINVAL, "%s: more than %d calls", t->source->name, most_calls);
        tape_call *c = &t->calls[t->call_count++];
        *c = (tape_call){.info = info};
        for (size_t i = 0; i < info->param_count; i++) {
            const clade_param_info *p = &info->params[i];
            clade_args copy = forward->args;
            const void *from = clade_param_of(forward->info, &copy, p->name);
            size_t bytes = p->count * (p->type == CLADE_PARAM_uint64_t ? 8 : 4);
            if (from) memcpy((char *)&c->args + p->offset, from, bytes);
        }
        for (size_t i = 0; !status && i < info->slot_count; i++) {
            status = wire_gradient(t, forward, c, i);
            if (!status && c->slot[i] >= 0) c->args.slot[i] = t->variables[c->slot[i]].shape;
        }
        if (!status) status = clade_op_shape(info->op, &c->args);
    }
    if (!found) status = add_copy_back(t, forward);
    return clade_context(status, "chain %s", t->source->name);
}

static clade_status unroll(tape *t)
{
    const chain *source = t->source;
    clade_status status = CLADE_OK;
    for (size_t i = 0; !status && i < source->step_count; i++)
        status = add_forward(t, &source->steps[i]);
    int forward = t->call_count, loss = find_variable(t, source->loss), d = -1;
    if (!status) status = gradient_variable(t, loss, &d);
    if (!status) {
        variable *v = &t->variables[d];
        for (size_t i = 0; i < v->count; i++) v->initial[i] = 1.0f / (float)(v->count + i);
        v->written = true;
    }
    for (int i = forward - 1; !status && i >= 0; i--) status = add_backward(t, &t->calls[i]);
    for (size_t i = 0; !status && i < source->after_count; i++)
        status = add_forward(t, &source->after[i]);
    return status;
}

static void free_tape(tape *t)
{
    for (int i = 0; i < t->variable_count; i++) free(t->variables[i].initial);
    free(t);
}

/* ---- running ---- */

/* One value of every variable: floats or doubles. */
typedef struct values {
    void *block[most_variables];
} values;

static void free_values(values *v)
{
    for (int i = 0; i < most_variables; i++) free(v->block[i]);
}

static clade_status begin_values(const tape *t, bool wide, values *v)
{
    memset(v, 0, sizeof *v);
    for (int i = 0; i < t->variable_count; i++) {
        const variable *x = &t->variables[i];
        v->block[i] =
            wide ? clade_block_widen(&x->shape, CLADE_F32, x->initial) : malloc(x->bytes + 1);
        if (!v->block[i]) return clade_fail(CLADE_ENOMEM, "out of memory for a chain");
        if (!wide) memcpy(v->block[i], x->initial, x->bytes);
    }
    return CLADE_OK;
}

static clade_status run_reference(const tape *t, const values *v)
{
    clade_status status = CLADE_OK;
    for (int i = 0; i < t->call_count && !status; i++) {
        const tape_call *c = &t->calls[i];
        void *blocks[conform_slots] = {0};
        for (size_t s = 0; s < c->info->slot_count; s++)
            if (c->slot[s] >= 0) blocks[s] = v->block[c->slot[s]];
        status = clade_reference_run_on(c->info, &c->args, blocks);
    }
    return status;
}

/* Moves the outputs of a call by a random part of their bounds. */
static clade_status perturb(const tape_call *c, void *const before[conform_slots],
                            void *const blocks[conform_slots], clade_random *r)
{
    for (size_t s = 0; s < c->info->slot_count; s++) {
        const clade_tensor *t = &c->args.slot[s];
        if (!blocks[s] || !clade_slot_writes(c->info->slots[s].kind) || t->dtype != CLADE_F32)
            continue;
        size_t n = clade_tensor_count(t);
        double *bound = malloc((n + 1) * sizeof *bound), *value = blocks[s];
        if (!bound) return clade_fail(CLADE_ENOMEM, "out of memory for bounds");
        clade_status status = clade_impl_bound(c->info, &c->args, before, blocks, s, bound);
        for (size_t i = 0; !status && i < n; i++)
            value[i] += bound[i] * clade_random_uniform(r, -1, 1);
        free(bound);
        if (status) return status;
    }
    return CLADE_OK;
}

/* The oracle on the chain; `r` not NULL: perturbed. `reference` gives the maxima's indices. */
static clade_status run_oracle(const tape *t, const values *v, const values *reference,
                               clade_random *r)
{
    clade_status status = CLADE_OK;
    for (int i = 0; !status && i < t->call_count; i++) {
        const tape_call *c = &t->calls[i];
        void *blocks[conform_slots] = {0}, *before[conform_slots] = {0};
        for (size_t s = 0; s < c->info->slot_count; s++) {
            if (c->slot[s] < 0) continue;
            const variable *x = &t->variables[c->slot[s]];
            size_t bytes = x->shape.dtype == CLADE_F32 ? x->count * sizeof(double) : x->bytes;
            blocks[s] = v->block[c->slot[s]];
            before[s] = r ? malloc(bytes + 1) : NULL;
            if (before[s]) memcpy(before[s], blocks[s], bytes);
        }
        clade_oracle_run_on(c->info, &c->args, blocks);
        if (r) status = perturb(c, before, blocks, r);
        for (size_t s = 0; s < c->info->slot_count; s++) {
            free(before[s]);
            if (blocks[s] && c->args.slot[s].dtype != CLADE_F32)
                memcpy(blocks[s], reference->block[c->slot[s]], t->variables[c->slot[s]].bytes);
        }
    }
    return status;
}

/* All variables in one buffer, one after the other, at odd elements. */
static clade_status run_device(const tape *t, clade_device *device, const values *v)
{
    size_t offset[most_variables], end = 0;
    for (int i = 0; i < t->variable_count; i++) {
        offset[i] = end;
        end += (t->variables[i].bytes + 4 * (1 + (size_t)i % 3) + 3) / 4 * 4;
    }
    clade_buffer *buffer = NULL;
    clade_status status = clade_buffer_create(device, end, &buffer);
    for (int i = 0; !status && i < t->variable_count; i++)
        status =
            clade_buffer_write(buffer, offset[i], t->variables[i].initial, t->variables[i].bytes);
    clade_call calls[most_calls] = {0};
    for (int i = 0; !status && i < t->call_count; i++) {
        const tape_call *c = &t->calls[i];
        calls[i] = (clade_call){.op = c->info->op, .args = c->args};
        for (size_t s = 0; s < c->info->slot_count; s++) {
            if (c->slot[s] < 0) continue;
            clade_tensor *x = &calls[i].args.slot[s];
            x->buffer = buffer;
            x->offset = offset[c->slot[s]] / clade_dtype_size(x->dtype);
        }
        status = clade_call_prepare(device, &calls[i]);
    }
    for (int i = 0; !status && i < t->call_count; i++) status = clade_call_run(&calls[i]);
    if (!status) status = clade_device_finish(device);
    for (int i = 0; !status && i < t->variable_count; i++)
        status = clade_buffer_read(buffer, offset[i], v->block[i], t->variables[i].bytes);
    for (int i = 0; i < t->call_count; i++) clade_call_release(&calls[i]);
    clade_buffer_destroy(&buffer);
    return status;
}

/* ---- judging ---- */

static double distance(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sqrt(sum);
}

static double distance_of_floats(const float *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sqrt(sum);
}

/* How far each variable may be from the oracle's. */
static clade_status tolerances(const tape *t, const values *truth, const values *reference,
                               double tolerance[most_variables])
{
    clade_random r =
        clade_conform_random(t->seed, "layers", t->source->name, "bounds", "perturbation");
    clade_status status = CLADE_OK;
    memset(tolerance, 0, most_variables * sizeof *tolerance);
    for (int run = 0; !status && run < perturbed_runs; run++) {
        values v;
        status = begin_values(t, true, &v);
        if (!status) status = run_oracle(t, &v, reference, &r);
        for (int i = 0; !status && i < t->variable_count; i++) {
            const variable *x = &t->variables[i];
            if (x->shape.dtype != CLADE_F32) continue;
            double d = 4 * distance(v.block[i], truth->block[i], x->count);
            if (!(d <= tolerance[i])) tolerance[i] = d;
        }
        free_values(&v);
    }
    return status;
}

static void judge_bits(const tape *t, const values *got, const values *expected, const char *check,
                       const char *how, conform_failure *failure)
{
    for (int i = 0; i < t->variable_count; i++) {
        const variable *x = &t->variables[i];
        size_t size = clade_dtype_size(x->shape.dtype), at = 0;
        const char *a = got->block[i], *b = expected->block[i];
        if (!memcmp(a, b, x->bytes)) continue;
        while (!memcmp(a + at * size, b + at * size, size)) at++;
        if (x->shape.dtype == CLADE_F32)
            clade_failure_set(failure, check, "%s at element %zu: got %.9g, expected %.9g%s",
                              x->name, at, (double)((const float *)got->block[i])[at],
                              (double)((const float *)expected->block[i])[at], how);
        else
            clade_failure_set(failure, check, "%s differs at element %zu%s", x->name, at, how);
    }
}

static void judge_values(const tape *t, const values *got, const values *truth,
                         const double tolerance[most_variables], clade_conform_result *result,
                         conform_failure *failure)
{
    for (int i = 0; i < t->variable_count; i++) {
        const variable *x = &t->variables[i];
        if (x->shape.dtype != CLADE_F32) continue;
        double error = distance_of_floats(got->block[i], truth->block[i], x->count);
        double ratio = error == 0 ? 0 : error / tolerance[i];
        result->compared += x->count;
        if (!(error <= result->error)) result->error = error;
        if (!(ratio <= result->worst)) result->worst = ratio;
        if (!(error <= tolerance[i]))
            clade_failure_set(failure, "bound",
                              "%s is %.3g from the oracle's in the Euclidean norm, bound %.3g",
                              x->name, error, tolerance[i]);
    }
}

static clade_status judge_devices(conform_run *run, const tape *t, const values *reference,
                                  const values *truth, const double tolerance[most_variables],
                                  clade_conform_result *result, conform_failure *failure)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; !status && !failure->check && i < run->device_count; i++) {
        values got;
        status = begin_values(t, false, &got);
        if (!status && run_device(t, run->devices[i].device, &got))
            clade_failure_set(failure, "status", "%s", clade_error());
        if (!status && !failure->check) {
            judge_values(t, &got, truth, tolerance, result, failure);
            if (i) clade_failure_how(failure, run->devices[i].how);
            if (run->options->math == CLADE_EXACT)
                judge_bits(t, &got, reference, i ? run->devices[i].check : "bits",
                           run->devices[i].how, failure);
        }
        free_values(&got);
    }
    return status;
}

clade_status clade_conform_chain(conform_run *run, const chain *source,
                                 clade_conform_result *result, conform_failure *failure)
{
    tape *t = calloc(1, sizeof *t);
    if (!t) return clade_fail(CLADE_ENOMEM, "out of memory");
    t->source = source;
    t->seed = run->options->seed;
    values reference = {0}, truth = {0};
    double tolerance[most_variables];
    clade_status status = unroll(t);
    if (!status) status = begin_values(t, false, &reference);
    if (!status) status = begin_values(t, true, &truth);
    if (!status) {
        run_reference(t, &reference);
        status = run_oracle(t, &truth, &reference, NULL);
    }
    if (!status) status = tolerances(t, &truth, &reference, tolerance);
    if (!status) status = judge_devices(run, t, &reference, &truth, tolerance, result, failure);
    free_values(&reference);
    free_values(&truth);
    free_tape(t);
    return status;
}

static clade_status judge_chain(conform_run *run, const chain *source)
{
    conform_failure failure = {0};
    clade_conform_result result = {.mode = CLADE_CONFORM_LAYERS,
                                   .op = source->name,
                                   .case_name = "step",
                                   .check = "",
                                   .text = ""};
    if (!clade_conform_begin(run, &result)) return CLADE_OK;
    clade_status status = clade_conform_chain(run, source, &result, &failure);
    return status ? status : clade_conform_end(run, &result, &failure);
}

clade_status clade_conform_layers(conform_run *run)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; !status && i < clade_chain_count; i++) {
        const chain *source = &clade_chains[i];
        if (run->options->quick && source->full) continue;
        if (!clade_conform_fits(run->options->op, source->name) ||
            !clade_conform_fits(run->options->case_name, "step"))
            continue;
        status = judge_chain(run, source);
    }
    return status;
}
