/* The sections of a recipe about images: input, data. */
#include "recipe/recipe.h"
#include "nn/layer.h"

/* The largest side in a recipe: that of a square image of 64 megapixels. */
enum { side_max = 8192, channels_max = 4 };

/* --- input --- */

/* Reads one number for all channels, or a list with one for each. */
static clade_status read_channels(const clade_yaml *input, const char *key, clade_yaml_range range,
                                  int32_t channels, double *out)
{
    const clade_yaml *node = clade_recipe_find(input, key);
    if (!node) return CLADE_OK;
    bool list = clade_yaml_kind_of(node) == CLADE_YAML_LIST;
    if (list && clade_yaml_count(node) != (size_t)channels)
        return clade_yaml_fail(node, CLADE_EINVAL,
                               "%s: expected %d numbers, one per channel, found %zu", key, channels,
                               clade_yaml_count(node));
    for (int32_t c = 0; c < channels; c++) {
        const clade_yaml *item = list ? clade_yaml_item(node, (size_t)c) : node;
        clade_status status = clade_yaml_in_range(item, key, range, &out[c]);
        if (status) return status;
    }
    return CLADE_OK;
}

static clade_status read_interpolation(const clade_recipe *recipe, const clade_yaml *input,
                                       clade_interpolation *out)
{
    size_t interpolation = recipe->written_before ? CLADE_NEAREST : CLADE_BILINEAR;
    bool antialias = false;
    clade_status status =
        clade_yaml_get_word(input, "interpolation", clade_interpolation_words, 2, &interpolation);
    if (!status) status = clade_yaml_get_bool(input, "antialias", &antialias);
    if (!status && antialias && interpolation == CLADE_NEAREST)
        status = clade_yaml_fail(clade_recipe_find(input, "antialias"), CLADE_EINVAL,
                                 "antialias: requires interpolation: bilinear");
    *out = antialias ? CLADE_BILINEAR_ANTIALIAS : (clade_interpolation)interpolation;
    return status;
}

clade_status clade_recipe_read_input(clade_recipe *recipe, const clade_yaml *input)
{
    static const char *const keys[] = {"size", "channels",      "rescale",   "mean",
                                       "std",  "interpolation", "antialias", NULL};
    const clade_yaml *size;
    clade_preprocessing *p = &recipe->preprocessing;
    clade_status status = CLADE_OK;
    if (!input) status = clade_yaml_require(recipe->root, "input", &input);
    if (!status) status = clade_recipe_check_keys(input, "input", keys);
    if (!status) status = clade_yaml_require(input, "size", &size);
    int32_t hw[2];
    size_t count;
    if (!status) status = clade_recipe_ints(size, "size", 1, side_max, 2, hw, &count);
    if (status) return status;
    p->height = hw[0];
    p->width = hw[count - 1];
    int64_t channels = 3;
    double rescale[4] = {1, 1, 1, 1}, mean[4] = {0}, deviation[4] = {1, 1, 1, 1};
    status = clade_yaml_get_int(input, "channels", 1, 3, &channels);
    if (!status && channels == 2)
        status = clade_yaml_fail(clade_recipe_find(input, "channels"), CLADE_EINVAL,
                                 "channels: expected 1 (grey) or 3 (RGB), found 2");
    p->channels = (int32_t)channels;
    if (!status)
        status = read_channels(input, "rescale", CLADE_YAML_POSITIVE, p->channels, rescale);
    if (!status) status = read_channels(input, "mean", CLADE_YAML_ANY, p->channels, mean);
    if (!status) status = read_channels(input, "std", CLADE_YAML_POSITIVE, p->channels, deviation);
    if (!status) status = read_interpolation(recipe, input, &p->interpolation);
    for (int c = 0; c < channels_max; c++) {
        p->scale[c] = (float)(rescale[c] / deviation[c]);
        p->shift[c] = (float)(-mean[c] / deviation[c]);
    }
    return status;
}

/* --- data --- */

clade_status clade_recipe_read_data(clade_recipe *recipe, const clade_yaml *data)
{
    static const char *const keys[] = {"path",        "validation",
                                       "test",        "seed",
                                       "test_split",  "validation_split",
                                       "max_damaged", "label_pattern",
                                       "labels",      "label_columns",
                                       "folds",       "fold",
                                       "task",        NULL};
    clade_data_options *d = &recipe->data;
    d->height = recipe->preprocessing.height;
    d->width = recipe->preprocessing.width;
    d->channels = recipe->preprocessing.channels;
    d->interpolation = recipe->preprocessing.interpolation;
    if (!data) return CLADE_OK;
    int64_t seed = 0, folds = 0, fold = 0;
    size_t task = CLADE_TASK_CLASS;
    double max_damaged = -1;
    clade_status status = clade_recipe_check_keys(data, "data", keys);
    if (!status) status = clade_yaml_get_text(data, "path", &d->path);
    if (!status) status = clade_yaml_get_text(data, "validation", &d->validation);
    if (!status) status = clade_yaml_get_text(data, "test", &d->test);
    if (!status)
        status =
            clade_yaml_get_number(data, "validation_split", CLADE_YAML_RATE, &d->validation_split);
    if (!status)
        status = clade_yaml_get_number(data, "test_split", CLADE_YAML_RATE, &d->test_split);
    if (!status) status = clade_yaml_get_text(data, "label_pattern", &d->label_pattern);
    if (!status) status = clade_yaml_get_text(data, "labels", &d->labels);
    if (!status) status = clade_yaml_get_text(data, "label_columns", &d->label_columns);
    if (!status)
        status = clade_yaml_get_word(data, "task", clade_task_words(),
                                     clade_recipe_count_words(clade_task_words()), &task);
    if (!status) status = clade_yaml_get_int(data, "seed", 0, INT64_MAX, &seed);
    if (!status)
        status = clade_yaml_get_number(data, "max_damaged", CLADE_YAML_FRACTION, &max_damaged);
    if (!status) status = clade_yaml_get_int(data, "folds", 2, 1000, &folds);
    if (!status) status = clade_yaml_get_int(data, "fold", 1, 1000, &fold);
    if (!status && (folds == 0) != (fold == 0))
        status = clade_yaml_fail(data, CLADE_EINVAL, "folds and fold go together: expected %s",
                                 folds ? "fold" : "folds");
    if (!status && fold > folds)
        status = clade_yaml_fail(data, CLADE_EINVAL, "fold is %lld, expected 1 to folds, %lld",
                                 (long long)fold, (long long)folds);
    if (!status && d->validation_split + d->test_split >= 1)
        status = clade_yaml_fail(data, CLADE_EINVAL,
                                 "validation_split and test_split leave nothing to train on");
    d->seed = (uint64_t)seed;
    d->task = (clade_task)task;
    d->folds = (int32_t)folds;
    d->fold = (int32_t)fold;
    d->strict = max_damaged == 0;
    if (max_damaged > 0) d->max_damaged = max_damaged;
    return status;
}
