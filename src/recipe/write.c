/* Writes a recipe made from a graph and settings in code as YAML that parses to the same. */
#include "recipe/recipe.h"
#include "base/locale.h"
#include "nn/layer.h"
#include "nn/loss.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Maps under construction. The first error is kept; later additions do nothing. */
typedef struct writer {
    clade_status status;
} writer;

static void put(writer *w, clade_yaml *map, const char *key, clade_yaml *value)
{
    if (!w->status && map)
        w->status = clade_yaml_put(map, key, value);
    else
        clade_yaml_destroy(&value);
}

/* Adds an empty list or map under the key; NULL after an error. */
static clade_yaml *put_empty(writer *w, clade_yaml *map, const char *key, clade_yaml_kind kind)
{
    put(w, map, key, clade_yaml_create(kind));
    return w->status || !map ? NULL : clade_yaml_find(map, key);
}

static void append(writer *w, clade_yaml *list, clade_yaml *value)
{
    if (!w->status && list)
        w->status = clade_yaml_append(list, value);
    else
        clade_yaml_destroy(&value);
}

/* Returns the decimal number with the fewest digits that gives this float. */
static clade_yaml *float_node(float value)
{
    CLADE_PLAIN_NUMBERS;
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) break;
    }
    return clade_yaml_create_number(strtod(text, NULL));
}

static void put_float(writer *w, clade_yaml *map, const char *key, float value)
{
    if (value != 0) put(w, map, key, float_node(value));
}

static void put_int(writer *w, clade_yaml *map, const char *key, int64_t value)
{
    if (value != 0) put(w, map, key, clade_yaml_create_int(value));
}

static void put_true(writer *w, clade_yaml *map, const char *key, bool value)
{
    if (value) put(w, map, key, clade_yaml_create_bool(true));
}

static void put_text(writer *w, clade_yaml *map, const char *key, const char *text)
{
    put(w, map, key, clade_yaml_create_text(text));
}

static void put_ints(writer *w, clade_yaml *map, const char *key, const int32_t *values, int count)
{
    clade_yaml *list = put_empty(w, map, key, CLADE_YAML_LIST);
    for (int i = 0; i < count; i++) append(w, list, clade_yaml_create_int(values[i]));
}

static void put_floats(writer *w, clade_yaml *map, const char *key, const float *values, int count)
{
    clade_yaml *list = put_empty(w, map, key, CLADE_YAML_LIST);
    for (int i = 0; i < count; i++) append(w, list, float_node(values[i]));
}

/* --- layers --- */

static void write_padding(writer *w, clade_yaml *map, const char *key, clade_padding padding,
                          const int32_t *pad)
{
    if (padding == CLADE_PADDING_EXPLICIT)
        put_ints(w, map, key, pad, 4);
    else if (padding != CLADE_PADDING_VALID)
        put_text(w, map, key, clade_recipe_paddings[padding]);
}

static void write_activation(writer *w, clade_yaml *map, const clade_layer_field *f,
                             const clade_layer *layer)
{
    clade_activation act = *(const clade_activation *)clade_layer_look(layer, f->at);
    if (f->more && *(const bool *)clade_layer_look(layer, f->more))
        put_text(w, map, f->key, "softmax");
    else if (act != CLADE_LINEAR || f->required)
        put_text(w, map, f->key, clade_activation_name(act));
}

/* Writes a setting; defaults are omitted, unless the key is required. */
static void write_field(writer *w, clade_yaml *map, const clade_layer_field *f,
                        const clade_layer *layer)
{
    const void *at = clade_layer_look(layer, f->at);
    switch (f->type) {
    case CLADE_FIELD_INT:
    case CLADE_FIELD_INDEX: put_int(w, map, f->key, *(const int32_t *)at); break;
    case CLADE_FIELD_PAIR: {
        const int32_t *pair = at;
        if (pair[0] || pair[1]) put_ints(w, map, f->key, pair, 2);
        break;
    }
    case CLADE_FIELD_SIDES: put_ints(w, map, f->key, at, 4); break;
    case CLADE_FIELD_LIST: {
        const int32_t *list = at;
        if (*list) put_ints(w, map, f->key, list + 1, *list);
        break;
    }
    case CLADE_FIELD_REAL: {
        float value = *(const float *)at;
        if (value != 0 && f->within)
            put(w, put_empty(w, map, f->key, CLADE_YAML_MAP), f->within, float_node(value));
        else if (value != 0 || f->required)
            put(w, map, f->key, float_node(value));
        break;
    }
    case CLADE_FIELD_ON: put_true(w, map, f->key, *(const bool *)at); break;
    case CLADE_FIELD_OFF:
        if (*(const bool *)at) put(w, map, f->key, clade_yaml_create_bool(false));
        break;
    case CLADE_FIELD_PADDING:
        write_padding(w, map, f->key, *(const clade_padding *)at, clade_layer_look(layer, f->more));
        break;
    case CLADE_FIELD_ACTIVATION:
    case CLADE_FIELD_FUNCTION: write_activation(w, map, f, layer); break;
    case CLADE_FIELD_WORD: {
        int32_t word = *(const int32_t *)at;
        if (word) put_text(w, map, f->key, f->words[word]);
        break;
    }
    }
}

