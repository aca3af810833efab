/* Judging a call by what it has read and written. */
#include "dev/shadow.h"

#include "op/judge.h"

#include <stdlib.h>
#include <string.h>

/* --- memory --- */

bool clade_shadow_reads(const shadow *s, size_t slot)
{
    return clade_op_reads(s->info, &s->call->args, slot);
}

static size_t bytes_of(const clade_tensor *t)
{
    return clade_tensor_count(t) * clade_dtype_size(t->dtype);
}

clade_status clade_shadow_read(shadow *s, bool after)
{
    void **block = after ? s->got : s->before;
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < s->info->slot_count && !status; i++) {
        const clade_tensor *t = &s->call->args.slot[i];
        if (!clade_tensor_present(t) || (after && !clade_slot_writes(s->info->slots[i].kind)))
            continue;
        block[i] = calloc(1, bytes_of(t) + 1);
        if (!block[i]) return clade_fail(CLADE_ENOMEM, "out of memory to verify a call");
        if (after || clade_shadow_reads(s, i)) status = clade_tensor_read(t, block[i]);
    }
    return status;
}

static void clear(void **block)
{
    for (size_t i = 0; i < CLADE_MOST_SLOTS; i++) {
        free(block[i]);
        block[i] = NULL;
    }
}

void clade_shadow_clear(shadow *s)
{
    clear(s->before);
    clear(s->got);
}

/* Of a slot's block, what is judged. */
static void *part_of(const shadow *s, void *const block[CLADE_MOST_SLOTS], size_t slot)
{
    const bool row = s->call->args.slot[slot].dim[0] != s->part.slot[slot].dim[0];
    const size_t first = row ? (size_t)s->image * bytes_of(&s->part.slot[slot]) : 0;
    return block[slot] ? (char *)block[slot] + first : NULL;
}

bool clade_shadow_is_finite(const shadow *s)
{
    for (size_t i = 0; i < s->info->slot_count; i++) {
        const clade_tensor *t = &s->part.slot[i];
        const void *v = part_of(s, s->before, i);
        for (size_t j = 0; v && clade_dtype_is_float(t->dtype) && j < clade_tensor_count(t); j++)
            if (!isfinite(clade_float_of(t->dtype, v, j))) return false;
    }
    return true;
}

/* --- judging --- */

static void note(const shadow *s, size_t slot, size_t element, double got, double expected,
                 double bound, wrong_place *out)
{
    const bool row = s->call->args.slot[slot].dim[0] != s->part.slot[slot].dim[0];
    if (out->count++) return;
    const size_t first = row ? (size_t)s->image * clade_tensor_count(&s->part.slot[slot]) : 0;
    *out = (wrong_place){slot, first + element, 1, got, expected, bound};
}

/* Every bit, against what the reference has made. */
static void compare_bits(const shadow *s, void *const expected[CLADE_MOST_SLOTS], size_t slot,
                         wrong_place *out)
{
    const clade_tensor *t = &s->part.slot[slot];
    const void *got = part_of(s, s->got, slot), *right = expected[slot];
    for (size_t i = 0; i < clade_tensor_count(t); i++) {
        if (clade_dtype_is_float(t->dtype)) {
            const float a = clade_float_of(t->dtype, got, i);
            const float b = clade_float_of(t->dtype, right, i);
            if (!clade_same_bits(a, b) && !clade_both_vanish(a, b))
                note(s, slot, i, (double)a, (double)b, -1, out);
        } else {
            const int32_t a = clade_whole_of(t->dtype, got, i);
            const int32_t b = clade_whole_of(t->dtype, right, i);
            if (a != b) note(s, slot, i, a, b, -1, out);
        }
    }
}

static bool fits(clade_dtype dtype, double truth, double bound, float got)
{
    if (!isfinite(truth)) return !isfinite(got);
    if (!isfinite(bound) || clade_overflows(truth, bound, got)) return true;
    return clade_is_within(dtype, truth, bound + (truth == 0 ? 0 : CLADE_TINY), got);
}

/* Against the oracle, which was run without what was there before; that is added here. */
static clade_status compare_bounds(const shadow *s, const clade_args *args,
                                   void *const before[CLADE_MOST_SLOTS],
                                   void *const truth[CLADE_MOST_SLOTS], size_t slot,
                                   wrong_place *out)
{
    const size_t n = clade_tensor_count(&s->part.slot[slot]);
    const bool adds =
        clade_slot_accumulates(s->info->slots[slot].kind) && clade_shadow_reads(s, slot);
    const clade_dtype dtype = s->part.slot[slot].dtype;
    const void *all = part_of(s, s->got, slot), *prior = part_of(s, s->before, slot);
    const double *right = truth[slot];
    double *bound = malloc((n + 1) * sizeof *bound);
    if (!bound) return clade_fail(CLADE_ENOMEM, "out of memory to verify a call");
    clade_status status = clade_impl_bound(s->info, args, before, truth, slot, bound);
    for (size_t i = 0; i < n && !status; i++) {
        const float got = clade_float_of(dtype, all, i);
        const double sum = right[i] + (adds ? (double)clade_float_of(dtype, prior, i) : 0);
        /* one more rounding, of a sum that is no larger than this */
        if (adds) bound[i] += CLADE_UNIT * (fabs(sum) + bound[i]);
        if (!fits(dtype, sum, bound[i], got)) note(s, slot, i, (double)got, sum, bound[i], out);
    }
    free(bound);
    return status;
}

/* What a slot holds before the reference, or the oracle, runs. */
static void *start_block(const shadow *s, size_t slot, bool exact)
{
    const clade_tensor *t = &s->part.slot[slot];
    const void *from = part_of(s, s->before, slot);
    if (!exact) return clade_block_widen(t, clade_slot_rounding(s->info, &s->part, slot), from);
    void *block = malloc(bytes_of(t) + 1);
    if (block) memcpy(block, from, bytes_of(t));
    return block;
}

clade_status clade_shadow_judge(const shadow *s, wrong_place *out)
{
    const bool exact = s->device->math == CLADE_EXACT;
    void *before[CLADE_MOST_SLOTS] = {0}, *after[CLADE_MOST_SLOTS] = {0};
    clade_args args = s->part;
    const int p = clade_param_find(s->info, "accumulate");
    clade_status status = CLADE_OK;
    if (!exact && p >= 0) *(int32_t *)(void *)((char *)&args + s->info->params[p].offset) = 0;
    for (size_t i = 0; i < s->info->slot_count && !status; i++) {
        if (!s->before[i]) continue;
        before[i] = start_block(s, i, exact);
        after[i] = start_block(s, i, exact);
        if (!before[i] || !after[i])
            status = clade_fail(CLADE_ENOMEM, "out of memory to verify a call");
    }
    if (!status && exact) status = clade_reference_run_on(s->info, &args, after);
    if (!status && !exact) clade_oracle_run_on(s->info, &args, after);
    for (size_t i = 0; i < s->info->slot_count && !status; i++) {
        if (!s->got[i]) continue;
        if (!exact && clade_dtype_is_float(s->part.slot[i].dtype))
            status = compare_bounds(s, &args, before, after, i, out);
        else if (exact ||
                 !(s->info->flags & CLADE_OP_PRODUCT)) /* else which is largest may differ */
            compare_bits(s, after, i, out);
    }
    clear(before);
    clear(after);
    return status;
}
