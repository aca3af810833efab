/* Trained classifiers: opening, saving, predicting, evaluating. */
#include "train/classifier.h"
#include "train/copy.h"
#include "train/evaluation.h"
#include "train/run.h"
#include "train/sampler.h"

#include "base/file.h"
#include "data/dataset.h"
#include "nn/layer.h"
#include "nn/loss.h"

#include <clade/scores.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct clade_classifier {
    clade_recipe *recipe;
    clade_class_names classes;
    clade_model *model;
    clade_sampler *sampler;
    clade_augment border; /* what views show beyond an image's edge; draws nothing */
    int32_t outputs;
    bool logarithms;       /* outputs are those of probabilities, if no loss takes the activation */
    bool scores;           /* outputs are no probabilities */
    float *y;              /* [batch, outputs] */
    const uint8_t **image; /* [batch]: where each lies */
    float *views;          /* [view_count, 8]; NULL: images as they are */
    size_t view_count;
    float *matrix; /* [batch, 8]: those of one view */
    float *view;   /* [batch, classes]: its probabilities */
    double temperature;
    float *thresholds;        /* [classes] where an image may have several labels; else NULL */
    clade_target_scale scale; /* of targets that are numbers */
    clade_task task;
    clade_evaluation *evaluation; /* holds the last confusion matrix */
    float *evaluated;             /* probabilities of its images; NULL: none */
};

clade_status clade_classifier_create(const clade_recipe *recipe, clade_model **model,
                                     clade_class_names *classes, clade_classifier **out)
{
    *out = NULL;
    clade_classifier *c = calloc(1, sizeof *c);
    if (!c) return clade_fail(CLADE_ENOMEM, "out of memory for a classifier");
    const clade_tensor *output = clade_model_output(*model);
    c->outputs = output->dim[1];
    c->y = malloc((size_t)output->dim[0] * (size_t)c->outputs * sizeof *c->y);
    c->image = malloc((size_t)output->dim[0] * sizeof *c->image);
    c->matrix = malloc((size_t)output->dim[0] * 8 * sizeof *c->matrix);
    c->view = malloc((size_t)output->dim[0] * (size_t)classes->count * sizeof *c->view);
    c->temperature = 1;
    clade_status status = c->y && c->image && c->matrix && c->view
                              ? CLADE_OK
                              : clade_fail(CLADE_ENOMEM, "out of memory for a classifier");
    if (!status)
        status =
            clade_recipe_parse(clade_recipe_text(recipe), clade_recipe_name(recipe), &c->recipe);
    if (!status) {
        const clade_augment *augment = clade_recipe_augment(c->recipe);
        c->border = (clade_augment){.fill = augment->fill, .fill_value = augment->fill_value};
        status = clade_sampler_create(*model, clade_recipe_preprocessing(c->recipe), &c->border,
                                      NULL, &c->sampler);
    }
    if (status) {
        clade_classifier_destroy(&c);
        return status;
    }
    const clade_graph *graph = clade_model_graph(*model);
    const clade_layer *last = clade_graph_layer(graph, clade_graph_layers(graph) - 1);
    const char *activation = clade_layer_last_activation(last);
    c->logarithms = !strcmp(activation, "log_softmax");
    c->scores = !c->logarithms && strcmp(activation, "softmax") && strcmp(activation, "sigmoid");
    c->task = clade_recipe_data(c->recipe)->task;
    if (c->task == CLADE_TASK_MULTI_LABEL) {
        c->thresholds = malloc((size_t)classes->count * sizeof *c->thresholds);
        if (!c->thresholds) status = clade_fail(CLADE_ENOMEM, "out of memory for a classifier");
        for (int32_t i = 0; i < classes->count && !status; i++) c->thresholds[i] = 0.5f;
    }
    if (status) {
        clade_classifier_destroy(&c);
        return status;
    }
    c->model = *model;
    c->classes = *classes;
    *model = NULL;
    *classes = (clade_class_names){0};
    *out = c;
    return CLADE_OK;
}