static void write_layer(writer *w, clade_yaml *list, const clade_graph *graph, int32_t number)
{
    const clade_layer *layer = clade_graph_layer(graph, number);
    append(w, list, clade_yaml_create(CLADE_YAML_MAP));
    if (w->status) return;
    clade_yaml *entry = clade_yaml_item(list, clade_yaml_count(list) - 1);
    const clade_layer_record *record = clade_layer_record_of(layer->kind);
    clade_yaml *map = put_empty(w, entry, record->key, CLADE_YAML_MAP);
    for (const clade_layer_field *f = record->field; f && f->key; f++)
        write_field(w, map, f, layer);
    put_text(w, map, "name", layer->name);
    bool chain =
        layer->input_count == 0 || (layer->input_count == 1 && layer->input[0] == number - 1);
    if (!chain) {
        clade_yaml *inputs = put_empty(w, map, "inputs", CLADE_YAML_LIST);
        for (int32_t i = 0; i < layer->input_count; i++) {
            int32_t from = layer->input[i];
            append(w, inputs,
                   clade_yaml_create_text(from ? clade_graph_layer(graph, from)->name : "input"));
        }
    }
    if (layer->frozen) put(w, map, "trainable", clade_yaml_create_bool(false));
}

clade_status clade_recipe_write_layers(const clade_graph *graph, clade_yaml *list)
{
    writer w = {CLADE_OK};
    for (int32_t i = 1; i < clade_graph_layers(graph); i++) write_layer(&w, list, graph, i);
    return w.status;
}

/* --- sections --- */

static void write_scaling(writer *w, clade_yaml *map, const clade_preprocessing *p,
                          int32_t channels)
{
    /* scale = rescale / std and shift = −mean / std, with std 1 */
    float scale[4] = {0}, mean[4] = {0};
    bool same = true, shifted = false;
    for (int c = 0; c < channels && c < 4; c++) {
        scale[c] = p->scale[c] != 0 ? p->scale[c] : 1;
        mean[c] = -p->shift[c];
        same &= scale[c] == scale[0];
        shifted |= mean[c] != 0;
    }
    if (!same)
        put_floats(w, map, "rescale", scale, channels);
    else if (scale[0] != 1)
        put(w, map, "rescale", float_node(scale[0]));
    if (shifted) put_floats(w, map, "mean", mean, channels);
}

clade_status clade_recipe_write_scaling(const clade_preprocessing *p, clade_yaml *input)
{
    writer w = {CLADE_OK};
    write_scaling(&w, input, p, p->channels ? p->channels : 3);
    return w.status;
}

static clade_status write_input(writer *w, clade_yaml *root, const clade_recipe_parts *parts)
{
    static const clade_preprocessing none;
    const clade_preprocessing *p = parts->preprocessing ? parts->preprocessing : &none;
    int32_t dim[3];
    clade_graph_shape(parts->graph, 0, dim);
    if ((p->height && p->height != dim[0]) || (p->width && p->width != dim[1]) ||
        (p->channels && p->channels != dim[2]))
        return clade_fail(CLADE_EINVAL,
                          "recipe: the graph takes images of %d×%d×%d, the preprocessing gives "
                          "%d×%d×%d",
                          dim[0], dim[1], dim[2], p->height, p->width, p->channels);
    clade_yaml *map = put_empty(w, root, "input", CLADE_YAML_MAP);
    put_ints(w, map, "size", dim, 2);
    put_int(w, map, "channels", dim[2]);
    write_scaling(w, map, p, dim[2]);
    put_text(w, map, "interpolation", clade_interpolation_words[p->interpolation != CLADE_NEAREST]);
    put_true(w, map, "antialias", p->interpolation == CLADE_BILINEAR_ANTIALIAS);
    return w->status;
}

