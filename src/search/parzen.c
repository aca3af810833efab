/* Tree-structured Parzen estimators: Bergstra et al. 2011, "Algorithms for hyper-parameter
 * optimization". The settings of the better trials have a density l, those of the others g. Of
 * several draws from l, the settings with the largest l / g are tried. */
#include "search/mixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { candidates = 24 };

/* part[] has room for the kernels of both. */
static void suggest(const clade_mixture *good, const clade_mixture *other, clade_random *r,
                    double *part, double *values)
{
    double best = -INFINITY, drawn[CLADE_MAX_TUNABLES];
    for (int c = 0; c < candidates; c++) {
        clade_mixture_draw(good, r, drawn);
        double gain = clade_mixture_log_density(good, drawn, part) -
                      clade_mixture_log_density(other, drawn, part);
        if (c > 0 && !(gain > best)) continue;
        best = gain;
        memcpy(values, drawn, good->space->count * sizeof *values);
    }
}

/* Marks the better ones of the known trials: a tenth of the done ones, at most 25. Returns their
 * number; 0: too few are done. */
static size_t split(const clade_history *h, double (*pair)[2], bool *is_good)
{
    size_t done, count = clade_search_sort(h, pair, &done);
    if (count == 0) return 0;
    count = (done + 9) / 10 < 25 ? (done + 9) / 10 : 25;
    for (size_t i = 0; i < count; i++) is_good[(size_t)pair[i][1]] = true;
    return count;
}

/* Repeats until the settings are new. *found: whether they are. */
static clade_status look(const clade_history *h, const bool *is_good, double *part, double *values,
                         bool *found)
{
    enum { tries = 32 };
    clade_mixture good, other;
    clade_status status = clade_mixture_make(h, is_good, true, &good);
    if (status) return status;
    status = clade_mixture_make(h, is_good, false, &other);
    clade_random r = clade_search_random(h, clade_search_climb, h->count);
    for (int k = 0; k < tries && !*found && !status; k++) {
        suggest(&good, &other, &r, part, values);
        *found = !clade_search_tried_near(h, values, h->options->resolution);
    }
    clade_mixture_clear(&good);
    if (!status) clade_mixture_clear(&other);
    return status;
}

clade_status clade_search_estimate(const clade_history *h, clade_suggestion *out)
{
    bool found = false;
    double(*pair)[2] = malloc((h->known_count + 1) * sizeof *pair);
    bool *is_good = calloc(h->known_count + 1, sizeof *is_good);
    clade_status status =
        pair && is_good ? CLADE_OK
                        : clade_fail(CLADE_ENOMEM, "out of memory for %zu trials", h->known_count);
    if (!status && split(h, pair, is_good) > 0)
        status = look(h, is_good, (double *)pair, out->values, &found);
    free(pair);
    free(is_good);
    return status || found ? status : clade_search_spread(h, out->values);
}
