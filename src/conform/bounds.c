/* The self-test of bounds and of the comparison with them: that bounds are near the errors there
 * are, and that results just beyond one are told from those just within. */
#include "conform/fault.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

/* Some result of an op's small cases must come this near to its bound. Of a few dozen roundings,
 * each of which a bound takes at its worst, as many as their square root add up at chance, to a
 * tenth of the bound; and some element among dozens is off by more than most. Where the cases have
 * few elements chance may spare all of them. */
static double floor_of(uint64_t elements) { return elements < 16 ? 1.0 / 512 : 1.0 / 64; }

/* What may pass for zero, beside `bound`. */
static double allowance(double truth, double bound) { return bound + (truth == 0 ? 0 : 0x1p-126); }

/* Is it an output of float32? */
static bool has_bounds(const conform_problem *p, size_t slot)
{
    return p->truth[slot] && p->args.slot[slot].dtype == CLADE_F32;
}

/* Has the element a bound? NaN and infinities of a tile reach all of it by a transform. */
static bool is_bounded(const conform_problem *p, size_t slot, size_t i)
{
    return isfinite(p->truth[slot][i]) && !(p->transformed && !isfinite(p->bound[slot][i])) &&
           !(p->padded[slot] && p->padded[slot][i]);
}

/* ---- floors ---- */

typedef struct slot_errors {
    uint64_t elements;
    double worst; /* of the reference's errors, divided by their bounds */
    bool free;    /* some bound is not 0 */
} slot_errors;

static void add_errors(const conform_problem *p, size_t slot, slot_errors *e,
                       conform_failure *failure)
{
    const float *y = p->expected[slot];
    for (size_t i = 0; i < p->count[slot]; i++) {
        double truth = p->truth[slot][i], bound = p->bound[slot][i], error = fabs(y[i] - truth);
        if (!is_bounded(p, slot, i) || p->exact[slot]) continue;
        if (!isfinite(bound))
            clade_failure_set(failure, "bound", "case %s: %s at element %zu is %.9g, its bound %g",
                              p->case_name, p->info->slots[slot].name, i, truth, bound);
        if (p->data != CONFORM_RANDOM) continue;
        e->elements++;
        e->free = e->free || bound != 0;
        if (error > 0) e->worst = fmax(e->worst, error / allowance(truth, bound));
    }
}

clade_status clade_bounds_judge(const clade_op_info *info, uint64_t seed, conform_failure *failure)
{
    slot_errors errors[conform_slots] = {{0}};
    bool any_exact = false;
    clade_status status = CLADE_OK;
    const clade_case *test;
    for (size_t c = 0; !status && (test = clade_case_quick(info, &c));)
        for (int data = 0; !status && data < CONFORM_DATA_KINDS; data++) {
            conform_problem *p = NULL;
            if (!clade_problem_wanted(info, test, (conform_data)data)) continue;
            any_exact = any_exact || data == CONFORM_INTEGERS;
            status = clade_problem_create(info, test, (conform_data)data, seed, &p);
            for (size_t i = 0; !status && i < info->slot_count; i++)
                if (has_bounds(p, i)) add_errors(p, i, &errors[i], failure);
            clade_problem_destroy(&p);
        }
    if (!status && (info->flags & CLADE_OP_INTEGER) && !any_exact)
        clade_failure_set(failure, "integers", "no small case is exact on small integers");
    for (size_t i = 0; i < info->slot_count; i++) {
        const slot_errors *e = &errors[i];
        double least = e->free ? floor_of(e->elements) : 0;
        if (e->worst < least)
            clade_failure_set(failure, "bound",
                              "%s: the largest error is %.3g of its bound, expected %.3g or more",
                              info->slots[i].name, e->worst, least);
    }
    return status;
}

/* ---- edges ---- */

/* An element's right result replaced by another, and what the comparison makes of that. */
typedef struct edge {
    const conform_problem *problem;
    void *got[conform_slots];
    size_t slot, i;
    conform_failure *failure;
} edge;

/* `check`: the one that must see it, "": any, NULL: none may. */
static void place(const edge *e, float value, bool bits, const char *check, const char *what)
{
    float *v = (float *)e->got[e->slot] + e->i, was = *v;
    conform_failure found = {0};
    conform_tally tally = {0};
    *v = value;
    clade_problem_compare(e->problem, e->got, bits, &tally, &found);
    *v = was;
    if (check ? found.check && (!*check || !strcmp(check, found.check)) : !found.check) return;
    clade_failure_set(
        e->failure, check ? "caught" : "passes",
        "case %s, %s data: %s at element %zu, %s, %.9g: the truth %.17g, bound %.3g: %s",
        e->problem->case_name, clade_conform_data_name(e->problem->data),
        e->problem->info->slots[e->slot].name, e->i, what, (double)value,
        e->problem->truth[e->slot][e->i], e->problem->bound[e->slot][e->i],
        found.check ? found.check : "let pass");
}

