/* The run folder: opening and locking, history, state. */
#define _DEFAULT_SOURCE
#include "train/run.h"

#include "base/file.h"
#include "data/dataset.h"
#include "recipe/yaml_node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char history_head[] =
    "epoch,loss,accuracy,val_loss,val_accuracy,lr,seconds,images_per_second\n";

char *clade_run_path(const char *folder, const char *file)
{
    char *path = clade_path_join(folder, file);
    if (!path) clade_fail(CLADE_ENOMEM, "%s: out of memory", folder);
    return path;
}

/* --- opening --- */

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && !strcmp(name + n - m, end);
}

/* What was being written when an earlier process was killed. */
static bool is_left_over(const char *name)
{
    static const char *const ours[] = {"recipe.yaml.",      "history.csv.", "best.safetensors.",
                                       "last.safetensors.", "state.",       "metrics.json.",
                                       "report.html.",      "curves.svg."};
    if (!ends_with(name, ".tmp")) return false;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (!strncmp(name, ours[i], strlen(ours[i]))) return true;
    return false;
}

/* Removes left-overs; is there anything else, and is there a state? */
static clade_status look_into(const char *folder, bool *empty, bool *state)
{
    DIR *list = opendir(folder);
    if (!list) return clade_fail(CLADE_EIO, "%s: cannot read: %s", folder, strerror(errno));
    *empty = true;
    *state = false;
    errno = 0;
    for (const struct dirent *entry; (entry = readdir(list)); errno = 0) {
        if (is_left_over(entry->d_name)) {
            unlinkat(dirfd(list), entry->d_name, 0);
            continue;
        }
        if (!strcmp(entry->d_name, "state")) *state = true;
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) *empty = false;
    }
    clade_status status = CLADE_OK;
    if (errno) status = clade_fail(CLADE_EIO, "%s: cannot read: %s", folder, strerror(errno));
    closedir(list);
    return status;
}