static void put_pair(writer *w, clade_yaml *map, const char *key, const float pair[2])
{
    if (pair[0] != 0 || pair[1] != 0) put_floats(w, map, key, pair, 2);
}

static void write_crop(writer *w, clade_yaml *augment, const clade_augment *a)
{
    if (a->crop_area[1] == 0) return;
    clade_yaml *map = put_empty(w, augment, "random_resized_crop", CLADE_YAML_MAP);
    put_pair(w, map, "scale", a->crop_area);
    put_pair(w, map, "ratio", a->crop_ratio);
}

static void write_erasing(writer *w, clade_yaml *augment, const clade_augment *a)
{
    if (a->erasing.p == 0 && a->erasing.value == 0) return;
    clade_yaml *map = put_empty(w, augment, "random_erasing", CLADE_YAML_MAP);
    put(w, map, "p", float_node(a->erasing.p));
    put_pair(w, map, "scale", a->erasing.area);
    put_pair(w, map, "ratio", a->erasing.ratio);
    put_float(w, map, "value", a->erasing.value);
}

static void write_jitter(writer *w, clade_yaml *augment, const clade_augment *a)
{
    if (a->jitter.p == 0) return;
    clade_yaml *map = put_empty(w, augment, "color_jitter", CLADE_YAML_MAP);
    put_pair(w, map, "brightness", a->jitter.brightness);
    put_pair(w, map, "contrast", a->jitter.contrast);
    put_pair(w, map, "saturation", a->jitter.saturation);
    put_pair(w, map, "hue", a->jitter.hue);
    put_float(w, map, "p", a->jitter.p);
}

static void write_alpha(writer *w, clade_yaml *augment, const char *key, float alpha)
{
    if (alpha != 0) put_float(w, put_empty(w, augment, key, CLADE_YAML_MAP), "alpha", alpha);
}

static void write_augment(writer *w, clade_yaml *root, const clade_augment *a)
{
    clade_yaml *map = put_empty(w, root, "augment", CLADE_YAML_MAP);
    put_float(w, map, "rotation", a->rotation);
    put_float(w, map, "width_shift", a->width_shift);
    put_float(w, map, "height_shift", a->height_shift);
    put_float(w, map, "shear", a->shear);
    put_pair(w, map, "zoom", a->zoom);
    put_true(w, map, "horizontal_flip", a->horizontal_flip);
    put_true(w, map, "vertical_flip", a->vertical_flip);
    put_true(w, map, "alternating_flip", a->alternating_flip);
    put_pair(w, map, "brightness", a->brightness);
    if (a->fill != CLADE_FILL_NEAREST) put_text(w, map, "fill", clade_fill_mode_name(a->fill));
    put_float(w, map, "fill_value", a->fill_value);
    put_int(w, map, "pad_crop", a->pad_crop);
    write_crop(w, map, a);
    write_erasing(w, map, a);
    put_int(w, map, "cutout", a->cutout);
    write_jitter(w, map, a);
    put_float(w, map, "grayscale", a->grey);
    put_true(w, map, "trivial_augment", a->trivial);
    if (a->rand.steps > 0) {
        clade_yaml *rand = put_empty(w, map, "rand_augment", CLADE_YAML_MAP);
        put_int(w, rand, "num_ops", a->rand.steps);
        put(w, rand, "magnitude", clade_yaml_create_int(a->rand.magnitude));
    }
    if (a->augmix.severity > 0) {
        clade_yaml *augmix = put_empty(w, map, "augmix", CLADE_YAML_MAP);
        put_int(w, augmix, "severity", a->augmix.severity);
        put_int(w, augmix, "mixture_width", a->augmix.width);
        put_int(w, augmix, "chain_depth", a->augmix.depth);
        put_float(w, augmix, "alpha", a->augmix.alpha);
        put(w, augmix, "all_ops", clade_yaml_create_bool(!a->augmix.partial));
    }
    if (a->policy_ops != 0) {
        clade_yaml *ops = put_empty(w, map, "policy_ops", CLADE_YAML_LIST);
        for (int i = 0; i < CLADE_POLICY_OPS; i++)
            if (a->policy_ops & 1u << i)
                append(w, ops, clade_yaml_create_text(clade_policy_op_name((clade_policy_op)i)));
    }
    write_alpha(w, map, "mixup", a->mixup);
    write_alpha(w, map, "cutmix", a->cutmix);
}

