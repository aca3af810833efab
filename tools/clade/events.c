/* Writing TensorBoard's event files while a classifier trains. */
#include "events.h"
#include "shown.h"
#include "status_line.h"

#include <clade/status.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    most_points = 2000,    /* of the loss by step, in a run */
    most_histograms = 100, /* of each parameter, in a run */
    sampled_classes = 20,  /* at most */
    samples = 4,           /* images of each */
    most_mistakes = 24
};

/* Training does not end for this. */
static void give_up(events *e, clade_status status)
{
    if (!status) return;
    status_line_clear();
    fprintf(stderr, "clade train: stopped writing TensorBoard events: %s\n", shown(clade_error()));
    e->failed = true;
}

static void scalar(events *e, const char *tag, int64_t step, double value)
{
    if (!e->failed) give_up(e, clade_tensorboard_scalar(e->file, tag, step, value));
}

/* An image of the data set; `pixels` has room for it. */
static void image(events *e, const char *tag, int64_t step, clade_split split, size_t i,
                  uint8_t *pixels)
{
    int32_t hwc[3];
    if (e->failed) return;
    clade_dataset_shape(e->dataset, hwc);
    clade_status status = clade_dataset_pixels(e->dataset, split, i, pixels);
    if (!status)
        status = clade_tensorboard_image(e->file, tag, step, pixels, hwc[0], hwc[1], hwc[2]);
    give_up(e, status);
}

static size_t image_bytes(const clade_dataset *dataset)
{
    int32_t hwc[3];
    clade_dataset_shape(dataset, hwc);
    return (size_t)hwc[0] * (size_t)hwc[1] * (size_t)hwc[2];
}

/* Some images of a class, evenly spread over those of the training split, which need not be in the
 * order of classes. */
static void write_class(events *e, int64_t step, size_t class_index, uint8_t *pixels)
{
    const size_t count = clade_dataset_class_count(e->dataset, CLADE_TRAIN, class_index);
    const size_t wanted = count < samples ? count : samples;
    size_t seen = 0;
    for (size_t i = 0, k = 0; k < wanted; i++) {
        if (clade_dataset_label(e->dataset, CLADE_TRAIN, i) != (int32_t)class_index) continue;
        if (seen++ != k * count / wanted) continue;
        char tag[160];
        snprintf(tag, sizeof tag, "samples/%.120s/%zu",
                 clade_dataset_class_name(e->dataset, class_index), ++k);
        image(e, tag, step, CLADE_TRAIN, i, pixels);
    }
}

static void write_samples(events *e, int64_t step)
{
    uint8_t *pixels = malloc(image_bytes(e->dataset));
    size_t classes = clade_dataset_classes(e->dataset);
    for (size_t c = 0; pixels && c < classes && c < sampled_classes; c++)
        write_class(e, step, c, pixels);
    free(pixels);
}

static bool is_open(events *e, const clade_epoch *now)
{
    if (!e->folder || e->failed) return false;
    if (e->file) return true;
    give_up(e, clade_tensorboard_create(e->folder, e->resumed ? now->step : 0, &e->file));
    if (e->file) give_up(e, clade_tensorboard_recipe(e->file, e->recipe));
    if (e->file && !e->resumed) write_samples(e, 0);
    return e->file != NULL;
}

void events_batch(events *e, const clade_epoch *now, size_t batches)
{
    if (!is_open(e, now)) return;
    /* the mean of an epoch so far becomes the mean since the last point */
    const clade_metrics *m = &now->train, *before = &e->told.train;
    bool same = e->told.epoch == now->epoch;
    if (now->step < e->next_step || m->count == (same ? before->count : 0)) return;
    double count = (double)m->count, old = same ? (double)before->count : 0;
    const bool numbers = m->task == CLADE_TASK_REGRESSION;
    double loss = same ? before->loss * old : 0, right = same ? before->accuracy * old : 0;
    scalar(e, "step/loss", now->step, (m->loss * count - loss) / (count - old));
    if (!numbers)
        scalar(e, "step/accuracy", now->step, (m->accuracy * count - right) / (count - old));
    e->next_step = now->step + (int64_t)((uint64_t)now->epochs * batches / most_points);
    e->told = *now;
}

static void histogram(events *e, const char *tag, int64_t step, const clade_tensor *tensor,
                      float *values)
{
    if (e->failed) return;
    clade_status status = clade_tensor_read(tensor, values);
    if (!status)
        status =
            clade_tensorboard_histogram(e->file, tag, step, values, clade_tensor_count(tensor));
    give_up(e, status);
}

/* How each trained parameter's values are spread, and its gradients of the epoch's last step. */
static void write_parameters(events *e, const clade_epoch *now)
{
    const size_t count = clade_model_parameters(now->model);
    size_t most = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t n = clade_tensor_count(&clade_model_parameter(now->model, i)->value);
        if (n > most) most = n;
    }
    float *values = malloc((most + 1) * sizeof *values);
    for (size_t i = 0; i < count && values; i++) {
        const clade_parameter *p = clade_model_parameter(now->model, i);
        char tag[256];
        if (!clade_tensor_present(&p->gradient)) continue;
        histogram(e, p->name, now->step, &p->value, values);
        snprintf(tag, sizeof tag, "gradients/%s", p->name);
        histogram(e, tag, now->step, &p->gradient, values);
    }
    free(values);
}

