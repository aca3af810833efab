/* The OpenCL backend: its table, and planning and running a call. */
#include "opencl/opencl.h"

#include "opencl/algorithm.h"
#include "opencl/devices.h"
#include "opencl/gemm.h"
#include "opencl/matrix_units.h"
#include "opencl/memory.h"
#include "opencl/profile.h"
#include "opencl/table.h"
#include "op/half.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void opencl_close(void *context)
{
    opencl_context *cl = context;
    clade_opencl_choices_close(cl);
    clade_opencl_matrix_units_close(cl);
    free(cl->gemms);
    clade_opencl_context_close(cl);
}

static clade_status opencl_open(size_t index, const clade_device_options *options, void **context)
{
    clade_device_info info = {0};
    cl_platform_id platform;
    cl_device_id device;
    clade_status status = clade_opencl_describe(index, &info);
    if (!status && !clade_opencl_find(index, &platform, &device))
        snprintf(info.unusable, sizeof info.unusable, "its driver no longer lists it");
    if (!status && info.unusable[0])
        status = clade_fail(CLADE_ENODEVICE, "%s (%s): %s", info.id, info.name, info.unusable);
    if (status) return status;
    opencl_context *cl;
    status = clade_opencl_context_open(platform, device, &info, options, &cl);
    if (status) return status;
    status = clade_opencl_matrix_units_open(cl);
    if (!status) status = clade_opencl_choices_open(cl, options->algorithm);
    if (status)
        opencl_close(cl);
    else
        *context = cl;
    return status;
}

/* ---- calls ---- */

/* Has weights that the call rounds rounded, in the workspace. */
static void round_weights(opencl_plan *plan, clade_op op, clade_args *args)
{
    const clade_op_info *info = clade_op_describe(op);
    const clade_args given = *args;
    for (size_t i = 0; i < info->slot_count; i++) {
        clade_tensor *w = &args->slot[i];
        if (clade_slot_rounding(info, &given, i) == CLADE_F32) continue;
        w->dtype = clade_slot_rounding(info, &given, i);
        clade_opencl_place(plan, w);
        const clade_args cast = {.cast = {.x = given.slot[i], .y = *w}};
        clade_opencl_op(CLADE_OP_cast)->plan(plan, &cast);
    }
}

/* Records a call by one algorithm of its own, or of the op that it is made of; NULL where that has
 * none. */
static clade_status record(opencl_context *cl, const opencl_op *op, const clade_args *args,
                           const opencl_algorithm *by, opencl_plan **out)
{
    clade_status status = clade_opencl_plan_create(cl, args, out);
    if (status) return status;
    (*out)->stored = clade_opencl_stored(op->op, args, op->halves == OPENCL_MIXED);
    clade_args stored = *args, inner;
    if (!by || !by->factors) round_weights(*out, op->op, &stored);
    if (op->around) {
        op->inner(&stored, &inner);
        op->around(*out, &stored, &inner, by);
    } else if (by) {
        by->plan(*out, &stored, NULL);
    } else {
        op->plan(*out, args); /* whose parameters are known by their place in it */
    }
    return clade_opencl_plan_end(*out);
}

static clade_status fail_excluded(const opencl_context *cl)
{
    return clade_fail(CLADE_EUNSUPPORTED, "%s: no algorithm is left that has not been wrong",
                      cl->label);
}

static clade_status plan_call(opencl_context *cl, clade_op id, const clade_args *args,
                              clade_plan *plan)
{
    const opencl_op *op = clade_opencl_op(id), *chosen = op;
    const clade_args *chosen_args = args;
    clade_args inner;
    if (op->inner) {
        op->inner(args, &inner);
        chosen = clade_opencl_op(op->inner_op);
        chosen_args = &inner;
    }
    const opencl_algorithm *by =
        chosen->algorithms ? clade_opencl_choose_algorithm(cl, chosen, chosen_args) : NULL;
    opencl_plan *recorded = NULL;
    if (chosen->algorithms && !by) return fail_excluded(cl);
    clade_status status = record(cl, op, args, by, &recorded);
    if (!status && recorded->refused) {
        clade_opencl_plan_destroy(recorded);
        by = clade_opencl_plain_algorithm(cl, chosen, chosen_args);
        if (!by) return fail_excluded(cl);
        status = record(cl, op, args, by, &recorded);
    }
    if (status) {
        clade_opencl_plan_destroy(recorded);
        return status;
    }
    plan->algorithm = by ? by->name : NULL;
    plan->workspace = clade_opencl_plan_workspace(recorded);
    plan->launches = recorded->steps;
    plan->state = recorded;
    return CLADE_OK;
}

