/* Batches to a model's input: by the sampler, or as rows that are at hand; labels and weights. */
#include "train/upload.h"
#include "train/sampler.h"

#include <stdlib.h>
#include <string.h>

struct clade_upload {
    clade_upload_options options;
    clade_sampler *sampler;
    clade_buffer *images; /* resident ones, or NULL */
    clade_tensor label, weight;
    float *weights; /* [batch] */
    float *soft;    /* labels as probabilities, [batch, outputs]; NULL: they are classes */
    float *row;   /* [outputs]: an image's labels where it may have several, or numbers, or NULL */
    bool ordered; /* classes have an order: a label is 1 for each step to it */
    size_t outputs;
    float *staged;   /* rows of a batch, or NULL */
    size_t row_size; /* floats in a row */
    /* Of [batch] images that others are mixed with; NULL: none are. */
    const uint8_t **pixels;
    int32_t *index, *erase;
    float *matrix, *steps;
    clade_chain *chains; /* NULL: images have none */
};

uint64_t clade_upload_bytes(const clade_dataset *dataset, clade_split split)
{
    int32_t hwc[3];
    clade_dataset_shape(dataset, hwc);
    return (uint64_t)clade_dataset_count(dataset, split) * (uint64_t)hwc[0] * (uint64_t)hwc[1] *
           (uint64_t)hwc[2];
}

bool clade_upload_is_resident(const clade_dataset *dataset, clade_split split,
                              const clade_device *device, uint64_t share)
{
    const clade_device_info *info = clade_device_describe(device);
    uint64_t bytes = clade_upload_bytes(dataset, split);
    bool one = info->max_alloc_bytes == 0 || bytes <= info->max_alloc_bytes;
    return !info->host_memory && one && bytes <= share;
}

/* Copies the split to the device, some images at a time. */
static clade_status copy_split(clade_upload *upload, clade_device *device, clade_tensor *out)
{
    enum { piece = 8 << 20 };
    const clade_dataset *dataset = upload->options.dataset;
    int32_t hwc[3];
    clade_dataset_shape(dataset, hwc);
    size_t size = (size_t)hwc[0] * (size_t)hwc[1] * (size_t)hwc[2];
    size_t count = clade_dataset_count(dataset, upload->options.split);
    size_t most = piece / size > 0 ? piece / size : 1;
    clade_status status = clade_buffer_create(device, count * size, &upload->images);
    if (status) return clade_context(status, "the images of a split");
    *out = (clade_tensor){.buffer = upload->images,
                          .dtype = CLADE_U8,
                          .rank = 4,
                          .dim = {(int32_t)count, hwc[0], hwc[1], hwc[2]}};
    if (clade_device_is_planner(device)) return CLADE_OK;
    uint8_t *pixels = malloc(most * size);
    if (!pixels) return clade_fail(CLADE_ENOMEM, "out of memory for %zu images", most);
    for (size_t first = 0; first < count && !status; first += most) {
        size_t n = count - first < most ? count - first : most;
        for (size_t i = 0; i < n && !status; i++)
            status =
                clade_dataset_pixels(dataset, upload->options.split, first + i, pixels + i * size);
        if (!status) status = clade_buffer_write(upload->images, first * size, pixels, n * size);
    }
    free(pixels);
    return status;
}

enum { steps_of_one = 2 * CLADE_ADJUST_STEPS, erase_of_one = 4 * CLADE_ERASE_RECTANGLES };

/* What labels that are shared, and images that are mixed, need on the host. */
static bool make_mixing(clade_upload *upload, size_t batch)
{
    const clade_upload_options *o = &upload->options;
    if (upload->label.dtype == CLADE_F32) {
        upload->outputs = (size_t)upload->label.dim[1];
        upload->soft = malloc(batch * upload->outputs * sizeof *upload->soft);
        const clade_task task = o->dataset ? clade_dataset_task(o->dataset) : CLADE_TASK_CLASS;
        const bool rows = task == CLADE_TASK_MULTI_LABEL || task == CLADE_TASK_REGRESSION;
        upload->ordered = task == CLADE_TASK_ORDINAL;
        if (rows) upload->row = malloc(upload->outputs * sizeof *upload->row);
        if (!upload->soft || (rows && !upload->row)) return false;
    }
    if (o->rows || !clade_augment_mixes(o->augment)) return true;
    upload->pixels = malloc(batch * sizeof *upload->pixels);
    upload->index = malloc(batch * sizeof *upload->index);
    upload->matrix = malloc(batch * 8 * sizeof *upload->matrix);
    upload->steps = malloc(batch * steps_of_one * sizeof *upload->steps);
    upload->erase = malloc(batch * erase_of_one * sizeof *upload->erase);
    const size_t chains = (size_t)clade_augment_chains(o->augment);
    if (chains && !(upload->chains = malloc(batch * chains * sizeof *upload->chains))) return false;
    return upload->pixels && upload->index && upload->matrix && upload->steps && upload->erase;
}

