/* Augmented images from the op that training uses. */
#include "report/inspect_augment.h"

#include <math.h>
#include <stdlib.h>

/* What one run of the op reads and writes. */
typedef struct augment_writer {
    clade_buffer *x, *index, *matrix, *y, *steps;
    float *host;    /* y's values, or the matrices, then the steps before */
    int32_t *zeros; /* every output takes the one image */
} augment_writer;

static void clear(augment_writer *w)
{
    clade_buffer_destroy(&w->x);
    clade_buffer_destroy(&w->index);
    clade_buffer_destroy(&w->matrix);
    clade_buffer_destroy(&w->y);
    clade_buffer_destroy(&w->steps);
    free(w->host);
    free(w->zeros);
}

enum { steps_of_one = 2 * CLADE_ADJUST_STEPS }; /* floats; more than a matrix has */

/* Colours of y's n images. */
static clade_status adjust(augment_writer *w, const clade_recipe *recipe, clade_device *device,
                           const clade_tensor *y, uint64_t position)
{
    const size_t count = (size_t)y->dim[0], bytes = count * steps_of_one * sizeof *w->host;
    clade_args args = {
        .image_adjust = {
            .x = *y,
            .steps = {.dtype = CLADE_F32, .rank = 3, .dim = {y->dim[0], CLADE_ADJUST_STEPS, 2}},
            .y = *y,
            .scale = {1, 1, 1, 1}}};
    for (size_t k = 0; k < count; k++)
        clade_augment_adjust(clade_recipe_augment(recipe), clade_recipe_training(recipe)->seed, k,
                             position, w->host + steps_of_one * k);
    clade_status status = clade_buffer_create(device, bytes, &w->steps);
    if (!status) status = clade_buffer_write(w->steps, 0, w->host, bytes);
    args.image_adjust.steps.buffer = w->steps;
    return status ? status : clade_op_run(device, CLADE_OP_image_adjust, &args);
}

/* Writes what is erased of the image of epoch k: a value of the model's input, as the pixel that is
 * scaled to it. */
static void erase(const clade_recipe *recipe, const int32_t hwc[3], uint64_t k, uint64_t position,
                  float *image)
{
    const clade_augment *augment = clade_recipe_augment(recipe);
    const clade_preprocessing *p = clade_recipe_preprocessing(recipe);
    int32_t rectangles[4 * CLADE_ERASE_RECTANGLES];
    clade_augment_erase(augment, hwc[0], hwc[1], clade_recipe_training(recipe)->seed, k, position,
                        rectangles);
    for (const int32_t *r = rectangles; r < rectangles + 4 * CLADE_ERASE_RECTANGLES; r += 4)
        for (int32_t i = r[0]; i < r[2]; i++)
            for (int32_t j = r[1]; j < r[3]; j++)
                for (int32_t c = 0; c < hwc[2]; c++)
                    image[(i * hwc[1] + j) * hwc[2] + c] =
                        (augment->erasing.value - p->shift[c]) / p->scale[c];
}

static clade_status sample(augment_writer *w, const clade_recipe *recipe, clade_device *device,
                           const int32_t hwc[3], int32_t n, uint64_t position,
                           const uint8_t *pixels, uint8_t *out)
{
    const clade_augment *augment = clade_recipe_augment(recipe);
    size_t size = (size_t)hwc[0] * (size_t)hwc[1] * (size_t)hwc[2], count = (size_t)n;
    w->host = malloc(count * (size > steps_of_one ? size : steps_of_one) * sizeof *w->host);
    w->zeros = calloc(count, sizeof *w->zeros);
    if (!w->host || !w->zeros)
        return clade_fail(CLADE_ENOMEM, "out of memory for augmented images");
    for (size_t k = 0; k < count; k++)
        clade_augment_matrix(augment, hwc[0], hwc[1], clade_recipe_training(recipe)->seed, k,
                             position, w->host + 8 * k);
    clade_args args = {
        .affine_sample = {.x = {.dtype = CLADE_U8, .rank = 4, .dim = {1, hwc[0], hwc[1], hwc[2]}},
                          .index = {.dtype = CLADE_I32, .rank = 1, .dim = {n}},
                          .matrix = {.dtype = CLADE_F32, .rank = 2, .dim = {n, 8}},
                          .y = {.dtype = CLADE_F32, .rank = 4, .dim = {n, hwc[0], hwc[1], hwc[2]}},
                          .fill = (int32_t)augment->fill,
                          .value = augment->fill_value,
                          .scale = {1, 1, 1, 1}}};
    clade_status status = clade_buffer_create(device, size, &w->x);
    if (!status) status = clade_buffer_create(device, count * sizeof *w->zeros, &w->index);
    if (!status) status = clade_buffer_create(device, count * 8 * sizeof *w->host, &w->matrix);
    if (!status) status = clade_buffer_create(device, count * size * sizeof *w->host, &w->y);
    if (!status) status = clade_buffer_write(w->x, 0, pixels, size);
    if (!status) status = clade_buffer_write(w->index, 0, w->zeros, count * sizeof *w->zeros);
    if (!status) status = clade_buffer_write(w->matrix, 0, w->host, count * 8 * sizeof *w->host);
    args.affine_sample.x.buffer = w->x;
    args.affine_sample.index.buffer = w->index;
    args.affine_sample.matrix.buffer = w->matrix;
    args.affine_sample.y.buffer = w->y;
    if (!status) status = clade_op_run(device, CLADE_OP_affine_sample, &args);
    if (!status && clade_augment_adjusts(augment))
        status = adjust(w, recipe, device, &args.affine_sample.y, position);
    if (!status) status = clade_buffer_read(w->y, 0, w->host, count * size * sizeof *w->host);
    for (size_t k = 0; k < count && !status; k++)
        erase(recipe, hwc, k, position, w->host + k * size);
    for (size_t k = 0; k < count * size && !status; k++)
        out[k] = (uint8_t)fminf(fmaxf(w->host[k] + 0.5f, 0), 255);
    return status;
}

clade_status clade_inspect_augment(const clade_inspection *in, const clade_recipe *recipe,
                                   clade_device *device, size_t i, int32_t epochs, uint8_t *out)
{
    const clade_inspected *p = &in->images[i];
    int32_t hwc[3];
    augment_writer w = {0};
    clade_dataset_shape(in->dataset, hwc);
    clade_status status = clade_dataset_pixels(in->dataset, p->split, p->index, out);
    if (!status)
        status = sample(&w, recipe, device, hwc, epochs, p->index, out,
                        out + (size_t)hwc[0] * (size_t)hwc[1] * (size_t)hwc[2]);
    clear(&w);
    return status;
}
