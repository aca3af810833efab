/* Converting parameters to the unit cube. */
#include "search/space.h"

#include <math.h>

static double step_of(const clade_tunable *p)
{
    return p->step > 0 ? p->step : p->kind == CLADE_TUNABLE_INTEGER ? 1 : 0;
}

size_t clade_space_levels(const clade_tunable *p)
{
    if (p->kind == CLADE_TUNABLE_CHOICE) return p->choice_count;
    double step = step_of(p);
    if (p->high <= p->low) return 1;
    return step > 0 ? (size_t)floor((p->high - p->low) / step * (1 + 1e-12) + 1e-9) + 1 : 0;
}

double clade_space_level(const clade_tunable *p, size_t level)
{
    if (p->kind == CLADE_TUNABLE_CHOICE) return (double)level;
    return fmin(p->low + step_of(p) * (double)level, p->high);
}

bool clade_space_is_nominal(const clade_tunable *p)
{
    return p->kind == CLADE_TUNABLE_CHOICE && !p->ordered;
}

double clade_space_encode(const clade_tunable *p, double value)
{
    if (p->kind == CLADE_TUNABLE_CHOICE)
        return p->choice_count > 1 ? value / (double)(p->choice_count - 1) : 0.5;
    if (p->high <= p->low) return 0.5;
    if (p->log) return log(value / p->low) / log(p->high / p->low);
    return (value - p->low) / (p->high - p->low);
}

double clade_space_decode(const clade_tunable *p, double u)
{
    size_t levels = clade_space_levels(p);
    u = fmin(fmax(u, 0), 1);
    if (p->kind == CLADE_TUNABLE_CHOICE) return floor(u * (double)(levels - 1) + 0.5);
    double value = p->log ? p->low * pow(p->high / p->low, u) : p->low + (p->high - p->low) * u;
    if (levels == 0) return fmin(fmax(value, p->low), p->high);
    double level = floor((value - p->low) / step_of(p) + 0.5);
    return clade_space_level(p, (size_t)fmin(fmax(level, 0), (double)(levels - 1)));
}

bool clade_tunable_is_active(const clade_tunable *parameters, size_t i, const double *values)
{
    const clade_tunable *p = &parameters[i];
    if (p->parent == 0) return true;
    for (size_t k = 0; k < p->when_count; k++)
        if (values[p->parent - 1] == p->when[k]) return true; /* never true for NaN */
    return false;
}

void clade_space_settle(const clade_space *space, double *values)
{
    for (size_t i = 0; i < space->count; i++)
        if (!clade_tunable_is_active(space->parameter, i, values)) values[i] = NAN;
}

void clade_space_to_unit(const clade_space *space, const double *values, double *unit)
{
    for (size_t i = 0; i < space->count; i++)
        unit[i] = isnan(values[i]) ? 0.5 : clade_space_encode(&space->parameter[i], values[i]);
}

/* All choices and evenly spaced levels are equally likely, including the first and the last. */
void clade_space_draw(const clade_space *space, clade_random *random, double *values)
{
    for (size_t i = 0; i < space->count; i++) {
        const clade_tunable *p = &space->parameter[i];
        size_t levels = clade_space_levels(p);
        if (levels > 0 && !p->log)
            values[i] = clade_space_level(p, clade_random_below(random, (uint32_t)levels));
        else
            values[i] = clade_space_decode(p, (double)clade_random_unit(random));
    }
    clade_space_settle(space, values);
}

bool clade_space_equal(const clade_space *space, const double *a, const double *b)
{
    for (size_t i = 0; i < space->count; i++)
        if (a[i] != b[i] && !(isnan(a[i]) && isnan(b[i]))) return false;
    return true;
}

/* Visits the parameters as a tree, since earlier values decide which later ones are active. */
static size_t count_from(const clade_space *space, size_t i, double *values, size_t limit)
{
    if (i == space->count) return 1;
    const clade_tunable *p = &space->parameter[i];
    size_t levels = clade_space_levels(p), total = 0;
    if (!clade_tunable_is_active(space->parameter, i, values)) {
        values[i] = NAN;
        return count_from(space, i + 1, values, limit);
    }
    if (levels == 0) return limit;
    for (size_t level = 0; level < levels && total < limit; level++) {
        values[i] = clade_space_level(p, level);
        total += count_from(space, i + 1, values, limit - total);
    }
    return total < limit ? total : limit;
}

size_t clade_space_size(const clade_space *space, size_t limit)
{
    double values[CLADE_MAX_TUNABLES];
    return count_from(space, 0, values, limit);
}
