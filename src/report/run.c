/* Reading a run folder. */
#define _XOPEN_SOURCE 700
#include "report/run.h"

#include "base/file.h"
#include "base/json.h"
#include "base/locale.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { most_history = 64 << 20, most_metrics = 16 << 20 };

/* By task; the last three have a column more than the first. */
#define HEAD(score) "epoch,loss," score ",val_loss,val_" score ",lr,seconds,images_per_second"
static const char *const heads[] = {[CLADE_TASK_CLASS] = HEAD("accuracy"),
                                    [CLADE_TASK_MULTI_LABEL] = HEAD("accuracy") ",val_map",
                                    [CLADE_TASK_REGRESSION] = HEAD("mae") ",val_r2",
                                    [CLADE_TASK_ORDINAL] = HEAD("accuracy") ",val_mae"};

static const char last_of_scaled[] = ",skipped";

/* Of which task a file is that begins with this line, its columns, and those of them that are
 * shown; false: it is no history. */
static bool read_head(const char *line, clade_task *task, int *columns, int *shown)
{
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        const size_t length = strlen(heads[i]);
        if (strncmp(line, heads[i], length) != 0) continue;
        const bool scaled = !strcmp(line + length, last_of_scaled);
        if (!scaled && line[length]) continue;
        *task = (clade_task)i;
        *shown = *task == CLADE_TASK_CLASS ? REPORT_VAL_MORE : REPORT_COLUMNS;
        *columns = *shown + scaled;
        return true;
    }
    return false;
}

/* One row's fields, so many, of which the first ones are shown; an empty one is NaN. */
static bool read_row(report_run *run, char *line, int columns, int shown)
{
    for (int c = 0; c < columns; c++) {
        char *end = line + strcspn(line, ","), *stop;
        if ((*end == ',') == (c == columns - 1)) return false;
        *end = 0;
        double value = NAN;
        if (*line) {
            value = strtod(line, &stop);
            if (*stop) return false;
        }
        if (c < shown) run->column[c][run->epochs] = value;
        line = end + 1;
    }
    return run->column[REPORT_EPOCH][run->epochs] == (double)(run->epochs + 1);
}

clade_status clade_report_read_history(report_run *run, char *text, const char *path)
{
    CLADE_PLAIN_NUMBERS;
    size_t lines = 1, number = 1;
    int columns = 0, shown = 0;
    for (const char *p = text; *p; p++) lines += *p == '\n';
    for (int c = 0; c < REPORT_COLUMNS; c++) {
        run->column[c] = malloc(lines * sizeof(double));
        if (!run->column[c]) return clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
    }
    for (char *line = text; *line; number++) {
        char *end = line + strcspn(line, "\n"), *next = *end ? end + 1 : end;
        *end = 0;
        if (number == 1 && !read_head(line, &run->task, &columns, &shown))
            return clade_fail(CLADE_EFORMAT, "%s:1: expected '%s'", path, heads[CLADE_TASK_CLASS]);
        if (number > 1) {
            if (shown == REPORT_VAL_MORE) run->column[REPORT_VAL_MORE][run->epochs] = NAN;
            if (!read_row(run, line, columns, shown))
                return clade_fail(CLADE_EFORMAT, "%s:%zu: expected the %d numbers of epoch %zu",
                                  path, number, columns, run->epochs + 1);
            run->epochs++;
        }
        line = next;
    }
    return CLADE_OK;
}

static clade_status read_history(report_run *run, const char *path)
{
    void *text = NULL;
    size_t size;
    struct stat info;
    if (stat(path, &info) && errno == ENOENT) return CLADE_OK; /* no epoch has ended yet */
    clade_status status = clade_file_read(path, most_history, &text, &size);
    if (!status && strlen(text) != size)
        status = clade_fail(CLADE_EFORMAT, "%s: expected text, found a zero byte", path);
    if (!status) status = clade_report_read_history(run, text, path);
    free(text);
    return status;
}

