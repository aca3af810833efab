/* Suggests settings by expected improvement of a Gaussian process. The covariance sees integers and
 * choices at their rounded values (Garrido-Merchán and Hernández-Lobato 2020). */
#include "search/minimize.h"
#include "search/search.h"
#include "search/warp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { most = CLADE_MAX_TUNABLES };

/* --- the process of the trials --- */

/* Returns a done trial's objective, where low is good. */
static double value_of(const clade_history *h, const clade_trial *t)
{
    return h->options->maximize ? -t->objective : t->objective;
}

static bool is_done(const clade_trial *t)
{
    return t->state == CLADE_TRIAL_DONE && isfinite(t->objective);
}

static int by_value(const void *a, const void *b)
{
    double x = ((const double *)a)[0], y = ((const double *)b)[0];
    if (x != y) return x < y ? -1 : 1;
    double i = ((const double *)a)[1], j = ((const double *)b)[1];
    return (i > j) - (i < j);
}

size_t clade_search_sort(const clade_history *h, double (*pair)[2], size_t *done)
{
    double worst = -INFINITY;
    size_t n = 0;
    *done = 0;
    for (size_t t = 0; t < h->known_count; t++)
        if (is_done(&h->known[t])) {
            worst = fmax(worst, value_of(h, &h->known[t]));
            ++*done;
        }
    if (*done < 2) return 0;
    for (int failed = 0; failed < 2; failed++)
        for (size_t t = 0; t < h->known_count; t++) {
            if (h->known[t].state == CLADE_TRIAL_RUNNING || is_done(&h->known[t]) == failed)
                continue;
            pair[n][0] = failed ? worst : value_of(h, &h->known[t]);
            pair[n++][1] = (double)t;
        }
    qsort(pair, *done, sizeof *pair, by_value);
    return n;
}

clade_status clade_search_fit(const clade_history *h, bool *nominal, size_t room, clade_gp **out,
                              double *unit)
{
    *out = NULL;
    double(*pair)[2] = malloc((h->known_count + 1) * sizeof *pair), y[clade_gp_most], x[most];
    if (!pair) return clade_fail(CLADE_ENOMEM, "out of memory for %zu trials", h->known_count);
    size_t done, n = clade_search_sort(h, pair, &done);
    if (n > clade_gp_most) n = clade_gp_most;
    for (size_t i = 0; i < n; i++) y[i] = pair[i][0];
    *unit = clade_warp(y, n);
    for (size_t i = 0; i < h->space.count; i++)
        nominal[i] = clade_space_is_nominal(&h->space.parameter[i]);
    clade_status status = CLADE_OK;
    if (n > 0) {
        status = clade_gp_create(h->space.count, nominal, h->options->noise,
                                 n + room < clade_gp_most ? n + room : clade_gp_most, out);
        for (size_t i = 0; i < n && !status; i++) {
            clade_space_to_unit(&h->space, h->known[(size_t)pair[i][1]].values, x);
            clade_gp_add(*out, x, y[i]);
        }
        if (!status) status = clade_gp_fit(*out);
        if (status) clade_gp_destroy(out);
    }
    free(pair);
    return status;
}

/* --- expected improvement --- */

typedef struct climber {
    const clade_history *h;
    const clade_gp *gp;
    double best;       /* the lowest mean at a trial */
    size_t free_count; /* coordinates that climb; the rest are fixed */
    size_t free[most];
    double unit[most];
} climber;

/* Returns log(φ(z) + zΦ(z)), and gives its ratios to Φ and φ. */
static double log_gain(double z, double *cdf_ratio, double *pdf_ratio)
{
    static const double log_root = 0.91893853320467274; /* log √2π */
    double log_pdf = -z * z / 2 - log_root;
    if (z > -8) {
        double pdf = exp(log_pdf), cdf = erfc(-z * 0.70710678118654752) / 2, gain = pdf + z * cdf;
        *cdf_ratio = cdf / gain;
        *pdf_ratio = pdf / gain;
        return log(gain);
    }
    /* the asymptotic series of Mills' ratio */
    double w = 1 / (z * z);
    double tail = w * (1 - w * (3 - w * (15 - w * 105))); /* gain / φ */
    *pdf_ratio = 1 / tail;
    *cdf_ratio = (1 - w * (1 - w * (3 - w * (15 - w * 105)))) / -z / tail;
    return log_pdf + log(tail);
}

/* Returns −log of the expected improvement at a point of the cube, and gives its gradient unless
 * NULL. */
