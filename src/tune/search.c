/* Checking a search, its first points, and the choice of method. */
#include "tune/search.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

clade_random clade_search_random(const clade_history *h, int purpose, uint64_t number)
{
    return clade_random_start(h->options->seed, CLADE_STREAM_TUNE,
                              (uint64_t)purpose << 48 | number);
}

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

/* --- first points --- */

bool clade_search_tried(const clade_history *h, const double *values)
{
    for (size_t t = 0; t < h->count; t++)
        if (clade_space_equal(&h->space, h->trial[t].values, values)) return true;
    return false;
}

static bool is_near(const clade_tunable *p, double a, double b, double far)
{
    if (a == b || (isnan(a) && isnan(b))) return true;
    if (isnan(a) || isnan(b) || clade_space_levels(p) > 0) return false;
    return fabs(clade_space_encode(p, a) - clade_space_encode(p, b)) <= far;
}

bool clade_search_tried_near(const clade_history *h, const double *values, double far)
{
    for (size_t t = 0; t < h->count; t++) {
        size_t i = 0;
        while (i < h->space.count &&
               is_near(&h->space.parameter[i], h->trial[t].values[i], values[i], far))
            i++;
        if (i == h->space.count) return true;
    }
    return false;
}

size_t clade_search_first(const clade_search_options *o)
{
    if (o->first > 0) return o->first;
    return o->count < 3 ? 6 : o->count > 8 ? 11 : o->count + 3;
}

/* Where trial i of n lies in one coordinate: each of n equal parts has one trial. */
static double hypercube(const clade_history *h, size_t coordinate, size_t i, size_t n)
{
    clade_random r = clade_search_random(h, clade_search_plan, coordinate);
    size_t order[64];
    if (n > 64) return (double)clade_random_unit(&r);
    for (size_t k = 0; k < n; k++) { /* Fisher and Yates */
        size_t other = clade_random_below(&r, (uint32_t)k + 1);
        order[k] = order[other];
        order[other] = k;
    }
    double offset = 0.5;
    for (size_t k = 0; k <= i; k++) offset = (double)clade_random_unit(&r);
    return ((double)order[i] + offset) / (double)n;
}

/* The value that a share of the way through all levels lies at, each with the same part. */
static double share_of(const clade_tunable *p, double u)
{
    size_t levels = clade_space_levels(p);
    if (levels == 0 || p->log) return clade_space_decode(p, u);
    size_t level = (size_t)(u * (double)levels);
    return clade_space_level(p, level < levels ? level : levels - 1);
}

static bool start_values(const clade_history *h, double *values)
{
    bool any = false;
    for (size_t i = 0; i < h->space.count; i++) {
        const clade_tunable *p = &h->space.parameter[i];
        values[i] = p->has_start ? p->start : share_of(p, 0.5);
        any = any || p->has_start;
    }
    clade_space_settle(&h->space, values);
    return any;
}

/* The first settings not tried, in the order of the tree of levels. */
static bool find_left(const clade_history *h, size_t i, double *values)
{
    if (i == h->space.count) return !clade_search_tried(h, values);
    const clade_tunable *p = &h->space.parameter[i];
    values[i] = NAN;
    if (!clade_tunable_is_active(h->space.parameter, i, values)) return find_left(h, i + 1, values);
    size_t levels = clade_space_levels(p);
    for (size_t level = 0; level < (levels ? levels : 1); level++) {
        values[i] = levels ? clade_space_level(p, level) : clade_space_decode(p, 0.5);
        if (find_left(h, i + 1, values)) return true;
    }
    return false;
}

clade_status clade_search_spread(const clade_history *h, double *values)
{
    enum { tries = 1000 };
    size_t first = clade_search_first(h->options), i = h->count;
    if (i == 0 && start_values(h, values)) return CLADE_OK;
    if (i < first) {
        for (size_t k = 0; k < h->space.count; k++)
            values[k] = share_of(&h->space.parameter[k], hypercube(h, k, i, first));
        clade_space_settle(&h->space, values);
        if (!clade_search_tried(h, values)) return CLADE_OK;
    }
    clade_random r = clade_search_random(h, clade_search_draws, i);
    for (int k = 0; k < tries; k++) {
        clade_space_draw(&h->space, &r, values);
        if (!clade_search_tried(h, values)) return CLADE_OK;
    }
    if (find_left(h, 0, values)) return CLADE_OK;
    return clade_fail(CLADE_ECANCELLED, "every one of the %zu settings has been tried",
                      clade_space_size(&h->space, h->count + 1));
}

/* --- next --- */

clade_status clade_search_next(const clade_search_options *options, const clade_trial *trials,
                               size_t trial_count, clade_suggestion *out)
{
    *out = (clade_suggestion){.trial = trial_count, .epochs = options->epochs, .improvement = NAN};
    clade_status status = clade_search_check(options);
    if (status) return status;
    const clade_history h = {options, {options->parameters, options->count}, trials, trial_count};
    if (options->method == CLADE_SEARCH_ASHA) return clade_search_halve(&h, out);
    if (options->method == CLADE_SEARCH_GP && trial_count >= clade_search_first(options)) {
        status = clade_search_propose(&h, out);
        if (status != CLADE_EMISMATCH) return status;
        snprintf(out->note, sizeof out->note, "drawn at random: %s", clade_error());
    }
    return clade_search_spread(&h, out->values);
}
