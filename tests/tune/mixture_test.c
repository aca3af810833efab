/* The densities of the Parzen estimators: the numbers of Optuna 5.0 (_ParzenEstimator,
 * multivariate, prior_weight 1, magic clip), sums of 1 over all levels, draws as likely as the
 * density says, and trials without a value. */
#include "search/mixture.h"

#include "functions.h"

#include "../test.h"

#include <math.h>
#include <string.h>

enum { most = 30 };

static clade_mixture make(clade_history *h, const clade_tunable *p, size_t count,
                          double (*values)[CLADE_MAX_TUNABLES], size_t trials)
{
    static clade_trial trial[most];
    static const bool is_good[most];
    clade_mixture m;
    for (size_t t = 0; t < trials; t++) trial[t] = (clade_trial){.values = values[t]};
    *h = (clade_history){.space = {p, count}, .known = trial, .known_count = trials};
    CHECK_OK(clade_mixture_make(h, is_good, false, &m));
    return m;
}

static void is_optunas(void)
{
    double seen[3][CLADE_MAX_TUNABLES] = {
        {1e-3, 0.1, 2, 32, 1, 0}, {3e-3, 0.5, 4, 100, 0, 2}, {5e-2, 0.2, 6, 500, 2, 2}};
    static const double at[4][6] = {{2e-3, 0.3, 3, 64, 1, 1},
                                    {1e-4, 0, 1, 16, 0, 0},
                                    {1e-1, 0.6, 6, 512, 2, 2},
                                    {4e-2, 0.25, 5, 400, 2, 2}},
                        expected[4] = {-10.9340402636, -9.44730097781, -11.8667300871,
                                       -10.8796624998};
    double part[most + 1];
    clade_history h;
    clade_mixture m = make(&h, functions[2].parameters, 6, seen, 3);
    for (int i = 0; i < 4; i++)
        CHECK(fabs(clade_mixture_log_density(&m, at[i], part) - expected[i]) < 1e-6);
    clade_mixture_clear(&m);
}

/* Of more than 25 trials those of old count less. */
static void forgets(void)
{
    const clade_tunable line = {.name = "x", .high = 1};
    static double seen[most][CLADE_MAX_TUNABLES];
    static const double at[5] = {0, 0.05, 0.333, 0.8, 1},
                        expected[5] = {-0.877549701447, 0.140320931193, 0.109903508312,
                                       -0.248176629465, -0.443945559327};
    double part[most + 1];
    clade_history h;
    for (int i = 0; i < most; i++) seen[i][0] = fmod((i + 1) * 0.618034, 1);
    clade_mixture m = make(&h, &line, 1, seen, most);
    for (int i = 0; i < 5; i++)
        CHECK(fabs(clade_mixture_log_density(&m, &at[i], part) - expected[i]) < 1e-6);
    clade_mixture_clear(&m);
}

/* Levels of each kind, one of them without a meaning for some: all masses are 1 together, and draws
 * come as often. */
static void draws_what_is_likely(void)
{
    enum { draws = 20000 };
    static const char *const words[] = {"a", "b", "c"};
    static const double only_b[] = {1};
    const clade_tunable p[] = {
        {.name = "word", .kind = CLADE_TUNABLE_CHOICE, .choices = words, .choice_count = 3},
        {.name = "n",
         .kind = CLADE_TUNABLE_INTEGER,
         .low = 1,
         .high = 4,
         .log = true,
         .parent = 1,
         .when = only_b,
         .when_count = 1},
        {.name = "fixed", .low = 2, .high = 2}};
    double seen[5][CLADE_MAX_TUNABLES] = {{0, NAN, 2},
                                          {1, 4, 2},
                                          {1, 2, 2},
                                          {NAN, NAN, NAN},
                                          {1, 1e9, 2}}; /* of another study; beyond */
    int often[3][5] = {{0}};
    double sum = 0, part[most + 1];
    clade_history h;
    clade_mixture m = make(&h, p, 3, seen, 5);
    clade_random r = clade_random_start(1, CLADE_STREAM_TUNE, 1);
    for (int k = 0; k < draws; k++) {
        double values[CLADE_MAX_TUNABLES];
        clade_mixture_draw(&m, &r, values);
        CHECK(isnan(values[1]) == (values[0] != 1) && values[2] == 2);
        often[(int)values[0]][isnan(values[1]) ? 0 : (int)values[1]]++;
    }
    for (int word = 0; word < 3; word++)
        for (int n = word == 1; n <= (word == 1 ? 4 : 0); n++) {
            const double values[] = {word, n ? n : NAN, 2};
            double chance = exp(clade_mixture_log_density(&m, values, part));
            sum += chance;
            CHECK(fabs(often[word][n] / (double)draws - chance) < 0.015);
        }
    CHECK(fabs(sum - 1) < 1e-12);
    clade_mixture_clear(&m);
}

/* What is tried next is, of 24 settings that are drawn from the better tenth of the trials, the one
 * with the largest quotient of both densities. */
static void suggests_the_best_quotient(size_t trials)
{
    enum { room = 300, drawn = 24 };
    static double seen[room][CLADE_MAX_TUNABLES];
    static clade_trial trial[room];
    static double part[room + 1];
    const function *f = &functions[0];
    const clade_search_options o = {
        .parameters = f->parameters, .count = 2, .method = CLADE_SEARCH_TPE, .seed = 4};
    bool is_good[room] = {false};
    clade_random r = clade_random_start(9, CLADE_STREAM_TUNE, trials);
    for (size_t t = 0; t < trials; t++) {
        seen[t][0] = -5 + 15 * (double)clade_random_unit(&r);
        seen[t][1] = 15 * (double)clade_random_unit(&r);
        trial[t] = (clade_trial){
            .values = seen[t], .state = CLADE_TRIAL_DONE, .objective = f->value(seen[t])};
    }
    const size_t good = trials < 250 ? (trials + 9) / 10 : 25;
    for (size_t t = 0; t < trials; t++) {
        size_t better = 0;
        for (size_t u = 0; u < trials; u++) better += trial[u].objective < trial[t].objective;
        is_good[t] = better < good;
    }
    const clade_history h = {&o, {f->parameters, 2}, trial, trials, trial, trials};
    clade_mixture of_good, of_others;
    clade_suggestion next;
    double best[2] = {NAN, NAN}, largest = -INFINITY, values[CLADE_MAX_TUNABLES];
    CHECK_OK(clade_mixture_make(&h, is_good, true, &of_good));
    CHECK_OK(clade_mixture_make(&h, is_good, false, &of_others));
    r = clade_search_random(&h, clade_search_climb, trials);
    for (int k = 0; k < drawn; k++) {
        clade_mixture_draw(&of_good, &r, values);
        const double quotient = clade_mixture_log_density(&of_good, values, part) -
                                clade_mixture_log_density(&of_others, values, part);
        if (!(quotient > largest)) continue;
        largest = quotient;
        memcpy(best, values, sizeof best);
    }
    CHECK_OK(clade_search_next(&o, trial, trials, &next));
    CHECK(next.trial == trials && !memcmp(next.values, best, sizeof best));
    clade_mixture_clear(&of_good);
    clade_mixture_clear(&of_others);
}

int main(void)
{
    is_optunas();
    forgets();
    draws_what_is_likely();
    suggests_the_best_quotient(31);
    suggests_the_best_quotient(280);
    return TEST_END();
}
