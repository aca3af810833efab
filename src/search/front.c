/* Two objectives: sorting by dominance, hypervolume, and a scalar combination. */
#include "search/search.h"

#include <math.h>
#include <stdlib.h>

typedef struct front_point {
    double objective, cost; /* low is good */
    size_t trial;
} front_point;

static int by_objective(const void *a, const void *b)
{
    const front_point *p = a, *q = b;
    if (p->objective != q->objective) return p->objective < q->objective ? -1 : 1;
    if (p->cost != q->cost) return p->cost < q->cost ? -1 : 1;
    return (p->trial > q->trial) - (p->trial < q->trial);
}

/* Returns the done trials in order of the objective, then of the cost; the caller frees them. */
static clade_status sort_points(const clade_search_options *o, const clade_trial *trials,
                                size_t count, front_point **out, size_t *n)
{
    *n = 0;
    *out = malloc((count + 1) * sizeof **out);
    if (!*out) return clade_fail(CLADE_ENOMEM, "out of memory for %zu trials", count);
    for (size_t t = 0; t < count; t++)
        if (trials[t].state == CLADE_TRIAL_DONE && isfinite(trials[t].objective) &&
            isfinite(trials[t].cost))
            (*out)[(*n)++] = (front_point){o->maximize ? -trials[t].objective : trials[t].objective,
                                           trials[t].cost, t};
    qsort(*out, *n, sizeof **out, by_objective);
    return CLADE_OK;
}

clade_status clade_search_rank(const clade_search_options *options, const clade_trial *trials,
                               size_t trial_count, size_t *rank)
{
    front_point *p;
    size_t n;
    clade_status status = sort_points(options, trials, trial_count, &p, &n);
    if (status) return status;
    for (size_t t = 0; t < trial_count; t++) rank[t] = 0;
    for (size_t front = 1, left = n; left > 0; front++) {
        const front_point *last = NULL; /* the one with the lowest cost so far */
        for (size_t i = 0; i < n; i++) {
            if (rank[p[i].trial] > 0) continue;
            bool same = last && p[i].objective == last->objective && p[i].cost == last->cost;
            if (last && !same && p[i].cost >= last->cost) continue;
            rank[p[i].trial] = front;
            last = &p[i];
            left--;
        }
    }
    free(p);
    return CLADE_OK;
}

clade_status clade_search_hypervolume(const clade_search_options *options,
                                      const clade_trial *trials, size_t trial_count,
                                      const double worst[2], double *volume)
{
    front_point *p;
    size_t n;
    clade_status status = sort_points(options, trials, trial_count, &p, &n);
    if (status) return status;
    double objective = options->maximize ? -worst[0] : worst[0], cost = worst[1];
    *volume = 0;
    for (size_t i = 0; i < n; i++) { /* a slab for each trial that costs less than all better
                                      * ones */
        if (!(p[i].objective < objective) || !(p[i].cost < cost)) continue;
        *volume += (objective - p[i].objective) * (cost - p[i].cost);
        cost = p[i].cost;
    }
    free(p);
    return CLADE_OK;
}

/* Returns the position of a value between the best (0) and the worst (1). */
static double share_of(double value, double low, double high)
{
    return high > low ? (value - low) / (high - low) : 0;
}

/* Knowles 2006, "ParEGO", equation 2: the augmented Chebyshev norm of both, each scaled between its
 * best and its worst so far, with a weight drawn for each trial. Costs above 0 are compared by
 * their logarithms. */
void clade_search_scalarize(const clade_search_options *options, uint64_t number,
                            clade_trial *trials, size_t count)
{
    const double rho = 0.05, sign = options->maximize ? -1 : 1;
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    clade_random r = clade_random_start(options->seed, CLADE_STREAM_TUNE,
                                        (uint64_t)clade_search_weights << 48 | number);
    const double weight = (double)clade_random_unit(&r);
    for (size_t t = 0; t < count; t++) {
        clade_trial *trial = &trials[t];
        trial->cost = trial->cost > 0 ? log(trial->cost) : NAN;
        if (trial->state != CLADE_TRIAL_DONE || !isfinite(trial->cost)) trial->objective = NAN;
        if (!isfinite(trial->objective)) continue;
        const double value[2] = {sign * trial->objective, trial->cost};
        for (int i = 0; i < 2; i++) {
            low[i] = fmin(low[i], value[i]);
            high[i] = fmax(high[i], value[i]);
        }
    }
    for (size_t t = 0; t < count; t++) {
        double a = weight * share_of(sign * trials[t].objective, low[0], high[0]),
               b = (1 - weight) * share_of(trials[t].cost, low[1], high[1]);
        if (isfinite(trials[t].objective))
            trials[t].objective = sign * (fmax(a, b) + rho * (a + b));
    }
}
