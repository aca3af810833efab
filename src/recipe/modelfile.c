/* Writing and reading model files. */
#include "recipe/modelfile.h"

#include "base/file.h"
#include "base/json.h"
#include "base/locale.h"
#include "config.h"
#include "recipe/recipe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { format_version = 1 };

/* --- class names --- */

void clade_class_names_clear(clade_class_names *names)
{
    for (int32_t i = 0; i < names->count && names->name; i++) free(names->name[i]);
    free(names->name);
    *names = (clade_class_names){0};
}

static clade_status make_names(int32_t count, const char *(*get)(const void *user, int32_t i),
                               const void *user, clade_class_names *out)
{
    *out = (clade_class_names){.name = calloc((size_t)count, sizeof *out->name), .count = count};
    bool good = out->name != NULL;
    for (int32_t i = 0; i < count && good; i++) {
        out->name[i] = clade_string_join(get(user, i), "");
        good = out->name[i] != NULL;
    }
    if (good) return CLADE_OK;
    clade_class_names_clear(out);
    return clade_fail(CLADE_ENOMEM, "out of memory for the names of %d classes", count);
}

static const char *name_in_dataset(const void *dataset, int32_t i)
{
    return clade_dataset_class_name(dataset, (size_t)i);
}

clade_status clade_class_names_copy(const clade_dataset *dataset, clade_class_names *out)
{
    return make_names((int32_t)clade_dataset_classes(dataset), name_in_dataset, dataset, out);
}

/* Returns a JSON array of strings, to be freed with cJSON_free; NULL: out of memory. */
static char *names_to_json(const clade_class_names *names)
{
    cJSON *array = cJSON_CreateStringArray((const char *const *)names->name, names->count);
    char *text = array ? cJSON_PrintUnformatted(array) : NULL;
    cJSON_Delete(array);
    return text;
}

