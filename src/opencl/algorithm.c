/* Choosing algorithms. */
#include "opencl/algorithm.h"

#include "op/half.h"
#include "opencl/gemm.h"
#include "opencl/table.h"
#include "opencl/tuning_cache.h"

#include <stdlib.h>
#include <string.h>

struct opencl_choices {
    const char *asked; /* for all calls of ops that have it and can; NULL: each gets its own */
    opencl_tuning *tuning;
    uint32_t excluded[CLADE_OPS]; /* of each op's table, a bit for each entry */
};

static bool is_named(const opencl_algorithm *a, const char *name) { return !strcmp(a->name, name); }

static bool has(const opencl_op *op, const char *name)
{
    const opencl_algorithm *a = op->algorithms;
    while (a->name && !is_named(a, name)) a++;
    return a->name;
}

/* The option as the name of an algorithm. */
static clade_status find_asked(opencl_context *cl, const char *name, const char **out)
{
    const opencl_algorithm *a = clade_opencl_op(CLADE_OP_conv2d)->algorithms;
    const char *why = "";
    bool set = clade_opencl_gemm_present(&why) && clade_opencl_gemm_use(cl, name);
    while (a->name && !is_named(a, set ? "gemm" : name)) a++;
    *out = a->name;
    if (!a->name)
        return clade_fail(CLADE_EINVAL,
                          "there is no algorithm '%s'; expected direct, implicit, matrix, "
                          "winograd or gemm",
                          name);
    if (is_named(a, "gemm") && !set)
        return clade_fail(CLADE_EUNSUPPORTED, "%s: CLBlast: %s", cl->label, why);
    return CLADE_OK;
}

clade_status clade_opencl_choices_open(opencl_context *cl, const char *algorithm)
{
    opencl_choices *c = cl->choices = calloc(1, sizeof *c);
    if (!c) return clade_fail(CLADE_ENOMEM, "%s: out of memory", cl->label);
    clade_status status = clade_opencl_tuning_open(cl, !algorithm, &c->tuning);
    return status || !algorithm ? status : find_asked(cl, algorithm, &c->asked);
}

void clade_opencl_choices_close(opencl_context *cl)
{
    if (!cl->choices) return;
    clade_opencl_tuning_close(cl->choices->tuning);
    free(cl->choices);
}

static bool takes(bool (*what)(const opencl_context *cl, const clade_args *args),
                  const opencl_context *cl, const clade_args *args)
{
    return what && what(cl, args);
}

static bool can(const opencl_context *cl, const opencl_op *op, const opencl_algorithm *a,
                const clade_args *args)
{
    if (cl->choices->excluded[op->op] >> (a - op->algorithms) & 1) return false;
    if ((a->flags & OPENCL_WIDE && !cl->cpu_like) || (a->flags & OPENCL_NARROW && cl->cpu_like) ||
        (cl->math != CLADE_FAST && !(a->flags & OPENCL_EXACT)) ||
        (clade_args_have_halves(clade_op_describe(op->op), args) && !takes(a->halves, cl, args)))
        return false;
    return !a->can || a->can(cl, args);
}

const opencl_algorithm *clade_opencl_plain_algorithm(const opencl_context *cl, const opencl_op *op,
                                                     const clade_args *args)
{
    const opencl_algorithm *a = op->algorithms;
    while (a->name && !(a->flags & OPENCL_PLAIN && can(cl, op, a, args))) a++;
    return a->name ? a : NULL;
}

/* The only one of exact mode's arithmetic, or NULL. */
static const opencl_algorithm *exact_algorithm(const opencl_context *cl, const opencl_op *op,
                                               const clade_args *args)
{
    if (cl->math == CLADE_FAST) return NULL;
    for (const opencl_algorithm *a = op->algorithms; a->name; a++)
        if (a->flags & OPENCL_EXACT_ONLY && can(cl, op, a, args)) return a;
    return NULL;
}

const opencl_algorithm *clade_opencl_choose_algorithm(const opencl_context *cl, const opencl_op *op,
                                                      const clade_args *args)
{
    const opencl_choices *c = cl->choices;
    const opencl_algorithm *a = exact_algorithm(cl, op, args);
    if (a) return a;
    const char *name = c->asked && has(op, c->asked) ? c->asked : NULL;
    if (!c->asked) name = clade_opencl_tuned(c->tuning, op->op, args, cl->math != CLADE_FAST);
    for (a = op->algorithms; a->name; a++)
        if (can(cl, op, a, args) && (name ? is_named(a, name) : !a->suits || a->suits(cl, args)))
            return a;
    return clade_opencl_plain_algorithm(cl, op, args);
}

bool clade_opencl_algorithm_takes_halves(const opencl_context *cl, const opencl_op *op,
                                         const clade_args *args, bool fused)
{
    const clade_op_info *info = clade_op_describe(op->op);
    clade_args wide = *args;
    for (size_t i = 0; i < info->slot_count; i++)
        if (clade_dtype_is_half(wide.slot[i].dtype)) wide.slot[i].dtype = CLADE_F32;
    const opencl_algorithm *a = clade_opencl_choose_algorithm(cl, op, &wide);
    return a && takes(a->halves, cl, args) && (!fused || takes(a->fuses, cl, args));
}

/* ---- the backend's table ---- */

bool clade_opencl_choice(void *context, const clade_call *call, clade_algorithm_choice *out)
{
    const opencl_context *cl = context;
    const opencl_op *op = clade_opencl_op(call->op);
    *out = (clade_algorithm_choice){.call = {.op = call->op, .args = call->args}};
    if (op && op->inner) {
        op->inner(&call->args, &out->call.args);
        out->call.op = op->inner_op;
        op = clade_opencl_op(op->inner_op);
    }
    if (!op || !op->algorithms || exact_algorithm(cl, op, &out->call.args)) return false;
    for (const opencl_algorithm *a = op->algorithms; a->name; a++)
        if (can(cl, op, a, &out->call.args) && out->count < CLADE_MOST_ALGORITHMS)
            out->algorithms[out->count++] = a->name;
    return out->count > 1;
}

bool clade_opencl_exclude(void *context, const clade_call *call, const char *algorithm)
{
    const opencl_context *cl = context;
    const opencl_op *op = clade_opencl_op(call->op);
    clade_args args = call->args;
    if (op && op->inner) {
        op->inner(&call->args, &args);
        op = clade_opencl_op(op->inner_op);
    }
    if (!op || !op->algorithms || exact_algorithm(cl, op, &args)) return false;
    uint32_t *excluded = &cl->choices->excluded[op->op];
    const uint32_t before = *excluded;
    for (const opencl_algorithm *a = op->algorithms; a->name; a++)
        if (is_named(a, algorithm)) *excluded |= UINT32_C(1) << (a - op->algorithms);
    if (clade_opencl_choose_algorithm(cl, op, &args)) return true;
    *excluded = before;
    return false;
}

clade_status clade_opencl_choose(void *context, const clade_call *call,
                                 const clade_algorithm_timing *timings, size_t count)
{
    const opencl_context *cl = context;
    return clade_opencl_tuning_keep(cl->choices->tuning, call, timings, count);
}

clade_status clade_opencl_choices(void *context, char **out)
{
    const opencl_context *cl = context;
    return clade_opencl_tuning_text(cl->choices->tuning, cl->label, out);
}

const char *clade_opencl_warning(void *context)
{
    const opencl_context *cl = context;
    return clade_opencl_tuning_warning(cl->choices->tuning);
}
