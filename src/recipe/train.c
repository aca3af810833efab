/* The section train of a recipe. */
#include "recipe/recipe.h"
#include "nn/loss.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

const char *const clade_recipe_optimizers[] = {"sgd",  "rmsprop", "adam", "adamw",
                                               "lion", "lamb",    "muon", NULL};
const char *const clade_recipe_decay_scopes[] = {"all", "weights", NULL};
const char *const clade_recipe_velocities[] = {"steps", "gradients", NULL};
const char *const clade_recipe_schedules[] = {
    "constant",   "step",        "cosine",          "plateau",   "linear",
    "polynomial", "exponential", "cosine_restarts", "one_cycle", NULL};
const char *const clade_recipe_training_keys[] = {"loss",
                                                  "optimizer",
                                                  "lr",
                                                  "batch",
                                                  "shard",
                                                  "sync_batchnorm",
                                                  "epochs",
                                                  "steps_per_epoch",
                                                  "seed",
                                                  "schedule",
                                                  "class_weight",
                                                  "early_stopping",
                                                  "clip_norm",
                                                  "top_k",
                                                  "shuffle",
                                                  "label_smoothing",
                                                  "ema",
                                                  "swa",
                                                  "normalize_targets",
                                                  "precision",
                                                  NULL};

static clade_status get_float(const clade_yaml *map, const char *key, clade_yaml_range range,
                              float *out)
{
    double value = *out;
    clade_status status = clade_yaml_get_number(map, key, range, &value);
    *out = (float)value;
    return status;
}

static clade_status get_int(const clade_yaml *map, const char *key, int64_t low, int32_t *out)
{
    int64_t value = *out;
    clade_status status = clade_yaml_get_int(map, key, low, INT32_MAX, &value);
    *out = (int32_t)value;
    return status;
}

/* Reads a number; a given 0 becomes the number nearest to 0, which itself means the default. */
static clade_status get_given(const clade_yaml *map, const char *key, clade_yaml_range range,
                              float *out)
{
    clade_status status = get_float(map, key, range, out);
    if (!status && *out == 0 && clade_recipe_find(map, key)) *out = FLT_MIN;
    return status;
}

/* Reads a word, or a map with one key: the word and the map of its options (NULL: none). */
static clade_status read_choice(const clade_yaml *node, const char *what, const char *const *words,
                                size_t *kind, const clade_yaml **options)
{
    size_t count = clade_recipe_count_words(words);
    *options = NULL;
    if (clade_yaml_kind_of(node) != CLADE_YAML_MAP)
        return clade_yaml_as_word(node, what, words, count, kind);
    if (clade_yaml_count(node) != 1)
        return clade_yaml_fail(node, CLADE_EINVAL,
                               "%s: expected one name with its options, found %zu", what,
                               clade_yaml_count(node));
    clade_status status = clade_recipe_check_keys(node, what, words);
    if (status) return status;
    for (*kind = 0; strcmp(words[*kind], clade_yaml_key(node, 0)); ++*kind) {}
    *options = clade_yaml_item(node, 0);
    return CLADE_OK;
}

/* --- optimizer --- */