static const char *name_in_list(const void *list, int32_t i)
{
    return ((const char *const *)list)[i];
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static clade_status names_from_json(const char *path, const char *text, int least,
                                    clade_class_names *out)
{
    cJSON *array;
    clade_status status = clade_json_parse(text, strlen(text), path, NULL, &array);
    if (status == CLADE_ENOMEM) return status;
    int count = cJSON_IsArray(array) ? cJSON_GetArraySize(array) : 0, n = 0;
    const char **list = malloc((size_t)(count + 1) * sizeof *list);
    const cJSON *item;
    cJSON_ArrayForEach(item, array) if (list && cJSON_IsString(item)) list[n++] = item->valuestring;
    if (!list)
        status =
            clade_fail(CLADE_ENOMEM, "%s: out of memory for the names of %d classes", path, count);
    else if (n < least || n < count)
        status = clade_fail(CLADE_EFORMAT, "%s: 'classes' is not a list of %s or more names", path,
                            least == 1 ? "one" : "two");
    else
        status = make_names(n, name_in_list, list, out);
    if (!status) qsort(list, (size_t)n, sizeof *list, by_text);
    for (int i = 1; i < n && !status; i++)
        if (!strcmp(list[i - 1], list[i]))
            status = clade_fail(CLADE_EFORMAT, "%s: 'classes' has '%s' twice", path, list[i]);
    if (status) clade_class_names_clear(out);
    free(list);
    cJSON_Delete(array);
    return status;
}

/* --- temperature --- */

bool clade_temperature_is_valid(double temperature)
{
    return temperature >= 0.01 && temperature <= 100; /* false for NaN */
}

clade_safetensors_pair clade_modelfile_temperature(double temperature, char text[32])
{
    CLADE_PLAIN_NUMBERS;
    snprintf(text, 32, "%.17g", temperature);
    return (clade_safetensors_pair){"temperature", text};
}

static clade_status read_temperature(clade_modelfile *out)
{
    CLADE_PLAIN_NUMBERS;
    const char *text = clade_safetensors_metadata(out->file, "temperature");
    char *end;
    out->temperature = text ? strtod(text, &end) : 1;
    if (!text || (end != text && !*end && clade_temperature_is_valid(out->temperature)))
        return CLADE_OK;
    return clade_fail(CLADE_EFORMAT, "%s: 'temperature' is '%s', expected 0.01 to 100", out->path,
                      text);
}

/* --- numbers of classes --- */

static const char *const list_keys[CLADE_MODELFILE_LISTS] = {
    [CLADE_MODELFILE_THRESHOLDS] = "thresholds",
    [CLADE_MODELFILE_MEANS] = "target_means",
    [CLADE_MODELFILE_DEVIATIONS] = "target_deviations"};

clade_status clade_modelfile_numbers(clade_modelfile_list which, const float *numbers,
                                     int32_t count, char **list, clade_safetensors_pair *out)
{
    CLADE_PLAIN_NUMBERS;
    enum { longest = 20 };
    char *at = *list = malloc((size_t)count * longest + 1);
    if (!at) return clade_fail(CLADE_ENOMEM, "out of memory for %d numbers", count);
    *at = 0;
    for (int32_t i = 0; i < count; i++)
        at += sprintf(at, "%s%.9g", i ? "," : "", (double)numbers[i]);
    *out = (clade_safetensors_pair){list_keys[which], *list};
    return CLADE_OK;
}

clade_status clade_modelfile_add_numbers(float *const numbers[CLADE_MODELFILE_LISTS], int32_t count,
                                         char *lists[CLADE_MODELFILE_LISTS],
                                         clade_safetensors_pair *pairs, size_t *pair_count)
{
    clade_status status = CLADE_OK;
    for (int i = 0; i < CLADE_MODELFILE_LISTS && !status; i++)
        if (numbers[i])
            status = clade_modelfile_numbers((clade_modelfile_list)i, numbers[i], count, &lists[i],
                                             &pairs[(*pair_count)++]);
    return status;
}

static clade_status read_numbers(clade_modelfile *out, clade_modelfile_list which)
{
    CLADE_PLAIN_NUMBERS;
    const char *key = list_keys[which], *at = clade_safetensors_metadata(out->file, key);
    if (!at) return CLADE_OK;
    float *numbers = out->numbers[which] = calloc((size_t)out->classes.count, sizeof *numbers);
    if (!numbers) return clade_fail(CLADE_ENOMEM, "%s: out of memory for '%s'", out->path, key);
    for (int32_t i = 0; i < out->classes.count; i++) {
        char *end;
        numbers[i] = strtof(at, &end);
        const bool good =
            isfinite(numbers[i]) && (which != CLADE_MODELFILE_DEVIATIONS || numbers[i] > 0);
        if (!good || end == at || *end != (i + 1 < out->classes.count ? ',' : 0))
            return clade_fail(CLADE_EFORMAT, "%s: '%s': expected %d numbers", out->path, key,
                              out->classes.count);
        at = end + 1;
    }
    if (which == CLADE_MODELFILE_DEVIATIONS && !out->numbers[CLADE_MODELFILE_MEANS])
        return clade_fail(CLADE_EFORMAT, "%s: has '%s' without '%s'", out->path, key,
                          list_keys[CLADE_MODELFILE_MEANS]);
    return CLADE_OK;
}

/* --- writing --- */

/* Describes every parameter, with a copy of its values in one block that the caller frees. */
static clade_status fetch(const clade_model *model, clade_safetensors_tensor *tensors,
                          float **block)
{
    size_t count = clade_model_parameters(model), total = 0;
    for (size_t i = 0; i < count; i++)
        total += clade_tensor_count(&clade_model_parameter(model, i)->value);
    float *values = *block = malloc((total ? total : 1) * sizeof *values);
    if (!values) return clade_fail(CLADE_ENOMEM, "out of memory for %zu weights", total);
    for (size_t i = 0; i < count; i++) {
        const clade_parameter *p = clade_model_parameter(model, i);
        clade_status status = clade_tensor_read(&p->value, values);
        if (status) return clade_context(status, "%s", p->name);
        tensors[i] = (clade_safetensors_tensor){
            .name = p->name, .dtype = CLADE_SAFETENSORS_F32, .rank = p->value.rank, .data = values};
        for (int d = 0; d < p->value.rank; d++) tensors[i].shape[d] = p->value.dim[d];
        values += clade_tensor_count(&p->value);
    }
    return CLADE_OK;
}

static clade_status write(const char *path, const clade_recipe *recipe, const char *classes,
                          const clade_safetensors_tensor *tensors, size_t count,
                          const clade_modelfile_extra *extra)
{
    char version[16];
    snprintf(version, sizeof version, "%d", format_version);
    const clade_safetensors_pair own[] = {
        {"format", "clade"},
        {"clade_format", version},
        {"clade_version", CLADE_VERSION},
        {"recipe", clade_recipe_text(recipe)},
        {"classes", classes},
    };
    enum { own_count = sizeof own / sizeof *own };
    clade_safetensors_pair *pairs = malloc((own_count + extra->pair_count) * sizeof *pairs);
    if (!pairs) return clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
    memcpy(pairs, own, sizeof own);
    for (size_t i = 0; i < extra->pair_count; i++) pairs[own_count + i] = extra->pairs[i];
    clade_status status =
        clade_safetensors_write(path, tensors, count, pairs, own_count + extra->pair_count);
    free(pairs);
    return status;
}

clade_status clade_modelfile_write(const char *path, const clade_recipe *recipe,
                                   const clade_class_names *classes, const clade_model *model,
                                   const clade_modelfile_extra *extra)
{
    static const clade_modelfile_extra none;
    if (!extra) extra = &none;
    size_t own = clade_model_parameters(model), count = own + extra->tensor_count;
    clade_safetensors_tensor *tensors = calloc(count ? count : 1, sizeof *tensors);
    char *names = names_to_json(classes);
    float *block = NULL;
    clade_status status = tensors && names ? clade_device_finish(clade_model_device(model))
                                           : clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
    if (!status) status = clade_context(fetch(model, tensors, &block), "%s", path);
    for (size_t i = 0; i < extra->tensor_count && !status; i++)
        tensors[own + i] = extra->tensors[i];
    if (!status) status = write(path, recipe, names, tensors, count, extra);
    free(block);
    cJSON_free(names);
    free(tensors);
    return status;
}

clade_status clade_modelfile_write_weights(const char *path, const clade_recipe *recipe,
                                           const clade_class_names *classes,
                                           const clade_network_weight *weights, size_t count,
                                           const clade_modelfile_extra *extra)
{
    clade_safetensors_tensor *tensors = calloc(count ? count : 1, sizeof *tensors);
    char *names = names_to_json(classes);
    clade_status status =
        tensors && names ? CLADE_OK : clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
    for (size_t i = 0; i < count && !status; i++) {
        tensors[i] = (clade_safetensors_tensor){.name = weights[i].name,
                                                .dtype = CLADE_SAFETENSORS_F32,
                                                .rank = weights[i].rank,
                                                .data = weights[i].data};
        for (int32_t d = 0; d < weights[i].rank; d++) tensors[i].shape[d] = weights[i].dim[d];
    }
    if (!status) status = write(path, recipe, names, tensors, count, extra);
    cJSON_free(names);
    free(tensors);
    return status;
}

/* --- reading --- */

clade_status clade_modelfile_choose(const char *path, char **out)
{
    static const char *const files[] = {"/best.safetensors", "/last.safetensors"};
    bool folder, there = true;
    clade_status status = clade_folder_exists(path, &folder);
    *out = NULL;
    if (status) return status;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        *out = clade_string_join(path, folder ? files[i] : "");
        if (!*out) return clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
        if (folder) status = clade_file_exists(*out, &there);
        if (!status && there) return CLADE_OK;
        free(*out);
        *out = NULL;
        if (status) return status;
    }
    return clade_fail(CLADE_EIO,
                      "%s: not a run folder: it has no best.safetensors or last.safetensors", path);
}

