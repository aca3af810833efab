/* Twins: nets that differ by little, and how far apart they are. */
#include "conform/twin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

clade_status clade_twin_move(const clade_tensor *weights, double spread, clade_random random)
{
    if (!clade_tensor_present(weights)) return CLADE_OK;
    size_t count = clade_tensor_count(weights);
    float *v = malloc(count * sizeof *v);
    if (!v) return clade_fail(CLADE_ENOMEM, "out of memory for weights");
    clade_status status = clade_tensor_read(weights, v);
    for (size_t i = 0; i < count; i++)
        v[i] += v[i] * clade_random_uniform(&random, -(float)spread, (float)spread);
    if (!status) status = clade_tensor_write(weights, v);
    free(v);
    return status;
}

double clade_twin_distance(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (b ? (double)b[i] : 0);
        sum += d * d;
    }
    return sqrt(sum);
}

size_t clade_twin_worst(const float *a, const float *b, size_t n, bool exact)
{
    size_t at = 0;
    double most = -1;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (exact ? memcmp(&a[i], &b[i], sizeof *a) != 0 : !(d < INFINITY)) return i;
        if (d <= most) continue;
        most = d;
        at = i;
    }
    return at;
}