/* The float32 numbers next to the end of what is allowed, on the side of `far`. */
static void try_side(const edge *e, float far, double truth, double allowed)
{
    float f = (float)(truth + (far > 0 ? allowed : -allowed));
    while (fabs(f - truth) <= allowed) f = nextafterf(f, far);
    while (fabs(f - truth) > allowed && fabs(nextafterf(f, (float)truth) - truth) > allowed)
        f = nextafterf(f, (float)truth);
    if (fabs(truth) + allowed < FLT_MAX)
        place(e, f, false, e->problem->exact[e->slot] ? "" : "bound", "just beyond its bound");
    f = nextafterf(f, (float)truth);
    if (fabs(f - truth) <= allowed && !e->problem->exact[e->slot])
        place(e, f, false, NULL, "just within its bound");
}

static void try_element(const edge *e)
{
    const conform_problem *p = e->problem;
    double truth = p->truth[e->slot][e->i];
    float right = ((const float *)p->expected[e->slot])[e->i];
    if (!is_bounded(p, e->slot, e->i)) {
        bool loose = p->transformed || (p->padded[e->slot] && p->padded[e->slot][e->i]);
        if (isnan(truth) && !loose) {
            place(e, 0, false, "nan", "a number for NaN");
            place(e, INFINITY, false, "nan", "infinity for NaN");
        }
        if (isinf(truth) && !loose) {
            place(e, NAN, false, "infinity", "NaN for infinity");
            place(e, (float)-truth, false, "infinity", "the other infinity");
            place(e, truth > 0 ? FLT_MAX : -FLT_MAX, false, "infinity", "a number for infinity");
        }
        return;
    }
    double allowed = p->exact[e->slot] ? 0 : allowance(truth, p->bound[e->slot][e->i]);
    uint32_t prefill = CONFORM_PREFILL_F32;
    float unwritten;
    memcpy(&unwritten, &prefill, sizeof unwritten);
    try_side(e, INFINITY, truth, allowed);
    try_side(e, -INFINITY, truth, allowed);
    place(e, NAN, false, "bound", "NaN for a number");
    place(e, unwritten, false, "unwritten", "what was there before");
    place(e, truth > 0 ? INFINITY : -INFINITY, false, "bound", "infinity for a number");
    if (fabsf(right) < FLT_MIN) return;
    place(e, nextafterf(right, 2 * right), true, "", "another last bit");
}

/* Whole numbers have no bound, and of 16 bits the last one has to be right where bits are asked. */
static void try_whole(const edge *e)
{
    const clade_tensor *t = &e->problem->args.slot[e->slot];
    unsigned char *v = (unsigned char *)e->got[e->slot] + e->i * clade_dtype_size(t->dtype);
    conform_failure found = {0};
    conform_tally tally = {0};
    if (e->problem->padded[e->slot] && e->problem->padded[e->slot][e->i]) return;
    if (e->problem->truth[e->slot] && isnan(e->problem->truth[e->slot][e->i])) return;
    *v ^= 1;
    clade_problem_compare(e->problem, e->got, clade_dtype_is_half(t->dtype), &tally, &found);
    *v ^= 1;
    if (!found.check)
        clade_failure_set(e->failure, "caught",
                          "case %s: %s at element %zu, with another last bit, was let pass",
                          e->problem->case_name, e->problem->info->slots[e->slot].name, e->i);
}

/* A few elements of output e->slot. */
static clade_status try_slot(edge *e)
{
    enum { most = 4096 };
    const conform_problem *p = e->problem;
    size_t n = p->count[e->slot], at[] = {0, n / 2, n - 1};
    size_t bytes = n * clade_dtype_size(p->args.slot[e->slot].dtype);
    if (!p->expected[e->slot] || !clade_slot_writes(p->info->slots[e->slot].kind) || n > most)
        return CLADE_OK;
    void *own = e->got[e->slot] = malloc(bytes);
    if (!own) return clade_fail(CLADE_ENOMEM, "out of memory for results");
    memcpy(own, p->expected[e->slot], bytes);
    for (size_t k = 0; k < sizeof at / sizeof *at && (!k || at[k] != at[k - 1]); k++) {
        e->i = at[k];
        if (has_bounds(p, e->slot))
            try_element(e);
        else
            try_whole(e);
    }
    free(own);
    e->got[e->slot] = p->expected[e->slot];
    return CLADE_OK;
}

