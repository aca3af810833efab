/* Whitening kernels: patches of training images, their covariance, its eigenvectors. */
#include "train/whitening.h"

#include "nn/graph.h"
#include "train/copy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_IMAGES = 5000, MOST_PATCHES = 5000000, MOST_SWEEPS = 60 };

static const double eps = 5e-4; /* added to eigenvalues (Jordan 2024) */

/* --- eigenvectors --- */

/* Takes a[p, q] to zero (Golub and Van Loan, Matrix Computations, 8.5). */
static void rotate(size_t n, double *a, double *vector, size_t p, size_t q)
{
    const double apq = a[p * n + q];
    if (apq == 0) return;
    const double tau = (a[q * n + q] - a[p * n + p]) / (2 * apq);
    const double t = (tau >= 0 ? 1 : -1) / (fabs(tau) + sqrt(1 + tau * tau));
    const double c = 1 / sqrt(1 + t * t), s = t * c;
    for (size_t k = 0; k < n; k++) {
        const double akp = a[k * n + p], akq = a[k * n + q];
        a[k * n + p] = c * akp - s * akq;
        a[k * n + q] = s * akp + c * akq;
    }
    for (size_t k = 0; k < n; k++) {
        const double apk = a[p * n + k], aqk = a[q * n + k];
        a[p * n + k] = c * apk - s * aqk;
        a[q * n + k] = s * apk + c * aqk;
    }
    a[p * n + q] = a[q * n + p] = 0;
    for (size_t k = 0; k < n; k++) {
        const double vp = vector[p * n + k], vq = vector[q * n + k];
        vector[p * n + k] = c * vp - s * vq;
        vector[q * n + k] = s * vp + c * vq;
    }
}

/* What is left beside the diagonal, and the diagonal, as sums of squares. */
static bool is_diagonal(size_t n, const double *a)
{
    double beside = 0, along = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) *(i == j ? &along : &beside) += a[i * n + j] * a[i * n + j];
    return beside <= 1e-30 * along;
}

static void make_positive(size_t n, double *v)
{
    size_t largest = 0;
    for (size_t k = 1; k < n; k++)
        if (fabs(v[k]) > fabs(v[largest])) largest = k;
    for (size_t k = 0; v[largest] < 0 && k < n; k++)
        if (k != largest) v[k] = -v[k];
    v[largest] = fabs(v[largest]);
}

static void swap(double *x, double *y, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const double kept = x[k];
        x[k] = y[k];
        y[k] = kept;
    }
}

void clade_whitening_eigen(size_t n, double *a, double *value, double *vector)
{
    for (size_t i = 0; i < n * n; i++) vector[i] = i % (n + 1) == 0;
    for (int sweep = 0; sweep < MOST_SWEEPS && !is_diagonal(n, a); sweep++)
        for (size_t p = 0; p < n; p++)
            for (size_t q = p + 1; q < n; q++) rotate(n, a, vector, p, q);
    for (size_t i = 0; i < n; i++) value[i] = a[i * n + i];
    for (size_t i = 0; i < n; i++) {
        size_t largest = i;
        for (size_t k = i + 1; k < n; k++)
            if (value[k] > value[largest]) largest = k;
        if (largest != i) {
            swap(value + i, value + largest, 1);
            swap(vector + i * n, vector + largest * n, n);
        }
        make_positive(n, vector + i * n);
    }
}

/* --- patches --- */

/* Sums over patches [rows, columns, channels] of size n, and what they are taken of. */
typedef struct patch_sums {
    int32_t image[3], size[2];
    size_t n;
    double *x;      /* [image]: an image as the net gets it */
    double *patch;  /* [n] */
    double *sum;    /* [n] */
    double *square; /* [n, n], of which the upper half is summed */
} patch_sums;

static void add_patch(patch_sums *s, int32_t row, int32_t column)
{
    const size_t width = (size_t)s->size[1] * (size_t)s->image[2];
    for (int32_t i = 0; i < s->size[0]; i++)
        memcpy(s->patch + (size_t)i * width,
               s->x +
                   ((size_t)(row + i) * (size_t)s->image[1] + (size_t)column) * (size_t)s->image[2],
               width * sizeof *s->x);
    for (size_t i = 0; i < s->n; i++) {
        s->sum[i] += s->patch[i];
        for (size_t j = i; j < s->n; j++) s->square[i * s->n + j] += s->patch[i] * s->patch[j];
    }
}

static void add_image(patch_sums *s, const clade_preprocessing *p, const uint8_t *pixels)
{
    const size_t channels = (size_t)s->image[2];
    const size_t count = (size_t)s->image[0] * (size_t)s->image[1] * channels;
    for (size_t i = 0; i < count; i++) {
        const float scale = p->scale[i % channels];
        s->x[i] = (double)(scale == 0 ? 1 : scale) * pixels[i] + (double)p->shift[i % channels];
    }
    for (int32_t i = 0; i + s->size[0] <= s->image[0]; i++)
        for (int32_t j = 0; j + s->size[1] <= s->image[1]; j++) add_patch(s, i, j);
}

