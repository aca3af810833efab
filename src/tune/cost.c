/* The cost of a trial, beside its objective. */
#include "tune/study.h"

#include "base/file.h"

#include <math.h>
#include <stdlib.h>

const char *const clade_study_costs[] = {"none", "parameters", "flop", "seconds_per_epoch"};

/* Returns a number of metrics.json; for an object the sum of its numbers. */
static double number_of(const cJSON *root, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, key), *part;
    if (cJSON_IsNumber(item)) return item->valuedouble;
    double sum = 0;
    cJSON_ArrayForEach(part, item) sum += part->valuedouble;
    return sum;
}

/* Reads from a run's metrics.json: its parameters, trained and fixed, or FLOP. */
static clade_status read_run(const clade_study *study, size_t number, int32_t run, double *cost)
{
    enum { limit = 64 << 20 };
    const char *key = clade_study_costs[study->settings.cost];
    void *text = NULL;
    size_t size;
    cJSON *root = NULL;
    char *path = clade_study_run_path(study, number, run, "metrics.json");
    if (!path) return CLADE_ENOMEM;
    clade_status status = clade_file_read(path, limit, &text, &size);
    if (!status) status = clade_json_parse(text, size, path, NULL, &root);
    if (!status) *cost = number_of(root, key);
    if (!status && !(*cost > 0 && isfinite(*cost)))
        status = clade_fail(CLADE_EFORMAT, "%s: expected '%s', the study's cost", path, key);
    cJSON_Delete(root);
    free(text);
    free(path);
    return status;
}

clade_status clade_record_weigh(const clade_study *study, clade_record *r)
{
    const int32_t runs = study->settings.seeds;
    double sum = 0, cost;
    if (!study->settings.cost) return CLADE_OK;
    if (study->settings.cost == CLADE_COST_SECONDS) {
        r->trial.cost = r->trial.seconds / ((double)r->trial.epochs * runs);
        return CLADE_OK;
    }
    for (int32_t run = 0; run < runs; run++) {
        clade_status status = read_run(study, r->trial.number, run, &cost);
        if (status) return status;
        sum += cost;
    }
    r->trial.cost = sum / runs;
    return CLADE_OK;
}
