/* Creating a study's folder, and opening an existing one. */
#define _DEFAULT_SOURCE
#include "tune/study.h"

#include "base/file.h"
#include "base/json.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const methods[] = {"gp", "random", "asha", "tpe", "hyperband"};
enum { method_count = sizeof methods / sizeof *methods };
static const char *const objectives[] = {"val_accuracy", "val_loss", "val_map"};

static clade_status no_memory(void)
{
    return clade_fail(CLADE_ENOMEM, "out of memory for a study");
}

/* --- study.json --- */

static clade_status write_settings(const clade_study *study, const char *path)
{
    const clade_study_settings *s = &study->settings;
    char seed[24];
    clade_json_begin();
    cJSON *root = cJSON_CreateObject();
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->seed);
    cJSON_AddStringToObject(root, "recipe", clade_recipe_name(study->recipe));
    cJSON_AddStringToObject(root, "method", methods[s->method]);
    cJSON_AddStringToObject(root, "objective", clade_study_objective_name(study));
    if (s->cost) cJSON_AddStringToObject(root, "cost", clade_study_costs[s->cost]);
    if (s->from) cJSON_AddStringToObject(root, "from", s->from);
    cJSON_AddRawToObject(root, "seed", seed);
    cJSON_AddNumberToObject(root, "epochs", s->epochs);
    cJSON_AddNumberToObject(root, "seeds_per_trial", s->seeds);
    char *text = clade_json_end(root);
    cJSON_Delete(root);
    clade_status status = text ? clade_file_write(path, text, strlen(text)) : no_memory();
    cJSON_free(text);
    return status;
}

static int find_word(const cJSON *item, const char *const *words, int count)
{
    for (int i = 0; cJSON_IsString(item) && i < count; i++)
        if (!strcmp(item->valuestring, words[i])) return i;
    return -1;
}

enum { seeds_most = 1000 }; /* each is a folder that is read */

/* The caller frees out->from. */
static clade_status read_settings(const char *path, clade_study_settings *out, char **from)
{
    void *text;
    size_t size;
    *from = NULL;
    clade_status status = clade_file_read(path, 1 << 20, &text, &size);
    if (status) return status;
    cJSON *root;
    status = clade_json_parse(text, size, path, NULL, &root);
    free(text);
    if (status) return status;
    int method = find_word(cJSON_GetObjectItemCaseSensitive(root, "method"), methods, method_count);
    int objective = find_word(cJSON_GetObjectItemCaseSensitive(root, "objective"), objectives, 3);
    const cJSON *seed = cJSON_GetObjectItemCaseSensitive(root, "seed"),
                *epochs = cJSON_GetObjectItemCaseSensitive(root, "epochs"),
                *seeds = cJSON_GetObjectItemCaseSensitive(root, "seeds_per_trial");
    const cJSON *other = cJSON_GetObjectItemCaseSensitive(root, "from"),
                *against = cJSON_GetObjectItemCaseSensitive(root, "cost");
    int cost = against ? find_word(against, clade_study_costs, CLADE_COST_SECONDS + 1) : 0;
    bool good = method >= 0 && cost >= 0 && objective >= 0 && cJSON_IsNumber(seed) &&
                seed->valuedouble >= 0 && seed->valuedouble <= 0x1p53 && cJSON_IsNumber(epochs) &&
                epochs->valueint > 0 && cJSON_IsNumber(seeds) && seeds->valueint > 0 &&
                seeds->valueint <= seeds_most;
    if (good && cJSON_IsString(other)) {
        *from = clade_string_join(other->valuestring, "");
        if (!*from) status = no_memory();
    }
    if (good)
        *out = (clade_study_settings){.method = (clade_search_method)method,
                                      .by_loss = objective == 1,
                                      .cost = (clade_study_cost)cost,
                                      .from = *from,
                                      .seed = (uint64_t)seed->valuedouble,
                                      .epochs = epochs->valueint,
                                      .seeds = seeds->valueint};
    cJSON_Delete(root);
    return good ? status
                : clade_fail(CLADE_EFORMAT,
                             "%s: expected method, objective, seed, epochs and seeds_per_trial, "
                             "which is at most %d",
                             path, seeds_most);
}

