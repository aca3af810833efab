/* Gaussian processes: that they go through what they know, and their gradients against differences;
 * the minimizer on functions whose minima are known, in a box and at its edge. */
#include "search/gp.h"
#include "search/minimize.h"

#include "../test.h"

#include <math.h>

enum { d = 3, points = 14 };

static double truth(const double *x) { return sin(4 * x[0]) + x[1] * x[1] - 0.5 * x[2] * x[0]; }

/* Mean and deviation, `step` further along coordinate i. */
static void predict(const clade_gp *gp, const double *x, size_t i, double step, double got[2])
{
    double at[d];
    for (size_t k = 0; k < d; k++) at[k] = x[k] + (k == i ? step : 0);
    clade_gp_predict(gp, at, &got[0], &got[1], NULL, NULL);
}

static void test_predict(void)
{
    static const bool nominal[d] = {false};
    static const double step = 1e-5;
    clade_gp *gp = NULL;
    double x[points][d], mean, deviation, mean_dx[d], deviation_dx[d];
    CHECK_OK(clade_gp_create(d, nominal, 1e-6, points, &gp));
    for (size_t t = 0; t < points && gp; t++) {
        for (size_t i = 0; i < d; i++) x[t][i] = fmod(0.37 + (double)(t * (i + 2)) * 0.618034, 1);
        clade_gp_add(gp, x[t], truth(x[t]));
    }
    CHECK_OK(clade_gp_fit(gp));
    for (size_t t = 0; t < points && gp; t++) {
        clade_gp_predict(gp, x[t], &mean, &deviation, NULL, NULL);
        CHECK(fabs(mean - truth(x[t])) < 0.02);
        const double between[d] = {0.5 * (x[t][0] + x[0][0]), 0.9 * x[t][1], 0.1 + 0.8 * x[t][2]};
        clade_gp_predict(gp, between, &mean, &deviation, mean_dx, deviation_dx);
        for (size_t i = 0; i < d; i++) {
            double more[2], less[2];
            predict(gp, between, i, step, more);
            predict(gp, between, i, -step, less);
            const double slope = (more[0] - less[0]) / (2 * step);
            const double spread = (more[1] - less[1]) / (2 * step);
            CHECK(fabs(mean_dx[i] - slope) < 1e-4 * (1 + fabs(slope)));
            CHECK(fabs(deviation_dx[i] - spread) < 1e-4 * (1 + fabs(spread)));
        }
    }
    clade_gp_destroy(&gp);
}

/* Rosenbrock's valley, whose minimum is 0 at (1, 1). */
static double valley(void *user, const double *x, double *gradient)
{
    const double up = x[1] - x[0] * x[0], aside = 1 - x[0];
    ++*(int *)user;
    gradient[0] = -400 * x[0] * up - 2 * aside;
    gradient[1] = 200 * up;
    return 100 * up * up + aside * aside;
}

static void test_minimize(void)
{
    static const double low[2] = {-2, -2}, high[2] = {2, 2}, narrow[2] = {0.5, 2};
    double x[2] = {-1.2, 1};
    int calls = 0;
    CHECK(clade_minimize(valley, &calls, 2, low, high, x, 100) < 1e-10);
    CHECK(fabs(x[0] - 1) < 1e-4 && fabs(x[1] - 1) < 1e-4);
    CHECK(calls < 100); /* steepest descent takes thousands */
    x[0] = -1.2, x[1] = 1;
    CHECK(fabs(clade_minimize(valley, &calls, 2, low, narrow, x, 100) - 0.25) < 1e-8);
    CHECK(x[0] == 0.5 && fabs(x[1] - 0.25) < 1e-4);
}

int main(void)
{
    test_predict();
    test_minimize();
    return TEST_END();
}
