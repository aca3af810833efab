/* The state of a run, from which it goes on: weights, moments, progress, history, and digests of
 * the images that were read, in one file. */
#include "base/file.h"
#include "data/dataset.h"
#include "nn/loss.h"
#include "nn/precision.h"
#include "recipe/recipe.h"
#include "recipe/yaml_node.h"
#include "train/run.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct field {
    const char *key;
    bool real; /* double; else int64_t */
    bool late; /* 0 in states that do not have it */
    size_t offset;
    double low, high;
    bool scaled; /* there where the loss is scaled */
} field;

#define WHOLE(name, high)                                                                          \
    {                                                                                              \
        "progress." #name, false, false, offsetof(clade_progress, name), 0, high, false            \
    }
#define REAL(name, low, high)                                                                      \
    {                                                                                              \
        "progress." #name, true, false, offsetof(clade_progress, name), low, high, false           \
    }
/* Epochs are counted on in 32 bits, steps and images without end in doubles. */
#define EPOCHS (INT32_MAX - 1)
#define COUNT 0x1p53
static const field fields[] = {
    WHOLE(epoch, EPOCHS),
    WHOLE(batch, COUNT),
    WHOLE(batch_size, INT32_MAX),
    WHOLE(step, COUNT),
    REAL(tally.loss, -DBL_MAX, DBL_MAX),
    WHOLE(tally.count, COUNT),
    WHOLE(tally.correct, COUNT),
    WHOLE(tally.in_top_k, COUNT),
    REAL(seconds, 0, DBL_MAX),
    REAL(plateau_factor, 0, 1),
    REAL(plateau_best, -INFINITY, INFINITY),
    WHOLE(plateau_wait, EPOCHS),
    REAL(stop_best, -INFINITY, INFINITY),
    WHOLE(stop_wait, EPOCHS),
    WHOLE(best_epoch, EPOCHS),
    REAL(best_accuracy, -DBL_MAX, 1),
    REAL(best_loss, -INFINITY, INFINITY),
    WHOLE(unfrozen, COUNT),
    WHOLE(damaged, COUNT),
    {"progress.tally.error", true, true, offsetof(clade_progress, tally.error), 0, DBL_MAX, false},
    {"progress.loss_scale", true, false, offsetof(clade_progress, loss_scale.scale), 0x1p-126,
     0x1p126, true},
    {"progress.loss_scale.finite", false, false, offsetof(clade_progress, loss_scale.finite), 0,
     CLADE_LOSS_SCALE_STEPS, true},
    {"progress.skipped", false, false, offsetof(clade_progress, loss_scale.skipped), 0, COUNT,
     true},
    {"progress.skipped_ever", false, false, offsetof(clade_progress, loss_scale.skipped_ever), 0,
     COUNT, true},
};
enum { field_count = sizeof fields / sizeof *fields, field_size = 40 };

static void write_field(const clade_progress *progress, const field *f, char text[field_size])
{
    const char *at = (const char *)progress + f->offset;
    if (f->real) {
        double value;
        memcpy(&value, at, sizeof value);
        snprintf(text, field_size, "%a", value); /* every bit of it */
    } else {
        int64_t value;
        memcpy(&value, at, sizeof value);
        snprintf(text, field_size, "%" PRId64, value);
    }
}

/* Reads a number within the field's range; false where the text is none. */
static bool read_field(clade_progress *progress, const field *f, const char *text)
{
    char *at = (char *)progress + f->offset, *end = NULL;
    if (f->real) {
        double value = strtod(text, &end);
        memcpy(at, &value, sizeof value);
        return end > text && !*end && value >= f->low && value <= f->high;
    }
    int64_t value = strtoimax(text, &end, 10);
    memcpy(at, &value, sizeof value);
    return end > text && !*end && (double)value >= f->low && (double)value <= f->high;
}

/* What the state calls the digests of a split's images. */
static const char *const digests[] = {
    [CLADE_TRAIN] = "images.training", [CLADE_VALIDATION] = "images.validation"};

static clade_status add_digests(const clade_run *run, const char *path, clade_split split,
                                uint64_t **values, clade_safetensors_tensor *out)
{
    size_t count = run->dataset->split[split].listed;
    *values = malloc((count ? count : 1) * sizeof **values);
    if (!*values) return clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
    clade_dataset_digests(run->dataset, split, *values);
    *out = (clade_safetensors_tensor){.name = digests[split],
                                      .dtype = CLADE_SAFETENSORS_U64,
                                      .rank = 1,
                                      .shape = {(int64_t)count},
                                      .data = *values};
    return CLADE_OK;
}

