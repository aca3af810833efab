/* Asynchronous successive halving: Li et al. 2020, "A system for massively parallel hyperparameter
 * tuning". Rung k is reached after least · factorᵏ epochs; the best one in `factor` of the trials
 * that have reached it is promoted. */
#include "search/search.h"

#include <math.h>

int32_t clade_search_factor(const clade_search_options *o) { return o->factor ? o->factor : 3; }

/* Returns the epochs of the first rung: by default two rungs follow it. */
static int32_t first_rung(const clade_search_options *o)
{
    int32_t least =
        o->least ? o->least : o->epochs / (clade_search_factor(o) * clade_search_factor(o));
    if (least > o->epochs) least = o->epochs;
    return least > 1 ? least : 1;
}

static int32_t next_rung(const clade_search_options *o, int32_t rung)
{
    return rung < o->epochs / clade_search_factor(o) ? rung * clade_search_factor(o) : o->epochs;
}

bool clade_search_has_reached(const clade_trial *t, int32_t rung)
{
    return t->state != CLADE_TRIAL_FAILED && t->curve && t->epochs >= (size_t)rung;
}

size_t clade_search_promote(const clade_history *h, size_t first, size_t end, int32_t rung,
                            int32_t next, size_t quota)
{
    size_t found = end;
    double best = INFINITY;
    for (size_t t = first; t < end; t++) {
        const clade_trial *trial = &h->trial[t];
        if (!clade_search_has_reached(trial, rung) || trial->state != CLADE_TRIAL_DONE ||
            trial->epochs >= (size_t)next)
            continue;
        double sign = h->options->maximize ? -1 : 1, value = sign * trial->curve[rung - 1];
        size_t better = 0;
        for (size_t u = first; u < end; u++)
            better += clade_search_has_reached(&h->trial[u], rung) &&
                      (sign * h->trial[u].curve[rung - 1] < value ||
                       (sign * h->trial[u].curve[rung - 1] == value && u < t));
        if (better >= quota || !(value < best)) continue;
        best = value;
        found = t;
    }
    return found;
}

/* Returns the trial to promote from a rung; the number of trials: none. */
static size_t find_promoted(const clade_history *h, int32_t rung)
{
    size_t reached = 0;
    for (size_t t = 0; t < h->count; t++) reached += clade_search_has_reached(&h->trial[t], rung);
    return clade_search_promote(h, 0, h->count, rung, next_rung(h->options, rung),
                                reached / (size_t)clade_search_factor(h->options));
}

clade_status clade_search_halve(const clade_history *h, clade_suggestion *out)
{
    const clade_search_options *o = h->options;
    int32_t rung[32], rungs = 0;
    if (o->epochs < 1) return clade_fail(CLADE_EINVAL, "asha: expected the epochs of a trial");
    for (int32_t r = first_rung(o); rungs < 32; r = next_rung(o, r)) {
        rung[rungs++] = r;
        if (r == o->epochs) break;
    }
    for (int32_t k = rungs - 1; k-- > 0;) { /* the highest rung first */
        size_t t = find_promoted(h, rung[k]);
        if (t == h->count) continue;
        out->trial = t;
        out->epochs = rung[k + 1];
        for (size_t i = 0; i < h->space.count; i++) out->values[i] = h->trial[t].values[i];
        return CLADE_OK;
    }
    out->epochs = rung[0];
    return clade_search_spread(h, out->values);
}
