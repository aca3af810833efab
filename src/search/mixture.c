/* The densities of Optuna's multivariate TPESampler (Falkner et al. 2018, "BOHB"; Watanabe 2023,
 * "Tree-structured Parzen estimator"). If a parameter is inactive in a trial, the trial's kernel
 * for it is the prior. */
#include "search/mixture.h"

#include <math.h>
#include <stdlib.h>

enum { recent = 25 };

/* --- coordinates --- */

static double step_of(const clade_tunable *p)
{
    if (p->kind == CLADE_TUNABLE_REAL) return p->step;
    return p->step > 0 ? p->step : 1;
}

static double half_step(const clade_tunable *p)
{
    return clade_space_levels(p) > 0 ? step_of(p) / 2 : 0;
}

static double to_line(const clade_tunable *p, double value) { return p->log ? log(value) : value; }

/* Returns the coordinate of a level's edge, half a step from its value. */
static double edge(const clade_tunable *p, double value)
{
    return p->log ? log(fmax(value, p->low / 2)) : value;
}

static double last_level(const clade_tunable *p)
{
    size_t levels = clade_space_levels(p);
    return levels ? clade_space_level(p, levels - 1) : p->high;
}

static double from_line(const clade_tunable *p, double x)
{
    double value = p->log ? exp(x) : x, low = p->kind == CLADE_TUNABLE_CHOICE ? 0 : p->low;
    size_t levels = clade_space_levels(p);
    if (levels == 0) return fmin(fmax(value, p->low), p->high);
    double level = floor((value - low) / step_of(p) + 0.5);
    return clade_space_level(p, (size_t)fmin(fmax(level, 0), (double)(levels - 1)));
}

/* --- the density of observations --- */

/* Returns an observation's weight; old ones count less: of n, the last 25 have weight 1, earlier
 * ones rise from 1 / n. */
static double weight_of(size_t i, size_t n)
{
    if (n <= recent || i >= n - recent) return 1;
    size_t ramp = n - recent;
    double first = 1 / (double)n;
    return ramp > 1 ? first + (1 - first) * (double)i / (double)(ramp - 1) : first;
}

/* Returns the mass of the normal distribution between two points, precise in both tails. */
static double mass(double from, double to)
{
    static const double root = 0.70710678118654752;
    return from > 0 ? (erfc(from * root) - erfc(to * root)) / 2
                    : (erfc(-to * root) - erfc(-from * root)) / 2;
}

static int by_mean(const void *a, const void *b)
{
    const double *p = *(const double *const *)a, *q = *(const double *const *)b;
    if (*p != *q) return *p < *q ? -1 : 1;
    return (p > q) - (p < q);
}

/* Sets the kernels of one parameter: an observation's width is its distance to the farther of its
 * neighbours. Overwrites order[kernels]. */
static void set_kernels(const clade_mixture *m, size_t i, const double **order)
{
    double *mean = m->mean + i * m->kernels, *deviation = m->deviation + i * m->kernels,
           *inside = m->inside + i * m->kernels;
    const double low = m->low[i], high = m->high[i], range = high - low;
    const double least = range / fmin(100, 1 + (double)m->kernels);
    size_t n = 0;
    for (size_t k = 0; k < m->kernels; k++)
        if (!isnan(mean[k])) order[n++] = &mean[k];
    qsort(order, n, sizeof *order, by_mean);
    for (size_t k = 0; k < n; k++) {
        double left = *order[k] - (k > 0 ? *order[k - 1] : low),
               right = (k + 1 < n ? *order[k + 1] : high) - *order[k];
        if (n > 1 && k == 0) left = 0; /* the ends of the range do not count as neighbours */
        if (n > 1 && k + 1 == n) right = 0;
        deviation[order[k] - mean] = fmin(fmax(fmax(left, right), least), range);
    }
    for (size_t k = 0; k < m->kernels; k++) {
        if (isnan(mean[k])) {
            mean[k] = (low + high) / 2;
            deviation[k] = range;
        }
        inside[k] = log(mass((low - mean[k]) / deviation[k], (high - mean[k]) / deviation[k]));
    }
}

/* Returns x, or NaN if it is outside the range, as in a study's files that were edited. */
static double within(const clade_mixture *m, size_t i, double x)
{
    return x >= m->low[i] && x <= m->high[i] ? x : NAN;
}

void clade_mixture_clear(clade_mixture *m) { free(m->weight); }