static clade_status read_optimizer(clade_recipe *recipe, const clade_yaml *node)
{
    clade_optimizer *o = &recipe->training.optimizer;
#define COMMON "weight_decay", "decay", "exclude", "lr_scale", NULL
    static const char *const keys[][11] = {
        [CLADE_SGD] = {"lr", "momentum", "nesterov", "velocity", COMMON},
        [CLADE_RMSPROP] = {"lr", "rho", "momentum", "eps", COMMON},
        [CLADE_ADAM] = {"lr", "beta1", "beta2", "eps", COMMON},
        [CLADE_ADAMW] = {"lr", "beta1", "beta2", "eps", COMMON},
        [CLADE_LION] = {"lr", "beta1", "beta2", COMMON},
        [CLADE_LAMB] = {"lr", "beta1", "beta2", "eps", COMMON},
        [CLADE_MUON] = {"lr", "momentum", "beta1", "beta2", "eps", "exclude_layers", COMMON},
    };
#undef COMMON
    size_t kind = CLADE_RMSPROP; /* as in Keras' compile() */
    const clade_yaml *options = NULL;
    clade_status status =
        node ? read_choice(node, "optimizer", clade_recipe_optimizers, &kind, &options) : CLADE_OK;
    o->kind = (clade_optimizer_kind)kind;
    if (status || !options) return status;
    status = clade_recipe_check_keys(options, clade_recipe_optimizers[kind], keys[kind]);
    if (!status) status = get_float(options, "lr", CLADE_YAML_POSITIVE, &o->lr);
    if (!status)
        status = (kind == CLADE_MUON ? get_given : get_float)(options, "momentum", CLADE_YAML_RATE,
                                                              &o->momentum);
    if (!status) status = get_given(options, "rho", CLADE_YAML_RATE, &o->rho);
    if (!status) status = get_given(options, "beta1", CLADE_YAML_RATE, &o->beta1);
    if (!status) status = get_given(options, "beta2", CLADE_YAML_RATE, &o->beta2);
    if (!status) status = get_given(options, "eps", CLADE_YAML_POSITIVE, &o->eps);
    if (!status)
        status = get_given(options, "weight_decay", CLADE_YAML_NOT_NEGATIVE, &o->weight_decay);
    size_t scope = CLADE_DECAY_ALL;
    if (!status)
        status = clade_yaml_get_word(options, "decay", clade_recipe_decay_scopes,
                                     clade_recipe_count_words(clade_recipe_decay_scopes), &scope);
    o->decay = (clade_decay_scope)scope;
    if (!status) status = clade_recipe_read_parameter_names(recipe, options);
    if (!status) status = clade_yaml_get_bool(options, "nesterov", &o->nesterov);
    if (!status && o->nesterov && o->momentum == 0)
        status = clade_yaml_fail(options, CLADE_EINVAL, "nesterov: requires momentum");
    size_t velocity = CLADE_VELOCITY_STEPS;
    if (!status)
        status = clade_yaml_get_word(options, "velocity", clade_recipe_velocities,
                                     clade_recipe_count_words(clade_recipe_velocities), &velocity);
    o->velocity = (clade_velocity)velocity;
    if (!status && o->velocity && o->momentum == 0)
        status = clade_yaml_fail(options, CLADE_EINVAL, "velocity: requires momentum");
    return status;
}

/* --- schedule --- */

static clade_status read_schedule(clade_lr_schedule *s, const clade_yaml *node)
{
    static const char *const keys[][5] = {
        [CLADE_SCHEDULE_CONSTANT] = {"warmup", NULL},
        [CLADE_SCHEDULE_STEP] = {"epochs", "factor", "minimum", "warmup", NULL},
        [CLADE_SCHEDULE_COSINE] = {"minimum", "warmup", NULL},
        [CLADE_SCHEDULE_PLATEAU] = {"patience", "factor", "minimum", "warmup", NULL},
        [CLADE_SCHEDULE_LINEAR] = {"minimum", "warmup", NULL},
        [CLADE_SCHEDULE_POLYNOMIAL] = {"power", "minimum", "warmup", NULL},
        [CLADE_SCHEDULE_EXPONENTIAL] = {"epochs", "factor", "minimum", "warmup", NULL},
        [CLADE_SCHEDULE_COSINE_RESTARTS] = {"t_0", "t_mult", "minimum", "warmup", NULL},
        [CLADE_SCHEDULE_ONE_CYCLE] = {"pct_start", "div_factor", "final_div_factor", NULL},
    };
    size_t kind = CLADE_SCHEDULE_CONSTANT;
    const clade_yaml *options = NULL;
    clade_status status =
        node ? read_choice(node, "schedule", clade_recipe_schedules, &kind, &options) : CLADE_OK;
    s->kind = (clade_lr_schedule_kind)kind;
    if (status || !options) return status;
    if (kind == CLADE_SCHEDULE_ONE_CYCLE && clade_recipe_find(options, "max_lr"))
        return clade_yaml_fail(options, CLADE_EINVAL, "max_lr: expected it as the optimizer's lr");
    status = clade_recipe_check_keys(options, clade_recipe_schedules[kind], keys[kind]);
    if (!status) status = get_float(options, "factor", CLADE_YAML_POSITIVE, &s->factor);
    if (!status) status = get_float(options, "minimum", CLADE_YAML_NOT_NEGATIVE, &s->minimum);
    if (!status) status = get_int(options, "epochs", 1, &s->epochs);
    if (!status) status = get_int(options, "patience", 1, &s->patience);
    if (!status) status = get_int(options, "warmup", 0, &s->warmup);
    if (!status) status = get_float(options, "power", CLADE_YAML_POSITIVE, &s->power);
    if (!status) status = get_int(options, "t_0", 1, &s->t_0);
    if (!status) status = get_int(options, "t_mult", 1, &s->t_mult);
    if (!status) status = get_given(options, "pct_start", CLADE_YAML_RATE, &s->pct_start);
    if (!status) status = get_float(options, "div_factor", CLADE_YAML_POSITIVE, &s->div_factor);
    if (!status)
        status = get_float(options, "final_div_factor", CLADE_YAML_POSITIVE, &s->final_div_factor);
    return status;
}