static clade_status read_metrics(report_run *run, const char *path)
{
    void *text = NULL;
    size_t size;
    clade_status status = clade_file_read(path, most_metrics, &text, &size);
    if (!status) {
        status = clade_json_parse(text, size, path, NULL, &run->metrics);
    }
    free(text);
    return status;
}

/* Reads the file of that name in the run's folder. */
static clade_status read_file(report_run *run, const char *name,
                              clade_status (*read)(report_run *run, const char *path))
{
    char *path = clade_string_join(run->folder, name);
    clade_status status = path ? read(run, path) : clade_fail(CLADE_ENOMEM, "out of memory");
    free(path);
    return status;
}

static clade_status read_recipe(report_run *run, const char *path)
{
    return clade_recipe_read_again(path, NULL, 0, &run->recipe);
}

clade_status clade_report_run_open(const char *folder, report_run *run)
{
    *run = (report_run){.folder = clade_string_join(folder, "")};
    if (!run->folder) return clade_fail(CLADE_ENOMEM, "out of memory");
    clade_status status = read_file(run, "/recipe.yaml", read_recipe);
    if (status == CLADE_EIO) status = clade_context(status, "%s is not a run folder", folder);
    if (!status) status = read_file(run, "/history.csv", read_history);
    if (!status && run->epochs) status = read_file(run, "/metrics.json", read_metrics);
    if (status) clade_report_run_close(run);
    return status;
}

void clade_report_run_close(report_run *run)
{
    for (int c = 0; c < REPORT_COLUMNS; c++) free(run->column[c]);
    cJSON_Delete(run->metrics);
    clade_recipe_destroy(&run->recipe);
    free(run->folder);
    *run = (report_run){0};
}

bool clade_report_run_validates(const report_run *run)
{
    return run->epochs && !isnan(run->column[REPORT_VAL_ACCURACY][run->epochs - 1]);
}

report_column clade_report_run_score(const report_run *run)
{
    const bool validates = clade_report_run_validates(run);
    if (run->task == CLADE_TASK_REGRESSION) return validates ? REPORT_VAL_LOSS : REPORT_LOSS;
    if (!validates) return REPORT_ACCURACY;
    return run->task == CLADE_TASK_MULTI_LABEL ? REPORT_VAL_MORE : REPORT_VAL_ACCURACY;
}

size_t clade_report_run_best(const report_run *run)
{
    bool validates = clade_report_run_validates(run);
    const bool scored = validates && run->task != CLADE_TASK_REGRESSION;
    const double *accuracy = run->column[clade_report_run_score(run)];
    const double *loss = run->column[validates ? REPORT_VAL_LOSS : REPORT_LOSS];
    size_t best = 0;
    for (size_t i = 0; i < run->epochs; i++) {
        bool better = loss[i] < loss[best];
        if (scored && accuracy[i] != accuracy[best]) better = accuracy[i] > accuracy[best];
        if (better) best = i;
    }
    return run->epochs ? best + 1 : 0;
}

static const cJSON *find(const report_run *run, const char *object, const char *key)
{
    const cJSON *in =
        object ? cJSON_GetObjectItemCaseSensitive(run->metrics, object) : run->metrics;
    return cJSON_GetObjectItemCaseSensitive(in, key);
}

double clade_report_number(const report_run *run, const char *object, const char *key)
{
    const cJSON *item = find(run, object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

const char *clade_report_text(const report_run *run, const char *object, const char *key)
{
    const char *text = cJSON_GetStringValue(find(run, object, key));
    return text ? text : "";
}

size_t clade_report_classes(const report_run *run)
{
    return (size_t)cJSON_GetArraySize(find(run, NULL, "classes"));
}

const char *clade_report_class(const report_run *run, size_t i)
{
    const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(find(run, NULL, "classes"), (int)i));
    return text ? text : "";
}