static clade_status save(const clade_run *run, const char *path, const clade_recipe *recipe,
                         const clade_class_names *classes, const clade_model *model,
                         const clade_updater *updater, const clade_progress *progress,
                         float *values[CLADE_MOST_MOMENTS], uint64_t *digest[2])
{
    char text[field_count][field_size];
    clade_safetensors_pair pairs[field_count + 2];
    clade_safetensors_tensor tensors[CLADE_MOST_MOMENTS + 2] = {0};
    clade_tensor moment[CLADE_MOST_MOMENTS];
    const char *name[CLADE_MOST_MOMENTS];
    size_t pair_count = 0;
    for (int i = 0; i < field_count; i++) {
        if (fields[i].scaled && progress->loss_scale.scale == 0) continue;
        write_field(progress, &fields[i], text[i]);
        pairs[pair_count++] = (clade_safetensors_pair){fields[i].key, text[i]};
    }
    pairs[pair_count++] = (clade_safetensors_pair){"data", run->dataset->identity};
    pairs[pair_count++] = (clade_safetensors_pair){"history", run->history};
    size_t count = clade_updater_moments(updater, moment, name);
    for (size_t i = 0; i < count; i++) {
        size_t n = clade_tensor_count(&moment[i]);
        values[i] = malloc(n * sizeof **values);
        if (!values[i]) return clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
        clade_status status = clade_tensor_read(&moment[i], values[i]);
        if (status) return status;
        tensors[i] = (clade_safetensors_tensor){.name = name[i],
                                                .dtype = CLADE_SAFETENSORS_F32,
                                                .rank = 1,
                                                .shape = {(int64_t)n},
                                                .data = values[i]};
    }
    for (int split = CLADE_TRAIN; split <= CLADE_VALIDATION; split++) {
        clade_status status =
            add_digests(run, path, (clade_split)split, &digest[split], &tensors[count++]);
        if (status) return status;
    }
    const clade_modelfile_extra extra = {tensors, count, pairs, pair_count};
    return clade_modelfile_write(path, recipe, classes, model, &extra);
}

clade_status clade_run_save(const clade_run *run, const clade_recipe *recipe,
                            const clade_class_names *classes, const clade_model *model,
                            const clade_updater *updater, const clade_progress *progress)
{
    if (!run->folder) return CLADE_OK;
    char *path = clade_run_path(run->folder, "state");
    if (!path) return CLADE_ENOMEM;
    float *values[CLADE_MOST_MOMENTS] = {NULL};
    uint64_t *digest[2] = {NULL, NULL};
    clade_status status =
        save(run, path, recipe, classes, model, updater, progress, values, digest);
    for (int i = 0; i < CLADE_MOST_MOMENTS; i++) free(values[i]);
    for (int i = 0; i < 2; i++) free(digest[i]);
    free(path);
    return status;
}

static clade_status restore_moment(const clade_modelfile *file, const char *name,
                                   const clade_tensor *moment)
{
    const clade_safetensors_tensor *stored = clade_safetensors_find(file->file, name);
    size_t count = clade_tensor_count(moment);
    if (!stored || stored->rank != 1 || stored->shape[0] != (int64_t)count)
        return clade_fail(
            CLADE_EINVAL,
            "%s: the state of another optimizer or model: '%s' with %zu numbers is not in it",
            file->path, name, count);
    float *values = malloc(count * sizeof *values);
    if (!values) return clade_fail(CLADE_ENOMEM, "%s: out of memory", file->path);
    clade_status status = clade_safetensors_floats(file->file, stored, count, values);
    if (!status) status = clade_tensor_write(moment, values);
    free(values);
    return status;
}

/* Has the data set read other images than the run had? */
static clade_status compare_digests(const clade_run *run, const clade_modelfile *file,
                                    clade_split split)
{
    const clade_safetensors_tensor *stored = clade_safetensors_find(file->file, digests[split]);
    size_t count = run->dataset->split[split].listed;
    if (!stored || stored->dtype != CLADE_SAFETENSORS_U64 || stored->rank != 1 ||
        stored->shape[0] != (int64_t)count)
        return clade_fail(CLADE_EFORMAT, "%s: '%s' is not a list of %zu digests", file->path,
                          digests[split], count);
    uint64_t *digest = malloc((count ? count : 1) * sizeof *digest);
    if (!digest) return clade_fail(CLADE_ENOMEM, "%s: out of memory", file->path);
    memcpy(digest, stored->data, count * sizeof *digest);
    clade_status status = clade_dataset_expect(run->dataset, split, digest);
    free(digest);
    return status;
}