/* --- the rest --- */

/* Reads the options of Keras' losses. */
static clade_status read_loss_numbers(clade_training *t, const char *word,
                                      const clade_yaml *options)
{
    clade_loss_numbers *n = &t->loss_numbers;
    const char *keys[CLADE_LOSS_OPTIONS + 1] = {NULL};
    const bool binary = t->loss == CLADE_LOSS_BINARY_FOCAL;
    bool balancing = false;
    memcpy(keys, clade_loss_rules[t->loss].option, sizeof clade_loss_rules[t->loss].option);
    if (!keys[0])
        return clade_yaml_fail(options, CLADE_EINVAL, "loss: %s has no options, expected '%s'",
                               word, word);
    clade_status status = clade_recipe_check_keys(options, word, keys);
    if (!status) status = get_given(options, "gamma", CLADE_YAML_NOT_NEGATIVE, &n->gamma);
    if (!status)
        status =
            get_float(options, "alpha", binary ? CLADE_YAML_RATE : CLADE_YAML_POSITIVE, &n->alpha);
    if (!status) status = get_float(options, "delta", CLADE_YAML_POSITIVE, &n->delta);
    if (!status) status = clade_yaml_get_bool(options, "apply_class_balancing", &balancing);
    if (!status && binary && n->alpha > 0 && !balancing)
        status = clade_yaml_fail(clade_recipe_find(options, "alpha"), CLADE_EINVAL,
                                 "alpha: has no effect without apply_class_balancing: true");
    if (balancing && n->alpha == 0) n->alpha = 0.25f;
    return status;
}

static clade_status read_loss(clade_training *t, const clade_yaml *train)
{
    const char *words[CLADE_LOSSES * CLADE_LOSS_WORDS + 1];
    clade_loss losses[CLADE_LOSSES * CLADE_LOSS_WORDS];
    const clade_yaml *options;
    size_t count = 0, chosen;
    for (int loss = 0; loss < CLADE_LOSSES; loss++)
        for (int k = 0; k < CLADE_LOSS_WORDS && clade_loss_rules[loss].word[k]; k++) {
            losses[count] = (clade_loss)loss;
            words[count++] = clade_loss_rules[loss].word[k];
        }
    const clade_yaml *node = clade_recipe_find(train, "loss");
    if (!node) return CLADE_OK;
    words[count] = NULL;
    clade_status status = read_choice(node, "loss", words, &chosen, &options);
    if (!status) t->loss = losses[chosen];
    return status || !options ? status : read_loss_numbers(t, words[chosen], options);
}

