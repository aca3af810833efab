/* Computing features: one pass of inference over the images of a split that have none. */
#include "train/features.h"

#include "base/sha256.h"
#include "config.h"
#include "data/dataset.h"
#include "nn/precision.h"
#include "recipe/recipe.h"
#include "train/copy.h"

#include <stdlib.h>
#include <string.h>

size_t clade_features_size(const clade_graph *head)
{
    int32_t dim[3], rank = clade_graph_shape(head, clade_graph_layers(head) - 1, dim);
    size_t size = 1;
    for (int32_t i = 0; i < rank; i++) size *= (size_t)dim[i];
    return size;
}

/* --- the key --- */

/* With its final zero, so that two texts never run together. */
static void add_text(clade_sha256 *hash, const char *text)
{
    clade_sha256_add(hash, text, strlen(text) + 1);
}

/* As a recipe has them. */
static clade_status add_layers(clade_sha256 *hash, const clade_graph *head)
{
    char *text = NULL;
    size_t size = 0;
    clade_yaml *root = clade_yaml_create(CLADE_YAML_MAP);
    clade_yaml *list = clade_yaml_create(CLADE_YAML_LIST);
    clade_status status =
        root && list ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for layers");
    if (!status) status = clade_recipe_write_layers(head, list);
    if (!status) {
        status = clade_yaml_put(root, "model", list);
        list = NULL;
    }
    if (!status) status = clade_yaml_emit(root, &text, &size);
    if (!status) clade_sha256_add(hash, text, size);
    clade_yaml_destroy(&list);
    clade_yaml_destroy(&root);
    free(text);
    return status;
}

/* How a stored image becomes the net's input. */
static void add_input(clade_sha256 *hash, const clade_preprocessing *p,
                      const clade_dataset *dataset)
{
    const clade_raw *raw = &dataset->raw;
    const int32_t numbers[] = {raw->height, raw->width, raw->channels, raw->planar,
                               p->height,   p->width,   p->channels,   p->interpolation};
    clade_sha256_add(hash, numbers, sizeof numbers);
    clade_sha256_add(hash, p->scale, sizeof p->scale);
    clade_sha256_add(hash, p->shift, sizeof p->shift);
}

static clade_status add_parameters(clade_sha256 *hash, const clade_graph *head,
                                   const clade_model *whole)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < clade_model_parameters(whole) && !status; i++) {
        const clade_parameter *p = clade_model_parameter(whole, i);
        if (p->layer >= clade_graph_layers(head)) continue;
        size_t count = clade_tensor_count(&p->value);
        float *values = malloc(count * sizeof *values);
        if (!values) return clade_fail(CLADE_ENOMEM, "out of memory for %s", p->name);
        status = clade_tensor_read(&p->value, values);
        add_text(hash, p->name);
        clade_sha256_add(hash, values, count * sizeof *values);
        free(values);
    }
    return status;
}

static void add_arithmetic(clade_sha256 *hash, clade_device *device, clade_precision precision)
{
    if (precision) add_text(hash, clade_precision_words()[precision]);
    const clade_device_info *info = clade_device_describe(device);
    const bool own = !strncmp(info->id, "cpu", 3) || !strncmp(info->id, "opencl", 6);
    if (clade_device_math(device) == CLADE_EXACT && own) {
        add_text(hash, "exact");
        return;
    }
    add_text(hash, info->id);
    add_text(hash, info->name);
    add_text(hash, info->driver);
}

clade_status clade_features_key(const clade_graph *head, const clade_model *whole,
                                const clade_preprocessing *preprocessing,
                                const clade_dataset *dataset, char key[65])
{
    clade_sha256 hash;
    clade_sha256_start(&hash);
    add_text(&hash, CLADE_VERSION);
    add_input(&hash, preprocessing, dataset);
    add_arithmetic(&hash, clade_model_device(whole), clade_model_precision(whole));
    clade_status status = add_layers(&hash, head);
    if (!status) status = add_parameters(&hash, head, whole);
    clade_sha256_end(&hash, key);
    return status;
}

/* --- rows --- */