static clade_status run_call(void *context, const clade_args *args, const clade_plan *plan,
                             void *workspace)
{
    (void)context;
    return clade_opencl_plan_run(plan->state, args, workspace);
}

static clade_status tell_launches(void *context, const clade_args *args, const clade_plan *plan,
                                  clade_launch_sink *sink, void *user)
{
    (void)context;
    return clade_opencl_plan_launches(plan->state, args, sink, user);
}

static void discard(void *context, void *state)
{
    (void)context;
    clade_opencl_plan_destroy(state);
}

/* The slots of a table know their op by their function. */
#define CLADE_OP(id, family, forward, flags, doc)                                                  \
    static clade_status plan_##id(void *context, const clade_args *args, clade_plan *plan)         \
    {                                                                                              \
        return plan_call(context, CLADE_OP_##id, args, plan);                                      \
    }
#include <clade/ops.def>

static void opencl_ops(void *context, clade_op_slot *slot)
{
    (void)context;
#define CLADE_OP(id, family, forward, flags, doc)                                                  \
    if (clade_opencl_op(CLADE_OP_##id)) slot[CLADE_OP_##id] = (clade_op_slot){plan_##id, run_call};
#include <clade/ops.def>
}

/* The activation that an op's inner op does for it. */
static void take_act(const clade_call *call, clade_op inner_op, clade_args *inner)
{
    const clade_op_info *from = clade_op_describe(call->op), *to = clade_op_describe(inner_op);
    const int act = clade_param_find(from, "act"), own = clade_param_find(to, "act");
    if (act >= 0 && own >= 0)
        memcpy((char *)inner + to->params[own].offset,
               (const char *)&call->args + from->params[act].offset, sizeof(clade_act));
}

static bool takes_halves(void *context, const clade_call *call)
{
    const opencl_op *op = clade_opencl_op(call->op);
    if (op->halves == OPENCL_EACH) return true;
    const bool mixed = op->halves == OPENCL_MIXED;
    if (!op->halves || clade_opencl_stored(op->op, &call->args, mixed) == CLADE_F32) return false;
    if (op->plan) return true;
    clade_args args = call->args;
    if (op->inner) {
        op->inner(&call->args, &args);
        take_act(call, op->inner_op, &args);
    }
    const opencl_op *chosen = op->inner ? clade_opencl_op(op->inner_op) : op;
    return clade_opencl_algorithm_takes_halves(context, chosen, &args, op->halves == OPENCL_FUSED);
}

const clade_backend *clade_opencl_backend(void)
{
    static const clade_backend backend = {
        .abi = CLADE_BACKEND_ABI,
        .size = sizeof(clade_backend),
        .name = "opencl",
        .count = clade_opencl_count,
        .describe = clade_opencl_describe,
        .open = opencl_open,
        .close = opencl_close,
        .alloc = clade_opencl_alloc,
        .free = clade_opencl_free,
        .write = clade_opencl_write,
        .read = clade_opencl_read,
        .finish = clade_opencl_finish,
        .signatures = clade_op_signatures,
        .op_count = CLADE_OPS,
        .ops = opencl_ops,
        .discard = discard,
        .mark = clade_opencl_mark,
        .times = clade_opencl_times,
        .choice = clade_opencl_choice,
        .choose = clade_opencl_choose,
        .exclude = clade_opencl_exclude,
        .launches = tell_launches,
        .warning = clade_opencl_warning,
        .peak = clade_opencl_peak,
        .point = clade_opencl_point,
        .read_at = clade_opencl_read_at,
        .choices = clade_opencl_choices,
        .matrix_unit = clade_opencl_matrix_unit,
        .judge_matrix_unit = clade_opencl_matrix_judge,
        .takes_halves = takes_halves,
    };
    return &backend;
}