void clade_classifier_destroy(clade_classifier **handle)
{
    clade_classifier *c = *handle;
    if (!c) return;
    clade_evaluation_destroy(&c->evaluation);
    free(c->evaluated);
    free(c->thresholds);
    clade_target_scale_clear(&c->scale);
    clade_sampler_destroy(&c->sampler);
    clade_model_destroy(&c->model);
    clade_class_names_clear(&c->classes);
    clade_recipe_destroy(&c->recipe);
    free(c->y);
    free(c->image);
    free(c->views);
    free(c->matrix);
    free(c->view);
    free(c);
    *handle = NULL;
}

/* --- opening and saving --- */

/* A model of the recipe; with a loss it can also be evaluated. */
static clade_status make_model(const clade_recipe *recipe, int32_t classes, bool loss,
                               clade_device *device, clade_model **out)
{
    const clade_training *t = clade_recipe_training(recipe);
    clade_model_options options = {
        .batch = clade_training_shard(t), .seed = t->seed, .precision = t->precision};
    if (loss) {
        options.loss = t->loss;
        options.numbers = t->loss_numbers;
        options.label_smoothing = t->label_smoothing;
        options.soft_labels = clade_recipe_data(recipe)->task != CLADE_TASK_CLASS;
    }
    clade_graph *graph;
    clade_status status = clade_recipe_graph(recipe, classes, &graph);
    if (status) return status;
    status = clade_model_create(graph, device, &options, out);
    clade_graph_destroy(&graph);
    return status;
}

clade_status clade_classifier_open(const char *path, clade_device *device, clade_classifier **out)
{
    if (!path || !device || !out)
        return clade_fail(CLADE_EINVAL, "a classifier needs a path and a device");
    *out = NULL;
    char *chosen;
    clade_modelfile file = {0};
    clade_model *model = NULL;
    clade_status status = clade_modelfile_choose(path, &chosen);
    if (!status) status = clade_modelfile_open(chosen, &file);
    free(chosen);
    if (status) return status;
    status = make_model(file.recipe, file.classes.count, false, device, &model);
    if (!status) status = clade_modelfile_load(&file, model);
    if (!status) status = clade_classifier_create(file.recipe, &model, &file.classes, out);
    if (!status) (*out)->temperature = file.temperature;
    const float *thresholds = file.numbers[CLADE_MODELFILE_THRESHOLDS];
    const float *deviations = file.numbers[CLADE_MODELFILE_DEVIATIONS];
    if (!status && thresholds)
        status = clade_context(clade_classifier_set_thresholds(*out, thresholds), "%s", path);
    if (!status && deviations)
        status = clade_target_scale_copy(file.numbers[CLADE_MODELFILE_MEANS], deviations,
                                         (*out)->classes.count, &(*out)->scale);
    if (status) clade_classifier_destroy(out);
    clade_model_destroy(&model);
    clade_modelfile_close(&file);
    return status;
}

clade_status clade_classifier_save(const clade_classifier *c, const char *path)
{
    if (!path) return clade_fail(CLADE_EINVAL, "no path to save to");
    char text[32], *lists[CLADE_MODELFILE_LISTS] = {NULL};
    clade_safetensors_pair pairs[1 + CLADE_MODELFILE_LISTS];
    clade_modelfile_extra extra = {.pairs = pairs};
    if (c->temperature != 1)
        pairs[extra.pair_count++] = clade_modelfile_temperature(c->temperature, text);
    clade_status status = clade_modelfile_add_numbers(
        (float *const[]){c->thresholds, c->scale.mean, c->scale.deviation}, c->classes.count, lists,
        pairs, &extra.pair_count);
    if (!status) status = clade_modelfile_write(path, c->recipe, &c->classes, c->model, &extra);
    for (int i = 0; i < CLADE_MODELFILE_LISTS; i++) free(lists[i]);
    return status;
}

int32_t clade_classifier_classes(const clade_classifier *c) { return c->classes.count; }

const char *clade_classifier_class_name(const clade_classifier *c, int32_t i)
{
    return i >= 0 && i < c->classes.count ? c->classes.name[i] : NULL;
}

const clade_recipe *clade_classifier_recipe(const clade_classifier *c) { return c->recipe; }
clade_model *clade_classifier_model(const clade_classifier *c) { return c->model; }

double clade_classifier_temperature(const clade_classifier *c) { return c->temperature; }

