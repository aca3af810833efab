/* The process: covariance, fit, prediction. */
#include "search/gp.h"
#include "search/matrix.h"
#include "search/minimize.h"

#include <clade/search.h>

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Coordinates of θ after the d log length scales. */
enum { variance_at, noise_at, more };

struct clade_gp {
    size_t d, n, room;
    const bool *nominal;
    double theta[CLADE_MAX_TUNABLES + more]; /* all logarithms */
    double mean, jitter, least_noise;
    double *x, *y;       /* [room, d], [room] */
    double *l, *a;       /* [n, n]: the factor; work space */
    double *alpha, *one; /* K⁻¹(y − mean), K⁻¹1 */
};

clade_status clade_gp_create(size_t d, const bool *nominal, double noise, size_t room,
                             clade_gp **out)
{
    assert(d <= CLADE_MAX_TUNABLES);
    clade_gp *gp = calloc(1, sizeof *gp);
    *out = gp;
    if (!gp) return clade_fail(CLADE_ENOMEM, "out of memory for a search");
    gp->d = d;
    gp->room = room;
    gp->nominal = nominal;
    gp->least_noise = fmin(fmax(noise, 1e-8), 1);
    gp->x = malloc((room * d + 1) * sizeof *gp->x);
    gp->y = malloc((room + 1) * sizeof *gp->y);
    gp->l = malloc((room * room + 1) * sizeof *gp->l);
    gp->a = malloc((room * room + 1) * sizeof *gp->a);
    gp->alpha = malloc((room + 1) * sizeof *gp->alpha);
    gp->one = malloc((room + 1) * sizeof *gp->one);
    if (gp->x && gp->y && gp->l && gp->a && gp->alpha && gp->one) return CLADE_OK;
    clade_gp_destroy(out);
    return clade_fail(CLADE_ENOMEM, "out of memory for %zu trials", room);
}

void clade_gp_destroy(clade_gp **handle)
{
    clade_gp *gp = *handle;
    if (!gp) return;
    free(gp->x);
    free(gp->y);
    free(gp->l);
    free(gp->a);
    free(gp->alpha);
    free(gp->one);
    free(gp);
    *handle = NULL;
}

void clade_gp_add(clade_gp *gp, const double *x, double y)
{
    assert(gp->n < gp->room);
    memcpy(gp->x + gp->n * gp->d, x, gp->d * sizeof *x);
    gp->y[gp->n++] = y;
}

size_t clade_gp_count(const clade_gp *gp) { return gp->n; }
double clade_gp_noise(const clade_gp *gp) { return exp(gp->theta[gp->d + noise_at]); }

/* --- covariance --- */

static double difference(const clade_gp *gp, size_t i, double a, double b)
{
    return gp->nominal[i] ? (double)(a != b) : a - b;
}

/* Returns the distance in length scales. */
static double distance(const clade_gp *gp, const double *inverse, const double *a, const double *b)
{
    double square = 0;
    for (size_t i = 0; i < gp->d; i++) {
        double delta = difference(gp, i, a[i], b[i]) * inverse[i];
        square += delta * delta;
    }
    return sqrt(square);
}

static const double root5 = 2.23606797749978969;

static double matern(double r) { return (1 + root5 * r + 5 * r * r / 3) * exp(-root5 * r); }
/* Returns −(dk/dr)/r, for a variance of 1. */
static double matern_slope(double r) { return 5.0 / 3 * (1 + root5 * r) * exp(-root5 * r); }

static void invert_lengths(const clade_gp *gp, double *inverse)
{
    for (size_t i = 0; i < gp->d; i++) inverse[i] = exp(-gp->theta[i]);
}

/* Factors the covariance matrix of the points, adding to the diagonal as needed; then computes the
 * best mean and the weights. Returns false if nothing helps. */
static bool factor(clade_gp *gp)
{
    static const double ladder[] = {0, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2};
    double inverse[CLADE_MAX_TUNABLES];
    double variance = exp(gp->theta[gp->d + variance_at]), noise = clade_gp_noise(gp);
    invert_lengths(gp, inverse);
    bool good = false;
    for (size_t rung = 0; rung < sizeof ladder / sizeof *ladder && !good; rung++) {
        gp->jitter = ladder[rung] * variance;
        for (size_t i = 0; i < gp->n; i++) {
            for (size_t j = 0; j < i; j++)
                gp->l[i * gp->n + j] =
                    variance * matern(distance(gp, inverse, gp->x + i * gp->d, gp->x + j * gp->d));
            gp->l[i * gp->n + i] = variance + noise + gp->jitter;
        }
        good = clade_matrix_factor(gp->n, gp->l);
    }
    if (!good) return false;
    double ones = 0, sum = 0;
    for (size_t i = 0; i < gp->n; i++) gp->one[i] = 1;
    clade_matrix_forward(gp->n, gp->l, gp->one);
    clade_matrix_backward(gp->n, gp->l, gp->one);
    for (size_t i = 0; i < gp->n; i++) {
        ones += gp->one[i];
        sum += gp->one[i] * gp->y[i];
    }
    gp->mean = sum / ones;
    for (size_t i = 0; i < gp->n; i++) gp->alpha[i] = gp->y[i] - gp->mean;
    clade_matrix_forward(gp->n, gp->l, gp->alpha);
    clade_matrix_backward(gp->n, gp->l, gp->alpha);
    return isfinite(gp->mean);
}

/* --- fit --- */

/* Priors: normal distributions of the logarithms. Length scales grow with the root of the
 * dimension, as typical distances do (Hvarfner, Hellsten and Nardi 2024). */
