/* One trial of a study: trial.json, and the histories of its runs. */
#include "tune/study.h"

#include "base/file.h"
#include "base/json.h"
#include "base/locale.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const states[] = {"running", "done", "failed"};

static clade_status no_memory(void)
{
    return clade_fail(CLADE_ENOMEM, "out of memory for a study");
}

char *clade_study_run_path(const clade_study *study, size_t number, int32_t run, const char *name)
{
    size_t size = strlen(study->folder) + strlen(name ? name : "") + 64;
    char *path = malloc(size);
    if (!path) {
        no_memory();
        return NULL;
    }
    int n = snprintf(path, size, "%s/trials/%04zu", study->folder, number);
    if (run > 0) n += snprintf(path + n, size - (size_t)n, "/seed-%d", (int)run + 1);
    if (name) snprintf(path + n, size - (size_t)n, "/%s", name);
    return path;
}

char *clade_study_path(const clade_study *study, size_t number, const char *name)
{
    return clade_study_run_path(study, number, 0, name);
}

void clade_record_destroy(clade_record **handle)
{
    clade_record *r = *handle;
    if (!r) return;
    free(r->curve);
    free(r->error);
    free(r);
    *handle = NULL;
}

/* --- trial.json --- */

bool clade_study_read_value(const clade_tunable *p, const cJSON *item, double *value)
{
    *value = NAN;
    if (cJSON_IsNull(item)) return true;
    if (p->kind != CLADE_TUNABLE_CHOICE) {
        if (cJSON_IsNumber(item)) *value = item->valuedouble;
        return cJSON_IsNumber(item) && isfinite(*value);
    }
    for (size_t i = 0; cJSON_IsString(item) && i < p->choice_count; i++)
        if (!strcmp(p->choices[i], item->valuestring)) {
            *value = (double)i;
            return true;
        }
    return false;
}

void clade_study_add_value(cJSON *values, const clade_tunable *p, double value)
{
    if (isnan(value))
        cJSON_AddNullToObject(values, p->name);
    else if (p->kind == CLADE_TUNABLE_CHOICE)
        cJSON_AddStringToObject(values, p->name, p->choices[(size_t)value]);
    else
        cJSON_AddNumberToObject(values, p->name, value);
}

static clade_status read_fields(const clade_study *study, const cJSON *root, clade_record *r)
{
    const cJSON *state = cJSON_GetObjectItemCaseSensitive(root, "state"),
                *values = cJSON_GetObjectItemCaseSensitive(root, "values"),
                *objective = cJSON_GetObjectItemCaseSensitive(root, "objective"),
                *cost = cJSON_GetObjectItemCaseSensitive(root, "cost"),
                *error = cJSON_GetObjectItemCaseSensitive(root, "error"),
                *until = cJSON_GetObjectItemCaseSensitive(root, "until");
    bool good = false;
    for (int s = 0; cJSON_IsString(state) && s < 3 && !good; s++) {
        good = !strcmp(state->valuestring, states[s]);
        r->trial.state = (clade_trial_state)s;
    }
    for (size_t i = 0; i < study->parameters && good; i++)
        good = clade_study_read_value(
            &study->parameter[i],
            cJSON_GetObjectItemCaseSensitive(values, study->parameter[i].name), &r->values[i]);
    if (!good || !cJSON_IsNumber(until) || until->valueint < 1)
        return clade_fail(CLADE_EFORMAT, "expected the state, values and epochs of a trial");
    r->until = until->valueint;
    r->trial.objective = cJSON_IsNumber(objective) ? objective->valuedouble : NAN;
    r->trial.cost = cJSON_IsNumber(cost) && cost->valuedouble > 0 ? cost->valuedouble : NAN;
    if (cJSON_IsString(error)) {
        r->error = clade_string_join(error->valuestring, "");
        if (!r->error) return no_memory();
    }
    r->trial.error = r->error;
    return CLADE_OK;
}

clade_status clade_record_read(const clade_study *study, size_t number, clade_record **out)
{
    enum { limit = 1 << 20 };
    void *text = NULL;
    size_t size;
    *out = NULL;
    char *path = clade_study_path(study, number, "trial.json");
    clade_record *r = calloc(1, sizeof *r);
    clade_status status = path && r ? CLADE_OK : no_memory();
    if (!status) status = clade_file_read(path, limit, &text, &size);
    cJSON *root = NULL;
    if (!status) status = clade_json_parse(text, size, path, NULL, &root);
    if (!status) status = clade_context(read_fields(study, root, r), "%s", path);
    cJSON_Delete(root);
    free(text);
    free(path);
    if (r) {
        r->trial.number = number;
        r->trial.values = r->values;
    }
    if (status)
        clade_record_destroy(&r);
    else
        *out = r;
    return status;
}

static void add_number(cJSON *object, const char *name, double value)
{
    if (isfinite(value))
        cJSON_AddNumberToObject(object, name, value);
    else
        cJSON_AddNullToObject(object, name);
}