clade_status clade_classifier_set_temperature(clade_classifier *c, double temperature)
{
    if (!clade_temperature_is_valid(temperature))
        return clade_fail(CLADE_EINVAL, "temperature is %g, expected 0.01 to 100", temperature);
    const char *why = c->task == CLADE_TASK_REGRESSION    ? "tells numbers (task: regression)"
                      : c->scores                         ? "ends without softmax or sigmoid"
                      : c->task == CLADE_TASK_MULTI_LABEL ? "tells any number of classes (task: "
                                                            "multi_label)"
                      : c->task == CLADE_TASK_ORDINAL     ? "tells steps between classes (task: "
                                                            "ordinal)"
                                                          : NULL;
    if (why)
        return clade_fail(CLADE_EINVAL, "the net %s, so that it has no probabilities to calibrate",
                          why);
    c->temperature = temperature;
    return CLADE_OK;
}

clade_task clade_classifier_task(const clade_classifier *c) { return c->task; }

clade_status clade_classifier_scale_by(clade_classifier *c, const clade_target_scale *scale)
{
    return clade_target_scale_copy(scale->mean, scale->deviation, c->classes.count, &c->scale);
}

const float *clade_classifier_thresholds(const clade_classifier *c) { return c->thresholds; }

clade_status clade_classifier_set_thresholds(clade_classifier *c, const float *thresholds)
{
    if (!c->thresholds)
        return clade_fail(CLADE_EINVAL,
                          "the net tells one class of each image, without thresholds");
    for (int32_t i = 0; i < c->classes.count; i++)
        if (!(thresholds[i] >= 0 && thresholds[i] <= 1))
            return clade_fail(CLADE_EINVAL, "the threshold of '%s' is %g, expected 0 to 1",
                              c->classes.name[i], (double)thresholds[i]);
    memcpy(c->thresholds, thresholds, (size_t)c->classes.count * sizeof *c->thresholds);
    return CLADE_OK;
}

clade_status clade_classifier_set_views(clade_classifier *c, const float *matrix, size_t count)
{
    if (count > 1 && c->scores && c->task != CLADE_TASK_REGRESSION)
        return clade_fail(CLADE_EINVAL,
                          "the net ends without softmax or sigmoid, so that it has no "
                          "probabilities to take the mean of");
    if (count > 1000) return clade_fail(CLADE_EINVAL, "%zu views, expected 0 to 1000", count);
    float *views = count ? malloc(count * 8 * sizeof *views) : NULL;
    if (count && !views) return clade_fail(CLADE_ENOMEM, "out of memory for %zu views", count);
    if (count) memcpy(views, matrix, count * 8 * sizeof *views);
    free(c->views);
    c->views = views;
    c->view_count = count;
    return CLADE_OK;
}

/* --- predicting --- */

bool clade_classifier_gives_probabilities(const clade_classifier *c) { return !c->scores; }

/* Outputs, or logarithms of them, as one number for each class or target, of a single one, which is
 * that of class 1, two; with the temperature. */
static void spread(const clade_classifier *c, const float *y, bool logarithms, size_t n,
                   float *probabilities)
{
    size_t classes = (size_t)c->classes.count;
    if (c->task == CLADE_TASK_ORDINAL) {
        clade_steps_to_classes(y, n, c->classes.count, probabilities);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (c->outputs == 1 && c->task != CLADE_TASK_REGRESSION) {
            probabilities[2 * i] = 1 - y[i];
            probabilities[2 * i + 1] = y[i];
        } else if (logarithms) {
            for (size_t k = i * classes; k < (i + 1) * classes; k++) probabilities[k] = expf(y[k]);
        } else {
            memcpy(probabilities + i * classes, y + i * classes, classes * sizeof *y);
        }
    }
    clade_target_scale_undo(&c->scale, c->classes.count, n, probabilities);
    if (c->temperature != 1)
        clade_temperature_apply(probabilities, n, c->classes.count, c->temperature);
}

/* Images to be computed are as that view shows them. */
static const float *fill_matrix(clade_classifier *c, size_t view)
{
    if (!c->views) return NULL;
    const size_t batch = (size_t)clade_model_output(c->model)->dim[0];
    for (size_t i = 0; i < batch; i++)
        memcpy(c->matrix + 8 * i, c->views + 8 * view, 8 * sizeof *c->matrix);
    return c->matrix;
}