static double regret(const climber *c, const double *unit, double *gradient)
{
    double mean, deviation, mean_dx[most], deviation_dx[most], cdf, pdf;
    clade_gp_predict(c->gp, unit, &mean, &deviation, gradient ? mean_dx : NULL, deviation_dx);
    double value = log_gain((c->best - mean) / deviation, &cdf, &pdf) + log(deviation);
    for (size_t i = 0; i < c->h->space.count && gradient; i++)
        gradient[i] = (cdf * mean_dx[i] - pdf * deviation_dx[i]) / deviation;
    return -value;
}

static double regret_of_free(void *user, const double *x, double *gradient)
{
    climber *c = user;
    double unit[most], all[most];
    memcpy(unit, c->unit, c->h->space.count * sizeof *unit);
    for (size_t i = 0; i < c->free_count; i++) unit[c->free[i]] = x[i];
    double value = regret(c, unit, all);
    for (size_t i = 0; i < c->free_count; i++) gradient[i] = all[c->free[i]];
    return value;
}

/* --- climbing --- */

static double regret_of_values(const climber *c, const double *values)
{
    double unit[most];
    clade_space_to_unit(&c->h->space, values, unit);
    return regret(c, unit, NULL);
}

/* Minimises over the continuous coordinates. */
static double slide(climber *c, double *values)
{
    static const double zeros[most];
    double x[most], ones[most];
    const clade_space *space = &c->h->space;
    clade_space_to_unit(space, values, c->unit);
    c->free_count = 0;
    for (size_t i = 0; i < space->count; i++) {
        if (isnan(values[i]) || clade_space_levels(&space->parameter[i]) > 0) continue;
        ones[c->free_count] = 1;
        x[c->free_count] = c->unit[i];
        c->free[c->free_count++] = i;
    }
    if (c->free_count == 0) return regret_of_values(c, values);
    clade_minimize(regret_of_free, c, c->free_count, zeros, ones, x, 40);
    for (size_t i = 0; i < c->free_count; i++)
        values[c->free[i]] = clade_space_decode(&space->parameter[c->free[i]], x[i]);
    return regret_of_values(c, values);
}

/* Moves values[i] to another level if that is better and was not tried; parameters that become
 * active or inactive are set anew. */
static bool try_level(const climber *c, double *values, double *value, size_t i, size_t level)
{
    const clade_space *space = &c->h->space;
    double other[most];
    memcpy(other, values, space->count * sizeof *other);
    other[i] = clade_space_level(&space->parameter[i], level);
    for (size_t k = 0; k < space->count; k++)
        if (isnan(other[k])) other[k] = clade_space_decode(&space->parameter[k], 0.5);
    clade_space_settle(space, other);
    double there = regret_of_values(c, other);
    if (!(there < *value - 1e-9) || clade_search_tried(c->h, other)) return false;
    *value = there;
    memcpy(values, other, space->count * sizeof *other);
    return true;
}

/* Tries other levels of each discrete coordinate: all if there are few, else in steps of 1, 2, 4,
 * … */
static bool hop(const climber *c, double *values, double *value)
{
    enum { few = 16 };
    const clade_space *space = &c->h->space;
    bool moved = false;
    for (size_t i = 0; i < space->count; i++) {
        const clade_tunable *p = &space->parameter[i];
        size_t levels = clade_space_levels(p);
        if (isnan(values[i]) || levels < 2) continue;
        size_t here = p->kind == CLADE_TUNABLE_CHOICE
                          ? (size_t)values[i]
                          : (size_t)floor((values[i] - p->low) / (p->step > 0 ? p->step : 1) + 0.5);
        if (levels <= few || clade_space_is_nominal(p)) {
            for (size_t level = 0; level < levels; level++)
                if (level != here) moved = try_level(c, values, value, i, level) || moved;
            continue;
        }
        for (size_t step = 1; step < levels; step *= 2) {
            if (here >= step) moved = try_level(c, values, value, i, here - step) || moved;
            if (here + step < levels) moved = try_level(c, values, value, i, here + step) || moved;
        }
    }
    return moved;
}

static double climb(climber *c, double *values)
{
    double value = regret_of_values(c, values);
    for (int round = 0; round < 8; round++) {
        double before = value, slid[most];
        memcpy(slid, values, c->h->space.count * sizeof *slid);
        double there = slide(c, slid);
        if (there < value) {
            value = there;
            memcpy(values, slid, c->h->space.count * sizeof *slid);
        }
        if (!hop(c, values, &value) || before - value < 1e-6) break;
    }
    return value;
}

/* --- where to begin --- */

typedef struct candidate {
    double regret, values[most];
} candidate;

static int by_regret(const void *a, const void *b)
{
    double x = ((const candidate *)a)->regret, y = ((const candidate *)b)->regret;
    return (x > y) - (x < y);
}

