/* Arithmetic of random draws that uses only additions, multiplications, divisions and square roots,
 * so that every machine draws the same; libm's last bits differ between machines. */
#ifndef CLADE_DATA_DRAW_H
#define CLADE_DATA_DRAW_H

#include "base/random.h"

#include <math.h>

/* Returns low + (high − low)·u for the next u. */
static inline double clade_draw(clade_random *r, double low, double high)
{
    return low + (high - low) * (double)clade_random_unit(r);
}

static inline bool clade_draw_is_range(const float range[2])
{
    return range[0] != 0 || range[1] != 0;
}

/* Returns the natural logarithm of x > 0: x is 2^k m, m within √½ … √2, and z = (m − 1) ÷ (m +
 * 1). */
static inline double clade_draw_log(double x)
{
    int k;
    double m = frexp(x, &k);
    if (m < 0.70710678118654752) m *= 2, k--;
    double z = (m - 1) / (m + 1), square = z * z, sum = 0;
    for (int i = 25; i >= 1; i -= 2) sum = sum * square + 1.0 / i;
    return 2 * z * sum + k * 0.69314718055994531;
}

/* Returns e^x, by its Taylor series on ±½ ln 2. */
static inline double clade_draw_exp(double x)
{
    double k = floor(x * 1.4426950408889634 + 0.5), r = x - k * 0.69314718055994531, sum = 1;
    for (int i = 18; i >= 1; i--) sum = 1 + sum * r / i;
    return ldexp(sum, (int)k);
}

/* Draws a number whose logarithm is uniform between those of low and high. */
static inline double clade_draw_ratio(clade_random *r, const float range[2])
{
    return clade_draw_exp(
        clade_draw(r, clade_draw_log((double)range[0]), clade_draw_log((double)range[1])));
}

/* Gives the rectangle with an area and a ratio of width to height, in whole pixels. */
static inline void clade_draw_sides(double area, double ratio, double *height, double *width)
{
    *width = floor(sqrt(area * ratio) + 0.5);
    *height = floor(sqrt(area / ratio) + 0.5);
}

#endif
