/* Hyperband: Li et al. 2018, "Hyperband: a novel bandit-based approach to hyperparameter
 * optimization", algorithm 1. Brackets trade many trials of few epochs against few trials of many.
 * Each halves its trials rung by rung, and promotes from a rung once all of its trials have
 * arrived. */
#include "search/search.h"

typedef struct bracket {
    size_t trials;    /* of the first rung */
    int32_t halvings; /* s of the paper */
} bracket;

static int64_t power(int64_t base, int32_t exponent)
{
    int64_t value = 1;
    while (exponent-- > 0) value *= base;
    return value;
}

/* Returns the halvings of the longest bracket: log(R) to the base of the factor, rounded down. */
static int32_t most_halvings(const clade_search_options *o)
{
    int64_t epochs = o->least ? o->least : 1;
    int32_t s = 0;
    while (epochs * clade_search_factor(o) <= o->epochs) {
        epochs *= clade_search_factor(o);
        s++;
    }
    return s;
}

/* Returns bracket number `i`, counted over all rounds. */
static bracket bracket_at(const clade_search_options *o, size_t i)
{
    int32_t most = most_halvings(o), s = most - (int32_t)(i % ((size_t)most + 1));
    int64_t whole = (most + 1) * power(clade_search_factor(o), s);
    return (bracket){(size_t)((whole + s) / (s + 1)), s}; /* rounded up */
}

size_t clade_search_round(const clade_search_options *o)
{
    size_t sum = 0, count = (size_t)most_halvings(o) + 1;
    for (size_t i = 0; i < count; i++) sum += bracket_at(o, i).trials;
    return sum;
}

static int32_t rung_of(const clade_search_options *o, bracket b, int32_t i)
{
    return (int32_t)(o->epochs / power(clade_search_factor(o), b.halvings - i));
}

/* Returns the trial to promote from the lowest complete rung; `end`: none, since some are still on
 * their way to a rung, or all is done. */
static size_t find_promoted(const clade_history *h, bracket b, size_t first, size_t end,
                            int32_t *epochs)
{
    for (int32_t i = 0; i < b.halvings; i++) {
        int32_t rung = rung_of(h->options, b, i);
        for (size_t t = first; t < end; t++)
            if (h->trial[t].state == CLADE_TRIAL_RUNNING && h->trial[t].epochs < (size_t)rung)
                return end;
        size_t quota = b.trials / (size_t)power(clade_search_factor(h->options), i + 1);
        *epochs = rung_of(h->options, b, i + 1);
        size_t t = clade_search_promote(h, first, end, rung, *epochs, quota ? quota : 1);
        if (t < end) return t;
    }
    return end;
}

clade_status clade_search_hyperband(const clade_history *h, clade_suggestion *out)
{
    const clade_search_options *o = h->options;
    if (o->epochs < 1) return clade_fail(CLADE_EINVAL, "hyperband: expected the epochs of a trial");
    for (size_t i = 0, first = 0;; i++) {
        bracket b = bracket_at(o, i);
        if (o->trials > first && b.trials > o->trials - first) b.trials = o->trials - first;
        size_t end = first + b.trials;
        if (end > h->count || (o->trials > 0 && first >= o->trials)) {
            out->epochs = rung_of(o, b, 0);
            return clade_search_spread(h, out->values);
        }
        size_t t = find_promoted(h, b, first, end, &out->epochs);
        if (t < end) {
            out->trial = t;
            for (size_t k = 0; k < h->space.count; k++) out->values[k] = h->trial[t].values[k];
            return CLADE_OK;
        }
        first = end;
    }
}
