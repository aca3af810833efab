/* Targets that are numbers, and classes that have an order. */
#include "train/targets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static clade_status make(size_t targets, clade_target_scale *out)
{
    out->mean = calloc(targets, sizeof *out->mean);
    out->deviation = calloc(targets, sizeof *out->deviation);
    if (out->mean && out->deviation) return CLADE_OK;
    clade_target_scale_clear(out);
    return clade_fail(CLADE_ENOMEM, "out of memory for %zu targets", targets);
}

clade_status clade_target_scale_measure(const clade_dataset *dataset, clade_target_scale *out)
{
    const size_t targets = clade_dataset_classes(dataset);
    const size_t n = clade_dataset_count(dataset, CLADE_TRAIN);
    double *sum = calloc(2 * targets, sizeof *sum), *square = sum + targets;
    float *row = malloc(targets * sizeof *row);
    clade_status status = sum && row
                              ? make(targets, out)
                              : clade_fail(CLADE_ENOMEM, "out of memory for %zu targets", targets);
    for (size_t i = 0; i < n && !status; i++) {
        clade_dataset_target_row(dataset, CLADE_TRAIN, i, row);
        for (size_t k = 0; k < targets; k++) sum[k] += (double)row[k];
    }
    for (size_t i = 0; i < n && !status; i++) {
        clade_dataset_target_row(dataset, CLADE_TRAIN, i, row);
        for (size_t k = 0; k < targets; k++) {
            const double d = (double)row[k] - sum[k] / (double)n;
            square[k] += d * d;
        }
    }
    for (size_t k = 0; k < targets && !status; k++) {
        const float deviation = (float)sqrt(square[k] / (double)n);
        out->mean[k] = (float)(sum[k] / (double)n);
        out->deviation[k] = deviation > 0 ? deviation : 1;
    }
    free(sum);
    free(row);
    return status;
}

clade_status clade_target_scale_copy(const float *mean, const float *deviation, int32_t targets,
                                     clade_target_scale *out)
{
    clade_status status = make((size_t)targets, out);
    if (status) return status;
    memcpy(out->mean, mean, (size_t)targets * sizeof *mean);
    memcpy(out->deviation, deviation, (size_t)targets * sizeof *deviation);
    return CLADE_OK;
}

void clade_target_scale_clear(clade_target_scale *scale)
{
    free(scale->mean);
    free(scale->deviation);
    *scale = (clade_target_scale){0};
}

void clade_target_scale_apply(const clade_target_scale *scale, int32_t targets, float *row)
{
    if (!scale || !scale->mean) return;
    for (int32_t k = 0; k < targets; k++) row[k] = (row[k] - scale->mean[k]) / scale->deviation[k];
}

void clade_target_scale_undo(const clade_target_scale *scale, int32_t targets, size_t n, float *y)
{
    if (!scale || !scale->mean) return;
    for (size_t i = 0; i < n; i++, y += targets)
        for (int32_t k = 0; k < targets; k++) y[k] = y[k] * scale->deviation[k] + scale->mean[k];
}

void clade_steps_to_classes(const float *y, size_t n, int32_t classes, float *p)
{
    for (size_t i = 0; i < n; i++, y += classes - 1, p += classes) {
        float before = 1; /* of getting to the class */
        for (int32_t c = 0; c + 1 < classes; c++) {
            const float next = y[c] > before ? before : y[c]; /* NaN stays */
            p[c] = before - next;
            before = next;
        }
        p[classes - 1] = before;
    }
}
