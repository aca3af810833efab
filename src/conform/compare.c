/* Comparing what came back with what must come out. */
#include "conform/conform.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What can be wrong with an element, the most telling first. */
typedef enum fault { UNWRITTEN, NO_NAN, NOT_INFINITE, BOUND, INTEGERS, BITS, FAULTS } fault;

static const char *const fault_checks[FAULTS] = {"unwritten", "nan",      "infinity",
                                                 "bound",     "integers", "bits"};

/* Are the bits those that outputs hold before a call? */
static bool is_unwritten(clade_dtype dtype, const void *values, size_t i)
{
    return dtype == CLADE_F32 ? clade_bits_of(((const float *)values)[i]) == CONFORM_PREFILL_F32
                              : ((const uint16_t *)values)[i] == CONFORM_PREFILL_U16;
}

static fault judge_element(const conform_problem *problem, size_t slot, size_t i,
                           const void *values, bool bits, conform_tally *tally)
{
    const clade_dtype dtype = problem->args.slot[slot].dtype;
    float got = clade_float_of(dtype, values, i);
    float expected = clade_float_of(dtype, problem->expected[slot], i);
    double truth = problem->truth[slot][i], bound = problem->bound[slot][i];
    /* By a transform, NaN and infinities of a tile reach all of it, and become each other. */
    bool spread = problem->transformed && !(isfinite(truth) && isfinite(bound));
    if (truth == 0) tally->zeros++;
    if (is_unwritten(dtype, values, i) && !isnan(truth)) return UNWRITTEN;
    if (isnan(got) && problem->padded[slot] && problem->padded[slot][i]) return FAULTS;
    if (isnan(truth) && (spread ? isfinite(got) : !isnan(got))) return NO_NAN;
    if (isinf(truth) && !spread && (double)got != truth) return NOT_INFINITE;
    if (isfinite(truth) && !spread && !clade_overflows(truth, bound, got)) {
        double error = fabs((double)got - truth), allowed = bound + (truth == 0 ? 0 : CLADE_TINY);
        double ratio = error == 0 ? 0 : error / allowed;
        if (dtype == CLADE_F32 && !(error <= tally->error)) tally->error = error;
        if (dtype == CLADE_F32 && !(ratio <= tally->worst)) tally->worst = ratio;
        if (!clade_is_within(dtype, truth, allowed, got)) return BOUND;
        if (problem->exact[slot] && !clade_is_within(dtype, truth, 0, got)) return INTEGERS;
    }
    if (bits && !clade_same_bits(got, expected) && !clade_both_vanish(got, expected)) return BITS;
    return FAULTS;
}

static void compare_floats(const conform_problem *problem, size_t slot, const void *got, bool bits,
                           conform_tally *tally, conform_failure *failure)
{
    size_t n = problem->count[slot], count[FAULTS] = {0}, first[FAULTS] = {0};
    for (size_t i = 0; i < n; i++) {
        fault f = judge_element(problem, slot, i, got, bits, tally);
        if (f != FAULTS && !count[f]++) first[f] = i;
    }
    int f = 0;
    while (f < FAULTS && !count[f]) f++;
    if (f == FAULTS) return;
    char at[64];
    size_t i = first[f], wrong = 0;
    for (int g = 0; g < FAULTS; g++) wrong += count[g];
    const char *name = problem->info->slots[slot].name;
    const clade_dtype dtype = problem->args.slot[slot].dtype;
    const float value = clade_float_of(dtype, got, i);
    const float expected = clade_float_of(dtype, problem->expected[slot], i);
    clade_place_text(&problem->args.slot[slot], i, at);
    if (f == UNWRITTEN)
        clade_failure_set(failure, fault_checks[f], "%s%s was not written; %zu of %zu elements",
                          name, at, count[f], n);
    else
        clade_failure_set(
            failure, fault_checks[f],
            "%s%s (element %zu): got %.9g (0x%08" PRIx32 "), expected %.9g (0x%08" PRIx32
            "), the truth %.17g, error %.3g, bound %.3g; %zu of %zu elements wrong",
            name, at, i, (double)value, clade_bits_of(value), (double)expected,
            clade_bits_of(expected), problem->truth[slot][i],
            fabs((double)value - problem->truth[slot][i]), problem->bound[slot][i], wrong, n);
}

static void compare_wholes(const conform_problem *problem, size_t slot, const void *got,
                           conform_failure *failure)
{
    const clade_tensor *t = &problem->args.slot[slot];
    size_t n = problem->count[slot], wrong = 0, first = 0;
    for (size_t i = 0; i < n; i++)
        if (clade_whole_of(t->dtype, got, i) !=
                clade_whole_of(t->dtype, problem->expected[slot], i) &&
            !(problem->padded[slot] && problem->padded[slot][i]) && !wrong++)
            first = i;
    if (!wrong) return;
    char at[64];
    clade_failure_set(failure, "integers",
                      "%s%s (element %zu): got %" PRId32 ", expected %" PRId32
                      "; %zu of %zu elements wrong",
                      problem->info->slots[slot].name, clade_place_text(t, first, at), first,
                      clade_whole_of(t->dtype, got, first),
                      clade_whole_of(t->dtype, problem->expected[slot], first), wrong, n);
}

/* Which of several is the largest may differ where factors of products are rounded, but not of
 * small integers, which that leaves alone. */
static bool may_differ(const conform_problem *problem)
{
    clade_args args = problem->args;
    const clade_products *products = clade_param_of(problem->info, &args, "products");
    return products && *products && problem->data != CONFORM_INTEGERS;
}

void clade_problem_compare(const conform_problem *problem, void *const got[conform_slots],
                           bool bits, conform_tally *tally, conform_failure *failure)
{
    for (size_t i = 0; i < problem->info->slot_count; i++) {
        if (!got[i]) continue;
        tally->compared += problem->count[i];
        if (clade_dtype_is_float(problem->args.slot[i].dtype)) {
            tally->outputs += problem->count[i];
            compare_floats(problem, i, got[i], bits, tally, failure);
        } else if (bits || !may_differ(problem)) {
            compare_wholes(problem, i, got[i], failure);
        }
    }
}

void clade_problem_same(const conform_problem *problem, void *const got[conform_slots],
                        void *const again[conform_slots], const char *check, const char *how,
                        conform_failure *failure)
{
    for (size_t i = 0; i < problem->info->slot_count; i++) {
        const clade_tensor *t = &problem->args.slot[i];
        size_t size = clade_dtype_size(t->dtype), bytes = problem->count[i] * size, at = 0;
        const unsigned char *a = got[i], *b = again[i];
        if (!a || !b || !memcmp(a, b, bytes)) continue;
        while (a[at] == b[at]) at++;
        char place[64], values[64];
        at /= size;
        if (t->dtype == CLADE_F32) {
            float was = ((const float *)got[i])[at], is = ((const float *)again[i])[at];
            if (isnan(was) && isnan(is)) continue;
            snprintf(values, sizeof values, "%.9g, then %.9g", (double)was, (double)is);
        } else {
            snprintf(values, sizeof values, "%" PRId32 ", then %" PRId32,
                     clade_whole_of(t->dtype, got[i], at), clade_whole_of(t->dtype, again[i], at));
        }
        clade_failure_set(failure, check, "%s%s (element %zu): %s %s", problem->info->slots[i].name,
                          clade_place_text(t, at, place), at, values, how);
    }
}
