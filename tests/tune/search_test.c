/* The search: better than chance on functions with known minima, never the same settings twice,
 * conditions, failures, workers side by side, matrices that are hard to factor, halving, bad input.
 */
#include "functions.h"

#include "../test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum { seeds = 5, trials = 35 };

static double median_regret(const function *f, clade_search_method method)
{
    double at_end[seeds];
    for (int seed = 0; seed < seeds; seed++) {
        double regret[trials];
        CHECK_OK(function_search(f, method, (uint64_t)seed, trials, regret));
        at_end[seed] = regret[trials - 1];
    }
    qsort(at_end, seeds, sizeof *at_end, ascending);
    return at_end[seeds / 2];
}

static void beats_chance(void)
{
    double branin = median_regret(&functions[0], CLADE_SEARCH_GP);
    double mixed = median_regret(&functions[2], CLADE_SEARCH_GP);
    CHECK(branin < 0.05);
    CHECK(branin < 0.1 * median_regret(&functions[0], CLADE_SEARCH_RANDOM));
    CHECK(mixed < 0.5 * median_regret(&functions[2], CLADE_SEARCH_RANDOM));
    CHECK(median_regret(&functions[0], CLADE_SEARCH_TPE) <
          0.5 * median_regret(&functions[0], CLADE_SEARCH_RANDOM));
    CHECK(median_regret(&functions[2], CLADE_SEARCH_TPE) <
          0.8 * median_regret(&functions[2], CLADE_SEARCH_RANDOM));
}

/* A study in memory. */
typedef struct study {
    clade_search_options options;
    clade_trial trial[128];
    double values[128][CLADE_MAX_TUNABLES];
    size_t count;
} study;

static bool is_new(const study *s, const double *values)
{
    for (size_t t = 0; t < s->count; t++) {
        bool same = true;
        for (size_t i = 0; i < s->options.count && same; i++)
            same = s->values[t][i] == values[i] || (isnan(s->values[t][i]) && isnan(values[i]));
        if (same) return false;
    }
    return true;
}

static void add(study *s, const double *values, clade_trial_state state, double objective)
{
    memcpy(s->values[s->count], values, sizeof s->values[0]);
    s->trial[s->count] =
        (clade_trial){.values = s->values[s->count], .state = state, .objective = objective};
    s->count++;
}

static const char *const words[] = {"sgd", "adam", "adamw"};
static const double only_sgd[] = {0}, two_or_more[] = {2, 3};
static const clade_tunable tree[] = {
    {.name = "optimizer",
     .kind = CLADE_TUNABLE_CHOICE,
     .choices = words,
     .choice_count = 3,
     .has_start = true,
     .start = 1},
    {.name = "momentum",
     .low = 0.5,
     .high = 0.9,
     .step = 0.2,
     .parent = 1,
     .when = only_sgd,
     .when_count = 1},
    {.name = "layers", .kind = CLADE_TUNABLE_INTEGER, .low = 1, .high = 3},
    {.name = "second",
     .kind = CLADE_TUNABLE_INTEGER,
     .low = 8,
     .high = 24,
     .step = 8,
     .parent = 3,
     .when = two_or_more,
     .when_count = 2}};

/* 5 optimizers with momentum × (1 + 2 · 3) layers: each once, then an error. */
static void exhausts(clade_search_method method)
{
    study s = {.options = {.parameters = tree, .count = 4, .method = method, .seed = 3}};
    clade_suggestion next;
    for (size_t t = 0; t < 35; t++) {
        CHECK_OK(clade_search_next(&s.options, s.trial, s.count, &next));
        CHECK(next.trial == t);
        CHECK(is_new(&s, next.values));
        CHECK(isnan(next.values[1]) == (next.values[0] != 0));
        CHECK(isnan(next.values[3]) == (next.values[2] < 2));
        if (t == 0) CHECK(next.values[0] == 1);
        add(&s, next.values, t % 5 == 4 ? CLADE_TRIAL_FAILED : CLADE_TRIAL_DONE,
            (double)(t % 7) + next.values[0]);
    }
    CHECK_FAILS(clade_search_next(&s.options, s.trial, s.count, &next), CLADE_ECANCELLED,
                "every one of the 35 settings");
}

/* Several workers are told different things, whose first trial may take longest, and one seed
 * always the same. */
