/* Training and evaluating classifiers from a recipe. */
#ifndef CLADE_TRAIN_H
#define CLADE_TRAIN_H

#include <clade/data.h>
#include <clade/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum clade_optimizer_kind {
    CLADE_SGD,
    CLADE_RMSPROP,
    CLADE_ADAM,
    CLADE_ADAMW
} clade_optimizer_kind;

/* Zero means Keras' default for the kind: sgd lr 0.01; rmsprop lr 0.001, rho 0.9, eps 1e-7;
 * adam lr 0.001, beta 0.9, 0.999, eps 1e-7; adamw also weight_decay 0.004. */
typedef struct clade_optimizer {
    clade_optimizer_kind kind;
    float lr, momentum, rho, beta1, beta2, eps, weight_decay;
    bool nesterov;
    float clip_norm; /* 0: gradients are not clipped */
} clade_optimizer;

typedef enum clade_schedule_kind {
    CLADE_SCHEDULE_CONSTANT,
    CLADE_SCHEDULE_STEP,   /* × factor every `epochs` */
    CLADE_SCHEDULE_COSINE, /* to `minimum` at the last epoch */
    CLADE_SCHEDULE_PLATEAU /* × factor after `patience` epochs without a better validation loss */
} clade_schedule_kind;

typedef struct clade_schedule {
    clade_schedule_kind kind;
    float factor, minimum;
    int32_t epochs, patience;
    int32_t warmup; /* epochs of linear rise from 0 before it */
} clade_schedule;

typedef struct clade_training {
    clade_loss loss;
    float label_smoothing;
    clade_optimizer optimizer;
    clade_schedule schedule;
    int32_t batch, epochs; /* 0: 32 and 1 */
    bool no_shuffle;
    int32_t early_stopping;    /* epochs without a better validation loss; 0: off */
    const float *class_weight; /* one per class, or NULL */
    int32_t top_k;             /* also counted in metrics; 0: off */
} clade_training;

/* A recipe: what to read, what to build, how to train. Made by clade_recipe_*. Plain data, owned by
 * the recipe. */
typedef struct clade_recipe clade_recipe;

/* Reads a file, or a built-in recipe by name; `sets` are `key=value` edits made before it is
 * understood. Errors: EFORMAT and EINVAL naming file, line, key and what was expected. */
CLADE_API clade_status clade_recipe_read(const char *file_or_name, const char *const *sets,
                                         size_t set_count, clade_recipe **out);
/* The same from text; `name` stands for the file in messages. */
CLADE_API clade_status clade_recipe_parse(const char *text, const char *name, clade_recipe **out);
CLADE_API void clade_recipe_destroy(clade_recipe **recipe);
CLADE_API const char *clade_recipe_name(const clade_recipe *recipe);
/* The resolved recipe as YAML text: what it says with all edits, complete enough to run again. */
CLADE_API const char *clade_recipe_text(const clade_recipe *recipe);
/* Names of the built-in recipes, ended by NULL. */
CLADE_API const char *const *clade_recipe_names(void);

typedef struct clade_preprocessing {
    int32_t height, width, channels;
    clade_interpolation interpolation;
    float scale[4], shift[4]; /* value = scale · pixel + shift, per channel */
} clade_preprocessing;

CLADE_API const clade_preprocessing *clade_recipe_preprocessing(const clade_recipe *recipe);
CLADE_API const clade_augment *clade_recipe_augment(const clade_recipe *recipe);
CLADE_API const clade_training *clade_recipe_training(const clade_recipe *recipe);
/* data: keys of the recipe (validation_split, seed, …); path is NULL unless the recipe names one.
 */
CLADE_API const clade_data_options *clade_recipe_data(const clade_recipe *recipe);
/* Builds the graph; `classes` sizes the last layer when the recipe says `units: classes`, and is
 * checked against it otherwise (one sigmoid output means two classes). 0: unknown. */
CLADE_API clade_status clade_recipe_graph(const clade_recipe *recipe, int32_t classes,
                                          clade_graph **out);

/* ---- running ---- */

typedef struct clade_metrics {
    double loss, accuracy, top_k, precision, recall, f1, auc; /* macro averages; auc one-vs-rest */
    size_t count;
    int32_t classes;
    const uint64_t
        *confusion; /* classes × classes, [true][predicted]; owned by whoever gave the metrics */
} clade_metrics;

typedef struct clade_epoch {
    int32_t epoch, epochs;           /* from 1 */
    clade_metrics train, validation; /* validation.count 0: there is none */
    double lr, seconds, images_per_second, step_ms;
    bool best;
} clade_epoch;

/* Called from the training thread. */
typedef struct clade_train_observer {
    void *user;
    /* After each batch: running means of this epoch. May be NULL. */
    void (*batch)(void *user, const clade_epoch *so_far, size_t batch, size_t batches);
    /* After each epoch. May be NULL. */
    void (*epoch)(void *user, const clade_epoch *epoch);
    /* Polled between batches: true stops with a checkpoint and ECANCELLED. May be NULL. */
    bool (*stop)(void *user);
} clade_train_observer;

typedef struct clade_train_options {
    uint64_t seed;
    const char *out; /* the run folder; NULL: nothing is written */
    bool resume;     /* continue the run in `out` */
    int threads;     /* of the loader; 0: one per processor */
    clade_train_observer observer;
} clade_train_options;

/* A trained classifier: weights, class names, preprocessing. */
typedef struct clade_classifier clade_classifier;

/* Trains what the recipe says on the data set, on this device. Writes the run folder of DESIGN:
 * recipe.yaml, history.csv, best.safetensors, last.safetensors, state, metrics.json; all replaced
 * atomically. `out` gets the classifier with the last weights. ECANCELLED after a stop: the run
 * folder can be resumed. */
CLADE_API clade_status clade_train(const clade_recipe *recipe, const clade_dataset *dataset,
                                   clade_device *device, const clade_train_options *options,
                                   clade_classifier **out);

/* A run folder (its best weights) or one .safetensors file. */
CLADE_API clade_status clade_classifier_open(const char *path, clade_device *device,
                                             clade_classifier **out);
CLADE_API void clade_classifier_destroy(clade_classifier **classifier);
CLADE_API clade_status clade_classifier_save(const clade_classifier *classifier, const char *path);
CLADE_API int32_t clade_classifier_classes(const clade_classifier *classifier);
CLADE_API const char *clade_classifier_class_name(const clade_classifier *classifier, int32_t i);
CLADE_API const clade_recipe *clade_classifier_recipe(const clade_classifier *classifier);
CLADE_API clade_model *clade_classifier_model(const clade_classifier *classifier);

/* Probabilities, one row of `classes` per picture. */
CLADE_API clade_status clade_classifier_predict(clade_classifier *classifier,
                                                const char *const *files, size_t count,
                                                float *probabilities);
/* The same for pictures already decoded to the classifier's size: count × height × width ×
 * channels. */
CLADE_API clade_status clade_classifier_predict_pixels(clade_classifier *classifier,
                                                       const uint8_t *pixels, size_t count,
                                                       float *probabilities);
/* Loss and metrics over a split. The confusion matrix lives until the next call or destroy. */
CLADE_API clade_status clade_classifier_evaluate(clade_classifier *classifier,
                                                 const clade_dataset *dataset, clade_split split,
                                                 clade_metrics *out);

#ifdef __cplusplus
}
#endif
#endif
