/* Hyperband: the brackets of Li et al. 2018 (table 1), other numbers of epochs, fewer trials than
 * brackets have, failures, and workers side by side. */
#include "../test.h"

#include <clade/search.h>

#include <math.h>
#include <string.h>

enum { most_trials = 320, most_epochs = 81 };

/* A study in memory, in which a trial's objective is its value, from the first epoch. */
typedef struct study {
    clade_search_options options;
    clade_trial trial[most_trials];
    double values[most_trials][CLADE_MAX_TUNABLES];
    size_t count;
    int32_t until[most_trials];
} study;

static double curve[most_trials][most_epochs];
static const clade_tunable line = {.name = "x", .low = 0, .high = 1};

static study begin(int32_t epochs, size_t trials)
{
    return (study){.options = {.parameters = &line,
                               .count = 1,
                               .method = CLADE_SEARCH_HYPERBAND,
                               .maximize = true,
                               .epochs = epochs,
                               .trials = trials}};
}

/* Asks for the next; its position. `most`: none, as there are as many as there may be. */
static size_t ask(study *s, size_t most)
{
    clade_suggestion next;
    CHECK_OK(clade_search_next(&s->options, s->trial, s->count, &next));
    if (next.trial == most) return most;
    if (next.trial == s->count) {
        memcpy(s->values[s->count], next.values, sizeof next.values);
        s->trial[s->count] = (clade_trial){.values = s->values[s->count], .curve = curve[s->count]};
        s->count++;
    }
    clade_trial *t = &s->trial[next.trial];
    CHECK(t->epochs < (size_t)next.epochs);
    t->state = CLADE_TRIAL_RUNNING;
    s->until[next.trial] = next.epochs;
    return next.trial;
}

static void end(study *s, size_t t)
{
    for (int e = 0; e < s->until[t]; e++) curve[t][e] = s->values[t][0];
    s->trial[t].state = CLADE_TRIAL_DONE;
    s->trial[t].epochs = (size_t)s->until[t];
    s->trial[t].objective = s->values[t][0];
}

static void run(study *s, size_t most)
{
    for (size_t t; (t = ask(s, most)) < most;) end(s, t);
    CHECK(s->count == most);
}

/* Of the trials from `first` how many reached the epochs, and does none that is better lie below?
 */
static size_t reached(const study *s, size_t first, size_t count, int32_t epochs)
{
    size_t n = 0;
    double least = INFINITY, most = -INFINITY;
    for (size_t t = first; t < first + count; t++)
        if (s->trial[t].epochs >= (size_t)epochs) {
            n++;
            least = fmin(least, s->values[t][0]);
        } else {
            most = fmax(most, s->values[t][0]);
        }
    CHECK(least > most);
    return n;
}

static void has_the_papers_brackets(void)
{
    static const size_t table[5][5] = {{81, 27, 9, 3, 1}, {34, 11, 3, 1}, {15, 5, 1}, {8, 2}, {5}};
    static const int32_t rungs[5] = {1, 3, 9, 27, 81};
    static study s;
    s = begin(81, 0);
    CHECK(clade_search_round(&s.options) == 143);
    run(&s, 143);
    for (size_t bracket = 0, first = 0; bracket < 5; first += table[bracket++][0])
        for (size_t i = 0; bracket + i < 5; i++)
            CHECK(reached(&s, first, table[bracket][0], rungs[bracket + i]) == table[bracket][i]);
    size_t next = ask(&s, SIZE_MAX); /* then another round */
    CHECK(next == 143 && s.until[next] == 1);
}

/* Ten epochs: 1, 3 and 10; 3 and 10; 10. */
static void rounds_epochs_down(void)
{
    static study s;
    s = begin(10, 0);
    CHECK(clade_search_round(&s.options) == 17);
    run(&s, 17);
    CHECK(reached(&s, 0, 9, 3) == 3 && reached(&s, 0, 9, 10) == 1);
    CHECK(s.until[9] >= 3 && reached(&s, 9, 5, 10) == 1 && reached(&s, 14, 3, 10) == 3);
    s = begin(2, 0); /* too few to halve */
    CHECK(clade_search_round(&s.options) == 1);
    run(&s, 2);
    CHECK(s.until[1] == 2);
}

/* A bracket that cannot have all of its trials halves those that it has, also when more come later.
 */
static void stops_early(void)
{
    static study s;
    s = begin(81, 20);
    run(&s, 20);
    CHECK(reached(&s, 0, 20, 3) == 6 && reached(&s, 0, 20, 9) == 2);
    CHECK(reached(&s, 0, 20, 27) == 1 && reached(&s, 0, 20, 81) == 1);
    s.options.trials = 81;
    run(&s, 81);
    CHECK(s.count == 81);
}

/* Two workers: no rung is left before all of its trials are there, and none waits for another's
 * bracket. A failed trial goes nowhere. */
static void workers(void)
{
    static study s;
    s = begin(9, 0);
    size_t slow = ask(&s, SIZE_MAX);
    for (int k = 0; k < 12; k++) end(&s, ask(&s, SIZE_MAX));
    CHECK(s.count == 13 && reached(&s, 9, 4, 3) == 4); /* 8 beside the slow one, 4 of the second */
    for (size_t t = 0; t < 9; t++) CHECK(s.until[t] == 1);
    s.trial[slow].state = CLADE_TRIAL_FAILED;
    for (int k = 0; k < 3; k++) {
        size_t t = ask(&s, SIZE_MAX);
        CHECK(t < 9 && t != slow && s.until[t] == 3);
        end(&s, t);
    }
    CHECK(s.until[ask(&s, SIZE_MAX)] == 9);
}

int main(void)
{
    has_the_papers_brackets();
    rounds_epochs_down();
    stops_early();
    workers();
    return TEST_END();
}