static void workers_differ(clade_search_method method)
{
    study s = {.options = {.parameters = functions[1].parameters, .count = 6, .method = method}};
    for (size_t t = 0; t < 24; t++) {
        clade_suggestion next, again;
        CHECK_OK(clade_search_next(&s.options, s.trial, s.count, &next));
        CHECK_OK(clade_search_next(&s.options, s.trial, s.count, &again));
        CHECK(!memcmp(next.values, again.values, 6 * sizeof *next.values));
        CHECK(is_new(&s, next.values));
        double least = 1;
        for (size_t u = 0; u < s.count; u++) {
            double far = 0;
            for (size_t i = 0; i < 6; i++) far += fabs(s.values[u][i] - next.values[i]);
            least = fmin(least, far);
        }
        CHECK(least > 0.01); /* running trials drive the next away */
        add(&s, next.values, t > 0 && t < 14 ? CLADE_TRIAL_DONE : CLADE_TRIAL_RUNNING,
            functions[1].value(next.values));
    }
}

/* With a resolution all trials differ by as much. */
static void keeps_apart(void)
{
    study s = {.options = {.parameters = functions[0].parameters,
                           .count = 2,
                           .method = CLADE_SEARCH_GP,
                           .resolution = 0.05}};
    for (int t = 0; t < 30; t++) {
        clade_suggestion next;
        CHECK_OK(clade_search_next(&s.options, s.trial, s.count, &next));
        for (size_t u = 0; u < s.count && s.count >= 6; u++) /* ranges of 15 */
            CHECK(fabs(s.values[u][0] - next.values[0]) > 0.75 ||
                  fabs(s.values[u][1] - next.values[1]) > 0.75);
        add(&s, next.values, CLADE_TRIAL_DONE, functions[0].value(next.values));
    }
}

/* Points that lie as good as on each other, the same objective for all, terrible outliers. */
static void never_dies(void)
{
    const clade_tunable line = {.name = "x", .low = 0, .high = 1};
    for (int kind = 0; kind < 4; kind++) {
        study s = {.options = {.parameters = &line, .count = 1, .method = CLADE_SEARCH_GP}};
        for (int t = 0; t < 40; t++) {
            double x[CLADE_MAX_TUNABLES] = {0.5 + (kind == 0 ? 1e-13 : 1e-9) * t};
            double y = kind == 1 ? 7 : kind == 2 ? (t % 10 ? t : 1e300) : (t % 2 ? 1 : -1);
            add(&s, x, kind == 3 && t != 5 ? CLADE_TRIAL_FAILED : CLADE_TRIAL_DONE, y);
        }
        for (int t = 0; t < 5; t++) {
            clade_suggestion next;
            CHECK_OK(clade_search_next(&s.options, s.trial, s.count, &next));
            CHECK(next.values[0] >= 0 && next.values[0] <= 1);
            CHECK(is_new(&s, next.values));
            add(&s, next.values, CLADE_TRIAL_DONE, kind == 1 ? 7 : next.values[0]);
        }
    }
}

/* Failures on one side keep the search on the other. */
static void avoids_failures(void)
{
    const clade_tunable line = {.name = "x", .low = 0, .high = 1};
    study s = {.options = {.parameters = &line, .count = 1, .method = CLADE_SEARCH_GP, .seed = 1}};
    int failed_late = 0;
    for (int t = 0; t < 30; t++) {
        clade_suggestion next;
        CHECK_OK(clade_search_next(&s.options, s.trial, s.count, &next));
        bool fails = next.values[0] > 0.6;
        if (t >= 15) failed_late += fails;
        add(&s, next.values, fails ? CLADE_TRIAL_FAILED : CLADE_TRIAL_DONE,
            (next.values[0] - 0.5) * (next.values[0] - 0.5));
    }
    CHECK(failed_late <= 5);
}