clade_status clade_mixture_make(const clade_history *h, const bool *is_good, bool good,
                                clade_mixture *m)
{
    *m = (clade_mixture){.space = &h->space, .kernels = 1};
    for (size_t t = 0; t < h->known_count; t++) m->kernels += is_good[t] == good;
    const size_t n = m->kernels, all = n * h->space.count;
    m->weight = malloc((n + 3 * all) * sizeof *m->weight);
    const double **order = malloc(n * sizeof *order);
    if (!m->weight || !order) {
        clade_mixture_clear(m);
        free(order);
        return clade_fail(CLADE_ENOMEM, "out of memory for %zu trials", h->known_count);
    }
    m->mean = m->weight + n;
    m->deviation = m->mean + all;
    m->inside = m->deviation + all;
    double sum = 1;
    for (size_t k = 0; k + 1 < n; k++) sum += m->weight[k] = weight_of(k, n - 1);
    m->weight[n - 1] = 1;
    for (size_t k = 0; k < n; k++) m->weight[k] = log(m->weight[k] / sum);
    for (size_t i = 0; i < h->space.count; i++) {
        const clade_tunable *p = &h->space.parameter[i];
        double low = p->kind == CLADE_TUNABLE_CHOICE ? 0 : p->low, half = half_step(p);
        double *mean = m->mean + i * n;
        m->low[i] = edge(p, low - half);
        m->high[i] = edge(p, last_level(p) + half);
        for (size_t t = 0; t < h->known_count; t++)
            if (is_good[t] == good) *mean++ = within(m, i, to_line(p, h->known[t].values[i]));
        *mean = NAN; /* the prior */
        if (!clade_space_is_nominal(p) && clade_space_levels(p) != 1) set_kernels(m, i, order);
    }
    free(order);
    return CLADE_OK;
}

/* --- what is drawn, and how likely it is --- */

/* Returns a choice's probability: a kernel gives its observed choice 1 + 1/K, and any other 1/K,
 * over their sum. */
static double choice_chance(const clade_mixture *m, size_t i, size_t kernel, double choice)
{
    double n = (double)m->space->parameter[i].choice_count, part = 1 / (double)m->kernels;
    double seen = m->mean[i * m->kernels + kernel];
    return isnan(seen) ? 1 / n : (part + (seen == choice)) / (1 + n * part);
}

/* Returns the log of a kernel's density, for levels of its mass. */
static double log_part(const clade_mixture *m, size_t i, size_t kernel, double value)
{
    static const double log_root = 0.91893853320467274; /* log √2π */
    const clade_tunable *p = &m->space->parameter[i];
    const size_t at = i * m->kernels + kernel;
    if (clade_space_levels(p) == 1) return 0;
    if (clade_space_is_nominal(p)) return log(choice_chance(m, i, kernel, value));
    double half = half_step(p), mean = m->mean[at], s = m->deviation[at];
    double z = (to_line(p, value) - mean) / s;
    if (half == 0) return -z * z / 2 - log_root - log(s) - m->inside[at];
    return log(mass((edge(p, value - half) - mean) / s, (edge(p, value + half) - mean) / s)) -
           m->inside[at];
}

double clade_mixture_log_density(const clade_mixture *m, const double *values, double *part)
{
    double most = -INFINITY, sum = 0;
    for (size_t k = 0; k < m->kernels; k++) {
        part[k] = m->weight[k];
        for (size_t i = 0; i < m->space->count; i++)
            if (!isnan(values[i])) part[k] += log_part(m, i, k, values[i]);
        most = fmax(most, part[k]);
    }
    for (size_t k = 0; k < m->kernels; k++) sum += exp(part[k] - most);
    return most + log(sum);
}

static double draw_part(const clade_mixture *m, size_t i, size_t kernel, clade_random *r)
{
    const clade_tunable *p = &m->space->parameter[i];
    const size_t at = i * m->kernels + kernel;
    double share, x;
    if (clade_space_levels(p) == 1) return clade_space_level(p, 0);
    if (clade_space_is_nominal(p)) {
        size_t choice = 0;
        share = (double)clade_random_unit(r);
        while (choice + 1 < p->choice_count && share >= choice_chance(m, i, kernel, (double)choice))
            share -= choice_chance(m, i, kernel, (double)choice++);
        return (double)choice;
    }
    do {
        x = m->mean[at] + m->deviation[at] * (double)clade_random_normal(r);
    } while (!(x >= m->low[i] && x <= m->high[i]));
    return from_line(p, x);
}

void clade_mixture_draw(const clade_mixture *m, clade_random *r, double *values)
{
    double share = (double)clade_random_unit(r);
    size_t kernel = 0;
    while (kernel + 1 < m->kernels && share >= exp(m->weight[kernel]))
        share -= exp(m->weight[kernel++]);
    for (size_t i = 0; i < m->space->count; i++) {
        values[i] = NAN;
        if (clade_tunable_is_active(m->space->parameter, i, values))
            values[i] = draw_part(m, i, kernel, r);
    }
}