/* Where two numbers contradict each other. */
static clade_status check_progress(const clade_modelfile *file, const clade_progress *p)
{
    const clade_tally *t = &p->tally;
    const bool several = clade_recipe_data(file->recipe)->task == CLADE_TASK_MULTI_LABEL;
    const uint64_t labels = several ? (uint64_t)file->classes.count : 1; /* of an image */
    if (t->correct / labels > t->count || t->in_top_k > t->count)
        return clade_fail(CLADE_EFORMAT,
                          "%s: 'progress.tally.correct' is %" PRIu64
                          " and 'progress.tally.in_top_k' %" PRIu64
                          ", expected at most the %" PRIu64 " images of 'progress.tally.count'",
                          file->path, t->correct, t->in_top_k, t->count);
    if (p->loss_scale.skipped > p->loss_scale.skipped_ever || p->loss_scale.skipped_ever > p->step)
        return clade_fail(
            CLADE_EFORMAT,
            "%s: 'progress.skipped' is %" PRId64 " and 'progress.skipped_ever' %" PRId64
            ", expected the latter from the former to the %" PRId64 " of 'progress.step'",
            file->path, p->loss_scale.skipped, p->loss_scale.skipped_ever, p->step);
    if (p->unfrozen > p->step)
        return clade_fail(CLADE_EFORMAT,
                          "%s: 'progress.unfrozen' is %" PRId64 ", expected at most the %" PRId64
                          " of 'progress.step'",
                          file->path, p->unfrozen, p->step);
    return CLADE_OK;
}

/* What is there where the loss is scaled, is read if it is in `out`. */
static clade_status read_progress(const clade_modelfile *file, clade_progress *out)
{
    const bool scaled = out->loss_scale.scale != 0;
    for (int i = 0; i < field_count; i++) {
        const field *f = &fields[i];
        if (f->scaled && !scaled) continue;
        const char *text = clade_safetensors_metadata(file->file, f->key);
        if (!text && f->late) text = "0";
        if (!text) return clade_fail(CLADE_EFORMAT, "%s: '%s' is missing", file->path, f->key);
        if (!read_field(out, f, text))
            return clade_fail(CLADE_EFORMAT, "%s: '%s' is '%s', expected a %snumber from %g to %g",
                              file->path, f->key, clade_yaml_quote(text).text,
                              f->real ? "" : "whole ", f->low, f->high);
    }
    return check_progress(file, out);
}

/* Shards are part of the arithmetic: those of the run, also where batches are of another size. */
static clade_status check_shard(const clade_run *run, const clade_modelfile *file,
                                const clade_model *model, int64_t batch)
{
    const clade_training *then = clade_recipe_training(file->recipe);
    const int32_t shard = clade_training_shard(then), now = clade_model_input(model)->dim[0];
    const int64_t expected = shard < then->batch && shard < batch ? shard : batch;
    if (now == expected) return CLADE_OK;
    return clade_fail(CLADE_EINVAL,
                      "%s: the run computes %" PRId64
                      " images at a time; expected the same, found train.shard %d",
                      run->folder, expected, now);
}

/* And so is the precision. */
static clade_status check_precision(const clade_run *run, const clade_modelfile *file,
                                    const clade_model *model)
{
    const char *const *words = clade_precision_words();
    const clade_precision then = clade_recipe_training(file->recipe)->precision;
    const clade_precision now = clade_model_precision(model);
    if (then == now) return CLADE_OK;
    return clade_fail(CLADE_EINVAL,
                      "%s: the run is trained in %s; expected the same, found train.precision %s",
                      run->folder, words[then], words[now]);
}

/* Numbers of one kind of velocity would be taken for those of the other. */
static clade_status check_velocity(const clade_run *run, const clade_modelfile *file,
                                   const clade_optimizer *now)
{
    const clade_optimizer *then = &clade_recipe_training(file->recipe)->optimizer;
    if (then->kind != now->kind || then->velocity == now->velocity) return CLADE_OK;
    return clade_fail(
        CLADE_EINVAL,
        "%s: the run is trained with velocity: %s; expected the same, found train.optimizer.%s."
        "velocity %s",
        run->folder, clade_recipe_velocities[then->velocity], clade_recipe_optimizers[now->kind],
        clade_recipe_velocities[now->velocity]);
}

