/* Augmented images from the op that training uses. */
#include "report/inspect_augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What one run of the op reads and writes. */
typedef struct augment_writer {
    clade_buffer *x, *index, *matrix, *y, *steps;
    float *host;         /* y's values, or the matrices, then the steps before */
    int32_t *zeros;      /* every output takes the one image */
    clade_chain *chains; /* of each; NULL: there are none */
    float *sum;          /* of chains, as y */
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
    free(w->chains);
    free(w->sum);
}

enum { steps_of_one = 2 * CLADE_ADJUST_STEPS }; /* floats; more than a matrix has */

/* Colours of y's n images by so many steps each, which `host` has. */
static clade_status adjust(augment_writer *w, clade_device *device, const clade_tensor *y,
                           int32_t steps)
{
    clade_args args = {
        .image_adjust = {.x = *y,
                         .steps = {.dtype = CLADE_F32, .rank = 3, .dim = {y->dim[0], steps, 2}},
                         .y = *y,
                         .scale = {1, 1, 1, 1}}};
    const size_t bytes = (size_t)y->dim[0] * (size_t)steps * 2 * sizeof *w->host;
    clade_status status =
        w->steps ? CLADE_OK
                 : clade_buffer_create(device, (size_t)y->dim[0] * steps_of_one * sizeof *w->host,
                                       &w->steps);
    if (!status) status = clade_buffer_write(w->steps, 0, w->host, bytes);
    args.image_adjust.steps.buffer = w->steps;
    return status ? status : clade_op_run(device, CLADE_OP_image_adjust, &args);
}

/* Of chain c of each of n images what `host` gets: its share in the sum. */
static clade_status add_chain(augment_writer *w, clade_device *device, const clade_args *args,
                              size_t chains, size_t c)
{
    const clade_tensor *y = &args->affine_sample.y;
    const size_t n = (size_t)y->dim[0], size = clade_tensor_count(y) / n;
    enum { numbers = 2 * CLADE_CHAIN_STEPS };
    for (size_t i = 0; i < n; i++)
        memcpy(w->host + 8 * i, w->chains[i * chains + c].matrix, 8 * sizeof *w->host);
    clade_status status = clade_buffer_write(w->matrix, 0, w->host, n * 8 * sizeof *w->host);
    clade_args sampled = *args;
    if (!status) status = clade_op_run(device, CLADE_OP_affine_sample, &sampled);
    for (size_t i = 0; i < n; i++)
        memcpy(w->host + numbers * i, w->chains[i * chains + c].steps, numbers * sizeof *w->host);
    if (!status) status = adjust(w, device, y, CLADE_CHAIN_STEPS);
    if (!status) status = clade_buffer_read(w->y, 0, w->host, n * size * sizeof *w->host);
    for (size_t e = 0; e < n * size && !status; e++)
        w->sum[e] += w->chains[e / size * chains + c].weight * w->host[e];
    return status;
}

/* y from the image: by one matrix, or a sum of chains. */
static clade_status move(augment_writer *w, const clade_recipe *recipe, clade_device *device,
                         clade_args *args, uint64_t position)
{
    const clade_augment *augment = clade_recipe_augment(recipe);
    const uint64_t seed = clade_recipe_training(recipe)->seed;
    const clade_tensor *y = &args->affine_sample.y;
    const size_t n = (size_t)y->dim[0], bytes = clade_tensor_count(y) * sizeof *w->sum;
    const size_t chains = (size_t)clade_augment_chains(augment);
    if (chains == 0) {
        for (size_t k = 0; k < n; k++)
            clade_augment_matrix(augment, y->dim[1], y->dim[2], seed, k, position, w->host + 8 * k);
        clade_status status = clade_buffer_write(w->matrix, 0, w->host, n * 8 * sizeof *w->host);
        return status ? status : clade_op_run(device, CLADE_OP_affine_sample, args);
    }
    w->chains = malloc(n * chains * sizeof *w->chains);
    w->sum = calloc(1, bytes);
    if (!w->chains || !w->sum)
        return clade_fail(CLADE_ENOMEM, "out of memory for augmented images");
    for (size_t k = 0; k < n; k++)
        clade_augment_chain(augment, y->dim[1], y->dim[2], seed, k, position,
                            w->chains + chains * k);
    clade_status status = CLADE_OK;
    for (size_t c = 0; c < chains && !status; c++) status = add_chain(w, device, args, chains, c);
    return status ? status : clade_buffer_write(w->y, 0, w->sum, bytes);
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
    args.affine_sample.x.buffer = w->x;
    args.affine_sample.index.buffer = w->index;
    args.affine_sample.matrix.buffer = w->matrix;
    args.affine_sample.y.buffer = w->y;
    if (!status) status = move(w, recipe, device, &args, position);
    for (size_t k = 0; k < count; k++)
        clade_augment_adjust(augment, clade_recipe_training(recipe)->seed, k, position,
                             w->host + steps_of_one * k);
    if (!status && clade_augment_adjusts(augment))
        status = adjust(w, device, &args.affine_sample.y, CLADE_ADJUST_STEPS);
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
