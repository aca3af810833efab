/* Special values, planted in one input at a time: NaN, infinities, signed zeros, subnormal numbers.
 */
#include "conform/conform.h"

#include <stdlib.h>
#include <string.h>

int clade_special_slot(const conform_problem *problem)
{
    return problem->data < CONFORM_SPECIAL ? -1 : (int)(problem->data - CONFORM_SPECIAL);
}

bool clade_special_fits(const clade_op_info *info, const clade_args *args, size_t slot)
{
    if (slot >= info->slot_count || !clade_dtype_is_float(args->slot[slot].dtype) ||
        !clade_slot_reads(info->slots[slot].kind))
        return false;
    const clade_op_info *source = clade_op_describe(clade_case_op(info));
    int s = (int)slot;
    if (source != info) {
        if (clade_slot_gradient_of(source, info->slots[slot].name) >= 0)
            return !clade_slot_writes(info->slots[slot].kind);
        s = clade_slot_find(source, info->slots[slot].name);
        if (!clade_slot_reads(source->slots[s].kind)) return false;
    }
    clade_domain domain = (clade_domain)clade_op_reference(source->op)->domain[s];
    return domain == CLADE_DOMAIN_NORMAL || domain == CLADE_DOMAIN_POSITIVE;
}

/* What padding is multiplied with: the weights, or of gradients by weights the incoming one; -1: an
 * op without padding. */
static int factor_of(const clade_op_info *info)
{
    if (!(info->flags & CLADE_OP_PRODUCT) || clade_param_find(info, "pad") < 0) return -1;
    int w = clade_slot_find(info, "w");
    return w >= 0 && !clade_slot_writes(info->slots[w].kind) ? w : clade_slot_find(info, "dy");
}

/* How many products an element sums that passes over no padding. */
static double full_terms(const clade_op_info *info, clade_args *args, int factor)
{
    const clade_tensor *t = &args->slot[factor];
    const int32_t *groups = clade_param_of(info, args, "groups");
    double count = (double)clade_tensor_count(t), last = t->dim[t->rank - 1];
    if (clade_slot_find(info, "w") != factor || clade_slot_find(info, "x") >= 0)
        return count / last; /* over pixels, or over taps and input channels */
    return count / t->dim[t->rank - 2] / (groups && *groups ? *groups : 1);
}

/* Each output is how many products the oracle sums, negative, or in the window that it is the
 * maximum of the least: of ones and −1; additions and normalisations leave it alone. */
static void count_terms(const conform_problem *problem, int factor, double *const v[conform_slots])
{
    const clade_op_info *info = problem->info;
    clade_args args = problem->args;
    const float *eps = clade_param_of(info, &args, "eps");
    void *blocks[conform_slots];
    for (size_t i = 0; i < info->slot_count; i++) {
        const char *name = info->slots[i].name;
        double one = (int)i == factor                                             ? -1
                     : !strcmp(name, "x") || name[0] == 'd' || !strcmp(name, "w") ? 1
                     : !strcmp(name, "gamma")                                     ? 1
                     : !strcmp(name, "var")                                       ? 1 - (double)*eps
                                                                                  : 0;
        blocks[i] = v[i] ? (void *)v[i] : problem->initial[i];
        for (size_t j = 0; v[i] && j < problem->count[i]; j++) v[i][j] = one;
    }
    int32_t *act = clade_param_of(info, &args, "act");
    if (act) *act = CLADE_LINEAR;
    clade_oracle_run_on(info, &args, blocks);
}

clade_status clade_special_padding(conform_problem *problem)
{
    const clade_op_info *info = problem->info;
    int factor = factor_of(info);
    double *v[conform_slots] = {NULL};
    clade_status status = CLADE_OK;
    if (factor < 0 || factor != clade_special_slot(problem)) return CLADE_OK;
    for (size_t i = 0; !status && i < info->slot_count; i++) {
        if (!problem->initial[i]) continue;
        if (clade_dtype_is_float(problem->args.slot[i].dtype))
            v[i] = malloc((problem->count[i] + 1) * sizeof *v[i]);
        if (clade_slot_writes(info->slots[i].kind))
            problem->padded[i] = calloc(problem->count[i] + 1, sizeof(bool));
        if ((clade_dtype_is_float(problem->args.slot[i].dtype) && !v[i]) ||
            (clade_slot_writes(info->slots[i].kind) && !problem->padded[i]))
            status = clade_fail(CLADE_ENOMEM, "%s: out of memory for padding", info->name);
    }
    if (!status) count_terms(problem, factor, v);
    double full = full_terms(info, &problem->args, factor);
    const double *of = NULL; /* a maximum's index is its value's */
    for (size_t i = 0; !status && i < info->slot_count; i++) {
        if (!problem->padded[i]) continue;
        if (v[i]) of = v[i];
        for (size_t j = 0; of && j < problem->count[i]; j++)
            problem->padded[i][j] = of[j] > 0.5 - full;
    }
    for (size_t i = 0; i < conform_slots; i++) free(v[i]);
    return status;
}
