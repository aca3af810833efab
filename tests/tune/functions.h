/* Test functions with known minima, and a search that minimises one of them. */
#ifndef TUNE_FUNCTIONS_H
#define TUNE_FUNCTIONS_H

#include <clade/tune.h>

typedef struct function {
    const char *name;
    const clade_tunable *parameters;
    size_t count;
    double least;
    double (*value)(const double *v);
} function;

/* Branin, Hartmann 6, and a made-up one of six parameters: real, integer and choices, as a learning
 * rate, dropout, layers, units, a kernel and an optimizer might work together. */
enum { function_count = 3, function_trials = 200 };
extern const function functions[function_count];

/* Runs `trials` trials; regret[i] is how far the best of the first i + 1 is from the minimum. */
clade_status function_search(const function *f, clade_search_method method, uint64_t seed,
                             size_t trials, double *regret);

#endif
