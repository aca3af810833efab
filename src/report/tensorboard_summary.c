/* Events for plugins of TensorBoard: text, hyperparameters, histograms.
 * Sources: tensorboard/plugins/hparams/plugin_data.proto and metadata.py, plugins/text/metadata.py,
 * compat/proto/summary.proto, tensor.proto and types.proto of TensorBoard; google/protobuf's
 * struct.proto. */
#include "report/settings.h"
#include "report/tensorboard.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The numbers of the fields that are used. */
enum { value_histogram = 5, value_tensor = 8, value_metadata = 9 };
enum { metadata_plugin = 1, metadata_class = 4, plugin_name = 1, plugin_content = 2 };
enum { class_tensor = 2 };
enum { tensor_dtype = 1, tensor_shape = 2, tensor_strings = 8, shape_dim = 2 };
enum { dtype_float = 1, dtype_string = 7 };
enum { hparams_start = 3, hparams_end = 4 };
enum { start_hparams = 1, start_time = 5, entry_key = 1, entry_value = 2 };
enum { end_status = 1, end_time = 2, status_success = 1 };
enum { struct_number = 2, struct_string = 3, struct_bool = 4 };
enum {
    histogram_min = 1,
    histogram_max = 2,
    histogram_num = 3,
    histogram_sum = 4,
    histogram_squares = 5,
    histogram_limits = 6,
    histogram_counts = 7
};

/* A value that the plugin `name` shows, all but its tensor; frees `content`, if any. */
static clade_wire start_value(const char *name, clade_wire *content)
{
    clade_wire value = {0}, metadata = {0}, plugin = {0};
    clade_wire_text(&plugin, plugin_name, name);
    if (content) clade_wire_message(&plugin, plugin_content, content);
    clade_wire_message(&metadata, metadata_plugin, &plugin);
    clade_wire_int(&metadata, metadata_class, class_tensor);
    clade_wire_message(&value, value_metadata, &metadata);
    return value;
}

/* In Markdown, as it is: lines that begin with four spaces. */
static clade_status write_listing(clade_tensorboard *t, const char *tag, const char *text)
{
    clade_wire lines = {0}, tensor = {0}, shape = {0};
    for (const char *end; *text; text = end) {
        end = text + strcspn(text, "\n");
        if (*end) end++;
        clade_wire_raw(&lines, "    ", 4);
        clade_wire_raw(&lines, text, (size_t)(end - text));
    }
    clade_wire_int(&tensor, tensor_dtype, dtype_string);
    clade_wire_message(&tensor, tensor_shape, &shape);
    clade_wire_message(&tensor, tensor_strings, &lines);
    clade_wire value = start_value("text", NULL);
    clade_wire_message(&value, value_tensor, &tensor);
    return clade_tensorboard_value(t, tag, 0, &value);
}

/* What the plugin of hyperparameters reads is in the metadata, beside an empty tensor. */
static clade_status write_hparams(clade_tensorboard *t, const char *tag, unsigned field,
                                  clade_wire *message)
{
    clade_wire content = {0}, tensor = {0}, shape = {0}, dim = {0};
    clade_wire_message(&content, field, message);
    clade_wire value = start_value("hparams", &content);
    clade_wire_message(&shape, shape_dim, &dim);
    clade_wire_int(&tensor, tensor_dtype, dtype_float);
    clade_wire_message(&tensor, tensor_shape, &shape);
    clade_wire_message(&value, value_tensor, &tensor);
    return clade_tensorboard_value(t, tag, 0, &value);
}

static void add_setting(clade_wire *start, const char *key, const char *text)
{
    clade_wire entry = {0}, value = {0};
    char *end;
    double number = strtod(text, &end);
    if (*text && !*end && isfinite(number))
        clade_wire_double(&value, struct_number, number);
    else if (!strcmp(text, "true") || !strcmp(text, "false"))
        clade_wire_int(&value, struct_bool, *text == 't');
    else
        clade_wire_text(&value, struct_string, text);
    clade_wire_text(&entry, entry_key, key);
    clade_wire_message(&entry, entry_value, &value);
    clade_wire_message(start, start_hparams, &entry);
}