/* --- the same study? --- */

static clade_status compare(const clade_study *study, const clade_study_settings *found)
{
    const clade_study_settings *s = &study->settings;
    if (s->method != found->method)
        return clade_fail(CLADE_EINVAL, "%s: the study's method is %s, not %s", study->folder,
                          methods[found->method], methods[s->method]);
    if (s->by_loss != found->by_loss)
        return clade_fail(CLADE_EINVAL, "%s: the study's objective is %s, not %s", study->folder,
                          objectives[found->by_loss], objectives[s->by_loss]);
    if (s->cost != found->cost)
        return clade_fail(CLADE_EINVAL, "%s: the study's second objective is %s, not %s",
                          study->folder, found->cost ? clade_study_costs[found->cost] : "none",
                          s->cost ? clade_study_costs[s->cost] : "none");
    if (strcmp(s->from ? s->from : "", found->from ? found->from : ""))
        return clade_fail(CLADE_EINVAL, "%s: the study learns from %s, not from %s", study->folder,
                          found->from ? found->from : "none", s->from ? s->from : "none");
    if (s->seed != found->seed)
        return clade_fail(CLADE_EINVAL, "%s: the study's seed is %llu, not %llu", study->folder,
                          (unsigned long long)found->seed, (unsigned long long)s->seed);
    if (s->epochs != found->epochs)
        return clade_fail(CLADE_EINVAL, "%s: a trial of the study has %d epochs, not %d",
                          study->folder, found->epochs, s->epochs);
    if (s->seeds != found->seeds)
        return clade_fail(CLADE_EINVAL, "%s: a trial of the study has %d runs, not %d",
                          study->folder, found->seeds, s->seeds);
    return CLADE_OK;
}

static clade_status compare_recipe(const clade_study *study, const char *path)
{
    void *text;
    size_t size;
    clade_status status = clade_file_read(path, 4 << 20, &text, &size);
    if (status) return status;
    const char *own = clade_recipe_source(study->recipe), *other = text;
    size_t line = 1, i = 0;
    for (; own[i] && own[i] == other[i]; i++) line += own[i] == '\n';
    if (own[i] != other[i])
        status = clade_fail(
            CLADE_EINVAL,
            "%s: the study has another recipe or other data: line %zu of its recipe.yaml differs",
            study->folder, line);
    free(text);
    return status;
}

/* --- making --- */

/* Checks that it holds nothing but the leftovers of an interrupted creation. */
static clade_status check_empty(const clade_study *study)
{
    DIR *list = opendir(study->folder);
    if (!list) return clade_fail(CLADE_EIO, "%s: cannot read: %s", study->folder, strerror(errno));
    bool empty = true;
    for (const struct dirent *entry; (errno = 0, entry = readdir(list));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
            strncmp(entry->d_name, "recipe.yaml", 11) && strncmp(entry->d_name, "study.json", 10) &&
            strncmp(entry->d_name, "prior.json", 10))
            empty = false;
    int error = errno;
    closedir(list);
    if (error) return clade_fail(CLADE_EIO, "%s: cannot read: %s", study->folder, strerror(error));
    return empty ? CLADE_OK
                 : clade_fail(CLADE_EINVAL,
                              "%s: the folder is not empty and not a study; expected a new one",
                              study->folder);
}

static clade_status make(clade_study *study, const char *recipe, const char *settings,
                         const char *prior)
{
    const char *text = clade_recipe_source(study->recipe);
    clade_status status = check_empty(study);
    if (!status && study->settings.from) status = clade_prior_write(study, prior);
    if (!status) status = clade_file_write(recipe, text, strlen(text));
    return status ? status : write_settings(study, settings); /* last: this makes it a study */
}

