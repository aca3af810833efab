/* Results of another study: prior.json, and which of them apply here. */
#include "tune/study.h"

#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clade_status no_memory(void)
{
    return clade_fail(CLADE_ENOMEM, "out of memory for a study");
}

/* --- the other study --- */

/* Returns how the meaning of a value differs; NULL: it is the same for both. */
static const char *find_difference(const clade_tunable *a, const clade_tunable *b)
{
    if (a->kind != b->kind) return "kind differs";
    if (a->kind != CLADE_TUNABLE_CHOICE)
        return a->low == b->low && a->high == b->high && a->log == b->log && a->step == b->step
                   ? NULL
                   : "range differs";
    bool same = a->choice_count == b->choice_count;
    for (size_t i = 0; i < a->choice_count && same; i++)
        same = !strcmp(a->choices[i], b->choices[i]);
    return same ? NULL : "choices differ";
}

static size_t find_name(const clade_study *study, const char *name)
{
    size_t i = 0;
    while (i < study->parameters && strcmp(study->parameter[i].name, name)) i++;
    return i;
}

/* Finds place[i], the index of parameter i in the other study, or its count; note: what is not
 * taken over. */
static size_t match(const clade_study *study, const clade_study *other, size_t *place, char *note,
                    size_t room)
{
    size_t matched = 0, used = 0;
    note[0] = 0;
    for (size_t i = 0; i < study->parameters + other->parameters; i++) {
        const char *why = NULL, *name;
        if (i < study->parameters) {
            name = study->parameter[i].name;
            place[i] = find_name(other, name);
            why = place[i] == other->parameters
                      ? "not in that study"
                      : find_difference(&study->parameter[i], &other->parameter[place[i]]);
            if (why) place[i] = other->parameters;
            matched += !why;
        } else {
            name = other->parameter[i - study->parameters].name;
            if (find_name(study, name) == study->parameters) why = "not in this study";
        }
        if (!why || used >= room) continue;
        int n = snprintf(note + used, room - used, "%s%s (%s)", used ? ", " : "; not used: ", name,
                         why);
        used += n > 0 ? (size_t)n : 0;
    }
    return matched;
}

static clade_status compare(const clade_study *study, const clade_study *other)
{
    const char *own = clade_study_objective_name(study), *its = clade_study_objective_name(other);
    if (strcmp(own, its) != 0)
        return clade_fail(CLADE_EINVAL, "%s: its objective is %s, this study's %s", other->folder,
                          its, own);
    if (study->settings.cost && study->settings.cost != other->settings.cost)
        return clade_fail(CLADE_EINVAL, "%s: its second objective is %s, this study's %s",
                          other->folder, clade_study_costs[other->settings.cost],
                          clade_study_costs[study->settings.cost]);
    return CLADE_OK;
}

static cJSON *trial_to_json(const clade_study *study, const clade_study *other, const size_t *place,
                            const clade_study_trial *t)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "trial", (double)t->number);
    if (t->state == CLADE_TRIAL_DONE) cJSON_AddNumberToObject(object, "objective", t->objective);
    if (isfinite(t->cost)) cJSON_AddNumberToObject(object, "cost", t->cost);
    cJSON *values = cJSON_AddObjectToObject(object, "values");
    for (size_t i = 0; i < study->parameters; i++)
        if (place[i] < other->parameters)
            clade_study_add_value(values, &study->parameter[i], t->values[place[i]]);
    return object;
}