/* Reads `balanced`, or a map from classes to weights. */
static clade_status read_class_weight(clade_recipe *recipe, const clade_yaml *node)
{
    clade_training *t = &recipe->training;
    if (!node) return CLADE_OK;
    if (clade_yaml_kind_of(node) != CLADE_YAML_MAP) {
        size_t word;
        t->balanced = true;
        return clade_yaml_as_word(node, "class_weight", (const char *const[]){"balanced"}, 1,
                                  &word);
    }
    size_t count = clade_yaml_count(node);
    if (count == 0) return CLADE_OK;
    recipe->class_weight = calloc(count, sizeof *recipe->class_weight);
    if (!recipe->class_weight) return clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
    for (size_t i = 0; i < count; i++) {
        double weight;
        clade_status status = clade_yaml_in_range(clade_yaml_item(node, i), clade_yaml_key(node, i),
                                                  CLADE_YAML_NOT_NEGATIVE, &weight);
        if (status) return status;
        recipe->class_weight[i] = (clade_class_weight){clade_yaml_key(node, i), (float)weight};
    }
    t->class_weight = recipe->class_weight;
    t->class_weights = count;
    return CLADE_OK;
}

/* Reads a number of epochs, or the options of Keras' EarlyStopping. */
static clade_status read_early_stopping(clade_training *t, clade_task task, const clade_yaml *node)
{
    static const char *const keys[] = {"patience", "min_delta", "monitor", "restore_best_weights",
                                       NULL};
    const char *const monitors[] = {"val_loss",
                                    task == CLADE_TASK_MULTI_LABEL ? "val_map" : "val_accuracy"};
    const size_t choices = task == CLADE_TASK_REGRESSION ? 1 : 2;
    if (!node) return CLADE_OK;
    const clade_yaml *epochs = node;
    int64_t patience = 0;
    size_t monitor = 0;
    bool restore = true;
    clade_status status = CLADE_OK;
    if (clade_yaml_kind_of(node) == CLADE_YAML_MAP) {
        status = clade_recipe_check_keys(node, "early_stopping", keys);
        if (!status) status = clade_yaml_require(node, "patience", &epochs);
        if (!status) status = get_float(node, "min_delta", CLADE_YAML_NOT_NEGATIVE, &t->min_delta);
        if (!status) status = clade_yaml_get_word(node, "monitor", monitors, choices, &monitor);
        if (!status) status = clade_yaml_get_bool(node, "restore_best_weights", &restore);
        if (!status && !restore)
            status = clade_yaml_fail(clade_yaml_find(node, "restore_best_weights"), CLADE_EINVAL,
                                     "restore_best_weights: expected true: a run always keeps the "
                                     "best weights, besides the last");
    }
    if (!status) status = clade_yaml_as_int(epochs, "early_stopping", 0, INT32_MAX, &patience);
    t->early_stopping = (int32_t)patience;
    t->stop_on_accuracy = monitor == 1;
    return status;
}

/* Reads {decay: share} of an average of the weights. */
static clade_status read_ema(clade_training *t, const clade_yaml *node)
{
    static const char *const keys[] = {"decay", NULL};
    if (!node) return CLADE_OK;
    clade_status status = clade_recipe_check_keys(node, "ema", keys);
    t->ema = 0.999f;
    return status ? status : get_given(node, "decay", CLADE_YAML_RATE, &t->ema);
}

static clade_status read_precision(clade_training *t, const clade_yaml *train)
{
    const clade_yaml *node = clade_recipe_find(train, "precision");
    const char *const *words = clade_precision_words();
    size_t word = 0;
    if (!node) return CLADE_OK;
    clade_status status = clade_yaml_as_word(node, "precision", words, CLADE_PRECISIONS, &word);
    t->precision = (clade_precision)word;
    return status;
}

/* Reads {epoch: N}, the first whose weights are averaged; if a backbone is unfrozen, this starts no
 * earlier. */
static clade_status read_swa(clade_recipe *recipe, const clade_yaml *node)
{
    static const char *const keys[] = {"epoch", NULL};
    clade_training *t = &recipe->training;
    if (!node) return CLADE_OK;
    clade_status status = clade_recipe_check_keys(node, "swa", keys);
    const clade_yaml *epoch = NULL;
    if (!status) status = clade_yaml_require(node, "epoch", &epoch);
    if (!status) status = get_int(node, "epoch", 1, &t->swa);
    if (!status && t->ema > 0)
        status = clade_yaml_fail(node, CLADE_EINVAL, "swa: cannot be combined with ema");
    if (!status && recipe->transfer.unfreeze > t->swa)
        status =
            clade_yaml_fail(epoch, CLADE_EINVAL,
                            "swa: epoch is %d, expected that of backbone.unfreeze, %d, or later",
                            t->swa, recipe->transfer.unfreeze);
    return status;
}

