/* Loader and upload joined. */
#include "train/feed.h"

#include <stdlib.h>

struct clade_feed {
    clade_loader *loader;
    clade_upload *upload;
};

clade_status clade_feed_create(const clade_feed_options *options, clade_feed **out)
{
    *out = NULL;
    clade_feed *feed = calloc(1, sizeof *feed);
    if (!feed) return clade_fail(CLADE_ENOMEM, "out of memory for a feed");
    const clade_upload_options *to = &options->upload;
    clade_loader_options loader = {.dataset = to->dataset,
                                   .split = to->split,
                                   .batch = options->batch ? options->batch
                                                           : clade_model_input(to->model)->dim[0],
                                   .shuffle = options->shuffle,
                                   .seed = options->seed,
                                   .threads = options->threads,
                                   .pixels = !to->rows && (!to->resident || options->pixels)};
    if (to->augment && !to->rows) loader.augment = *to->augment;
    clade_status status = clade_upload_create(to, &feed->upload);
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
    clade_upload_destroy(&feed->upload);
    free(feed);
    *handle = NULL;
}

size_t clade_feed_batches(const clade_feed *feed) { return clade_loader_batches(feed->loader); }

clade_status clade_feed_start(clade_feed *feed, uint64_t epoch, size_t first)
{
    return clade_loader_start(feed->loader, epoch, first);
}

clade_status clade_feed_next(clade_feed *feed, clade_batch *out)
{
    return clade_loader_next(feed->loader, out);
}

clade_upload *clade_feed_upload(clade_feed *feed) { return feed->upload; }

clade_status clade_feed_load(clade_feed *feed, const clade_batch *batch, int32_t first, int32_t n)
{
    return clade_upload_run(feed->upload, batch, first, n);
}