static const char optimizer[] = "train.optimizer.";

/* train.optimizer.adam.lr becomes train.optimizer, which is adam, and train.optimizer.lr, so that
 * runs with different optimizers share a column. */
static void add_optimizer(clade_wire *start, const char *key, const char *value, bool *named)
{
    char text[128];
    const char *word = key + sizeof optimizer - 1;
    const size_t length = strcspn(word, ".");
    snprintf(text, sizeof text, "%.*s", (int)length, word);
    if (!*named) add_setting(start, "train.optimizer", text);
    *named = true;
    if (!word[length]) return;
    snprintf(text, sizeof text, "%s%s", optimizer, word + length + 1);
    add_setting(start, text, value);
}

/* Layers are a table of their own; what a search or a comparison might try is not what was. */
static bool is_hyperparameter(const char *key)
{
    static const char *const sections[] = {"name", "model", "tune", "compare"};
    size_t length = strcspn(key, ".");
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (strlen(sections[i]) == length && !strncmp(sections[i], key, length)) return false;
    return true;
}

clade_status clade_tensorboard_recipe(clade_tensorboard *t, const clade_recipe *recipe)
{
    if (!t || !recipe) return clade_fail(CLADE_EINVAL, "no events or no recipe");
    clade_settings settings;
    clade_status status = clade_settings_read(clade_recipe_text(recipe), &settings);
    if (status) return status;
    clade_wire start = {0};
    bool named = false;
    for (size_t i = 0; i < settings.count; i++) {
        if (!strncmp(settings.key[i], optimizer, sizeof optimizer - 1))
            add_optimizer(&start, settings.key[i], settings.value[i], &named);
        else if (is_hyperparameter(settings.key[i]))
            add_setting(&start, settings.key[i], settings.value[i]);
    }
    clade_settings_clear(&settings);
    clade_wire_double(&start, start_time, (double)time(NULL));
    status = write_hparams(t, "_hparams_/session_start_info", hparams_start, &start);
    return status ? status : write_listing(t, "recipe", clade_recipe_text(recipe));
}

clade_status clade_tensorboard_success(clade_tensorboard *t)
{
    if (!t) return clade_fail(CLADE_EINVAL, "no events");
    clade_wire end = {0};
    clade_wire_int(&end, end_status, status_success);
    clade_wire_double(&end, end_time, (double)time(NULL));
    return write_hparams(t, "_hparams_/session_end_info", hparams_end, &end);
}

clade_status clade_tensorboard_histogram(clade_tensorboard *t, const char *tag, int64_t step,
                                         const float *values, size_t count)
{
    enum { bins = 30 };
    double low = INFINITY, high = -INFINITY, sum = 0, squares = 0, num = 0;
    double limits[bins], counts[bins] = {0};
    if (!t || !tag || step < 0 || (count && !values))
        return clade_fail(CLADE_EINVAL, "a histogram's event needs a tag, a step and values");
    for (size_t i = 0; i < count; i++) {
        const double value = (double)values[i];
        if (!isfinite(value)) continue;
        low = fmin(low, value);
        high = fmax(high, value);
        sum += value;
        squares += value * value;
        num++;
    }
    if (num == 0) return CLADE_OK;
    const double middle = (low + high) / 2, width = high > low ? high - low : 1;
    const double first = high > low ? low : middle - 0.5;
    for (int k = 0; k < bins; k++) limits[k] = first + width * (k + 1) / bins;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) continue;
        int k = (int)(((double)values[i] - first) / width * bins);
        counts[k < bins ? k : bins - 1]++;
    }
    clade_wire histogram = {0}, value = {0};
    clade_wire_double(&histogram, histogram_min, first);
    clade_wire_double(&histogram, histogram_max, first + width);
    clade_wire_double(&histogram, histogram_num, num);
    clade_wire_double(&histogram, histogram_sum, sum);
    clade_wire_double(&histogram, histogram_squares, squares);
    clade_wire_doubles(&histogram, histogram_limits, limits, bins);
    clade_wire_doubles(&histogram, histogram_counts, counts, bins);
    clade_wire_message(&value, value_histogram, &histogram);
    return clade_tensorboard_value(t, tag, step, &value);
}