clade_status clade_record_write(const clade_study *study, const clade_record *r)
{
    clade_json_begin();
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "trial", (double)r->trial.number);
    cJSON_AddStringToObject(root, "state", states[r->trial.state]);
    cJSON *values = cJSON_AddObjectToObject(root, "values");
    for (size_t i = 0; i < study->parameters; i++)
        clade_study_add_value(values, &study->parameter[i], r->values[i]);
    add_number(root, "objective", r->trial.objective);
    if (study->settings.cost) add_number(root, "cost", r->trial.cost);
    cJSON_AddNumberToObject(root, "until", r->until);
    cJSON_AddNumberToObject(root, "epochs", r->trial.epochs);
    cJSON_AddNumberToObject(root, "best_epoch", r->trial.best_epoch);
    cJSON_AddNumberToObject(root, "seconds", r->trial.seconds);
    if (r->error) cJSON_AddStringToObject(root, "error", r->error);
    char *text = clade_json_end(root);
    char *path = clade_study_path(study, r->trial.number, "trial.json");
    cJSON_Delete(root);
    clade_status status = text && path ? clade_file_write(path, text, strlen(text)) : no_memory();
    cJSON_free(text);
    free(path);
    return status;
}

/* --- histories --- */

/* The columns of one line of history.csv that a study needs; NaN where there is nothing. */
typedef struct record_line {
    double objective, seconds;
} record_line;

static bool read_line(const clade_study *study, const char *text, record_line *out)
{
    enum { loss_column = 3, accuracy_column = 4, seconds_column = 6, map_column = 8, most = 9 };
    const clade_task task = clade_recipe_data(study->recipe)->task;
    const bool several = task == CLADE_TASK_MULTI_LABEL;
    const int columns = task != CLADE_TASK_CLASS ? map_column + 1 : map_column;
    CLADE_PLAIN_NUMBERS;
    double value[most];
    for (int i = 0; i < columns; i++) {
        const size_t length = strcspn(text, ",\n");
        value[i] = length ? strtod(text, NULL) : NAN;
        text += length;
        /* if the loss is scaled, there is another column after the last */
        if (*text != ',' && (*text != '\n' || i < columns - 1)) return false;
        text++;
    }
    out->objective = value[study->settings.by_loss ? loss_column
                           : several               ? map_column
                                                   : accuracy_column];
    out->seconds = value[seconds_column];
    return true;
}

/* Reads the best objective up to each epoch of one run. No history: no epochs. */
static clade_status read_history(const clade_study *study, size_t number, int32_t run,
                                 double **curve, int32_t *epochs, double *seconds)
{
    enum { limit = 64 << 20 };
    void *text = NULL;
    size_t size;
    *curve = NULL;
    *epochs = 0;
    bool there = false;
    char *path = clade_study_run_path(study, number, run, "history.csv");
    if (!path) return CLADE_ENOMEM;
    clade_status status = clade_file_exists(path, &there);
    if (!status && there) status = clade_file_read(path, limit, &text, &size);
    free(path);
    if (status || !there) return status;
    size_t lines = 0;
    for (size_t i = 0; i < size; i++) lines += ((char *)text)[i] == '\n';
    *curve = malloc((lines + 1) * sizeof **curve);
    if (!*curve) {
        free(text);
        return no_memory();
    }
    double best = NAN;
    const char *at = strchr(text, '\n'); /* after the names of the columns */
    record_line l;
    while (at && at[1] && read_line(study, at + 1, &l)) {
        /* false if either is NaN */
        bool better = study->settings.by_loss ? l.objective < best : l.objective > best;
        if (better || isnan(best)) best = l.objective;
        (*curve)[(*epochs)++] = best;
        if (l.seconds > 0) *seconds += l.seconds;
        at = strchr(at + 1, '\n');
    }
    free(text);
    return CLADE_OK;
}

clade_status clade_record_measure(const clade_study *study, clade_record *r)
{
    free(r->curve);
    r->curve = NULL;
    r->trial.epochs = r->trial.best_epoch = 0;
    r->trial.seconds = 0;
    int32_t runs = study->settings.seeds;
    for (int32_t run = 0; run < runs; run++) {
        double *curve;
        int32_t epochs;
        clade_status status =
            read_history(study, r->trial.number, run, &curve, &epochs, &r->trial.seconds);
        if (status) return status;
        if (run == 0) {
            r->curve = curve;
            r->trial.epochs = epochs;
            continue;
        }
        if (epochs < r->trial.epochs) r->trial.epochs = epochs;
        for (int32_t e = 0; e < r->trial.epochs; e++) r->curve[e] += curve[e];
        free(curve);
    }
    for (int32_t e = 0; e < r->trial.epochs; e++) {
        r->curve[e] /= runs;
        if (e == 0 || r->curve[e] != r->curve[e - 1]) r->trial.best_epoch = e + 1;
    }
    if (r->trial.state != CLADE_TRIAL_FAILED && r->trial.epochs > 0)
        r->trial.objective = r->curve[r->trial.epochs - 1];
    return CLADE_OK;
}
