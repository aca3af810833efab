/* Half-rank warping (as in Song et al. 2024, "The Vizier Gaussian process bandit algorithm"). */
#include "search/warp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Returns the normal distribution's quantile for p in (0, 1), by bisection of erfc. */
static double quantile(double p)
{
    double low = -10, high = 10;
    while (high - low > 1e-9) {
        double middle = (low + high) / 2;
        if (erfc(-middle * 0.70710678118654752) / 2 < p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

/* Returns the rank of `value` in `sorted`, from 0: the mean rank of those equal to it. */
static double rank_of(const double *sorted, size_t n, double value)
{
    size_t below = 0, same = 0;
    for (size_t i = 0; i < n; i++) {
        below += sorted[i] < value;
        same += sorted[i] == value;
    }
    return (double)below + 0.5 * (double)(same - 1);
}

double clade_warp(double *y, size_t n)
{
    double sorted[512], mean = 0, square = 0, unit;
    if (n == 0 || n > 512) return 1;
    memcpy(sorted, y, n * sizeof *y);
    qsort(sorted, n, sizeof *sorted, ascending);
    double median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
    /* the spread of the better half, taken as half of a normal distribution */
    size_t good = 0;
    for (size_t i = 0; i < n && sorted[i] <= median; i++, good++)
        square += (sorted[i] - median) * (sorted[i] - median);
    double spread = sqrt(square / (double)good);
    if (spread > 0)
        for (size_t i = 0; i < n; i++)
            if (y[i] > median)
                y[i] = median +
                       spread * fmax(quantile((rank_of(sorted, n, y[i]) + 0.5) / (double)n), 0);
    for (size_t i = 0; i < n; i++) mean += y[i] / (double)n;
    square = 0;
    for (size_t i = 0; i < n; i++) square += (y[i] - mean) * (y[i] - mean);
    unit = sqrt(square / (double)n);
    if (!(unit > 0)) unit = 1;
    for (size_t i = 0; i < n; i++) y[i] = (y[i] - mean) / unit;
    return unit;
}