static clade_status understand(clade_modelfile *out)
{
    const char *path = out->path;
    const char *format = clade_safetensors_metadata(out->file, "clade_format");
    const char *recipe = clade_safetensors_metadata(out->file, "recipe");
    const char *classes = clade_safetensors_metadata(out->file, "classes");
    if (format && strtol(format, NULL, 10) > format_version) {
        const char *version = clade_safetensors_metadata(out->file, "clade_version");
        return clade_fail(
            CLADE_EUNSUPPORTED,
            "%s: made by a newer version (clade %s, format %s); this is clade %s, which "
            "knows format %d",
            path, version ? version : "unknown", format, CLADE_VERSION, format_version);
    }
    if (!format || !recipe || !classes)
        return clade_fail(CLADE_EFORMAT, "%s: not a Clade model: its metadata has no '%s'", path,
                          !format   ? "clade_format"
                          : !recipe ? "recipe"
                                    : "classes");
    clade_status status = read_temperature(out);
    if (!status) status = clade_recipe_parse_saved(recipe, path, &out->recipe);
    if (status) return status;
    const int least = clade_recipe_data(out->recipe)->task == CLADE_TASK_REGRESSION ? 1 : 2;
    status = names_from_json(path, classes, least, &out->classes);
    for (int i = 0; i < CLADE_MODELFILE_LISTS && !status; i++)
        status = read_numbers(out, (clade_modelfile_list)i);
    return status;
}