static void write_names(writer *w, clade_yaml *map, const char *key, const char *const *names,
                        size_t count)
{
    if (count == 0) return;
    clade_yaml *list = put_empty(w, map, key, CLADE_YAML_LIST);
    for (size_t i = 0; i < count; i++) append(w, list, clade_yaml_create_text(names[i]));
}

static void write_optimizer(writer *w, clade_yaml *train, const clade_optimizer *o)
{
    clade_yaml *outer = put_empty(w, train, "optimizer", CLADE_YAML_MAP);
    clade_yaml *map = put_empty(w, outer, clade_recipe_optimizers[o->kind], CLADE_YAML_MAP);
    put_float(w, map, "lr", o->lr);
    if (o->kind == CLADE_SGD || o->kind == CLADE_RMSPROP || o->kind == CLADE_MUON)
        put_float(w, map, "momentum", o->momentum);
    if (o->kind == CLADE_SGD) put_true(w, map, "nesterov", o->nesterov);
    if (o->velocity) put_text(w, map, "velocity", clade_recipe_velocities[o->velocity]);
    if (o->kind == CLADE_RMSPROP) put_float(w, map, "rho", o->rho);
    if (o->kind >= CLADE_ADAM) {
        put_float(w, map, "beta1", o->beta1);
        put_float(w, map, "beta2", o->beta2);
    }
    if (o->kind != CLADE_SGD && o->kind != CLADE_LION) put_float(w, map, "eps", o->eps);
    put_float(w, map, "weight_decay", o->weight_decay);
    if (o->decay) put_text(w, map, "decay", clade_recipe_decay_scopes[o->decay]);
    write_names(w, map, "exclude", o->exclude, o->exclude_count);
    write_names(w, map, "exclude_layers", o->no_muon, o->no_muon_count);
    if (o->lr_scale_count > 0) {
        clade_yaml *scales = put_empty(w, map, "lr_scale", CLADE_YAML_MAP);
        for (size_t i = 0; i < o->lr_scale_count; i++)
            put(w, scales, o->lr_scale[i].name, float_node(o->lr_scale[i].scale));
    }
    put_float(w, train, "clip_norm", o->clip_norm);
}

static void write_schedule(writer *w, clade_yaml *train, const clade_lr_schedule *s)
{
    if (s->kind == CLADE_SCHEDULE_CONSTANT && s->warmup == 0) return;
    clade_yaml *outer = put_empty(w, train, "schedule", CLADE_YAML_MAP);
    clade_yaml *map = put_empty(w, outer, clade_recipe_schedules[s->kind], CLADE_YAML_MAP);
    const bool exponential = s->kind == CLADE_SCHEDULE_EXPONENTIAL;
    if (s->kind == CLADE_SCHEDULE_STEP || exponential) put_int(w, map, "epochs", s->epochs);
    if (s->kind == CLADE_SCHEDULE_PLATEAU) put_int(w, map, "patience", s->patience);
    if (s->kind == CLADE_SCHEDULE_STEP || s->kind == CLADE_SCHEDULE_PLATEAU || exponential)
        put_float(w, map, "factor", s->factor);
    if (s->kind == CLADE_SCHEDULE_POLYNOMIAL) put_float(w, map, "power", s->power);
    if (s->kind == CLADE_SCHEDULE_COSINE_RESTARTS) {
        put_int(w, map, "t_0", s->t_0);
        put_int(w, map, "t_mult", s->t_mult);
    }
    if (s->kind == CLADE_SCHEDULE_ONE_CYCLE) {
        put_float(w, map, "pct_start", s->pct_start);
        put_float(w, map, "div_factor", s->div_factor);
        put_float(w, map, "final_div_factor", s->final_div_factor);
        return;
    }
    if (s->kind != CLADE_SCHEDULE_CONSTANT) put_float(w, map, "minimum", s->minimum);
    put_int(w, map, "warmup", s->warmup);
}

static void write_early_stopping(writer *w, clade_yaml *train, const clade_training *t)
{
    if (t->min_delta == 0 && !t->stop_on_accuracy) {
        put_int(w, train, "early_stopping", t->early_stopping);
        return;
    }
    clade_yaml *map = put_empty(w, train, "early_stopping", CLADE_YAML_MAP);
    put(w, map, "patience", clade_yaml_create_int(t->early_stopping));
    put_float(w, map, "min_delta", t->min_delta);
    if (t->stop_on_accuracy) put_text(w, map, "monitor", "val_accuracy");
}