clade_status clade_upload_create(const clade_upload_options *o, clade_upload **out)
{
    *out = NULL;
    clade_upload *upload = calloc(1, sizeof *upload);
    if (!upload) return clade_fail(CLADE_ENOMEM, "out of memory for a feed");
    upload->options = *o;
    size_t batch = (size_t)clade_model_input(o->model)->dim[0];
    clade_tensor images;
    if (clade_model_label(o->model)) {
        upload->label = *clade_model_label(o->model);
        upload->weight = *clade_model_weight(o->model);
    }
    upload->weights = malloc(batch * sizeof *upload->weights);
    if (o->rows) {
        upload->row_size = clade_tensor_count(clade_model_input(o->model)) / batch;
        upload->staged = malloc(batch * upload->row_size * sizeof *upload->staged);
    }
    clade_status status = CLADE_OK;
    if (!upload->weights || (o->rows && !upload->staged) || !make_mixing(upload, batch))
        status = clade_fail(CLADE_ENOMEM, "out of memory for a feed");
    if (!status && o->label_weight)
        status = clade_tensor_write(clade_model_label_weight(o->model), o->label_weight);
    if (!status && o->resident) status = copy_split(upload, clade_model_device(o->model), &images);
    if (!status && !o->rows)
        status = clade_sampler_create(o->model, o->preprocessing, o->augment,
                                      o->resident ? &images : NULL, &upload->sampler);
    if (status)
        clade_upload_destroy(&upload);
    else
        *out = upload;
    return status;
}

void clade_upload_destroy(clade_upload **handle)
{
    clade_upload *upload = *handle;
    if (!upload) return;
    clade_sampler_destroy(&upload->sampler);
    clade_buffer_destroy(&upload->images);
    free(upload->weights);
    free(upload->soft);
    free(upload->row);
    free(upload->staged);
    free(upload->pixels);
    free(upload->index);
    free(upload->matrix);
    free(upload->steps);
    free(upload->erase);
    free(upload->chains);
    free(upload);
    *handle = NULL;
}

/* Adds a share of a label, or of a row of them. One output is the probability of class 1. */
static void add_label(const clade_upload *upload, size_t i, int32_t label, float share)
{
    const clade_upload_options *o = &upload->options;
    float *to = upload->soft + i * upload->outputs;
    if (upload->row) {
        clade_dataset_target_row(o->dataset, o->split, (size_t)label, upload->row);
        clade_target_scale_apply(o->scale, (int32_t)upload->outputs, upload->row);
        for (size_t c = 0; c < upload->outputs; c++) to[c] += share * upload->row[c];
    } else if (upload->ordered) {
        for (size_t c = 0; c < (size_t)label; c++) to[c] += share;
    } else if (upload->outputs > 1) {
        to[label] += share;
    } else if (label == 1) {
        *to += share;
    }
}

static clade_status write_soft_labels(clade_upload *upload, const clade_batch *batch, int32_t first,
                                      size_t n)
{
    const size_t outputs = upload->outputs, size = n * outputs * sizeof *upload->soft;
    const float share = batch->mix.share < 0.5f ? 1 - batch->mix.share : batch->mix.share;
    memset(upload->soft, 0, size);
    for (size_t i = 0; i < n; i++) {
        const size_t k = (size_t)first + i;
        add_label(upload, i, batch->label[k], batch->other ? share : 1);
        if (batch->other) add_label(upload, i, batch->other[k], 1 - share);
    }
    return clade_buffer_write(upload->label.buffer, (size_t)upload->label.offset * 4, upload->soft,
                              size);
}