clade_status clade_modelfile_open(const char *path, clade_modelfile *out)
{
    *out = (clade_modelfile){.path = clade_string_join(path, "")};
    if (!out->path) return clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
    clade_status status = clade_safetensors_open(path, &out->file);
    if (!status) status = understand(out);
    if (status) clade_modelfile_close(out);
    return status;
}

void clade_modelfile_close(clade_modelfile *file)
{
    for (int i = 0; i < CLADE_MODELFILE_LISTS; i++) free(file->numbers[i]);
    clade_safetensors_destroy(&file->file);
    clade_recipe_destroy(&file->recipe);
    clade_class_names_clear(&file->classes);
    free(file->path);
    *file = (clade_modelfile){0};
}

static bool same_shape(const clade_safetensors_tensor *stored, const clade_tensor *value)
{
    if (stored->rank != value->rank) return false;
    for (int d = 0; d < value->rank; d++)
        if (stored->shape[d] != value->dim[d]) return false;
    return true;
}

clade_status clade_modelfile_weight(const clade_modelfile *file, const char *name,
                                    const clade_tensor *shape, float **out)
{
    const clade_safetensors_tensor *stored = clade_safetensors_find(file->file, name);
    char expected[64];
    *out = NULL;
    clade_shape_text(shape, expected);
    if (!stored)
        return clade_fail(CLADE_EFORMAT, "%s: '%s' is missing, expected %s", file->path, name,
                          expected);
    if (!same_shape(stored, shape))
        return clade_fail(CLADE_EFORMAT, "%s: '%s' differs in shape from the recipe's %s",
                          file->path, name, expected);
    size_t count = clade_tensor_count(shape);
    float *values = malloc(count * sizeof *values);
    if (!values) return clade_fail(CLADE_ENOMEM, "out of memory for %zu weights", count);
    clade_status status = clade_safetensors_floats(file->file, stored, count, values);
    if (status)
        free(values);
    else
        *out = values;
    return status;
}

clade_status clade_modelfile_load(const clade_modelfile *file, clade_model *model)
{
    for (size_t i = 0; i < clade_model_parameters(model); i++) {
        const clade_parameter *p = clade_model_parameter(model, i);
        float *values;
        clade_status status = clade_modelfile_weight(file, p->name, &p->value, &values);
        if (!status) status = clade_tensor_write(&p->value, values);
        free(values);
        if (status) return status;
    }
    return CLADE_OK;
}