/* Refuses options for other tasks. */
static clade_status check_task(const clade_training *t, clade_task task, const clade_yaml *train)
{
    const bool classes = task == CLADE_TASK_CLASS || task == CLADE_TASK_ORDINAL;
    const bool numbers = task == CLADE_TASK_REGRESSION;
    const bool weighs = t->balanced || t->class_weights > 0;
    const char *key = !classes && t->top_k > 0            ? "top_k"
                      : numbers && weighs                 ? "class_weight"
                      : numbers && t->label_smoothing > 0 ? "label_smoothing"
                      : !numbers && t->raw_targets        ? "normalize_targets"
                                                          : NULL;
    if (!key) return CLADE_OK;
    return clade_yaml_fail(clade_recipe_find(train, key), CLADE_EINVAL,
                           "%s: cannot be combined with data.task: %s", key,
                           clade_task_words()[task]);
}

int32_t clade_training_shard(const clade_training *t)
{
    return t->shard > 0 && t->shard < t->batch ? t->shard : t->batch;
}

clade_status clade_recipe_read_training(clade_recipe *recipe, const clade_yaml *train)
{
    clade_training *t = &recipe->training;
    t->batch = 32;
    t->epochs = 1;
    t->optimizer.kind = CLADE_RMSPROP;
    if (!train) return CLADE_OK;
    bool shuffle = true, normalize = true;
    double smoothing = 0;
    int64_t seed = 0;
    clade_status status = clade_recipe_check_keys(train, "train", clade_recipe_training_keys);
    if (!status && clade_recipe_find(train, "lr"))
        status = clade_yaml_fail(
            clade_recipe_find(train, "lr"), CLADE_EINVAL,
            "lr: expected under the optimizer's name, as in 'optimizer: {adam: {lr: 0.001}}'");
    if (!status) status = read_loss(t, train);
    if (!status) status = read_optimizer(recipe, clade_recipe_find(train, "optimizer"));
    if (!status) status = read_schedule(&t->schedule, clade_recipe_find(train, "schedule"));
    if (!status) status = get_int(train, "batch", 1, &t->batch);
    if (!status) status = get_int(train, "shard", 1, &t->shard);
    if (!status) status = clade_yaml_get_bool(train, "sync_batchnorm", &t->sync_batchnorm);
    if (!status) status = get_int(train, "epochs", 1, &t->epochs);
    if (!status) status = get_int(train, "steps_per_epoch", 1, &t->steps_per_epoch);
    if (!status) status = clade_yaml_get_int(train, "seed", 0, INT64_MAX, &seed);
    if (!status) status = clade_yaml_get_bool(train, "shuffle", &shuffle);
    if (!status)
        status = clade_yaml_get_number(train, "label_smoothing", CLADE_YAML_RATE, &smoothing);
    if (!status)
        status = get_float(train, "clip_norm", CLADE_YAML_NOT_NEGATIVE, &t->optimizer.clip_norm);
    if (!status) status = get_int(train, "top_k", 0, &t->top_k);
    if (!status)
        status =
            read_early_stopping(t, recipe->data.task, clade_recipe_find(train, "early_stopping"));
    if (!status) status = read_precision(t, train);
    if (!status) status = read_ema(t, clade_recipe_find(train, "ema"));
    if (!status) status = read_swa(recipe, clade_recipe_find(train, "swa"));
    if (!status) status = read_class_weight(recipe, clade_recipe_find(train, "class_weight"));
    if (!status) status = clade_yaml_get_bool(train, "normalize_targets", &normalize);
    t->seed = (uint64_t)seed;
    t->no_shuffle = !shuffle;
    t->label_smoothing = (float)smoothing;
    t->raw_targets = !normalize;
    return status ? status : check_task(t, recipe->data.task, train);
}