clade_status clade_features_open(clade_feature_cache *cache, const clade_dataset *dataset,
                                 clade_split split, size_t size, clade_features *out)
{
    const clade_images *images = &dataset->split[split];
    uint64_t *digest = malloc((images->count ? images->count : 1) * sizeof *digest);
    if (!digest)
        return clade_fail(CLADE_ENOMEM, "out of memory for digests of %zu images", images->count);
    for (size_t i = 0; i < images->count; i++) digest[i] = atomic_load(images->items[i].digest);
    clade_status status = clade_features_create(digest, images->count, size, out);
    if (!status) clade_feature_cache_find(cache, out);
    free(digest);
    return status;
}

/* Of a batch, the images that have no row yet. */
typedef struct selection {
    const uint8_t **pixels; /* [count] */
    int32_t *index, count;
} selection;

static void select_missing(const clade_batch *batch, const clade_features *features, selection *s)
{
    s->count = 0;
    for (int32_t i = 0; i < batch->count; i++) {
        if (features->have[batch->index[i]]) continue;
        s->index[s->count] = batch->index[i];
        s->pixels[s->count++] = batch->pixels[i];
    }
}

/* Rows of the images that were selected. */
static clade_status compute(clade_model *model, clade_feed *feed, const clade_batch *batch,
                            const selection *s, float *y, clade_features *features)
{
    const clade_tensor *output = clade_model_output(model);
    const size_t size = features->size;
    clade_batch part = *batch; /* whose matrices are all the identity */
    part.count = s->count;
    part.index = s->index;
    part.pixels = s->pixels;
    clade_status status = clade_feed_load(feed, &part, 0, part.count);
    if (!status) status = clade_model_infer(model, part.count, false);
    if (!status)
        status = clade_buffer_read(output->buffer, (size_t)output->offset * sizeof *y, y,
                                   (size_t)part.count * size * sizeof *y);
    for (int32_t i = 0; i < part.count && !status; i++)
        memcpy(features->row + (size_t)s->index[i] * size, y + (size_t)i * size, size * sizeof *y);
    return status;
}

static clade_status run(clade_model *model, clade_feed *feed, float *y, selection *s,
                        clade_feature_cache *cache, bool (*stop)(void *user), void *user,
                        clade_features *features)
{
    clade_status status = clade_feed_start(feed, 0, 0);
    while (!status) {
        clade_batch b;
        if (stop && stop(user))
            return clade_fail(CLADE_ECANCELLED, "stopped while computing features");
        status = clade_feed_next(feed, &b);
        if (status || b.count == 0) break;
        select_missing(&b, features, s);
        if (!s->count) continue;
        status = compute(model, feed, &b, s, y, features);
        if (!status) clade_feature_cache_add(cache, features, s->index, (size_t)s->count);
    }
    return status;
}

clade_status clade_features_compute(const clade_graph *head, const clade_model *whole,
                                    const clade_feed_options *feed_options,
                                    clade_feature_cache *cache, bool (*stop)(void *user),
                                    void *user, clade_features *features)
{
    const clade_model_options options = {.batch = clade_model_input(whole)->dim[0],
                                         .precision = clade_model_precision(whole)};
    const size_t batch = (size_t)options.batch;
    clade_model *model = NULL;
    clade_feed *feed = NULL;
    float *y = malloc(batch * features->size * sizeof *y);
    selection s = {.pixels = malloc(batch * sizeof *s.pixels),
                   .index = malloc(batch * sizeof *s.index)};
    clade_status status = y && s.pixels && s.index
                              ? CLADE_OK
                              : clade_fail(CLADE_ENOMEM, "out of memory for features");
    if (!status) status = clade_model_create(head, clade_model_device(whole), &options, &model);
    if (!status) status = clade_model_copy(whole, model);
    const clade_feed_options plain = {
        .upload = {.dataset = feed_options->upload.dataset,
                   .split = feed_options->upload.split,
                   .model = model,
                   .preprocessing = feed_options->upload.preprocessing},
        .threads = feed_options->threads};
    if (!status) status = clade_feed_create(&plain, &feed);
    if (!status) status = run(model, feed, y, &s, cache, stop, user, features);
    clade_feed_destroy(&feed);
    clade_model_destroy(&model);
    free(s.pixels);
    free(s.index);
    free(y);
    return status;
}
