/* The section augment of a recipe. */
#include "recipe/recipe.h"

enum { pixels_max = 8192 };

/* Reads two numbers in ascending order. */
static clade_status read_pair(const clade_yaml *node, const char *key, clade_yaml_range range,
                              float out[2])
{
    double pair[2];
    if (clade_yaml_count(node) != 2)
        return clade_yaml_fail(node, CLADE_EINVAL, "%s: expected [low, high], found %zu numbers",
                               key, clade_yaml_count(node));
    for (size_t i = 0; i < 2; i++) {
        clade_status status = clade_yaml_in_range(clade_yaml_item(node, i), key, range, &pair[i]);
        if (status) return status;
        out[i] = (float)pair[i];
    }
    if (pair[0] > pair[1])
        return clade_yaml_fail(node, CLADE_EINVAL,
                               "%s: expected [low, high], found the higher number first", key);
    return CLADE_OK;
}

/* Reads [low, high]; if missing, keeps the old value. */
static clade_status get_pair(const clade_yaml *map, const char *key, clade_yaml_range range,
                             float out[2])
{
    const clade_yaml *node = clade_recipe_find(map, key);
    if (!node) return CLADE_OK;
    clade_status status = clade_yaml_expect(node, key, CLADE_YAML_LIST);
    return status ? status : read_pair(node, key, range, out);
}

/* Reads [low, high]; a single z above 0 means [1 − z, 1 + z], as in Keras. */
static clade_status get_range(const clade_yaml *map, const char *key, float out[2])
{
    const clade_yaml *node = clade_recipe_find(map, key);
    if (!node) return CLADE_OK;
    if (clade_yaml_kind_of(node) == CLADE_YAML_LIST)
        return read_pair(node, key, CLADE_YAML_POSITIVE, out);
    double around;
    clade_status status = clade_yaml_in_range(node, key, CLADE_YAML_RATE, &around);
    if (status || around == 0) return status;
    out[0] = (float)(1 - around);
    out[1] = (float)(1 + around);
    return CLADE_OK;
}

/* Reads a number up to `most`. */
static clade_status get_float(const clade_yaml *map, const char *key, clade_yaml_range range,
                              double most, float *out)
{
    double value = (double)*out;
    clade_status status = clade_yaml_get_number(map, key, range, &value);
    if (!status && value > most)
        status = clade_yaml_fail(clade_recipe_find(map, key), CLADE_EINVAL,
                                 "%s: expected a number up to %g, found %g", key, most, value);
    *out = (float)value;
    return status;
}

/* Gives the map below a key, and checks its keys; NULL: it is missing. */
static clade_status get_map(const clade_yaml *augment, const char *key, const char *const *keys,
                            const clade_yaml **out)
{
    clade_status status = clade_yaml_get_node(augment, key, CLADE_YAML_MAP, out);
    return status || !*out ? status : clade_recipe_check_keys(*out, key, keys);
}

/* --- torchvision's --- */

static clade_status read_crop(const clade_yaml *augment, clade_augment *a)
{
    static const char *const keys[] = {"scale", "ratio", NULL};
    const clade_yaml *map = NULL;
    clade_status status = get_map(augment, "random_resized_crop", keys, &map);
    if (status || !map) return status;
    a->crop_area[0] = 0.08f, a->crop_area[1] = 1;
    a->crop_ratio[0] = 3.0f / 4, a->crop_ratio[1] = 4.0f / 3;
    status = get_pair(map, "scale", CLADE_YAML_POSITIVE, a->crop_area);
    if (!status && a->crop_area[1] > 1)
        status = clade_yaml_fail(clade_recipe_find(map, "scale"), CLADE_EINVAL,
                                 "scale: expected shares of the area up to 1, found %g",
                                 (double)a->crop_area[1]);
    return status ? status : get_pair(map, "ratio", CLADE_YAML_POSITIVE, a->crop_ratio);
}

static clade_status read_erasing(const clade_yaml *augment, clade_augment *a)
{
    static const char *const keys[] = {"p", "scale", "ratio", "value", NULL};
    const clade_yaml *map = NULL;
    clade_status status = get_map(augment, "random_erasing", keys, &map);
    if (status || !map) return status;
    a->erasing.p = 0.5f;
    a->erasing.area[0] = 0.02f, a->erasing.area[1] = 0.33f;
    a->erasing.ratio[0] = 0.3f, a->erasing.ratio[1] = 3.3f;
    status = get_float(map, "p", CLADE_YAML_FRACTION, 1, &a->erasing.p);
    if (!status) status = get_pair(map, "scale", CLADE_YAML_FRACTION, a->erasing.area);
    if (!status) status = get_pair(map, "ratio", CLADE_YAML_POSITIVE, a->erasing.ratio);
    return status ? status : get_float(map, "value", CLADE_YAML_ANY, 1e6, &a->erasing.value);
}

