/* The importance of each parameter: the variance of the process' mean along it. */
#include "search/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { most = CLADE_MAX_TUNABLES, backgrounds = 128, points = 12 };

/* Returns the variance along coordinate i of the mean over all other coordinates. */
static double variance_along(const clade_space *space, const clade_gp *gp, size_t i,
                             double (*background)[most])
{
    const clade_tunable *p = &space->parameter[i];
    size_t levels = clade_space_levels(p), n = levels > 0 && levels < points ? levels : points;
    double sum = 0, square = 0;
    for (size_t k = 0; k < n; k++) {
        double share = n > 1 ? (double)k / (double)(n - 1) : 0.5, total = 0;
        for (size_t b = 0; b < backgrounds; b++) {
            double values[most], unit[most], mean, deviation;
            memcpy(values, background[b], space->count * sizeof *values);
            if (!isnan(values[i])) values[i] = clade_space_decode(p, share);
            clade_space_settle(space, values);
            clade_space_to_unit(space, values, unit);
            clade_gp_predict(gp, unit, &mean, &deviation, NULL, NULL);
            total += mean / backgrounds;
        }
        sum += total;
        square += total * total;
    }
    return fmax(square / (double)n - sum / (double)n * (sum / (double)n), 0);
}

clade_status clade_search_importance(const clade_search_options *options, const clade_trial *trials,
                                     size_t trial_count, double *share)
{
    enum { fewest = 4 };
    clade_status status = clade_search_check(options);
    if (status) return status;
    const clade_history h = {
        options, {options->parameters, options->count}, trials, trial_count, trials, trial_count};
    bool nominal[most];
    double unit, sum = 0;
    clade_gp *gp;
    for (size_t i = 0; i < options->count; i++) share[i] = 0;
    status = clade_search_fit(&h, nominal, 0, &gp, &unit);
    if (status == CLADE_EMISMATCH || (!status && !gp)) return CLADE_OK;
    if (status) return status;
    double(*background)[most] = malloc(backgrounds * sizeof *background);
    if (!background) status = clade_fail(CLADE_ENOMEM, "out of memory for a search");
    if (!status && clade_gp_count(gp) >= fewest) {
        clade_random r = clade_search_random(&h, clade_search_plan, most);
        for (size_t b = 0; b < backgrounds; b++) clade_space_draw(&h.space, &r, background[b]);
        for (size_t i = 0; i < options->count; i++)
            sum += share[i] = variance_along(&h.space, gp, i, background);
        for (size_t i = 0; i < options->count && sum > 0; i++) share[i] /= sum;
    }
    free(background);
    clade_gp_destroy(&gp);
    return status;
}
