/* The functions and the search. */
#include "functions.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static const clade_tunable branin_parameters[] = {{.name = "x0", .low = -5, .high = 10},
                                                  {.name = "x1", .low = 0, .high = 15}};

static double branin(const double *v)
{
    double b = 5.1 / (4 * pi * pi), c = 5 / pi, t = 1 / (8 * pi), x = v[0];
    double q = v[1] - b * x * x + c * x - 6;
    return q * q + 10 * (1 - t) * cos(x) + 10;
}

static const clade_tunable hartmann_parameters[] = {
    {.name = "x0", .high = 1}, {.name = "x1", .high = 1}, {.name = "x2", .high = 1},
    {.name = "x3", .high = 1}, {.name = "x4", .high = 1}, {.name = "x5", .high = 1}};

static double hartmann6(const double *v)
{
    static const double alpha[4] = {1.0, 1.2, 3.0, 3.2};
    static const double a[4][6] = {{10, 3, 17, 3.5, 1.7, 8},
                                   {0.05, 10, 17, 0.1, 8, 14},
                                   {3, 3.5, 1.7, 10, 17, 8},
                                   {17, 8, 0.05, 10, 0.1, 14}};
    static const double p[4][6] = {{1312, 1696, 5569, 124, 8283, 5886},
                                   {2329, 4135, 8307, 3736, 1004, 9991},
                                   {2348, 1451, 3522, 2883, 3047, 6650},
                                   {4047, 8828, 8732, 5743, 1091, 381}};
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        double square = 0;
        for (int j = 0; j < 6; j++)
            square += a[i][j] * (v[j] - 1e-4 * p[i][j]) * (v[j] - 1e-4 * p[i][j]);
        sum += alpha[i] * exp(-square);
    }
    return -sum;
}

static const char *const kernels[] = {"3", "5", "7"};
static const char *const optimizers[] = {"sgd", "rmsprop", "adam"};
static const clade_tunable mixed_parameters[] = {
    {.name = "lr", .low = 1e-4, .high = 1e-1, .log = true},
    {.name = "dropout", .low = 0, .high = 0.6},
    {.name = "layers", .kind = CLADE_TUNABLE_INTEGER, .low = 1, .high = 6},
    {.name = "units", .kind = CLADE_TUNABLE_INTEGER, .low = 16, .high = 512, .log = true},
    {.name = "kernel",
     .kind = CLADE_TUNABLE_CHOICE,
     .choices = kernels,
     .choice_count = 3,
     .ordered = true},
    {.name = "optimizer", .kind = CLADE_TUNABLE_CHOICE, .choices = optimizers, .choice_count = 3}};

static double mixed(const double *v)
{
    static const double best_rate[] = {-1.5, -3.0, -2.5}, offset[] = {0.05, 0.02, 0},
                        width[] = {0.35, 0.15, 0.2};
    int optimizer = (int)v[5];
    double rate = log10(v[0]) - best_rate[optimizer], layers = v[2], kernel = 3 + 2 * v[4];
    double dropout = v[1] - 0.1 * layers, units = log2(v[3]) - 7 - 0.5 * (layers - 4);
    double fitting = layers <= 2 ? 5 : 3;
    return offset[optimizer] + width[optimizer] * rate * rate + 0.03 * (layers - 4) * (layers - 4) +
           1.5 * dropout * dropout + 0.02 * units * units + 0.02 * fabs(kernel - fitting) +
           0.02 * (1 - cos(4 * pi * rate));
}

const function functions[function_count] = {
    {"branin", branin_parameters, 2, 0.39788735772973816, branin},
    {"hartmann6", hartmann_parameters, 6, -3.322368011391339, hartmann6},
    {"mixed", mixed_parameters, 6, 0, mixed},
};

clade_status function_search(const function *f, clade_search_method method, uint64_t seed,
                             size_t trials, double *regret)
{
    static double values[function_trials][CLADE_MAX_TUNABLES];
    clade_trial trial[function_trials];
    const clade_search_options options = {
        .parameters = f->parameters, .count = f->count, .method = method, .seed = seed};
    double best = INFINITY;
    for (size_t t = 0; t < trials; t++) {
        clade_suggestion next;
        clade_status status = clade_search_next(&options, trial, t, &next);
        if (status) return status;
        memcpy(values[t], next.values, sizeof next.values);
        trial[t] = (clade_trial){
            .values = values[t], .state = CLADE_TRIAL_DONE, .objective = f->value(next.values)};
        best = fmin(best, trial[t].objective);
        regret[t] = best - f->least;
    }
    return CLADE_OK;
}