/* Where epochs are judged by their loss, its units stay those of the best one. */
static clade_status check_units(const clade_run *run, const clade_modelfile *file,
                                const clade_training *now)
{
    const clade_training *then = clade_recipe_training(file->recipe);
    if (clade_recipe_data(file->recipe)->task != CLADE_TASK_REGRESSION) return CLADE_OK;
    if (then->raw_targets != now->raw_targets)
        return clade_fail(CLADE_EINVAL,
                          "%s: the run is trained with train.normalize_targets: %s; expected the "
                          "same, found %s",
                          run->folder, then->raw_targets ? "false" : "true",
                          now->raw_targets ? "false" : "true");
    if (then->loss != now->loss)
        return clade_fail(
            CLADE_EINVAL, "%s: the run is trained with train.loss: %s; expected the same, found %s",
            run->folder, clade_loss_rules[then->loss].word[0], clade_loss_rules[now->loss].word[0]);
    const float delta = clade_loss_numbers_resolve(then->loss, then->loss_numbers).delta;
    const float other = clade_loss_numbers_resolve(now->loss, now->loss_numbers).delta;
    if (delta == other) return CLADE_OK;
    return clade_fail(CLADE_EINVAL,
                      "%s: the run is trained with train.loss: {%s: {delta: %.9g}}; expected the "
                      "same, found %.9g",
                      run->folder, clade_loss_rules[then->loss].word[0], (double)delta,
                      (double)other);
}

static clade_status restore(clade_run *run, const clade_modelfile *file,
                            const clade_training *settings, clade_model *model,
                            clade_updater *updater, clade_progress *progress)
{
    clade_progress read = {.loss_scale = progress->loss_scale};
    clade_status status = check_precision(run, file, model);
    if (!status) status = check_velocity(run, file, &settings->optimizer);
    if (!status) status = check_units(run, file, settings);
    if (!status) status = read_progress(file, &read);
    if (status) return status;
    const char *data = clade_safetensors_metadata(file->file, "data");
    const char *history = clade_safetensors_metadata(file->file, "history");
    if (!data || !history)
        return clade_fail(CLADE_EFORMAT, "%s: '%s' is missing", file->path,
                          data ? "history" : "data");
    if (strcmp(data, run->dataset->identity))
        return clade_fail(CLADE_EINVAL, "%s: the run was on other data: classes or images differ",
                          run->folder);
    if (read.batch && read.batch_size != progress->batch_size)
        return clade_fail(CLADE_EINVAL,
                          "%s: stopped in the middle of an epoch of batches of %" PRId64
                          "; expected the same, found %" PRId64,
                          run->folder, read.batch_size, progress->batch_size);
    status = check_shard(run, file, model, progress->batch_size);
    for (int split = CLADE_TRAIN; split <= CLADE_VALIDATION && !status; split++)
        status = compare_digests(run, file, (clade_split)split);
    if (status) return status;
    status = clade_modelfile_load(file, model);
    if (status == CLADE_EFORMAT) status = CLADE_EINVAL; /* the recipe is another */
    clade_tensor moment[CLADE_MOST_MOMENTS];
    const char *name[CLADE_MOST_MOMENTS];
    size_t count = clade_updater_moments(updater, moment, name);
    for (size_t i = 0; i < count && !status; i++)
        status = restore_moment(file, name[i], &moment[i]);
    if (status) return status;
    char *copy = clade_string_join(history, "");
    if (!copy) return clade_fail(CLADE_ENOMEM, "%s: out of memory", file->path);
    free(run->history);
    run->history = copy;
    read.batch_size = progress->batch_size;
    *progress = read;
    return CLADE_OK;
}

static clade_status open_state(const clade_run *run, clade_modelfile *file)
{
    char *path = clade_run_path(run->folder, "state");
    if (!path) return CLADE_ENOMEM;
    clade_status status = clade_modelfile_open(path, file);
    free(path);
    return status;
}

clade_status clade_run_peek(const clade_run *run, clade_progress *progress)
{
    clade_modelfile file;
    clade_status status = open_state(run, &file);
    if (status) return status;
    status = read_progress(&file, progress);
    clade_modelfile_close(&file);
    return status;
}

clade_status clade_run_restore(clade_run *run, const clade_training *settings, clade_model *model,
                               clade_updater *updater, clade_progress *progress)
{
    clade_modelfile file;
    clade_status status = open_state(run, &file);
    if (status) return status;
    status = restore(run, &file, settings, model, updater, progress);
    clade_modelfile_close(&file);
    return status;
}