/* Draws settings near a good trial: some coordinates are moved a little or drawn anew. */
static void draw_near(const clade_history *h, const double *centre, clade_random *r, double *values)
{
    const clade_space *space = &h->space;
    double scale = pow(10, -3 * (double)clade_random_unit(r)), drawn[most];
    clade_space_draw(space, r, drawn);
    for (size_t i = 0; i < space->count; i++) {
        const clade_tunable *p = &space->parameter[i];
        double u = isnan(centre[i]) ? 0.5 : clade_space_encode(p, centre[i]);
        u += scale * 0.5 * (double)clade_random_normal(r);
        bool anew = clade_random_unit(r) < 0.15f;
        values[i] = clade_space_decode(p, u);
        if (!isnan(drawn[i]) && (anew || isnan(centre[i]))) values[i] = drawn[i];
        if (clade_space_is_nominal(p) && !anew && !isnan(centre[i])) values[i] = centre[i];
    }
    clade_space_settle(space, values);
}

/* Returns the done or running trial with the lowest mean, and gives that mean. */
static size_t find_best(const climber *c, double *best)
{
    double unit[most], mean, deviation;
    size_t found = 0;
    *best = INFINITY;
    for (size_t t = 0; t < c->h->known_count; t++) {
        if (c->h->known[t].state == CLADE_TRIAL_FAILED) continue;
        clade_space_to_unit(&c->h->space, c->h->known[t].values, unit);
        clade_gp_predict(c->gp, unit, &mean, &deviation, NULL, NULL);
        if (!(mean < *best)) continue;
        *best = mean;
        found = t;
    }
    return found;
}

/* Adds running trials with the mean that the process predicts for them (Ginsbourger, Le Riche and
 * Carraro 2010). */
static clade_status believe_running(const clade_history *h, clade_gp *gp)
{
    bool any = false;
    for (size_t t = 0; t < h->count; t++) {
        double unit[most], mean, deviation;
        if (h->trial[t].state != CLADE_TRIAL_RUNNING || clade_gp_count(gp) == clade_gp_most)
            continue;
        clade_space_to_unit(&h->space, h->trial[t].values, unit);
        clade_gp_predict(gp, unit, &mean, &deviation, NULL, NULL);
        clade_gp_add(gp, unit, mean);
        clade_status status = clade_gp_update(gp);
        if (status) return status;
        any = true;
    }
    return any ? clade_gp_update(gp) : CLADE_OK;
}

static clade_status maximize(climber *c, clade_suggestion *out, double *least)
{
    enum { draws = 1000, climbs = 12 };
    const clade_history *h = c->h;
    size_t best = find_best(c, &c->best), n = 0;
    candidate *all = malloc(draws * sizeof *all);
    if (!all) return clade_fail(CLADE_ENOMEM, "out of memory for a search");
    clade_random r = clade_search_random(h, clade_search_climb, h->count);
    for (int i = 0; i < draws; i++) {
        if (i % 2)
            draw_near(h, h->known[best].values, &r, all[n].values);
        else
            clade_space_draw(&h->space, &r, all[n].values);
        if (clade_search_tried_near(h, all[n].values, h->options->resolution)) continue;
        all[n].regret = regret_of_values(c, all[n].values);
        n++;
    }
    qsort(all, n, sizeof *all, by_regret);
    *least = INFINITY;
    for (size_t i = 0, climbed = 0; i < n && climbed < climbs; i++, climbed++) {
        double climbed_to[most];
        memcpy(climbed_to, all[i].values, sizeof climbed_to);
        double value = climb(c, climbed_to);
        if (clade_search_tried_near(h, climbed_to, h->options->resolution))
            value = all[i].regret; /* the starting point was new */
        else
            memcpy(all[i].values, climbed_to, sizeof climbed_to);
        if (!(value < *least)) continue;
        *least = value;
        memcpy(out->values, all[i].values, h->space.count * sizeof *out->values);
    }
    free(all);
    return CLADE_OK;
}

clade_status clade_search_propose(const clade_history *h, clade_suggestion *out)
{
    bool nominal[most];
    clade_gp *gp;
    double unit, least = INFINITY;
    size_t running = 0;
    for (size_t t = 0; t < h->count; t++) running += h->trial[t].state == CLADE_TRIAL_RUNNING;
    clade_status status = clade_search_fit(h, nominal, running, &gp, &unit);
    if (status) return status;
    if (!gp) return clade_search_spread(h, out->values);
    status = believe_running(h, gp);
    climber c = {.h = h, .gp = gp};
    if (!status) status = maximize(&c, out, &least);
    clade_gp_destroy(&gp);
    if (status) return status;
    if (!isfinite(least)) return clade_search_spread(h, out->values);
    out->improvement = exp(-least) * unit;
    return CLADE_OK;
}
