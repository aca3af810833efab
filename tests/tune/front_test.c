/* Two things to be good at and what is known of other trials: dominance, hypervolume, a search that
 * comes to the whole front, and one that begins where another ended. */
#include "functions.h"

#include "search/search.h"

#include "base/random.h"

#include "../test.h"

#include <math.h>
#include <string.h>

static void ranks(void)
{
    enum { count = 8 };
    static const double at[count][2] = {{0.9, 5}, {0.8, 3},  {0.8, 4}, {0.9, 5},
                                        {0.7, 3}, {0.95, 9}, {0.5, 6}, {0.99, 0}};
    static const size_t expected[count] = {1, 1, 2, 1, 2, 1, 3, 0};
    clade_search_options o = {.maximize = true};
    clade_trial trial[count];
    size_t rank[count];
    double volume;
    for (int t = 0; t < count; t++)
        trial[t] =
            (clade_trial){.state = CLADE_TRIAL_DONE, .objective = at[t][0], .cost = at[t][1]};
    trial[7].state = CLADE_TRIAL_FAILED;
    CHECK_OK(clade_search_rank(&o, trial, count, rank));
    CHECK(!memcmp(rank, expected, sizeof rank));
    /* against (0.5, 10): slabs of 0.45 by 1, 0.4 by 4 and 0.3 by 2 */
    CHECK_OK(clade_search_hypervolume(&o, trial, count, (const double[]){0.5, 10}, &volume));
    CHECK(fabs(volume - (0.45 + 1.6 + 0.6)) < 1e-12);
    CHECK_OK(clade_search_hypervolume(&o, trial, count, (const double[]){0.85, 6}, &volume));
    CHECK(fabs(volume - 0.05) < 1e-12); /* what is worse than the point adds nothing */
    o.maximize = false;
    CHECK_OK(clade_search_rank(&o, trial, count, rank));
    CHECK(rank[6] == 1 && rank[4] == 1 && rank[5] == 5);
    CHECK_OK(clade_search_hypervolume(&o, trial, count, (const double[]){1, 4}, &volume));
    CHECK(fabs(volume - 0.3) < 1e-12);
}

/* Both between their best and worst so far, costs by their logarithms: equation 2 of Knowles 2006
 * with rho 0.05. What failed or costs nothing has no place in it. */
static void joins_both(void)
{
    enum { count = 6 };
    static const double accuracy[count] = {0.5, 0.9, 0.7, 0.6, 0.99, 0.8},
                        cost[count] = {1, 100, 10, 31, 3, 0};
    const clade_search_options o = {.maximize = true, .seed = 5};
    for (uint64_t number = 10; number < 14; number++) {
        clade_trial trial[count];
        for (int t = 0; t < count; t++)
            trial[t] =
                (clade_trial){.state = CLADE_TRIAL_DONE, .objective = accuracy[t], .cost = cost[t]};
        trial[4].state = CLADE_TRIAL_FAILED;
        clade_search_scalarize(&o, number, trial, count);
        clade_random r =
            clade_random_start(5, CLADE_STREAM_TUNE, (uint64_t)clade_search_weights << 48 | number);
        const double weight = (double)clade_random_unit(&r);
        for (int t = 0; t < 4; t++) {
            const double a = weight * (0.9 - accuracy[t]) / 0.4,
                         b = (1 - weight) * log10(cost[t]) / 2;
            CHECK(fabs(trial[t].objective + fmax(a, b) + 0.05 * (a + b)) < 1e-12);
        }
        CHECK(isnan(trial[4].objective) && isnan(trial[5].objective));
    }
}

enum { trials = 40 };

/* x over [0, 1]: accuracy √x against cost e³ˣ, both rise; a second parameter makes both worse. All
 * x are on the front where y is 0. Gives the hypervolume over log of the cost after 40 trials. */
static double search(clade_search_method method, uint64_t seed)
{
    static const clade_tunable p[] = {{.name = "x", .high = 1}, {.name = "y", .high = 1}};
    static double values[trials][CLADE_MAX_TUNABLES];
    clade_trial trial[trials];
    double volume;
    clade_search_options o = {.parameters = p,
                              .count = 2,
                              .method = method,
                              .maximize = true,
                              .seed = seed,
                              .has_cost = true};
    for (size_t t = 0; t < trials; t++) {
        clade_suggestion next;
        CHECK_OK(clade_search_next(&o, trial, t, &next));
        memcpy(values[t], next.values, sizeof next.values);
        double x = next.values[0], y = next.values[1];
        trial[t] = (clade_trial){.values = values[t],
                                 .state = CLADE_TRIAL_DONE,
                                 .objective = sqrt(x) - y,
                                 .cost = exp(3 * x + y)};
    }
    for (size_t t = 0; t < trials; t++) trial[t].cost = log(trial[t].cost);
    CHECK_OK(clade_search_hypervolume(&o, trial, trials, (const double[]){0, 3}, &volume));
    return volume;
}

/* All of the front: the area under √x is 2/3, of three. */
static void finds_the_front(void)
{
    CHECK(search(CLADE_SEARCH_GP, 1) > 1.88);
    CHECK(search(CLADE_SEARCH_TPE, 1) > search(CLADE_SEARCH_RANDOM, 1) + 0.1);
    CHECK(search(CLADE_SEARCH_RANDOM, 1) < 1.7);
}

/* With the trials of another search the first one is already good, and may be one of theirs; what
 * they do not say of a parameter is left open. */
static void goes_on_from_others(clade_search_method method)
{
    const function *f = &functions[0];
    static double values[trials][CLADE_MAX_TUNABLES];
    clade_trial prior[trials];
    clade_suggestion next;
    clade_search_options o = {.parameters = f->parameters, .count = 2, .method = method};
    clade_random r = clade_random_start(3, CLADE_STREAM_TUNE, 1);
    for (size_t t = 0; t < trials; t++) {
        values[t][0] = -5 + 15 * (double)clade_random_unit(&r);
        values[t][1] = 15 * (double)clade_random_unit(&r);
        prior[t] = (clade_trial){
            .values = values[t], .state = CLADE_TRIAL_DONE, .objective = f->value(values[t])};
    }
    o.prior = prior;
    o.prior_count = trials;
    CHECK_OK(clade_search_next(&o, NULL, 0, &next));
    CHECK(next.trial == 0 && f->value(next.values) < f->least + 12);
    for (size_t t = 0; t < trials; t++) values[t][1] = NAN;
    CHECK_OK(clade_search_next(&o, NULL, 0, &next));
    CHECK(isfinite(next.values[0]) && next.values[1] >= 0 && next.values[1] <= 15);
}

int main(void)
{
    ranks();
    joins_both();
    finds_the_front();
    goes_on_from_others(CLADE_SEARCH_GP);
    goes_on_from_others(CLADE_SEARCH_TPE);
    return TEST_END();
}
