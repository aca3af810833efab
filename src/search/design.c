/* Space-filling settings for the first trials, and which settings were tried. */
#include "search/search.h"

#include <math.h>

clade_random clade_search_random(const clade_history *h, int purpose, uint64_t number)
{
    return clade_random_start(h->options->seed, CLADE_STREAM_TUNE,
                              (uint64_t)purpose << 48 | number);
}

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
    enum { startup = 10 }; /* for Parzen estimators */
    if (o->first > 0) return o->first;
    if (o->method == CLADE_SEARCH_TPE) return startup;
    return o->count < 3 ? 6 : o->count > 8 ? 11 : o->count + 3;
}

/* Returns the position of trial i of n in one coordinate: each of n equal parts has one trial. */
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

/* Returns the value at a share of the way through all levels, each with an equal part. */
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

/* Finds the first untried settings, in the order of the tree of levels. */
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
