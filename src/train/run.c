/* The run folder: opening and locking, small files and the history. */
#define _DEFAULT_SOURCE
#include "train/run.h"

#include "base/file.h"
#include "base/locale.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char recipe_name[] = "recipe.yaml";
#define HISTORY(score) "epoch,loss," score ",val_loss,val_" score ",lr,seconds,images_per_second"
#define HEADS(score, more)                                                                         \
    {                                                                                              \
        HISTORY(score) more "\n", HISTORY(score) more ",skipped\n"                                 \
    }

/* One column more of tasks other than one class, and where steps may be skipped. */
static const char *history_head(const clade_dataset *dataset, bool scaled)
{
    static const char *const heads[][2] = {[CLADE_TASK_CLASS] = HEADS("accuracy", ""),
                                           [CLADE_TASK_MULTI_LABEL] = HEADS("accuracy", ",val_map"),
                                           [CLADE_TASK_REGRESSION] = HEADS("mae", ",val_r2"),
                                           [CLADE_TASK_ORDINAL] = HEADS("accuracy", ",val_mae")};
    return heads[clade_dataset_task(dataset)][scaled];
}

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
        return clade_fail(CLADE_EINVAL, "%s: another process is at work in this folder",
                          run->folder);
    return CLADE_OK; /* a file system without locks is no reason to refuse */
}

clade_status clade_run_open(const char *folder, bool resume, const clade_dataset *dataset,
                            bool scaled, clade_run *out, bool *found)
{
    *out = (clade_run){.lock = -1};
    *found = false;
    out->history = clade_string_join(history_head(dataset, scaled), "");
    if (!out->history) return clade_fail(CLADE_ENOMEM, "out of memory for a run");
    if (!folder) return CLADE_OK;
    out->folder = clade_string_join(folder, "");
    clade_status status = CLADE_OK;
    bool empty = false, state = false;
    struct stat info;
    if (!out->folder) status = clade_fail(CLADE_ENOMEM, "%s: out of memory", folder);
    if (!status && resume && stat(folder, &info))
        status = clade_fail(CLADE_EIO, "%s: nothing to resume: %s", folder, strerror(errno));
    if (!status) status = clade_folder_make(folder, &out->made);
    if (!status && (status = lock(out))) out->made = 0; /* another process has it */
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
    if (run->folder) clade_folder_unmake(run->folder, run->made);
    if (run->folder && run->lock >= 0) close(run->lock);
    free(run->folder);
    free(run->history);
    *run = (clade_run){.lock = -1};
}

void clade_run_withdraw(const clade_run *run)
{
    DIR *list = run->folder ? opendir(run->folder) : NULL;
    bool alone = list != NULL;
    for (const struct dirent *entry; list && (entry = readdir(list));)
        alone &= !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
                 !strcmp(entry->d_name, recipe_name);
    if (alone) unlinkat(dirfd(list), recipe_name, 0);
    if (list) closedir(list);
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
                                   const clade_model *model, const clade_target_scale *scale)
{
    if (!run->folder) return CLADE_OK;
    char *path = clade_run_path(run->folder, name), *lists[CLADE_MODELFILE_LISTS] = {NULL};
    if (!path) return CLADE_ENOMEM;
    clade_safetensors_pair pairs[CLADE_MODELFILE_LISTS];
    clade_modelfile_extra extra = {.pairs = pairs};
    clade_status status =
        clade_modelfile_add_numbers((float *const[]){NULL, scale->mean, scale->deviation},
                                    classes->count, lists, pairs, &extra.pair_count);
    if (!status) status = clade_modelfile_write(path, recipe, classes, model, &extra);
    for (int i = 0; i < CLADE_MODELFILE_LISTS; i++) free(lists[i]);
    free(path);
    return status;
}

clade_status clade_run_add_history(clade_run *run, const clade_epoch *e)
{
    CLADE_PLAIN_NUMBERS;
    const clade_task task = e->train.task;
    const clade_metrics *v = &e->validation;
    const bool numbers = task == CLADE_TASK_REGRESSION;
    const char *end = run->history + strcspn(run->history, "\n");
    char row[256], validation[64] = ",", more[32] = "", skipped[32] = "";
    if (v->count)
        snprintf(validation, sizeof validation, "%.9g,%.9g", v->loss,
                 numbers ? v->mae : v->accuracy);
    if (v->count && task != CLADE_TASK_CLASS && !(numbers && isnan(v->r2)))
        snprintf(more, sizeof more, ",%.9g",
                 numbers                         ? v->r2
                 : v->task == CLADE_TASK_ORDINAL ? v->mae
                                                 : v->map);
    else if (task != CLADE_TASK_CLASS)
        strcpy(more, ",");
    if (!strncmp(end - strlen(",skipped"), ",skipped", strlen(",skipped")))
        snprintf(skipped, sizeof skipped, ",%" PRId64, e->skipped);
    snprintf(row, sizeof row, "%d,%.9g,%.9g,%s,%.7g,%.3f,%.1f%s%s\n", e->epoch, e->train.loss,
             numbers ? e->train.mae : e->train.accuracy, validation, e->lr, e->seconds,
             e->images_per_second, more, skipped);
    char *longer = clade_string_join(run->history, row);
    if (!longer) return clade_fail(CLADE_ENOMEM, "out of memory for the history");
    free(run->history);
    run->history = longer;
    return clade_run_write_text(run, "history.csv", run->history);
}