/* Nine trials of one epoch: three go on to three epochs, one to nine. */
static void halves(void)
{
    const clade_tunable line = {.name = "x", .low = 0, .high = 1};
    static double curve[64][9];
    study s = {.options = {.parameters = &line,
                           .count = 1,
                           .method = CLADE_SEARCH_ASHA,
                           .maximize = true,
                           .epochs = 9,
                           .least = 1}};
    int ended[10] = {0};
    for (int step = 0; step < 64; step++) {
        clade_suggestion next;
        CHECK_OK(clade_search_next(&s.options, s.trial, s.count, &next));
        if (next.trial == 9) break;
        if (next.trial == s.count) add(&s, next.values, CLADE_TRIAL_DONE, 0);
        clade_trial *t = &s.trial[next.trial];
        CHECK(t->epochs < (size_t)next.epochs);
        /* what goes on is of the best third of those that came as far */
        size_t there = 0, better = 0;
        for (size_t u = 0; u < s.count && t->epochs > 0; u++) {
            there += s.trial[u].epochs >= t->epochs;
            better += s.trial[u].epochs >= t->epochs && s.values[u][0] > t->values[0];
        }
        CHECK(t->epochs == 0 || better < there / 3);
        for (int e = 0; e < next.epochs; e++) curve[next.trial][e] = t->values[0] * (e + 1);
        t->curve = curve[next.trial];
        t->epochs = (size_t)next.epochs;
    }
    CHECK(s.count == 9);
    size_t best = 0;
    for (size_t t = 0; t < s.count; t++) {
        ended[s.trial[t].epochs]++;
        if (s.values[t][0] > s.values[best][0]) best = t;
    }
    CHECK(ended[1] + ended[3] + ended[9] == 9);
    CHECK(ended[3] + ended[9] >= 3);
    CHECK(ended[9] >= 1);
    CHECK(s.trial[best].epochs == 9);
}

/* y depends on the second of three parameters nearly alone. */
static void weighs(void)
{
    const clade_tunable cube[] = {
        {.name = "a", .high = 1},
        {.name = "b", .high = 1},
        {.name = "c", .kind = CLADE_TUNABLE_CHOICE, .choices = words, .choice_count = 3}};
    study s = {.options = {.parameters = cube, .count = 3, .method = CLADE_SEARCH_RANDOM}};
    double share[3];
    CHECK_OK(clade_search_importance(&s.options, s.trial, 0, share));
    CHECK(share[0] == 0 && share[1] == 0 && share[2] == 0);
    for (int t = 0; t < 30; t++) {
        clade_suggestion next;
        CHECK_OK(clade_search_next(&s.options, s.trial, s.count, &next));
        add(&s, next.values, CLADE_TRIAL_DONE, sin(5 * next.values[1]) + 0.05 * next.values[0]);
    }
    CHECK_OK(clade_search_importance(&s.options, s.trial, s.count, share));
    CHECK(share[1] > 0.9);
    CHECK(fabs(share[0] + share[1] + share[2] - 1) < 1e-9);
}

static void refuses(void)
{
    clade_tunable p = {.name = "lr", .low = 1, .high = 0.1};
    clade_search_options o = {.parameters = &p, .count = 1};
    CHECK_FAILS(clade_search_check(&o), CLADE_EINVAL, "lr: the range is the wrong way round");
    p = (clade_tunable){.name = "lr", .low = 0, .high = 1, .log = true};
    CHECK_FAILS(clade_search_check(&o), CLADE_EINVAL, "greater than 0");
    p = (clade_tunable){.name = "n", .kind = CLADE_TUNABLE_INTEGER, .low = 0.5, .high = 2};
    CHECK_FAILS(clade_search_check(&o), CLADE_EINVAL, "whole numbers");
    p = (clade_tunable){.name = "lr", .low = 0, .high = INFINITY};
    CHECK_FAILS(clade_search_check(&o), CLADE_EINVAL, "finite");
    p = (clade_tunable){.name = "c", .kind = CLADE_TUNABLE_CHOICE};
    CHECK_FAILS(clade_search_check(&o), CLADE_EINVAL, "found none");
    p = (clade_tunable){.name = "n", .high = 1, .parent = 1};
    CHECK_FAILS(clade_search_check(&o), CLADE_EINVAL, "comes later");
    o.count = 0;
    CHECK_FAILS(clade_search_check(&o), CLADE_EINVAL, "nothing to search");
}

int main(void)
{
    beats_chance();
    exhausts(CLADE_SEARCH_GP);
    exhausts(CLADE_SEARCH_RANDOM);
    exhausts(CLADE_SEARCH_TPE);
    workers_differ(CLADE_SEARCH_GP);
    workers_differ(CLADE_SEARCH_TPE);
    keeps_apart();
    never_dies();
    avoids_failures();
    halves();
    weighs();
    refuses();
    return TEST_END();
}
