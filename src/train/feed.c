/* Loader and sampler joined: each batch's images, labels and weights go to the device. */
#include "train/feed.h"
#include "train/sampler.h"

#include <stdlib.h>
#include <string.h>

struct clade_feed {
    clade_feed_options options;
    clade_loader *loader;
    clade_sampler *sampler;
    clade_buffer *images; /* resident ones, or NULL */
    clade_tensor label, weight;
    float *weights; /* [batch] */
    float *staged;  /* rows of a batch, or NULL */
    size_t row;     /* floats in a row */
};

uint64_t clade_feed_bytes(const clade_dataset *dataset, clade_split split)
{
    int32_t hwc[3];
    clade_dataset_shape(dataset, hwc);
    return (uint64_t)clade_dataset_count(dataset, split) * (uint64_t)hwc[0] * (uint64_t)hwc[1] *
           (uint64_t)hwc[2];
}

bool clade_feed_is_resident(const clade_dataset *dataset, clade_split split,
                            const clade_device *device, uint64_t share)
{
    const clade_device_info *info = clade_device_describe(device);
    uint64_t bytes = clade_feed_bytes(dataset, split);
    bool one = info->max_alloc_bytes == 0 || bytes <= info->max_alloc_bytes;
    return !info->host_memory && one && bytes <= share;
}

/* Copies the split to the device, some images at a time. */
static clade_status upload(clade_feed *feed, clade_device *device, clade_tensor *out)
{
    enum { piece = 8 << 20 };
    const clade_dataset *dataset = feed->options.dataset;
    int32_t hwc[3];
    clade_dataset_shape(dataset, hwc);
    size_t size = (size_t)hwc[0] * (size_t)hwc[1] * (size_t)hwc[2];
    size_t count = clade_dataset_count(dataset, feed->options.split);
    size_t most = piece / size > 0 ? piece / size : 1;
    clade_status status = clade_buffer_create(device, count * size, &feed->images);
    if (status) return clade_context(status, "the images of a split");
    uint8_t *pixels = malloc(most * size);
    if (!pixels) return clade_fail(CLADE_ENOMEM, "out of memory for %zu images", most);
    for (size_t first = 0; first < count && !status; first += most) {
        size_t n = count - first < most ? count - first : most;
        for (size_t i = 0; i < n && !status; i++)
            status =
                clade_dataset_pixels(dataset, feed->options.split, first + i, pixels + i * size);
        if (!status) status = clade_buffer_write(feed->images, first * size, pixels, n * size);
    }
    free(pixels);
    *out = (clade_tensor){.buffer = feed->images,
                          .dtype = CLADE_U8,
                          .rank = 4,
                          .dim = {(int32_t)count, hwc[0], hwc[1], hwc[2]}};
    return status;
}

clade_status clade_feed_create(const clade_feed_options *options, clade_feed **out)
{
    *out = NULL;
    clade_feed *feed = calloc(1, sizeof *feed);
    if (!feed) return clade_fail(CLADE_ENOMEM, "out of memory for a feed");
    feed->options = *options;
    const clade_model *model = options->model;
    int32_t batch = clade_model_input(model)->dim[0];
    clade_loader_options loader = {.dataset = options->dataset,
                                   .split = options->split,
                                   .batch = options->batch ? options->batch : batch,
                                   .shuffle = options->shuffle,
                                   .seed = options->seed,
                                   .threads = options->threads,
                                   .pixels = !options->resident && !options->rows};
    if (options->augment && !options->rows) loader.augment = *options->augment;
    clade_tensor images;
    if (clade_model_label(model)) {
        feed->label = *clade_model_label(model);
        feed->weight = *clade_model_weight(model);
    }
    feed->weights = malloc((size_t)batch * sizeof *feed->weights);
    clade_status status =
        feed->weights ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for a feed");
    if (!status && options->rows) {
        feed->row = clade_tensor_count(clade_model_input(model)) / (size_t)batch;
        feed->staged = malloc((size_t)batch * feed->row * sizeof *feed->staged);
        if (!feed->staged) status = clade_fail(CLADE_ENOMEM, "out of memory for a feed");
    }
    if (!status && options->resident) status = upload(feed, clade_model_device(model), &images);
    if (!status && !options->rows)
        status = clade_sampler_create(model, options->preprocessing, options->augment,
                                      options->resident ? &images : NULL, &feed->sampler);
    if (options->loader && *options->loader && loader.pixels) {
        feed->loader = *options->loader;
        *options->loader = NULL;
    } else if (!status) {
        status = clade_loader_create(&loader, &feed->loader);
    }
    if (status)
        clade_feed_destroy(&feed);
    else
        *out = feed;
    return status;
}

void clade_feed_destroy(clade_feed **handle)
{
    clade_feed *feed = *handle;
    if (!feed) return;
    clade_loader_destroy(&feed->loader);
    clade_sampler_destroy(&feed->sampler);
    clade_buffer_destroy(&feed->images);
    free(feed->weights);
    free(feed->staged);
    free(feed);
    *handle = NULL;
}

size_t clade_feed_batches(const clade_feed *feed) { return clade_loader_batches(feed->loader); }

clade_status clade_feed_start(clade_feed *feed, uint64_t epoch, size_t first)
{
    return clade_loader_start(feed->loader, epoch, first);
}

static clade_status write_labels(clade_feed *feed, const clade_batch *batch, int32_t first,
                                 size_t n)
{
    const float *class_weight = feed->options.class_weight;
    const int32_t *label = batch->label + first;
    for (size_t i = 0; i < n; i++)
        feed->weights[i] = (class_weight ? class_weight[label[i]] : 1) / (float)batch->count;
    clade_status status = clade_buffer_write(feed->label.buffer, (size_t)feed->label.offset * 4,
                                             label, n * sizeof *label);
    if (status) return status;
    return clade_buffer_write(feed->weight.buffer, (size_t)feed->weight.offset * 4, feed->weights,
                              n * sizeof *feed->weights);
}

static clade_status write_rows(clade_feed *feed, const int32_t *index, size_t n)
{
    const clade_tensor *input = clade_model_input(feed->options.model);
    size_t row = feed->row;
    for (size_t i = 0; i < n; i++)
        memcpy(feed->staged + i * row, feed->options.rows + (size_t)index[i] * row,
               row * sizeof *feed->staged);
    return clade_buffer_write(input->buffer, (size_t)input->offset * sizeof(float), feed->staged,
                              n * row * sizeof *feed->staged);
}

clade_status clade_feed_next(clade_feed *feed, clade_batch *out)
{
    return clade_loader_next(feed->loader, out);
}

clade_status clade_feed_load(clade_feed *feed, const clade_batch *batch, int32_t first, int32_t n)
{
    clade_status status =
        feed->staged
            ? write_rows(feed, batch->index + first, (size_t)n)
            : clade_sampler_run(feed->sampler, n, batch->pixels ? batch->pixels + first : NULL,
                                batch->index + first, batch->matrix + 8 * (size_t)first);
    if (!status && clade_tensor_present(&feed->label))
        status = write_labels(feed, batch, first, (size_t)n);
    return status;
}