static clade_status try_problem(const conform_problem *p, conform_failure *failure)
{
    edge e = {.problem = p, .failure = failure};
    clade_status status = CLADE_OK;
    for (size_t s = 0; s < p->info->slot_count; s++)
        if (p->initial[s] && clade_slot_writes(p->info->slots[s].kind)) e.got[s] = p->expected[s];
    for (; e.slot < p->info->slot_count && !status && !failure->check; e.slot++)
        status = try_slot(&e);
    return status;
}

clade_status clade_edges_judge(const clade_op_info *info, uint64_t seed, conform_failure *failure)
{
    bool accumulates = clade_param_find(info, "accumulate") >= 0;
    clade_status status = CLADE_OK;
    const clade_case *test;
    for (size_t c = 0; !status && (test = clade_case_quick(info, &c));)
        for (int data = 0; !status && data < CONFORM_DATA_KINDS; data++) {
            if (!clade_problem_wanted(info, test, (conform_data)data)) continue;
            for (int accumulate = 0; !status && accumulate <= accumulates; accumulate++) {
                conform_problem *p = NULL;
                status = clade_problem_create(info, test, (conform_data)data, seed, &p);
                if (!status && accumulate) status = clade_problem_accumulate(p);
                if (!status) status = try_problem(p, failure);
                clade_problem_destroy(&p);
            }
        }
    return status;
}

/* ---- frozen vectors ---- */

/* An output of a problem, and a copy of its truth as what was frozen. */
typedef struct frozen_slot {
    const conform_problem *problem;
    size_t slot, i; /* the element that is tried */
    double *out;
    conform_failure *failure;
} frozen_slot;

/* The element frozen as `out`, or made `got` by the reference now; NULL: no check may see that. */
static void try_frozen(const frozen_slot *f, double out, float got, const char *check)
{
    const conform_problem *p = f->problem;
    float *y = (float *)p->expected[f->slot] + f->i, right = *y;
    conform_failure found = {0};
    clade_conform_result unused = {0};
    f->out[f->i] = out;
    *y = got;
    clade_frozen_compare(p, f->slot, f->out, p->bound[f->slot], &unused, &found);
    f->out[f->i] = p->truth[f->slot][f->i];
    *y = right;
    if (check ? found.check && !strcmp(found.check, check) : !found.check) return;
    clade_failure_set(f->failure, check ? "caught" : "passes",
                      "case %s: %s at element %zu, frozen as %.17g, of the reference %.9g: %s",
                      p->case_name, p->info->slots[f->slot].name, f->i, out, (double)got,
                      found.check ? found.text : "let pass");
}

static clade_status try_frozen_slot(const conform_problem *p, size_t slot, conform_failure *failure)
{
    size_t n = p->count[slot], i = n / 2;
    double truth = p->truth[slot][i], bound = p->bound[slot][i];
    float right = ((const float *)p->expected[slot])[i];
    float beyond = nextafterf(nextafterf((float)(truth + bound), INFINITY), INFINITY);
    frozen_slot f = {p, slot, i, malloc(n * sizeof *f.out), failure};
    if (!f.out) return clade_fail(CLADE_ENOMEM, "out of memory for frozen numbers");
    memcpy(f.out, p->truth[slot], n * sizeof *f.out);
    try_frozen(&f, truth, right, NULL);
    try_frozen(&f, NAN, right, "oracle");
    try_frozen(&f, truth, NAN, "bound");
    try_frozen(&f, truth, beyond, "bound");
    if (bound > 0) {
        try_frozen(&f, truth + 0.9e-6 * bound, right, NULL);
        try_frozen(&f, truth + 1.1e-6 * bound, right, "oracle");
    }
    free(f.out);
    return CLADE_OK;
}

clade_status clade_frozen_judge(const clade_op_info *info, uint64_t seed, conform_failure *failure)
{
    clade_status status = CLADE_OK;
    const clade_case *test;
    for (size_t c = 0; !status && (test = clade_case_quick(info, &c));) {
        conform_problem *p = NULL;
        status = clade_problem_create(info, test, CONFORM_RANDOM, seed, &p);
        for (size_t s = 0; !status && s < info->slot_count; s++)
            if (has_bounds(p, s)) status = try_frozen_slot(p, s, failure);
        clade_problem_destroy(&p);
    }
    return status;
}