static double prior(const clade_gp *gp, const double *theta, double *gradient)
{
    static const double spread = 1.0, variance_spread = 1.0, noise_mean = -9, noise_spread = 3.0;
    double centre = log(0.5) + 0.5 * log((double)gp->d), sum = 0;
    for (size_t i = 0; i < gp->d + more; i++) {
        double middle = centre, width = spread;
        if (i == gp->d + variance_at) {
            middle = 0;
            width = variance_spread;
        } else if (i == gp->d + noise_at) {
            middle = noise_mean;
            width = noise_spread;
        }
        double z = (theta[i] - middle) / width;
        sum += z * z / 2;
        gradient[i] += z / width;
    }
    return sum;
}

/* Returns −log(likelihood × priors), and gives its gradient with respect to θ; the mean is optimal,
 * so that it adds nothing to the gradient. */
static double misfit(void *user, const double *theta, double *gradient)
{
    clade_gp *gp = user;
    size_t n = gp->n, d = gp->d;
    double inverse[CLADE_MAX_TUNABLES], value = 0;
    memcpy(gp->theta, theta, (d + more) * sizeof *theta);
    memset(gradient, 0, (d + more) * sizeof *gradient);
    if (!factor(gp)) return INFINITY;
    invert_lengths(gp, inverse);
    for (size_t i = 0; i < n; i++)
        value += (gp->y[i] - gp->mean) * gp->alpha[i] / 2 + log(gp->l[i * n + i]);
    clade_matrix_invert(n, gp->l, gp->a);
    double variance = exp(theta[d + variance_at]), noise = exp(theta[d + noise_at]);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) { /* both halves of the matrix */
            double w = gp->a[i * n + j] - gp->alpha[i] * gp->alpha[j];
            const double *a = gp->x + i * d, *b = gp->x + j * d;
            double r = distance(gp, inverse, a, b);
            double slope = w * variance * matern_slope(r);
            gradient[d + variance_at] += w * variance * matern(r);
            for (size_t k = 0; k < d; k++) {
                double delta = difference(gp, k, a[k], b[k]) * inverse[k];
                gradient[k] += slope * delta * delta;
            }
        }
        double w = (gp->a[i * n + i] - gp->alpha[i] * gp->alpha[i]) / 2;
        gradient[d + variance_at] += w * (variance + gp->jitter);
        gradient[d + noise_at] += w * noise;
    }
    return value + prior(gp, theta, gradient);
}

clade_status clade_gp_fit(clade_gp *gp)
{
    static const struct {
        double length, noise;
    } starts[] = {{0.5, 1e-3}, {0.15, 1e-5}, {1.5, 1e-1}};
    size_t d = gp->d, count = sizeof starts / sizeof *starts;
    double low[CLADE_MAX_TUNABLES + more], high[CLADE_MAX_TUNABLES + more];
    double best[CLADE_MAX_TUNABLES + more], least = INFINITY;
    for (size_t i = 0; i < d; i++) {
        low[i] = log(0.01);
        high[i] = log(30);
    }
    low[d + variance_at] = log(0.01);
    high[d + variance_at] = log(100);
    low[d + noise_at] = log(gp->least_noise);
    high[d + noise_at] = log(1);
    if (gp->n > 200) count = 1;
    for (size_t s = 0; s < count; s++) {
        double theta[CLADE_MAX_TUNABLES + more];
        for (size_t i = 0; i < d; i++) theta[i] = log(starts[s].length * sqrt((double)d));
        theta[d + variance_at] = 0;
        theta[d + noise_at] = log(starts[s].noise);
        double value = clade_minimize(misfit, gp, d + more, low, high, theta, 60);
        if (!(value < least)) continue;
        least = value;
        memcpy(best, theta, (d + more) * sizeof *best);
    }
    if (!isfinite(least))
        return clade_fail(CLADE_EMISMATCH, "the covariance of %zu trials cannot be factored",
                          gp->n);
    memcpy(gp->theta, best, (d + more) * sizeof *best);
    return clade_gp_update(gp);
}

clade_status clade_gp_update(clade_gp *gp)
{
    if (factor(gp)) return CLADE_OK;
    return clade_fail(CLADE_EMISMATCH, "the covariance of %zu trials cannot be factored", gp->n);
}

/* --- prediction --- */

void clade_gp_predict(const clade_gp *gp, const double *x, double *mean, double *deviation,
                      double *mean_dx, double *deviation_dx)
{
    size_t n = gp->n, d = gp->d;
    double inverse[CLADE_MAX_TUNABLES], k[clade_gp_most], v[clade_gp_most], r[clade_gp_most];
    double variance = exp(gp->theta[d + variance_at]), rest = variance;
    assert(n <= clade_gp_most);
    invert_lengths(gp, inverse);
    *mean = gp->mean;
    for (size_t i = 0; i < n; i++) {
        r[i] = distance(gp, inverse, x, gp->x + i * d);
        v[i] = k[i] = variance * matern(r[i]);
        *mean += k[i] * gp->alpha[i];
    }
    clade_matrix_forward(n, gp->l, v);
    for (size_t i = 0; i < n; i++) rest -= v[i] * v[i];
    *deviation = sqrt(fmax(rest, 1e-14 * variance));
    if (!mean_dx) return;
    clade_matrix_backward(n, gp->l, v); /* K⁻¹k */
    memset(mean_dx, 0, d * sizeof *mean_dx);
    memset(deviation_dx, 0, d * sizeof *deviation_dx);
    for (size_t i = 0; i < n; i++) {
        double slope = -variance * matern_slope(r[i]);
        for (size_t j = 0; j < d; j++) {
            if (gp->nominal[j]) continue;
            double dk = slope * (x[j] - gp->x[i * d + j]) * inverse[j] * inverse[j];
            mean_dx[j] += gp->alpha[i] * dk;
            deviation_dx[j] -= v[i] * dk / *deviation;
        }
    }
}