/* Reads [low, high] within ±½, or h for [−h, h]. */
static clade_status get_hue(const clade_yaml *map, float out[2])
{
    const clade_yaml *node = clade_recipe_find(map, "hue");
    if (!node) return CLADE_OK;
    clade_status status;
    if (clade_yaml_kind_of(node) == CLADE_YAML_LIST) {
        status = read_pair(node, "hue", CLADE_YAML_ANY, out);
    } else {
        double around;
        status = clade_yaml_in_range(node, "hue", CLADE_YAML_FRACTION, &around);
        if (status) return status;
        out[0] = (float)-around;
        out[1] = (float)around;
    }
    if (!status && (out[0] < -0.5f || out[1] > 0.5f))
        status = clade_yaml_fail(node, CLADE_EINVAL, "hue: expected at most half a turn, 0.5");
    return status;
}

static clade_status read_jitter(const clade_yaml *augment, clade_augment *a)
{
    static const char *const keys[] = {"brightness", "contrast", "saturation", "hue", "p", NULL};
    const clade_yaml *map = NULL;
    clade_status status = get_map(augment, "color_jitter", keys, &map);
    if (status || !map) return status;
    a->jitter.p = 1;
    status = get_float(map, "p", CLADE_YAML_FRACTION, 1, &a->jitter.p);
    if (!status) status = get_range(map, "brightness", a->jitter.brightness);
    if (!status) status = get_range(map, "contrast", a->jitter.contrast);
    if (!status) status = get_range(map, "saturation", a->jitter.saturation);
    return status ? status : get_hue(map, a->jitter.hue);
}

/* Reads `all`, or a list of operations. */
static clade_status read_policy_ops(const clade_yaml *augment, clade_augment *a)
{
    const clade_yaml *node = clade_recipe_find(augment, "policy_ops");
    const char *words[CLADE_POLICY_OPS];
    size_t op;
    if (!node) return CLADE_OK;
    if (!clade_yaml_find(augment, "rand_augment") && !clade_yaml_find(augment, "trivial_augment"))
        return clade_yaml_fail(node, CLADE_EINVAL,
                               "policy_ops: has no effect without rand_augment or trivial_augment");
    for (int i = 0; i < CLADE_POLICY_OPS; i++) words[i] = clade_policy_op_name((clade_policy_op)i);
    if (clade_yaml_kind_of(node) != CLADE_YAML_LIST)
        return clade_yaml_as_word(node, "policy_ops", (const char *const[]){"all"}, 1, &op);
    if (clade_yaml_count(node) == 0)
        return clade_yaml_fail(node, CLADE_EINVAL, "policy_ops: expected all, or some operations");
    for (size_t i = 0; i < clade_yaml_count(node); i++) {
        clade_status status = clade_yaml_as_word(clade_yaml_item(node, i), "policy_ops", words,
                                                 CLADE_POLICY_OPS, &op);
        if (status) return status;
        a->policy_ops |= 1u << op;
    }
    return CLADE_OK;
}

/* Reads alpha of the Beta distribution, limited so that a share is drawn in a few tries. */
static clade_status get_alpha(const clade_yaml *map, float *out)
{
    *out = 1;
    clade_status status = get_float(map, "alpha", CLADE_YAML_POSITIVE, 4, out);
    if (!status && *out < 0.05f)
        status = clade_yaml_fail(clade_recipe_find(map, "alpha"), CLADE_EINVAL,
                                 "alpha: expected 0.05 to 4, found %g", (double)*out);
    return status;
}

/* Reads AugMix with torchvision's defaults; chain_depth -1 means a random depth. */
static clade_status read_augmix(const clade_yaml *augment, clade_augment *a)
{
    static const char *const keys[] = {"severity", "mixture_width", "chain_depth",
                                       "alpha",    "all_ops",       NULL};
    const clade_yaml *map = NULL;
    clade_status status = get_map(augment, "augmix", keys, &map);
    if (status || !map) return status;
    if (a->trivial || a->rand.steps > 0)
        return clade_yaml_fail(map, CLADE_EINVAL,
                               "augmix: cannot be combined with rand_augment or trivial_augment");
    int64_t severity = 3, width = 3, depth = -1;
    bool all = true;
    status = clade_yaml_get_int(map, "severity", 1, 10, &severity);
    if (!status) status = clade_yaml_get_int(map, "mixture_width", 1, CLADE_MOST_CHAINS, &width);
    if (!status) status = clade_yaml_get_int(map, "chain_depth", -1, CLADE_CHAIN_STEPS, &depth);
    if (!status && depth == 0)
        status = clade_yaml_fail(clade_recipe_find(map, "chain_depth"), CLADE_EINVAL,
                                 "chain_depth: expected 1 to %d, or -1 for a random depth, found 0",
                                 CLADE_CHAIN_STEPS);
    if (!status) status = get_alpha(map, &a->augmix.alpha);
    if (!status) status = clade_yaml_get_bool(map, "all_ops", &all);
    a->augmix.severity = (int32_t)severity;
    a->augmix.width = (int32_t)width;
    a->augmix.depth = depth > 0 ? (int32_t)depth : 0;
    a->augmix.partial = !all;
    return status;
}

