/* Smaller calls, and simpler values: what a case that fails is reduced by. Rules of ops are nowhere
 * written twice: what is offered may be no call at all. */
#include "conform/reduce.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- calls ---- */

typedef struct shrinker {
    const clade_op_info *info;
    clade_args *args;
    conform_attempt *attempt;
    void *user;
    bool changed; /* in this round */
} shrinker;

static bool offer(shrinker *s, const clade_args *smaller)
{
    if (!memcmp(smaller, s->args, sizeof *smaller) || !s->attempt(s->user, smaller)) return false;
    *s->args = *smaller;
    s->changed = true;
    return true;
}

static void drop_slots(shrinker *s)
{
    for (size_t i = 0; i < s->info->slot_count; i++) {
        clade_args smaller = *s->args;
        if (!clade_slot_is_optional(s->info->slots[i].kind)) continue;
        smaller.slot[i] = (clade_tensor){0};
        offer(s, &smaller);
    }
}

/* Numbers below v, the smallest first, from 0; the last is 0. */
static size_t list_below(int32_t v, int32_t least, int32_t below[5])
{
    const int32_t all[] = {0, 1, 2, v / 2, v - 1};
    size_t n = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] >= least && all[i] < v && (!n || all[i] > below[n - 1])) below[n++] = all[i];
    return n;
}

/* Elements `first` to `last` of a parameter that is a whole number. */
static void lower_whole(shrinker *s, const clade_param_info *p, size_t first, size_t last)
{
    int32_t below[5];
    const int32_t *now = (const int32_t *)(const void *)((const char *)s->args + p->offset);
    const size_t n = list_below(now[first], 0, below);
    for (size_t i = 0; i < n; i++) {
        clade_args smaller = *s->args;
        int32_t *value = clade_param_of(s->info, &smaller, p->name);
        for (size_t k = first; k <= last; k++)
            if (value[k] > below[i]) value[k] = below[i];
        if (offer(s, &smaller)) return;
    }
}

static void lower_float(shrinker *s, const clade_param_info *p, size_t k)
{
    for (int v = 0; v < 2; v++) {
        clade_args smaller = *s->args;
        float *value = clade_param_of(s->info, &smaller, p->name);
        if (value[k] == 0 || value[k] == (float)v) return;
        value[k] = (float)v;
        if (offer(s, &smaller)) return;
    }
}

static void lower_params(shrinker *s)
{
    for (size_t i = 0; i < s->info->param_count; i++) {
        const clade_param_info *p = &s->info->params[i];
        clade_args smaller = *s->args;
        if (!strcmp(p->name, "accumulate")) continue; /* the trial's own */
        memset((char *)&smaller + p->offset, 0,
               p->count * (p->type == CLADE_PARAM_uint64_t ? 8 : 4));
        if (offer(s, &smaller)) continue;
        const bool whole = p->type == CLADE_PARAM_int32_t;
        if (whole && p->count > 1) lower_whole(s, p, 0, p->count - 1);
        for (size_t k = 0; k < p->count; k++) {
            if (whole) lower_whole(s, p, k, k);
            if (p->type == CLADE_PARAM_float) lower_float(s, p, k);
        }
    }
}

/* The dimensions of a call, and which of its tensor's each is, from both ends. */
typedef struct call_dims {
    int32_t *dim[conform_slots * CLADE_MAX_RANK];
    int first[conform_slots * CLADE_MAX_RANK], last[conform_slots * CLADE_MAX_RANK];
    size_t count;
} call_dims;

static call_dims dims_of(const clade_op_info *info, clade_args *args)
{
    call_dims d = {.count = 0};
    for (size_t i = 0; i < info->slot_count; i++)
        for (int k = 0; clade_tensor_present(&args->slot[i]) && k < args->slot[i].rank; k++) {
            d.first[d.count] = k;
            d.last[d.count] = args->slot[i].rank - k;
            d.dim[d.count++] = &args->slot[i].dim[k];
        }
    return d;
}

/* Sets of equal dimensions of which `one` is the first: alone, all, those in the same place from
 * the front, or from the end; then pairs with each later one. */
static bool in_set(const call_dims *d, size_t set, size_t one, size_t other)
{
    if (one == other) return true;
    if (other < one || *d->dim[one] != *d->dim[other]) return false;
    switch (set) {
    case 0: return false;
    case 1: return true;
    case 2: return d->first[one] == d->first[other];
    case 3: return d->last[one] == d->last[other];
    default: return other == set - 4;
    }
}

static bool lower_set(shrinker *s, size_t set, size_t one)
{
    int32_t below[5];
    clade_args now = *s->args;
    const call_dims is = dims_of(s->info, &now);
    const size_t n = list_below(*is.dim[one], 1, below);
    for (size_t i = 0; i < n; i++) {
        clade_args smaller = *s->args;
        const call_dims d = dims_of(s->info, &smaller);
        for (size_t k = one; k < d.count; k++)
            if (in_set(&is, set, one, k)) *d.dim[k] = below[i];
        if (offer(s, &smaller)) return true;
    }
    return false;
}