/* Adds probabilities of the view to the mean so far, which the last one completes. */
static void add_view(const clade_classifier *c, size_t view, const float *p, size_t n, float *mean)
{
    const size_t count = n * (size_t)c->classes.count;
    for (size_t i = 0; i < count; i++) mean[i] = view ? mean[i] + p[i] : p[i];
    if (c->view_count > 1 && view == c->view_count - 1)
        for (size_t i = 0; i < count; i++) mean[i] /= (float)c->view_count;
}

clade_status clade_classifier_predict_pixels(clade_classifier *c, const uint8_t *pixels,
                                             size_t count, float *probabilities)
{
    if (count && (!pixels || !probabilities))
        return clade_fail(CLADE_EINVAL, "no images to predict");
    const clade_preprocessing *p = clade_recipe_preprocessing(c->recipe);
    const clade_tensor *output = clade_model_output(c->model);
    size_t image = (size_t)p->height * (size_t)p->width * (size_t)p->channels;
    size_t batch = (size_t)output->dim[0];
    for (size_t first = 0; first < count; first += batch) {
        int32_t n = (int32_t)(count - first < batch ? count - first : batch);
        float *mean = probabilities + first * (size_t)c->classes.count;
        for (size_t i = 0; i < (size_t)n; i++) c->image[i] = pixels + (first + i) * image;
        for (size_t view = 0; view == 0 || view < c->view_count; view++) {
            clade_status status = clade_sampler_run(
                c->sampler, n, &(clade_sampled){.pixels = c->image, .matrix = fill_matrix(c, view)},
                NULL, NULL);
            if (!status) status = clade_model_infer(c->model, n, false);
            if (!status)
                status = clade_buffer_read(output->buffer, (size_t)output->offset * sizeof(float),
                                           c->y, (size_t)n * (size_t)c->outputs * sizeof(float));
            if (status) return status;
            spread(c, c->y, c->logarithms, (size_t)n, c->view);
            add_view(c, view, c->view, (size_t)n, mean);
        }
    }
    return CLADE_OK;
}

clade_status clade_classifier_predict(clade_classifier *c, const char *const *files, size_t count,
                                      float *probabilities)
{
    if (count && (!files || !probabilities))
        return clade_fail(CLADE_EINVAL, "no images to predict");
    const clade_preprocessing *p = clade_recipe_preprocessing(c->recipe);
    size_t image = (size_t)p->height * (size_t)p->width * (size_t)p->channels;
    size_t batch = (size_t)clade_model_output(c->model)->dim[0];
    if (batch > count) batch = count;
    if (count == 0) return CLADE_OK;
    uint8_t *pixels = malloc(batch * image);
    if (!pixels) return clade_fail(CLADE_ENOMEM, "out of memory for %zu images", batch);
    clade_status status = CLADE_OK;
    for (size_t first = 0; first < count && !status; first += batch) {
        size_t n = count - first < batch ? count - first : batch;
        for (size_t i = 0; i < n && !status; i++)
            status = clade_image_read(files[first + i], p->height, p->width, p->channels,
                                      p->interpolation, pixels + i * image);
        if (!status)
            status = clade_classifier_predict_pixels(
                c, pixels, n, probabilities + first * (size_t)c->classes.count);
    }
    free(pixels);
    return status;
}

/* --- evaluating --- */

static clade_status check_classes(const clade_classifier *c, const clade_dataset *dataset)
{
    size_t classes = clade_dataset_classes(dataset);
    if (clade_dataset_task(dataset) != clade_classifier_task(c))
        return clade_fail(CLADE_EINVAL, "the data is for task %s, the classifier for %s",
                          clade_task_words()[clade_dataset_task(dataset)],
                          clade_task_words()[clade_classifier_task(c)]);
    if (classes != (size_t)c->classes.count)
        return clade_fail(CLADE_EINVAL, "the data has %zu classes, the classifier %d", classes,
                          c->classes.count);
    for (size_t i = 0; i < classes; i++)
        if (strcmp(c->classes.name[i], clade_dataset_class_name(dataset, i)))
            return clade_fail(CLADE_EINVAL,
                              "class %zu of the data is '%s'; the classifier expects '%s'", i,
                              clade_dataset_class_name(dataset, i), c->classes.name[i]);
    return CLADE_OK;
}