static clade_status read_policy(const clade_yaml *augment, clade_augment *a)
{
    static const char *const keys[] = {"num_ops", "magnitude", NULL};
    const clade_yaml *map = NULL;
    clade_status status = clade_yaml_get_bool(augment, "trivial_augment", &a->trivial);
    if (!status) status = get_map(augment, "rand_augment", keys, &map);
    if (status || !map) return status;
    int64_t steps = 2, magnitude = 9;
    if (a->trivial)
        return clade_yaml_fail(map, CLADE_EINVAL,
                               "rand_augment: cannot be combined with trivial_augment");
    status = clade_yaml_get_int(map, "num_ops", 1, 3, &steps);
    if (!status) status = clade_yaml_get_int(map, "magnitude", 0, 30, &magnitude);
    a->rand.steps = (int32_t)steps;
    a->rand.magnitude = (int32_t)magnitude;
    return status;
}

static clade_status read_alpha(const clade_yaml *augment, const char *key, float *out)
{
    static const char *const keys[] = {"alpha", NULL};
    const clade_yaml *map = NULL;
    clade_status status = get_map(augment, key, keys, &map);
    if (status || !map) return status;
    return get_alpha(map, out);
}

/* --- the section --- */

static clade_status read_keras(const clade_yaml *augment, clade_augment *a)
{
    const char *fills[CLADE_FILL_MODES];
    for (int i = 0; i < CLADE_FILL_MODES; i++) fills[i] = clade_fill_mode_name((clade_fill_mode)i);
    size_t fill = CLADE_FILL_NEAREST;
    const clade_yaml_range positive = CLADE_YAML_NOT_NEGATIVE;
    clade_status status = get_float(augment, "rotation", positive, 360, &a->rotation);
    if (!status) status = get_float(augment, "width_shift", positive, 1, &a->width_shift);
    if (!status) status = get_float(augment, "height_shift", positive, 1, &a->height_shift);
    if (!status) status = get_float(augment, "shear", positive, 90, &a->shear);
    if (!status) status = get_range(augment, "zoom", a->zoom);
    if (!status) status = clade_yaml_get_bool(augment, "horizontal_flip", &a->horizontal_flip);
    if (!status) status = clade_yaml_get_bool(augment, "vertical_flip", &a->vertical_flip);
    if (!status) status = get_range(augment, "brightness", a->brightness);
    if (!status) status = clade_yaml_get_word(augment, "fill", fills, CLADE_FILL_MODES, &fill);
    if (!status) status = get_float(augment, "fill_value", positive, 255, &a->fill_value);
    a->fill = (clade_fill_mode)fill;
    return status;
}

clade_status clade_recipe_read_augment(clade_recipe *recipe, const clade_yaml *augment)
{
    static const char *const keys[] = {"rotation",
                                       "width_shift",
                                       "height_shift",
                                       "shear",
                                       "zoom",
                                       "horizontal_flip",
                                       "vertical_flip",
                                       "alternating_flip",
                                       "brightness",
                                       "fill",
                                       "fill_value",
                                       "pad_crop",
                                       "random_resized_crop",
                                       "random_erasing",
                                       "cutout",
                                       "color_jitter",
                                       "grayscale",
                                       "rand_augment",
                                       "trivial_augment",
                                       "policy_ops",
                                       "augmix",
                                       "mixup",
                                       "cutmix",
                                       NULL};
    clade_augment *a = &recipe->augment;
    int64_t pad = 0, cutout = 0;
    if (!augment) return CLADE_OK;
    clade_status status = clade_recipe_check_keys(augment, "augment", keys);
    if (!status) status = read_keras(augment, a);
    if (!status) status = clade_yaml_get_bool(augment, "alternating_flip", &a->alternating_flip);
    if (!status && a->alternating_flip && a->horizontal_flip)
        status = clade_yaml_fail(clade_recipe_find(augment, "alternating_flip"), CLADE_EINVAL,
                                 "alternating_flip: cannot be combined with horizontal_flip");
    if (!status) status = clade_yaml_get_int(augment, "pad_crop", 0, pixels_max, &pad);
    if (!status) status = clade_yaml_get_int(augment, "cutout", 0, pixels_max, &cutout);
    a->pad_crop = (int32_t)pad;
    a->cutout = (int32_t)cutout;
    if (!status) status = read_crop(augment, a);
    if (!status) status = read_erasing(augment, a);
    if (!status) status = read_jitter(augment, a);
    if (!status) status = get_float(augment, "grayscale", CLADE_YAML_FRACTION, 1, &a->grey);
    if (!status) status = read_policy(augment, a);
    if (!status) status = read_policy_ops(augment, a);
    if (!status) status = read_augmix(augment, a);
    if (!status) status = read_alpha(augment, "mixup", &a->mixup);
    return status ? status : read_alpha(augment, "cutmix", &a->cutmix);
}