static void write_loss(writer *w, clade_yaml *train, const clade_training *t)
{
    const clade_loss_numbers *n = &t->loss_numbers;
    if (!t->loss) return;
    const char *word = clade_loss_rules[t->loss].word[0];
    if (!clade_loss_rules[t->loss].option[0]) {
        put_text(w, train, "loss", word);
        return;
    }
    clade_yaml *map =
        put_empty(w, put_empty(w, train, "loss", CLADE_YAML_MAP), word, CLADE_YAML_MAP);
    const bool binary = t->loss == CLADE_LOSS_BINARY_FOCAL;
    if (binary && n->alpha > 0) put(w, map, "apply_class_balancing", clade_yaml_create_bool(true));
    put_float(w, map, "gamma", n->gamma);
    put_float(w, map, "alpha", n->alpha);
    put_float(w, map, "delta", n->delta);
}

static void write_training(writer *w, clade_yaml *root, const clade_training *t)
{
    clade_yaml *map = put_empty(w, root, "train", CLADE_YAML_MAP);
    write_loss(w, map, t);
    put_float(w, map, "label_smoothing", t->label_smoothing);
    write_optimizer(w, map, &t->optimizer);
    write_schedule(w, map, &t->schedule);
    put_int(w, map, "batch", t->batch);
    put_int(w, map, "shard", t->shard);
    if (t->sync_batchnorm) put(w, map, "sync_batchnorm", clade_yaml_create_bool(true));
    if (t->precision) put_text(w, map, "precision", clade_precision_words()[t->precision]);
    put_int(w, map, "epochs", t->epochs);
    put_int(w, map, "steps_per_epoch", t->steps_per_epoch);
    put_int(w, map, "seed", (int64_t)t->seed);
    if (t->no_shuffle) put(w, map, "shuffle", clade_yaml_create_bool(false));
    write_early_stopping(w, map, t);
    if (t->balanced) put_text(w, map, "class_weight", "balanced");
    if (!t->balanced && t->class_weights) {
        clade_yaml *weights = put_empty(w, map, "class_weight", CLADE_YAML_MAP);
        for (size_t i = 0; i < t->class_weights; i++)
            put(w, weights, t->class_weight[i].name, float_node(t->class_weight[i].weight));
    }
    if (t->raw_targets) put(w, map, "normalize_targets", clade_yaml_create_bool(false));
    put_int(w, map, "top_k", t->top_k);
    if (t->ema != 0) put_float(w, put_empty(w, map, "ema", CLADE_YAML_MAP), "decay", t->ema);
    if (t->swa != 0) put_int(w, put_empty(w, map, "swa", CLADE_YAML_MAP), "epoch", t->swa);
}

static clade_status write(const clade_recipe_parts *parts, clade_yaml *root)
{
    writer w = {CLADE_OK};
    put_text(&w, root, "name", parts->name ? parts->name : "model");
    clade_status status = write_input(&w, root, parts);
    if (status) return status;
    if (parts->augment) write_augment(&w, root, parts->augment);
    clade_yaml *list = put_empty(&w, root, "model", CLADE_YAML_LIST);
    if (!w.status) w.status = clade_recipe_write_layers(parts->graph, list);
    if (parts->training) write_training(&w, root, parts->training);
    return w.status;
}

clade_status clade_recipe_create(const clade_recipe_parts *parts, clade_recipe **out)
{
    if (!parts || !parts->graph || !out) return clade_fail(CLADE_EINVAL, "a recipe needs a graph");
    *out = NULL;
    const clade_preprocessing *p = parts->preprocessing;
    for (int c = 0; p && c < 4; c++)
        if (!isfinite(p->scale[c]) || !isfinite(p->shift[c]))
            return clade_fail(CLADE_EINVAL,
                              "preprocessing: channel %d has scale %g and shift %g, expected "
                              "finite numbers",
                              c, (double)p->scale[c], (double)p->shift[c]);
    char *text = NULL;
    size_t size;
    clade_yaml *root = clade_yaml_create(CLADE_YAML_MAP);
    clade_status status =
        root ? write(parts, root) : clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
    if (!status) status = clade_yaml_emit(root, &text, &size);
    if (!status) status = clade_recipe_parse(text, parts->name ? parts->name : "model", out);
    free(text);
    clade_yaml_destroy(&root);
    return status;
}
