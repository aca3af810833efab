/* Rounding a net to 8 bits before it is exported: scales by training images, accuracy on validation
 * images. */
#include "export_int8.h"
#include "shown.h"
#include "status_line.h"

#include <stdlib.h>

enum { at_once = 32, usual_samples = 256 };

typedef struct int8_data {
    const clade_network *network;
    clade_dataset *dataset;
    size_t values; /* of an image */
} int8_data;

/* --- images --- */

/* The recipe says which images; of a net from elsewhere, what its images are like. */
static clade_status open_data(const clade_network *n, const char *path, const int8_request *r,
                              clade_dataset **out)
{
    const char *text = clade_network_recipe(n), **names = NULL;
    const clade_recipe_parts parts = {.name = clade_network_name(n),
                                      .graph = clade_network_graph(n),
                                      .preprocessing = clade_network_preprocessing(n)};
    const int32_t classes = clade_network_classes(n);
    clade_recipe *recipe = NULL;
    char *shapes = NULL;
    *out = NULL;
    if (!parts.preprocessing)
        return clade_fail(CLADE_EINVAL, "%s: does not say how pixels become its input", path);
    if (classes < 2) return clade_fail(CLADE_EINVAL, "%s: does not name its classes", path);
    clade_status status =
        text ? clade_recipe_parse(text, path, &recipe) : clade_recipe_create(&parts, &recipe);
    if (status) return status;
    clade_data_options o = session_data(recipe, &r->source, &shapes);
    o.height = parts.preprocessing->height;
    o.width = parts.preprocessing->width;
    o.channels = parts.preprocessing->channels;
    o.interpolation = parts.preprocessing->interpolation;
    o.threads = (int)r->place.threads;
    o.classes = names = malloc((size_t)classes * sizeof *names);
    o.class_count = (size_t)classes;
    for (int32_t i = 0; names && i < classes; i++) names[i] = clade_network_class_name(n, i);
    if (!o.path)
        status =
            clade_fail(CLADE_EINVAL, "--int8 needs images to choose scales; expected --data PATH");
    else if (!names)
        status = clade_fail(CLADE_ENOMEM, "out of memory");
    else
        status = session_open_data(&o, NULL, out);
    free(names);
    free(shapes);
    clade_recipe_destroy(&recipe);
    return status;
}

/* Image i of a split as the net takes it. */
static clade_status read_image(const int8_data *d, clade_split split, size_t i, float *out)
{
    const clade_preprocessing *p = clade_network_preprocessing(d->network);
    uint8_t *pixels = malloc(d->values);
    clade_status status = pixels ? clade_dataset_pixels(d->dataset, split, i, pixels)
                                 : clade_fail(CLADE_ENOMEM, "out of memory for an image");
    for (size_t k = 0; k < d->values && !status; k++) {
        const size_t c = k % (size_t)p->channels;
        out[k] = p->scale[c] * (float)pixels[k] + p->shift[c];
    }
    free(pixels);
    return status;
}

/* --- scales --- */

/* By images from all over the training split, which is sorted by class. */
static clade_status quantize(const int8_data *d, clade_device *device, size_t samples,
                             clade_network **out)
{
    const size_t all = clade_dataset_count(d->dataset, CLADE_TRAIN);
    const size_t count = samples < all ? samples : all;
    if (!count)
        return clade_fail(CLADE_EINVAL, "the data has no training split to choose scales from");
    float *images = malloc(count * d->values * sizeof *images);
    clade_status status =
        images ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for %zu images", count);
    for (size_t i = 0; i < count && !status; i++)
        status = read_image(d, CLADE_TRAIN, i * all / count, images + i * d->values);
    if (!status) status = clade_network_quantize(d->network, device, images, count, out);
    free(images);
    if (!status) printf("Scales chosen from %zu training images\n", count);
    return status;
}

/* --- accuracy --- */

static size_t best_of(const float *output, size_t outputs)
{
    if (outputs == 1) return output[0] > 0.5F;
    size_t best = 0;
    for (size_t k = 1; k < outputs; k++)
        if (output[k] > output[best]) best = k;
    return best;
}

typedef struct int8_counts {
    size_t images, right[2], same;
} int8_counts;

static clade_status count_right(const int8_data *d, clade_device *device,
                                const clade_network *rounded, int8_counts *out)
{
    const clade_network *nets[] = {d->network, rounded};
    const clade_graph *graph = clade_network_graph(d->network);
    int32_t dim[3];
    clade_graph_shape(graph, clade_graph_layers(graph) - 1, dim);
    const size_t outputs = (size_t)dim[0];
    const size_t count = clade_dataset_count(d->dataset, CLADE_VALIDATION);
    float *images = malloc(at_once * d->values * sizeof *images);
    float *output = malloc(2 * at_once * outputs * sizeof *output);
    clade_status status =
        images && output ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for a batch");
    *out = (int8_counts){.images = count};
    for (size_t i = 0; i < count && !status; i += at_once) {
        const size_t n = count - i < at_once ? count - i : at_once;
        status_line_wait("Evaluating", i, count, NULL);
        for (size_t k = 0; k < n && !status; k++)
            status = read_image(d, CLADE_VALIDATION, i + k, images + k * d->values);
        for (size_t w = 0; w < 2 && !status; w++)
            status =
                clade_network_predict(nets[w], device, images, n, output + w * at_once * outputs);
        for (size_t k = 0; k < n && !status; k++) {
            const size_t a = best_of(output + k * outputs, outputs);
            const size_t b = best_of(output + (at_once + k) * outputs, outputs);
            const size_t label = (size_t)clade_dataset_label(d->dataset, CLADE_VALIDATION, i + k);
            out->right[0] += a == label;
            out->right[1] += b == label;
            out->same += a == b;
        }
    }
    status_line_clear();
    free(images);
    free(output);
    return status;
}

static void tell(const int8_counts *c)
{
    if (!c->images) {
        printf("No validation images: the accuracy in int8 is unknown\n");
        return;
    }
    const double all = (double)c->images;
    printf(
        "%zu validation images: accuracy %.4f in float32, %.4f in int8; the same class for %zu\n",
        c->images, (double)c->right[0] / all, (double)c->right[1] / all, c->same);
}

clade_status export_int8(const clade_network *network, const char *path,
                         const int8_request *request, clade_network **out)
{
    clade_device *device = NULL;
    int8_data d = {.network = network};
    int32_t dim[3];
    int8_counts counts;
    *out = NULL;
    if (clade_network_task(network) != CLADE_TASK_CLASS)
        return clade_fail(CLADE_EUNSUPPORTED,
                          "%s: --int8 is for models that predict one class, not for data.task: %s",
                          shown(path), clade_task_words()[clade_network_task(network)]);
    clade_graph_shape(clade_network_graph(network), 0, dim);
    d.values = (size_t)dim[0] * (size_t)dim[1] * (size_t)dim[2];
    clade_status status = open_data(network, shown(path), request, &d.dataset);
    if (!status) session_print_skipped(stderr, d.dataset, 0);
    if (!status) status = session_open_device(&request->place, &device);
    const int64_t samples = request->samples ? request->samples : usual_samples;
    if (!status) status = quantize(&d, device, (size_t)samples, out);
    if (!status) status = count_right(&d, device, *out, &counts);
    if (!status) tell(&counts);
    clade_device_close(&device);
    clade_dataset_destroy(&d.dataset);
    if (status) clade_network_destroy(out);
    return status;
}