static clade_status lock(clade_run *run)
{
    run->lock = open(run->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (run->lock < 0)
        return clade_fail(CLADE_EIO, "%s: cannot open: %s", run->folder, strerror(errno));
    if (flock(run->lock, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return clade_fail(CLADE_EINVAL, "%s: another process is training in this folder",
                          run->folder);
    return CLADE_OK; /* a file system without locks is no reason to refuse */
}

clade_status clade_run_open(const char *folder, bool resume, const clade_dataset *dataset,
                            clade_run *out, bool *found)
{
    *out = (clade_run){.lock = -1};
    *found = false;
    out->history = clade_string_join(history_head, "");
    if (!out->history) return clade_fail(CLADE_ENOMEM, "out of memory for a run");
    if (!folder) return CLADE_OK;
    out->folder = clade_string_join(folder, "");
    clade_status status = CLADE_OK;
    bool empty = false, state = false;
    struct stat info;
    if (!out->folder) status = clade_fail(CLADE_ENOMEM, "%s: out of memory", folder);
    if (!status && resume && stat(folder, &info))
        status = clade_fail(CLADE_EIO, "%s: nothing to resume: %s", folder, strerror(errno));
    if (!status) status = clade_folder_create(folder);
    if (!status) status = lock(out);
    if (!status) status = look_into(folder, &empty, &state);
    if (!status && !resume && !empty)
        status = clade_fail(
            CLADE_EINVAL,
            "%s: the folder is not empty; expected a new one, or to resume the run that is "
            "in it",
            folder);
    if (status) {
        clade_run_close(out);
        return status;
    }
    out->dataset = dataset;
    *found = state;
    return CLADE_OK;
}

void clade_run_close(clade_run *run)
{
    if (run->folder && run->lock >= 0) close(run->lock);
    free(run->folder);
    free(run->history);
    *run = (clade_run){.lock = -1};
}

/* --- small files --- */

clade_status clade_run_write_text(const clade_run *run, const char *name, const char *text)
{
    if (!run->folder) return CLADE_OK;
    char *path = clade_run_path(run->folder, name);
    if (!path) return CLADE_ENOMEM;
    clade_status status = clade_file_write(path, text, strlen(text));
    free(path);
    return status;
}

clade_status clade_run_write_model(const clade_run *run, const char *name,
                                   const clade_recipe *recipe, const clade_class_names *classes,
                                   const clade_model *model)
{
    if (!run->folder) return CLADE_OK;
    char *path = clade_run_path(run->folder, name);
    if (!path) return CLADE_ENOMEM;
    clade_status status = clade_modelfile_write(path, recipe, classes, model, NULL);
    free(path);
    return status;
}

clade_status clade_run_add_history(clade_run *run, const clade_epoch *e)
{
    char row[256], validation[64] = ",";
    if (e->validation.count)
        snprintf(validation, sizeof validation, "%.9g,%.9g", e->validation.loss,
                 e->validation.accuracy);
    snprintf(row, sizeof row, "%d,%.9g,%.9g,%s,%.7g,%.3f,%.1f\n", e->epoch, e->train.loss,
             e->train.accuracy, validation, e->lr, e->seconds, e->images_per_second);
    char *longer = clade_string_join(run->history, row);
    if (!longer) return clade_fail(CLADE_ENOMEM, "out of memory for the history");
    free(run->history);
    run->history = longer;
    return clade_run_write_text(run, "history.csv", run->history);
}

/* --- state --- */

typedef struct field {
    const char *key;
    bool real; /* double; else int64_t */
    size_t offset;
    double low, high;
} field;

#define WHOLE(name, high)                                                                          \
    {                                                                                              \
        "progress." #name, false, offsetof(clade_progress, name), 0, high                          \
    }
#define REAL(name, low, high)                                                                      \
    {                                                                                              \
        "progress." #name, true, offsetof(clade_progress, name), low, high                         \
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
    REAL(best_accuracy, -1, 1),
    REAL(best_loss, -INFINITY, INFINITY),
    WHOLE(unfrozen, COUNT),
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
                         float *values[2], uint64_t *digest[2])
{
    char text[field_count][field_size];
    clade_safetensors_pair pairs[field_count + 2];
    clade_safetensors_tensor tensors[4] = {0};
    clade_tensor moment[2];
    const char *name[2];
    for (int i = 0; i < field_count; i++) {
        write_field(progress, &fields[i], text[i]);
        pairs[i] = (clade_safetensors_pair){fields[i].key, text[i]};
    }
    pairs[field_count] = (clade_safetensors_pair){"data", run->dataset->identity};
    pairs[field_count + 1] = (clade_safetensors_pair){"history", run->history};
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
    const clade_modelfile_extra extra = {tensors, count, pairs, field_count + 2};
    return clade_modelfile_write(path, recipe, classes, model, &extra);
}

clade_status clade_run_save(const clade_run *run, const clade_recipe *recipe,
                            const clade_class_names *classes, const clade_model *model,
                            const clade_updater *updater, const clade_progress *progress)
{
    if (!run->folder) return CLADE_OK;
    char *path = clade_run_path(run->folder, "state");
    if (!path) return CLADE_ENOMEM;
    float *values[2] = {NULL, NULL};
    uint64_t *digest[2] = {NULL, NULL};
    clade_status status =
        save(run, path, recipe, classes, model, updater, progress, values, digest);
    for (int i = 0; i < 2; i++) {
        free(values[i]);
        free(digest[i]);
    }
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
    if (t->correct > t->count || t->in_top_k > t->count)
        return clade_fail(CLADE_EFORMAT,
                          "%s: 'progress.tally.correct' is %" PRIu64
                          " and 'progress.tally.in_top_k' %" PRIu64
                          ", expected at most the %" PRIu64 " images of 'progress.tally.count'",
                          file->path, t->correct, t->in_top_k, t->count);
    if (p->unfrozen > p->step)
        return clade_fail(CLADE_EFORMAT,
                          "%s: 'progress.unfrozen' is %" PRId64 ", expected at most the %" PRId64
                          " of 'progress.step'",
                          file->path, p->unfrozen, p->step);
    return CLADE_OK;
}

static clade_status read_progress(const clade_modelfile *file, clade_progress *out)
{
    for (int i = 0; i < field_count; i++) {
        const field *f = &fields[i];
        const char *text = clade_safetensors_metadata(file->file, f->key);
        if (!text) return clade_fail(CLADE_EFORMAT, "%s: '%s' is missing", file->path, f->key);
        if (!read_field(out, f, text))
            return clade_fail(CLADE_EFORMAT, "%s: '%s' is '%s', expected a %snumber from %g to %g",
                              file->path, f->key, clade_yaml_quote(text).text,
                              f->real ? "" : "whole ", f->low, f->high);
    }
    return check_progress(file, out);
}

static clade_status restore(clade_run *run, const clade_modelfile *file, clade_model *model,
                            clade_updater *updater, clade_progress *progress)
{
    clade_progress read;
    clade_status status = read_progress(file, &read);
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
    for (int split = CLADE_TRAIN; split <= CLADE_VALIDATION && !status; split++)
        status = compare_digests(run, file, (clade_split)split);
    if (status) return status;
    status = clade_modelfile_load(file, model);
    if (status == CLADE_EFORMAT) status = CLADE_EINVAL; /* the recipe is another */
    clade_tensor moment[2];
    const char *name[2];
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

clade_status clade_run_restore(clade_run *run, clade_model *model, clade_updater *updater,
                               clade_progress *progress)
{
    clade_modelfile file;
    clade_status status = open_state(run, &file);
    if (status) return status;
    status = restore(run, &file, model, updater, progress);
    clade_modelfile_close(&file);
    return status;
}