void events_epoch(events *e, const clade_epoch *now)
{
    if (!is_open(e, now)) return;
    scalar(e, "epoch", now->step, now->epoch);
    scalar(e, "loss", now->step, now->train.loss);
    const clade_metrics *v = &now->validation;
    const bool numbers = now->train.task == CLADE_TASK_REGRESSION;
    if (numbers)
        scalar(e, "mae", now->step, now->train.mae);
    else
        scalar(e, "accuracy", now->step, now->train.accuracy);
    if (v->count) {
        scalar(e, "val_loss", now->step, v->loss);
        if (!numbers) scalar(e, "val_accuracy", now->step, v->accuracy);
        if (v->task == CLADE_TASK_MULTI_LABEL) scalar(e, "val_map", now->step, v->map);
        if (numbers) scalar(e, "val_r2", now->step, v->r2);
        if (numbers || v->task == CLADE_TASK_ORDINAL) scalar(e, "val_mae", now->step, v->mae);
    }
    scalar(e, "lr", now->step, now->lr);
    scalar(e, "images_per_second", now->step, now->images_per_second);
    if (now->loss_scale > 0) scalar(e, "loss_scale", now->step, now->loss_scale);
    const int32_t every = (now->epochs + most_histograms - 1) / most_histograms;
    if (now->epoch % every == 0 || now->epoch == now->epochs) write_parameters(e, now);
    e->told = *now;
}

/* --- mistakes --- */

typedef struct mistake {
    size_t at; /* in the split */
    int32_t predicted;
    float probability;
} mistake;

/* The surest first, of equals the one that comes first in the split. */
static int by_probability(const void *a, const void *b)
{
    const mistake *x = a, *y = b;
    if (x->probability != y->probability) return x->probability > y->probability ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* Keeps a list of the surest; there is room for one more than its most. */
static void keep(mistake *list, size_t *count, mistake new)
{
    list[(*count)++] = new;
    qsort(list, *count, sizeof *list, by_probability);
    if (*count > most_mistakes) *count = most_mistakes;
}

static clade_status find_mistakes(const events *e, clade_classifier *classifier, clade_split split,
                                  mistake *list, size_t *count)
{
    enum { together = 64 };
    size_t total = clade_dataset_count(e->dataset, split), size = image_bytes(e->dataset);
    size_t classes = (size_t)clade_classifier_classes(classifier);
    uint8_t *pixels = malloc(together * size);
    float *p = malloc(together * classes * sizeof *p);
    clade_status status = CLADE_OK;
    if (!pixels || !p) status = clade_fail(CLADE_ENOMEM, "out of memory for predictions");
    for (size_t first = 0; first < total && !status; first += together) {
        size_t n = total - first < together ? total - first : together;
        for (size_t i = 0; i < n && !status; i++)
            status = clade_dataset_pixels(e->dataset, split, first + i, pixels + i * size);
        if (!status) status = clade_classifier_predict_pixels(classifier, pixels, n, p);
        for (size_t i = 0; i < n && !status; i++) {
            const float *row = p + i * classes;
            size_t best = 0;
            for (size_t c = 1; c < classes; c++)
                if (row[c] > row[best]) best = c;
            if ((int32_t)best != clade_dataset_label(e->dataset, split, first + i))
                keep(list, count, (mistake){first + i, (int32_t)best, row[best]});
        }
    }
    free(pixels);
    free(p);
    return status;
}

static void write_mistakes(events *e, clade_classifier *classifier)
{
    clade_split split =
        clade_dataset_count(e->dataset, CLADE_VALIDATION) ? CLADE_VALIDATION : CLADE_TRAIN;
    mistake list[most_mistakes + 1];
    size_t count = 0;
    give_up(e, find_mistakes(e, classifier, split, list, &count));
    uint8_t *pixels = malloc(image_bytes(e->dataset));
    for (size_t i = 0; i < count && pixels && !e->failed; i++) {
        char tag[256];
        int32_t label = clade_dataset_label(e->dataset, split, list[i].at);
        snprintf(tag, sizeof tag, "mistakes/%02zu %.80s taken for %.80s, %.3f", i + 1,
                 clade_classifier_class_name(classifier, label),
                 clade_classifier_class_name(classifier, list[i].predicted),
                 (double)list[i].probability);
        image(e, tag, e->told.step, split, list[i].at, pixels);
    }
    free(pixels);
}

void events_end(events *e, clade_classifier *classifier)
{
    if (e->file && classifier && !e->failed) {
        const clade_task task = clade_classifier_task(classifier);
        if (task == CLADE_TASK_CLASS || task == CLADE_TASK_ORDINAL) write_mistakes(e, classifier);
        if (!e->failed) give_up(e, clade_tensorboard_success(e->file));
    }
    clade_tensorboard_destroy(&e->file);
}