/* The mean of the views of all images, view by view. */
static clade_status run_views(clade_classifier *c, clade_model *model, clade_feed *feed,
                              clade_results *results, size_t n, clade_ranks *ranks,
                              clade_metrics *out)
{
    const size_t size = n * (size_t)c->classes.count;
    const clade_loss loss = clade_recipe_training(c->recipe)->loss;
    const bool logarithms = c->logarithms && !clade_loss_takes_activation(loss);
    float *view = malloc(size * sizeof *view);
    clade_status status = CLADE_OK;
    c->evaluated = malloc(size * sizeof *c->evaluated);
    if (!view || !c->evaluated)
        status = clade_fail(CLADE_ENOMEM, "out of memory for %zu predictions", n);
    for (size_t k = 0; !status && (k == 0 || k < c->view_count); k++) {
        status = clade_evaluation_run(c->evaluation, model, feed, results, fill_matrix(c, k), ranks,
                                      NULL, NULL, out);
        if (status || out->count == 0) continue;
        spread(c, clade_evaluation_outputs(c->evaluation), logarithms, n, view);
        add_view(c, k, view, n, c->evaluated);
    }
    free(view);
    if (!status && out->count) return CLADE_OK;
    free(c->evaluated);
    c->evaluated = NULL;
    return status;
}

static clade_status evaluate(clade_classifier *c, clade_model *model, const clade_dataset *dataset,
                             clade_split split, clade_ranks *ranks, clade_metrics *out)
{
    clade_feed_options options = {.upload = {.dataset = dataset,
                                             .split = split,
                                             .model = model,
                                             .preprocessing = clade_recipe_preprocessing(c->recipe),
                                             .augment = c->views ? &c->border : NULL,
                                             .scale = &c->scale}};
    const int32_t top_k = clade_recipe_training(c->recipe)->top_k;
    const size_t n = clade_dataset_count(dataset, split);
    clade_feed *feed = NULL;
    clade_results *results = NULL;
    clade_evaluation_destroy(&c->evaluation);
    free(c->evaluated);
    c->evaluated = NULL;
    clade_status status =
        clade_evaluation_create(model, dataset, split, c->classes.count, top_k, &c->evaluation);
    if (!status) clade_evaluation_tell_by(c->evaluation, c->thresholds);
    if (!status) clade_evaluation_scale_by(c->evaluation, &c->scale);
    if (!status) status = clade_feed_create(&options, &feed);
    if (!status) status = clade_results_create(model, &results);
    if (!status) status = run_views(c, model, feed, results, n, ranks, out);
    clade_results_destroy(&results);
    clade_feed_destroy(&feed);
    if (!c->evaluated || (c->view_count < 2 && c->temperature == 1)) return status;
    return clade_evaluation_measure(c->evaluation, c->evaluated, out);
}

const float *clade_classifier_evaluated(const clade_classifier *c) { return c->evaluated; }

clade_status clade_classifier_evaluate(clade_classifier *c, const clade_dataset *dataset,
                                       clade_split split, clade_ranks *ranks, clade_metrics *out)
{
    if (!dataset || !out || split < 0 || split >= CLADE_SPLITS)
        return clade_fail(CLADE_EINVAL, "an evaluation needs a split of a data set");
    *out = (clade_metrics){0};
    if (clade_dataset_count(dataset, split) == 0)
        return clade_fail(CLADE_EINVAL, "the %s split has no images to evaluate on",
                          clade_split_word(split));
    clade_status status = check_classes(c, dataset);
    if (status) return status;
    if (clade_recipe_training(c->recipe)->loss == CLADE_LOSS_NONE)
        return clade_fail(CLADE_EINVAL, "the classifier's recipe has no train.loss");
    const clade_tensor *losses = clade_model_losses(c->model);
    if (losses && clade_tensor_present(losses))
        return evaluate(c, c->model, dataset, split, ranks, out);
    clade_model *model = NULL;
    status = make_model(c->recipe, c->classes.count, true, clade_model_device(c->model), &model);
    if (!status) status = clade_model_copy(c->model, model);
    if (!status) status = evaluate(c, model, dataset, split, ranks, out);
    clade_model_destroy(&model);
    return status;
}
