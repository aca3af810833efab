/* Scores of predicted numbers. */
#include <clade/scores.h>

#include <math.h>

clade_number_scores clade_number_scores_of(const float *y, const float *target, size_t stride,
                                           size_t n)
{
    double mean = 0, square = 0, absolute = 0, spread = 0;
    for (size_t i = 0; i < n; i++) mean += (double)target[i * stride];
    mean /= (double)n; /* of numbers that are the same, it is exactly theirs */
    for (size_t i = 0; i < n; i++) {
        const double t = (double)target[i * stride], d = (double)y[i * stride] - t;
        square += d * d;
        absolute += fabs(d);
        spread += (t - mean) * (t - mean);
    }
    return (clade_number_scores){.mse = square / (double)n,
                                 .mae = absolute / (double)n,
                                 .r2 = spread > 0 ? 1 - square / spread : NAN};
}

void clade_number_metrics(const float *y, const float *target, size_t n, int32_t targets,
                          clade_metrics *out)
{
    *out = (clade_metrics){.count = n, .task = CLADE_TASK_REGRESSION, .classes = targets};
    int32_t spread = 0; /* targets that are not the same in all images */
    for (int32_t k = 0; k < targets && n > 0; k++) {
        const clade_number_scores s = clade_number_scores_of(y + k, target + k, (size_t)targets, n);
        out->mse += s.mse / targets;
        out->mae += s.mae / targets;
        if (isnan(s.r2)) continue;
        out->r2 += s.r2;
        spread++;
    }
    out->r2 = spread ? out->r2 / spread : NAN;
    out->loss = NAN;
}