/* From sums over m patches to the covariance in `square`. */
static void make_covariance(patch_sums *s, double m)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = i; j < s->n; j++) {
            double *at = &s->square[i * s->n + j];
            *at = *at / m - s->sum[i] / m * (s->sum[j] / m);
            s->square[j * s->n + i] = *at;
        }
}

/* Images evenly from all over the split, so that every class has some; as many patches as suffice
 * for their covariance. */
static clade_status sum_patches(const clade_dataset *dataset, const clade_preprocessing *p,
                                patch_sums *s)
{
    const size_t all = clade_dataset_count(dataset, CLADE_TRAIN);
    const int64_t places = (int64_t)(s->image[0] - s->size[0] + 1) * (s->image[1] - s->size[1] + 1);
    size_t images = (size_t)(MOST_PATCHES / places);
    if (images > MOST_IMAGES) images = MOST_IMAGES;
    if (images < 1) images = 1;
    if (images > all) images = all;
    const size_t bytes = (size_t)s->image[0] * (size_t)s->image[1] * (size_t)s->image[2];
    uint8_t *pixels = malloc(bytes);
    if (!pixels) return clade_fail(CLADE_ENOMEM, "out of memory for an image");
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < images && !status; i++) {
        status = clade_dataset_pixels(dataset, CLADE_TRAIN, i * all / images, pixels);
        if (!status) add_image(s, p, pixels);
    }
    free(pixels);
    make_covariance(s, (double)images * (double)places);
    return status;
}

/* --- kernels --- */

static bool whitens(const clade_layer *layer)
{
    return layer->kind == CLADE_LAYER_CONV2D && layer->as.conv2d.init == CLADE_INIT_WHITENING;
}

bool clade_whitening_is_wanted(const clade_model *model)
{
    const clade_graph *graph = clade_model_graph(model);
    for (int32_t i = 1; i < clade_graph_layers(graph); i++)
        if (whitens(clade_graph_layer(graph, i))) return true;
    return false;
}

/* Each eigenvector over the root of its eigenvalue, and behind them their negatives: to kernel
 * [n, 2 n]. */
static void make_kernel(size_t n, const double *value, const double *vector, float *kernel)
{
    for (size_t i = 0; i < n; i++) {
        const double scale = sqrt(fmax(value[i], 0) + eps);
        for (size_t k = 0; k < n; k++) {
            const float w = (float)(vector[i * n + k] / scale);
            kernel[k * 2 * n + i] = w;
            kernel[k * 2 * n + n + i] = -w;
        }
    }
}

static clade_status load_layer(const clade_dataset *dataset,
                               const clade_preprocessing *preprocessing,
                               const clade_parameter *parameter)
{
    const int32_t *dim = parameter->value.dim;
    patch_sums s = {.size = {dim[0], dim[1]},
                    .n = (size_t)dim[0] * (size_t)dim[1] * (size_t)dim[2]};
    clade_dataset_shape(dataset, s.image);
    const size_t n = s.n, size = (size_t)s.image[0] * (size_t)s.image[1] * (size_t)s.image[2];
    double *memory = calloc(size + 3 * n + 2 * n * n, sizeof *memory);
    float *kernel = malloc(2 * n * n * sizeof *kernel);
    clade_status status = CLADE_OK;
    if (memory && kernel) {
        s.x = memory;
        s.patch = s.x + size;
        s.sum = s.patch + n;
        s.square = s.sum + n;
        double *vector = s.square + n * n, *value = vector + n * n;
        status = sum_patches(dataset, preprocessing, &s);
        if (!status) {
            clade_whitening_eigen(n, s.square, value, vector);
            make_kernel(n, value, vector, kernel);
            status = clade_tensor_write(&parameter->value, kernel);
        }
    } else {
        status = clade_fail(CLADE_ENOMEM, "out of memory for %s", parameter->name);
    }
    free(kernel);
    free(memory);
    return clade_context(status, "%s", parameter->name);
}

clade_status clade_whitening_load(const clade_dataset *dataset,
                                  const clade_preprocessing *preprocessing, clade_model *model)
{
    const clade_graph *graph = clade_model_graph(model);
    clade_status status = CLADE_OK;
    for (int32_t i = 1; i < clade_graph_layers(graph) && !status; i++) {
        const clade_layer *layer = clade_graph_layer(graph, i);
        char name[CLADE_NAME_SIZE + 8];
        if (!whitens(layer)) continue;
        snprintf(name, sizeof name, "%s/kernel", layer->name);
        status = load_layer(dataset, preprocessing, clade_model_find(model, name));
    }
    return status;
}