/* Writes the trials that are done or failed. */
static clade_status write_trials(const clade_study *study, const clade_study *other,
                                 const char *path)
{
    enum { room = 2048 };
    size_t place[CLADE_MAX_TUNABLES], done = 0;
    char note[room], text[room + 256];
    if (match(study, other, place, note, sizeof note) == 0)
        return clade_fail(CLADE_EINVAL,
                          "%s: searches another space; expected a parameter of the same name, kind "
                          "and range as in this study",
                          other->folder);
    for (size_t t = 0; t < other->count; t++) done += other->trial[t].state == CLADE_TRIAL_DONE;
    if (done == 0)
        return clade_fail(CLADE_EINVAL, "%s: has no finished trial to learn from", other->folder);
    snprintf(text, sizeof text, "learns from %zu trials of %.200s%s", done, other->folder, note);
    clade_json_begin();
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "note", text);
    cJSON *trials = cJSON_AddArrayToObject(root, "trials");
    for (size_t t = 0; t < other->count; t++)
        if (other->trial[t].state != CLADE_TRIAL_RUNNING)
            clade_json_append(trials, trial_to_json(study, other, place, &other->trial[t]));
    char *json = clade_json_end(root);
    cJSON_Delete(root);
    clade_status status = json ? clade_file_write(path, json, strlen(json)) : no_memory();
    cJSON_free(json);
    return status;
}

clade_status clade_prior_write(const clade_study *study, const char *path)
{
    clade_study *other;
    clade_status status = clade_study_open(study->settings.from, NULL, NULL, &other);
    if (status) return status;
    status = compare(study, other);
    if (!status) status = write_trials(study, other, path);
    clade_study_destroy(&other);
    return status;
}

/* --- here --- */

static bool read_trial(const clade_study *study, const cJSON *item, double *values,
                       clade_trial *trial)
{
    const cJSON *objective = cJSON_GetObjectItemCaseSensitive(item, "objective"),
                *cost = cJSON_GetObjectItemCaseSensitive(item, "cost"),
                *all = cJSON_GetObjectItemCaseSensitive(item, "values");
    bool done = cJSON_IsNumber(objective);
    *trial = (clade_trial){.values = values,
                           .state = done ? CLADE_TRIAL_DONE : CLADE_TRIAL_FAILED,
                           .objective = done ? objective->valuedouble : NAN,
                           .cost = cJSON_IsNumber(cost) ? cost->valuedouble : NAN};
    bool good = cJSON_IsObject(all);
    for (size_t i = 0; i < study->parameters && good; i++) {
        const clade_tunable *p = &study->parameter[i];
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(all, p->name);
        values[i] = NAN;
        good = !value || clade_study_read_value(p, value, &values[i]);
        if (p->kind != CLADE_TUNABLE_CHOICE && (values[i] < p->low || values[i] > p->high))
            good = false;
    }
    return good;
}

static clade_status read_trials(clade_study *study, const cJSON *root, const char *path)
{
    const cJSON *note = cJSON_GetObjectItemCaseSensitive(root, "note"),
                *trials = cJSON_GetObjectItemCaseSensitive(root, "trials"), *item;
    bool good = cJSON_IsString(note) && cJSON_IsArray(trials);
    size_t count = good ? (size_t)cJSON_GetArraySize(trials) : 0;
    study->prior = calloc(count + 1, sizeof *study->prior);
    study->prior_values = calloc(count + 1, sizeof *study->prior_values);
    if (good) study->prior_note = clade_string_join(note->valuestring, "");
    if (!study->prior || !study->prior_values || (good && !study->prior_note)) return no_memory();
    cJSON_ArrayForEach(item, trials)
    {
        if (!good) break;
        good = read_trial(study, item, study->prior_values[study->priors],
                          &study->prior[study->priors]);
        study->priors += good;
    }
    return good ? CLADE_OK
                : clade_fail(CLADE_EFORMAT, "%s: expected a note and trials with values", path);
}

clade_status clade_prior_read(clade_study *study, const char *path)
{
    void *text;
    size_t size;
    cJSON *root;
    clade_status status = clade_file_read(path, 64 << 20, &text, &size);
    if (status) return status;
    status = clade_json_parse(text, size, path, NULL, &root);
    free(text);
    if (!status) status = read_trials(study, root, path);
    cJSON_Delete(root);
    return status;
}