static clade_status write_labels(clade_upload *upload, const clade_batch *batch, int32_t first,
                                 size_t n)
{
    const float *class_weight = upload->options.class_weight;
    const int32_t *label = batch->label + first;
    for (size_t i = 0; i < n; i++)
        upload->weights[i] = batch->weight[(size_t)first + i] *
                             (class_weight ? class_weight[label[i]] : 1) / (float)batch->count;
    clade_status status =
        upload->soft ? write_soft_labels(upload, batch, first, n)
                     : clade_buffer_write(upload->label.buffer, (size_t)upload->label.offset * 4,
                                          label, n * sizeof *label);
    if (status) return status;
    return clade_buffer_write(upload->weight.buffer, (size_t)upload->weight.offset * 4,
                              upload->weights, n * sizeof *upload->weights);
}

static clade_status write_rows(clade_upload *upload, const int32_t *index, size_t n)
{
    const clade_tensor *input = clade_model_input(upload->options.model);
    size_t row = upload->row_size;
    for (size_t i = 0; i < n; i++)
        memcpy(upload->staged + i * row, upload->options.rows + (size_t)index[i] * row,
               row * sizeof *upload->staged);
    return clade_buffer_write(input->buffer, (size_t)input->offset * sizeof(float), upload->staged,
                              n * row * sizeof *upload->staged);
}

clade_status clade_upload_prepare(clade_upload *upload, int32_t n)
{
    return upload->sampler ? clade_sampler_prepare(upload->sampler, n) : CLADE_OK;
}

/* Images `first` and on of a batch, each with so many chains. */
static clade_sampled images_of(const clade_batch *b, size_t first, size_t chains)
{
    return (clade_sampled){.pixels = b->pixels ? b->pixels + first : NULL,
                           .index = b->index + first,
                           .matrix = b->matrix + 8 * first,
                           .steps = b->steps ? b->steps + steps_of_one * first : NULL,
                           .erase = b->erase ? b->erase + erase_of_one * first : NULL,
                           .chains = b->chains ? b->chains + chains * first : NULL};
}

/* Each image's neighbour before it in the whole batch, whichever shard that is in. */
static clade_sampled gather_others(clade_upload *upload, const clade_batch *b, int32_t first,
                                   size_t n)
{
    const size_t chains = (size_t)clade_augment_chains(upload->options.augment);
    for (size_t i = 0; i < n; i++) {
        const size_t own = (size_t)first + i, from = own > 0 ? own - 1 : (size_t)b->count - 1;
        const clade_sampled one = images_of(b, from, chains);
        if (one.pixels) upload->pixels[i] = *one.pixels;
        upload->index[i] = *one.index;
        memcpy(upload->matrix + 8 * i, one.matrix, 8 * sizeof *one.matrix);
        if (!one.steps) continue;
        memcpy(upload->steps + steps_of_one * i, one.steps, steps_of_one * sizeof *one.steps);
        memcpy(upload->erase + erase_of_one * i, one.erase, erase_of_one * sizeof *one.erase);
        if (one.chains)
            memcpy(upload->chains + chains * i, one.chains, chains * sizeof *one.chains);
    }
    return (clade_sampled){upload->pixels, upload->index, upload->matrix,
                           upload->steps,  upload->erase, upload->chains};
}

static clade_status sample(clade_upload *upload, const clade_batch *b, int32_t first, int32_t n)
{
    const clade_sampled images =
        images_of(b, (size_t)first, (size_t)clade_augment_chains(upload->options.augment));
    if (!upload->pixels) return clade_sampler_run(upload->sampler, n, &images, NULL, NULL);
    const clade_sampled others = gather_others(upload, b, first, (size_t)n);
    return clade_sampler_run(upload->sampler, n, &images, &others, &b->mix);
}

clade_status clade_upload_run(clade_upload *upload, const clade_batch *batch, int32_t first,
                              int32_t n)
{
    clade_status status = upload->staged ? write_rows(upload, batch->index + first, (size_t)n)
                                         : sample(upload, batch, first, n);
    if (!status && clade_tensor_present(&upload->label))
        status = write_labels(upload, batch, first, (size_t)n);
    return status;
}
