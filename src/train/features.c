/* Computing features: one pass of inference over a split. */
#include "train/features.h"
#include "train/copy.h"

#include <stdlib.h>
#include <string.h>

/* Numbers that the graph's last layer gives for an image. */
static size_t size_of(const clade_graph *head)
{
    int32_t dim[3], rank = clade_graph_shape(head, clade_graph_layers(head) - 1, dim);
    size_t size = 1;
    for (int32_t i = 0; i < rank; i++) size *= (size_t)dim[i];
    return size;
}

static clade_status run(clade_model *model, clade_feed *feed, float *y, clade_features *out,
                        bool (*stop)(void *user), void *user)
{
    const clade_tensor *output = clade_model_output(model);
    clade_status status = clade_feed_start(feed, 0, 0);
    while (!status) {
        clade_batch b;
        if (stop && stop(user))
            return clade_fail(CLADE_ECANCELLED, "stopped while computing features");
        status = clade_feed_next(feed, &b);
        if (!status && b.count == 0) break;
        if (!status) status = clade_feed_load(feed, &b, 0, b.count);
        if (!status) status = clade_model_infer(model, b.count, false);
        if (!status)
            status = clade_buffer_read(output->buffer, (size_t)output->offset * sizeof(float), y,
                                       (size_t)b.count * out->size * sizeof *y);
        for (int32_t i = 0; i < b.count && !status; i++)
            memcpy(out->row + (size_t)b.index[i] * out->size, y + (size_t)i * out->size,
                   out->size * sizeof *y);
    }
    return status;
}

clade_status clade_features_compute(const clade_graph *head, const clade_model *whole,
                                    const clade_feed_options *feed_options,
                                    bool (*stop)(void *user), void *user, clade_features *out)
{
    const clade_model_options options = {.batch = clade_model_input(whole)->dim[0]};
    size_t count = clade_dataset_count(feed_options->upload.dataset, feed_options->upload.split);
    clade_model *model = NULL;
    clade_feed *feed = NULL;
    float *y = NULL;
    *out = (clade_features){.size = size_of(head)};
    clade_status status = clade_model_create(head, clade_model_device(whole), &options, &model);
    if (!status) status = clade_model_copy(whole, model);
    if (!status) {
        out->row = malloc(count * out->size * sizeof *out->row);
        y = malloc((size_t)options.batch * out->size * sizeof *y);
        if (!out->row || !y)
            status =
                clade_fail(CLADE_ENOMEM, "out of memory for the features of %zu images", count);
    }
    const clade_feed_options plain = {
        .upload = {.dataset = feed_options->upload.dataset,
                   .split = feed_options->upload.split,
                   .model = model,
                   .preprocessing = feed_options->upload.preprocessing},
        .threads = feed_options->threads};
    if (!status) status = clade_feed_create(&plain, &feed);
    if (!status) status = run(model, feed, y, out, stop, user);
    if (status) clade_features_clear(out);
    clade_feed_destroy(&feed);
    clade_model_destroy(&model);
    free(y);
    return status;
}

void clade_features_clear(clade_features *features)
{
    free(features->row);
    *features = (clade_features){0};
}