static void lower_dims(shrinker *s)
{
    const size_t count = dims_of(s->info, s->args).count;
    for (size_t one = 0; one < count; one++)
        for (size_t set = 0; set < 4 + count; set++)
            if ((set < 4 || set - 4 > one) && lower_set(s, set, one)) set = 0;
}

/* Two dimensions by the same factor, as where one is a product that the other is part of. */
static void lower_products(shrinker *s)
{
    const size_t count = dims_of(s->info, s->args).count;
    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b < count; b++)
            for (int half = 0; half < 2; half++) {
                clade_args smaller = *s->args;
                const call_dims d = dims_of(s->info, &smaller);
                const int32_t factor = half ? 2 : *d.dim[a];
                if (a == b || factor < 2 || *d.dim[a] % factor || *d.dim[b] % factor) continue;
                *d.dim[a] /= factor;
                *d.dim[b] /= factor;
                offer(s, &smaller);
            }
}

/* A parameter that divides dimensions, as groups do, made smaller with one or two of these. */
static bool lower_divisor(shrinker *s, const clade_param_info *p, int32_t now)
{
    clade_args was = *s->args;
    const int32_t old = *(const int32_t *)clade_param_of(s->info, &was, p->name);
    const size_t count = dims_of(s->info, &was).count;
    for (size_t a = 0; a < count; a++)
        for (size_t b = a; b < count; b++) {
            clade_args smaller = was;
            const call_dims d = dims_of(s->info, &smaller);
            if (*d.dim[a] % old || *d.dim[b] % old) continue;
            *(int32_t *)clade_param_of(s->info, &smaller, p->name) = now;
            *d.dim[a] = *d.dim[a] / old * now;
            if (b != a) *d.dim[b] = *d.dim[b] / old * now;
            if (offer(s, &smaller)) return true;
        }
    return false;
}

static void lower_divisors(shrinker *s)
{
    for (size_t i = 0; i < s->info->param_count; i++) {
        const clade_param_info *p = &s->info->params[i];
        if (p->type != CLADE_PARAM_int32_t || p->count != 1) continue;
        int32_t below[5];
        const int32_t old = *(const int32_t *)clade_param_of(s->info, s->args, p->name);
        const size_t n = list_below(old, 1, below);
        for (size_t k = 0; k < n; k++)
            if (lower_divisor(s, p, below[k])) break;
    }
}

void clade_shrink_call(const clade_op_info *info, clade_args *args, conform_attempt *attempt,
                       void *user)
{
    shrinker s = {.info = info, .args = args, .attempt = attempt, .user = user};
    do {
        s.changed = false;
        drop_slots(&s);
        lower_params(&s);
        lower_divisors(&s);
        lower_dims(&s);
        lower_products(&s);
    } while (s.changed);
}

/* ---- values ---- */

/* What an element becomes. */
typedef enum simpler { ZERO, ONE, ROUNDED } simpler;

static bool simplify(clade_dtype dtype, void *block, size_t i, simpler how)
{
    if (dtype == CLADE_F32) {
        float *v = (float *)block + i, was = *v;
        *v = how == ZERO || was == 0 ? 0.0f : how == ONE ? 1.0f : rintf(was);
        return memcmp(v, &was, sizeof was) != 0;
    }
    const size_t size = clade_dtype_size(dtype);
    if (how != ZERO || !clade_whole_of(dtype, block, i)) return false;
    memset((char *)block + i * size, 0, size);
    return true;
}

/* Elements `from` to `to` of a block; false: it is as it was. */
static bool simplify_range(clade_dtype dtype, void *block, size_t from, size_t to, simpler how,
                           bool (*attempt)(void *user), void *user)
{
    const size_t size = clade_dtype_size(dtype), bytes = (to - from) * size;
    bool changed = false;
    char *saved = malloc(bytes + 1);
    if (!saved) return false;
    memcpy(saved, (char *)block + from * size, bytes);
    for (size_t i = from; i < to; i++)
        if (simplify(dtype, block, i, how)) changed = true;
    const bool taken = changed && attempt(user);
    if (!taken) memcpy((char *)block + from * size, saved, bytes);
    free(saved);
    return taken;
}

/* The whole of it, then halves, quarters …, down to single elements. */
static void simplify_block(clade_dtype dtype, void *block, size_t n, simpler how,
                           bool (*attempt)(void *user), void *user)
{
    enum { most_parts = 64 };
    for (size_t part = n;; part = (part + 1) / 2) {
        for (size_t from = 0; from < n; from += part)
            simplify_range(dtype, block, from, from + part < n ? from + part : n, how, attempt,
                           user);
        if (part <= 1 || n / part >= most_parts) return;
    }
}

void clade_shrink_values(const conform_problem *problem, const conform_values *values,
                         bool (*attempt)(void *user), void *user)
{
    for (int how = ZERO; how <= ROUNDED; how++)
        for (size_t i = 0; i < problem->info->slot_count; i++)
            if (values->block[i])
                simplify_block(problem->args.slot[i].dtype, values->block[i], problem->count[i],
                               (simpler)how, attempt, user);
}
