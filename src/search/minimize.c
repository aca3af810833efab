/* Projected BFGS with backtracking. */
#include "search/minimize.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { most = clade_minimize_most };

typedef struct descent {
    size_t n;
    const double *low, *high;
    double x[most], g[most], d[most];
    bool held[most];      /* at a bound, with lower values only beyond it */
    double h[most][most]; /* approximation of the inverse Hessian */
} descent;

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void forget(descent *s)
{
    for (size_t i = 0; i < s->n; i++) {
        memset(s->h[i], 0, s->n * sizeof *s->h[i]);
        s->h[i][i] = 1;
    }
}

/* Computes the direction among the free variables; returns its slope, which is negative unless the
 * minimum is reached. */
static double aim(descent *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->held[i] =
            (s->x[i] <= s->low[i] && s->g[i] > 0) || (s->x[i] >= s->high[i] && s->g[i] < 0);
    for (size_t i = 0; i < s->n; i++) {
        s->d[i] = 0;
        for (size_t j = 0; j < s->n && !s->held[i]; j++)
            if (!s->held[j]) s->d[i] -= s->h[i][j] * s->g[j];
    }
    return dot(s->n, s->d, s->g);
}

/* Applies the update of Broyden, Fletcher, Goldfarb and Shanno after a step that changed the
 * gradient by y. */
static void learn(descent *s, const double *step, const double *y, bool first)
{
    double sy = dot(s->n, step, y), yy = dot(s->n, y, y), hy[most];
    if (!(sy > 1e-12 * sqrt(yy * dot(s->n, step, step)))) return;
    if (first)
        for (size_t i = 0; i < s->n; i++) s->h[i][i] = sy / yy;
    for (size_t i = 0; i < s->n; i++) hy[i] = dot(s->n, s->h[i], y);
    double factor = (1 + dot(s->n, y, hy) / sy) / sy;
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < s->n; j++)
            s->h[i][j] += factor * step[i] * step[j] - (hy[i] * step[j] + step[i] * hy[j]) / sy;
}

double clade_minimize(clade_smooth f, void *user, size_t n, const double *low, const double *high,
                      double *x, int steps)
{
    static const double enough = 1e-4, least_gain = 1e-10;
    assert(n <= most);
    descent s = {.n = n, .low = low, .high = high};
    double next[most], gradient[most], step[most], y[most];
    for (size_t i = 0; i < n; i++) s.x[i] = fmin(fmax(x[i], low[i]), high[i]);
    double value = f(user, s.x, s.g);
    bool fresh = true;
    forget(&s);
    for (int k = 0; k < steps && isfinite(value); k++) {
        double slope = aim(&s);
        if (slope >= 0 && !fresh) { /* the approximation has broken down */
            forget(&s);
            fresh = true;
            slope = aim(&s);
        }
        if (!(slope < 0)) break;
        /* the first step is short: the curvature is unknown */
        double t = 1, length = sqrt(dot(n, s.d, s.d)), there = NAN;
        if (fresh && length > 0.1) t = 0.1 / length;
        bool moved = false;
        for (int back = 0; back < 30 && !moved; back++, t /= 2) {
            for (size_t i = 0; i < n; i++) {
                next[i] = fmin(fmax(s.x[i] + t * s.d[i], low[i]), high[i]);
                step[i] = next[i] - s.x[i];
            }
            there = f(user, next, gradient);
            moved = there <= value + enough * dot(n, s.g, step);
        }
        if (!moved) {
            if (fresh) break;
            forget(&s);
            fresh = true;
            continue;
        }
        for (size_t i = 0; i < n; i++) y[i] = gradient[i] - s.g[i];
        learn(&s, step, y, fresh);
        fresh = false;
        double gain = value - there;
        value = there;
        memcpy(s.x, next, n * sizeof *next);
        memcpy(s.g, gradient, n * sizeof *gradient);
        if (gain <= least_gain * (1 + fabs(value))) break;
    }
    memcpy(x, s.x, n * sizeof *x);
    return value;
}