static clade_status open_own(clade_study *study, const char *recipe, const char *settings)
{
    bool there;
    clade_status status = clade_file_exists(settings, &there);
    if (status) return status;
    if (!there)
        return clade_fail(CLADE_EIO, "%s: not a study: it contains no study.json", study->folder);
    status = read_settings(settings, &study->settings, &study->from);
    if (!status) status = clade_recipe_read_again(recipe, NULL, 0, &study->own_recipe);
    study->recipe = study->own_recipe;
    return status;
}

/* Checks that the method can learn from other trials, or use two objectives, as requested. */
static clade_status check_method(const clade_study_settings *s)
{
    bool learns = s->method == CLADE_SEARCH_GP || s->method == CLADE_SEARCH_TPE;
    if (s->from && !learns)
        return clade_fail(CLADE_EINVAL,
                          "method %s cannot learn from the trials of %s; expected gp or tpe",
                          methods[s->method], s->from);
    if (s->cost && !learns && s->method != CLADE_SEARCH_RANDOM)
        return clade_fail(CLADE_EINVAL,
                          "method %s compares trials by one objective and takes no second one, %s; "
                          "expected gp, tpe or random",
                          methods[s->method], clade_study_costs[s->cost]);
    return CLADE_OK;
}

static clade_status found(clade_study *study, const clade_recipe *recipe, const char *recipe_path,
                          const char *settings_path, const char *prior_path)
{
    if (!recipe) return open_own(study, recipe_path, settings_path);
    clade_study_settings old;
    bool there = false, old_folder = false;
    int lock = -1;
    clade_status status = check_method(&study->settings);
    if (!status) status = clade_recipe_check_tunables(recipe);
    if (!status) status = clade_file_exists(study->folder, &old_folder);
    if (!status) status = clade_folder_create(study->folder);
    if (!status) status = clade_study_lock(study, &lock);
    if (status) return status;
    status = clade_file_exists(settings_path, &there);
    if (!status && there) {
        char *from;
        status = read_settings(settings_path, &old, &from);
        if (!status) status = compare_recipe(study, recipe_path);
        if (!status) status = compare(study, &old);
        free(from);
    } else if (!status) {
        status = make(study, recipe_path, settings_path, prior_path);
    }
    clade_study_unlock(lock);
    if (status && !old_folder) rmdir(study->folder); /* an empty one */
    return status;
}

clade_status clade_study_found(clade_study *study, const clade_recipe *recipe,
                               const clade_study_settings *settings)
{
    char *recipe_path = clade_path_join(study->folder, "recipe.yaml"),
         *settings_path = clade_path_join(study->folder, "study.json"),
         *prior_path = clade_path_join(study->folder, "prior.json");
    clade_status status = recipe_path && settings_path && prior_path ? CLADE_OK : no_memory();
    study->recipe = recipe;
    if (recipe) {
        study->settings = *settings;
        study->parameters = clade_recipe_tunables(recipe, &study->parameter);
        if (settings->from) {
            study->settings.from = study->from = clade_string_join(settings->from, "");
            if (!study->from) status = no_memory();
        }
        if (!settings->epochs) study->settings.epochs = clade_recipe_training(recipe)->epochs;
        if (!study->settings.epochs) study->settings.epochs = 1;
        if (!settings->seeds) study->settings.seeds = 1;
    }
    if (!status && recipe && study->parameters == 0)
        status = clade_fail(CLADE_EINVAL,
                            "%s: nothing to search: the recipe has no section 'tune', as in tune: "
                            "{lr: {log: [1e-4, 1e-2]}}",
                            clade_recipe_name(recipe));
    if (!status) status = found(study, recipe, recipe_path, settings_path, prior_path);
    if (!status) study->parameters = clade_recipe_tunables(study->recipe, &study->parameter);
    if (!status && study->from) status = clade_prior_read(study, prior_path);
    free(recipe_path);
    free(settings_path);
    free(prior_path);
    return status;
}
