/* Validating a search, and choosing the method. */
#include "search/search.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- checks --- */

static clade_status check_numbers(const clade_tunable *p)
{
    bool whole = p->kind == CLADE_TUNABLE_INTEGER;
    if (!isfinite(p->low) || !isfinite(p->high) || !isfinite(p->step) || p->step < 0)
        return clade_fail(CLADE_EINVAL, "%s: expected finite numbers", p->name);
    if (p->low > p->high)
        return clade_fail(CLADE_EINVAL,
                          "%s: the range is the wrong way round; expected [%g, %g], found [%g, %g]",
                          p->name, p->high, p->low, p->low, p->high);
    if (p->log && p->low <= 0)
        return clade_fail(CLADE_EINVAL,
                          "%s: a logarithmic range needs numbers greater than 0, found [%g, %g]",
                          p->name, p->low, p->high);
    if (whole && (p->low != floor(p->low) || p->high != floor(p->high) ||
                  p->step != floor(p->step) || fabs(p->low) > 0x1p52 || fabs(p->high) > 0x1p52))
        return clade_fail(CLADE_EINVAL, "%s: expected whole numbers, found [%.15g, %.15g]", p->name,
                          p->low, p->high);
    double step = p->step > 0 ? p->step : whole ? 1 : 0;
    if (step > 0 && (p->high - p->low) / step >= CLADE_MAX_LEVELS)
        return clade_fail(CLADE_EINVAL, "%s: more than %d values; expected a longer step", p->name,
                          CLADE_MAX_LEVELS);
    return CLADE_OK;
}

static clade_status check_parameter(const clade_search_options *o, size_t i)
{
    const clade_tunable *p = &o->parameters[i];
    if (!p->name || !*p->name) return clade_fail(CLADE_EINVAL, "parameter %zu has no name", i);
    for (size_t k = 0; k < i; k++)
        if (!strcmp(o->parameters[k].name, p->name))
            return clade_fail(CLADE_EINVAL, "%s: a parameter of that name is there twice", p->name);
    if (p->parent > i)
        return clade_fail(CLADE_EINVAL, "%s: depends on a parameter that comes later", p->name);
    if (p->parent > 0 && (p->when_count == 0 || !p->when))
        return clade_fail(CLADE_EINVAL, "%s: has a meaning for no value of %s", p->name,
                          o->parameters[p->parent - 1].name);
    if (p->kind != CLADE_TUNABLE_CHOICE) return check_numbers(p);
    if (p->choice_count == 0 || !p->choices)
        return clade_fail(CLADE_EINVAL, "%s: expected choices, found none", p->name);
    return CLADE_OK;
}

clade_status clade_search_check(const clade_search_options *o)
{
    if (!o || o->count == 0 || !o->parameters)
        return clade_fail(CLADE_EINVAL, "there is nothing to search for: no parameters");
    if (o->count > CLADE_MAX_TUNABLES)
        return clade_fail(CLADE_EINVAL, "%zu parameters; expected at most %d", o->count,
                          CLADE_MAX_TUNABLES);
    if (o->epochs < 0 || o->least < 0 || o->factor < 0 || o->factor == 1)
        return clade_fail(CLADE_EINVAL,
                          "epochs %d, least %d, factor %d: expected 0 or more, and a "
                          "factor of at least 2",
                          o->epochs, o->least, o->factor);
    if (!(o->resolution >= 0 && o->resolution <= 1) || !(o->noise >= 0 && o->noise <= 1))
        return clade_fail(CLADE_EINVAL, "resolution %g, noise %g: expected 0 to 1", o->resolution,
                          o->noise);
    for (size_t i = 0; i < o->count; i++) {
        clade_status status = check_parameter(o, i);
        if (status) return status;
    }
    return CLADE_OK;
}

/* --- next --- */

/* Collects the data to learn from: prior and trials, with one objective. The caller frees it; NULL:
 * the trials. */
static clade_status gather(clade_history *h, clade_trial **out)
{
    const clade_search_options *o = h->options;
    *out = NULL;
    if (o->prior_count == 0 && !o->has_cost) return CLADE_OK;
    h->known_count = o->prior_count + h->count;
    *out = calloc(h->known_count + 1, sizeof **out);
    if (!*out) return clade_fail(CLADE_ENOMEM, "out of memory for %zu trials", h->known_count);
    for (size_t t = 0; t < h->known_count; t++)
        (*out)[t] = t < o->prior_count ? o->prior[t] : h->trial[t - o->prior_count];
    if (o->has_cost) clade_search_scalarize(o, h->count, *out, h->known_count);
    h->known = *out;
    return CLADE_OK;
}

clade_status clade_search_next(const clade_search_options *options, const clade_trial *trials,
                               size_t trial_count, clade_suggestion *out)
{
    *out = (clade_suggestion){.trial = trial_count, .epochs = options->epochs, .improvement = NAN};
    clade_status status = clade_search_check(options);
    if (status) return status;
    clade_history h = {
        options, {options->parameters, options->count}, trials, trial_count, trials, trial_count};
    clade_trial *gathered;
    status = gather(&h, &gathered);
    if (status) return status;
    bool enough = h.known_count >= clade_search_first(options);
    if (options->method == CLADE_SEARCH_ASHA) {
        status = clade_search_halve(&h, out);
    } else if (options->method == CLADE_SEARCH_HYPERBAND) {
        status = clade_search_hyperband(&h, out);
    } else if (options->method == CLADE_SEARCH_TPE && enough) {
        status = clade_search_estimate(&h, out);
    } else if (options->method == CLADE_SEARCH_GP && enough) {
        status = clade_search_propose(&h, out);
        if (status == CLADE_EMISMATCH) {
            snprintf(out->note, sizeof out->note, "drawn at random: %s", clade_error());
            status = clade_search_spread(&h, out->values);
        }
    } else {
        status = clade_search_spread(&h, out->values);
    }
    free(gathered);
    return status;
}
