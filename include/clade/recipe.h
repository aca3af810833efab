/* Recipes: what to read, what to build and how to train, as text with Keras' words. */
#ifndef CLADE_RECIPE_H
#define CLADE_RECIPE_H

#include <clade/data.h>
#include <clade/model.h>
#include <clade/search.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum clade_optimizer_kind {
    CLADE_SGD,
    CLADE_RMSPROP,
    CLADE_ADAM,
    CLADE_ADAMW,
    CLADE_LION, /* Chen et al. 2023 */
    CLADE_LAMB, /* You et al. 2020; each parameter counts as a layer of the paper */
    CLADE_MUON  /* Jordan et al. 2024, for kernels; adam for the other parameters */
} clade_optimizer_kind;

/* The parameters to which weight decay applies. */
typedef enum clade_decay_scope {
    CLADE_DECAY_ALL,
    CLADE_DECAY_WEIGHTS /* those of two or more dimensions: not bias, gamma or beta */
} clade_decay_scope;

/* What sgd's velocity sums up; this matters when the rate changes. */
typedef enum clade_velocity {
    CLADE_VELOCITY_STEPS,    /* steps, each at the rate of its time, as in Keras */
    CLADE_VELOCITY_GRADIENTS /* gradients; the current rate multiplies the sum, as in PyTorch */
} clade_velocity;

/* A factor on the rate of parameters whose names contain `name`. */
typedef struct clade_lr_scale {
    const char *name;
    float scale;
} clade_lr_scale;

/* Zero means Keras' default for the kind: sgd lr 0.01; rmsprop lr 0.001, rho 0.9, eps 1e-7;
 * adam lr 0.001, beta 0.9, 0.999, eps 1e-7; adamw also weight_decay 0.004; lion lr 0.001, beta
 * 0.9, 0.99; lamb as adam; muon as adam, with momentum 0.95 and weight_decay 0.1. */
typedef struct clade_optimizer {
    clade_optimizer_kind kind;
    float lr, momentum, rho, beta1, beta2, eps, weight_decay;
    clade_decay_scope decay;
    const char *const *exclude; /* parameters whose names contain one of these do not decay */
    size_t exclude_count;
    const char *const *no_muon; /* muon: adam optimizes the kernels whose names contain one of
                                 * these */
    size_t no_muon_count;
    const clade_lr_scale *lr_scale; /* every match multiplies a parameter's rate */
    size_t lr_scale_count;
    bool nesterov;
    clade_velocity velocity;
    float clip_norm; /* 0: no clipping */
} clade_optimizer;

typedef enum clade_lr_schedule_kind {
    CLADE_SCHEDULE_CONSTANT,
    CLADE_SCHEDULE_STEP,    /* × factor every `epochs` */
    CLADE_SCHEDULE_COSINE,  /* half a cosine, reaching `minimum` after the last epoch */
    CLADE_SCHEDULE_PLATEAU, /* × factor after `patience` epochs in which the validation loss did not
                             * fall by 1e-4 (without a validation split: the training loss) */
    CLADE_SCHEDULE_LINEAR,  /* per step, reaching `minimum` after the last one */
    CLADE_SCHEDULE_POLYNOMIAL,      /* the same, with the remaining share to the power `power` */
    CLADE_SCHEDULE_EXPONENTIAL,     /* × factor over `epochs`, per step */
    CLADE_SCHEDULE_COSINE_RESTARTS, /* half cosines, per step, over t_0 epochs, t_0 t_mult, … */
    CLADE_SCHEDULE_ONE_CYCLE /* per step, from rate / div_factor up to the rate over pct_start of
                              * all steps, then down to the initial rate / final_div_factor */
} clade_lr_schedule_kind;

/* The rate as a share of the optimizer's. Zero means: factor 0.1, epochs 10, patience 10, power 1,
 * t_0 10, t_mult 1, pct_start 0.3, div_factor 25, final_div_factor 1e4. */
typedef struct clade_lr_schedule {
    clade_lr_schedule_kind kind;
    float factor;
    float minimum; /* the lowest rate, absolute, not a share */
    int32_t epochs, patience;
    int32_t warmup; /* epochs of linear rise from 0 first, per step; not with one_cycle */
    float power;
    int32_t t_0, t_mult; /* t_0 in epochs */
    float pct_start, div_factor, final_div_factor;
} clade_lr_schedule;

/* The weight of one class's images in the loss. */
typedef struct clade_class_weight {
    const char *name; /* of the class, or its number */
    float weight;
} clade_class_weight;

typedef struct clade_training {
    clade_loss loss; /* NONE: cannot be trained */
    clade_loss_numbers
        loss_numbers; /* 0: Keras' gamma 2, alpha 0.25 of CATEGORICAL_FOCAL, delta 1 */
    float label_smoothing;
    bool raw_targets; /* REGRESSION: the net learns the targets themselves, not their distance from
                       * the training split's mean in standard deviations */
    clade_optimizer optimizer;
    clade_lr_schedule schedule;
    int32_t batch, epochs; /* 0: 32 and 1 */
    int32_t shard;         /* maximum number of images computed together, sharing batch statistics;
                            * 0: the batch */
    bool sync_batchnorm;   /* batch statistics span the whole batch, all its shards */
    uint64_t seed;         /* for initial weights, shuffling, augmentation and dropout */
    bool no_shuffle;
    int32_t steps_per_epoch; /* batches per epoch; the next epoch continues in the data where the
                              * last one stopped. 0: an epoch is one pass through the data */
    int32_t early_stopping;  /* training ends after this many epochs without a better validation
                              * loss (without a validation split: training loss); 0: off */
    float min_delta;         /* for early stopping: the smallest improvement that counts must exceed
                              * this */
    bool stop_on_accuracy;   /* early stopping watches the accuracy, or for MULTI_LABEL the map,
                              * instead of the loss */
    const clade_class_weight *class_weight; /* classes that are not listed weigh 1 */
    size_t class_weights;
    bool balanced; /* instead: images / (classes · images of the class) */
    int32_t top_k; /* top-k accuracy is also reported; 0: off */
    float ema;     /* decay per step of an exponential moving average of the weights, which is then
                    * what is validated and saved; 0: off */
    clade_precision precision;
    int32_t swa; /* from this epoch on, counted from 1, the mean of the weights at the ends of
                  * epochs is validated and saved, with recomputed statistics; 0: off */
} clade_training;

/* A recipe: what to read, what to build, how to train. Created by clade_recipe_*. Plain data, owned
 * by the recipe. */
typedef struct clade_recipe clade_recipe;

/* Reads a file, or a built-in recipe by name (a name with a slash or ending in .yaml or .yml is a
 * file). `sets` are edits applied before it is interpreted: `key=value`, where the key is a path of
 * keys and list positions and the value is YAML: `train.epochs=3`, `model.0.conv2d.filters=16`.
 * `train.` may be omitted; `lr` is the rate of the recipe's optimizer. Errors: EIO, EFORMAT and
 * EINVAL naming file, line, key and what was expected. */
CLADE_API clade_status clade_recipe_read(const char *file_or_name, const char *const *sets,
                                         size_t set_count, clade_recipe **out);
/* Reads the recipe.yaml of a run folder or a study. Keys that it does not set have the defaults of
 * the version that wrote it. Edits and errors as above. */
CLADE_API clade_status clade_recipe_read_again(const char *file, const char *const *sets,
                                               size_t set_count, clade_recipe **out);
/* Does the same as clade_recipe_read, from text; `name` stands for the file in messages. */
CLADE_API clade_status clade_recipe_parse(const char *text, const char *name, clade_recipe **out);
CLADE_API void clade_recipe_destroy(clade_recipe **recipe);
CLADE_API const char *clade_recipe_name(const clade_recipe *recipe);
/* Returns the resolved recipe as YAML text, with all edits, complete enough to run again. */
CLADE_API const char *clade_recipe_text(const clade_recipe *recipe);
/* Returns the names of the built-in recipes, ended by NULL. */
CLADE_API const char *const *clade_recipe_names(void);
/* Returns the lines of a built-in recipe, each with its line end, ended by NULL; NULL if there is
 * none of this name. */
CLADE_API const char *const *clade_recipe_lines(const char *name);

typedef struct clade_preprocessing {
    int32_t height, width, channels; /* channels 0: 3 */
    clade_interpolation interpolation;
    float scale[4], shift[4]; /* value = scale · pixel + shift, per channel; scale 0: 1 */
} clade_preprocessing;

/* The parts of a recipe made in code; all but the graph may be zero or NULL. The size of the images
 * comes from the preprocessing, else from the graph's input; both must agree. */
typedef struct clade_recipe_parts {
    const char *name;
    const clade_graph *graph;
    const clade_preprocessing *preprocessing;
    const clade_augment *augment;
    const clade_training *training;
} clade_recipe_parts;

/* Creates a recipe from these parts, which are copied. Errors: EINVAL, as for its text. */
CLADE_API clade_status clade_recipe_create(const clade_recipe_parts *parts, clade_recipe **out);

CLADE_API const clade_preprocessing *clade_recipe_preprocessing(const clade_recipe *recipe);
CLADE_API const clade_augment *clade_recipe_augment(const clade_recipe *recipe);
CLADE_API const clade_training *clade_recipe_training(const clade_recipe *recipe);
/* Returns the number of images computed at a time: the shard, or the batch if that is no larger. */
CLADE_API int32_t clade_training_shard(const clade_training *training);
/* Returns how to open the data: the recipe's keys under `data`, with the size of the images; path
 * is NULL unless the recipe sets one. */
CLADE_API const clade_data_options *clade_recipe_data(const clade_recipe *recipe);
/* Builds the graph. `classes` gives the units of layers with `units: classes`; it is checked
 * against the last layer (one sigmoid output means two classes), as is the loss. 0: unknown; such
 * layers then get two units. Errors: EINVAL, naming file and line of the layer. */
CLADE_API clade_status clade_recipe_graph(const clade_recipe *recipe, int32_t classes,
                                          clade_graph **out);

/* A recipe's settings for the backbone that its layers begin with. */
typedef struct clade_transfer {
    const char *name;      /* of the backbone, or its file; NULL: the recipe has none */
    const char *weights;   /* the file of its weights; NULL: random initialisation */
    int32_t layers;        /* layers 1 to this of the graph are the backbone's */
    const float *lr_scale; /* [layers]: factors on the rates of their parameters */
    int32_t unfreeze; /* the first epoch, counted from 1, that uses clade_recipe_unfrozen_graph; 0:
                       * none */
} clade_transfer;

CLADE_API const clade_transfer *clade_recipe_transfer(const clade_recipe *recipe);
/* Builds the graph of clade_recipe_graph from epoch `unfreeze` on: it differs only in what is
 * trained. */
CLADE_API clade_status clade_recipe_unfrozen_graph(const clade_recipe *recipe, int32_t classes,
                                                   clade_graph **out);
/* Loads the backbone's weights into the model's parameters of the same names. Does nothing without
 * a backbone, or if it begins at random. Errors: EINVAL (frozen layers without weights, naming line
 * and key), those of reading the file. */
CLADE_API clade_status clade_recipe_load(const clade_recipe *recipe, clade_model *model);
/* Returns the number of recipes that `clade compare` trains: one for each entry of the section
 * `compare`, which names a backbone or changes its other keys. */
CLADE_API size_t clade_recipe_alternatives(const clade_recipe *recipe);
/* Gives the name of entry i: its key `label`, else its backbone, or the backbone's file without
 * folder and extension; cut to `size` bytes. An invalid entry has a label, too. */
CLADE_API void clade_recipe_label(const clade_recipe *recipe, size_t i, char *text, size_t size);
/* Creates a separate recipe from entry i, named by its label. */
CLADE_API clade_status clade_recipe_alternative(const clade_recipe *recipe, size_t i,
                                                clade_recipe **out);

/* ---- what a search may change ---- */

/* Gives the parameters of the recipe's section `tune`, which belong to the recipe, and returns
 * their number. `start` is the recipe's own value, if it is within the range. */
CLADE_API size_t clade_recipe_tunables(const clade_recipe *recipe, const clade_tunable **out);
/* Returns the recipe as YAML text that still has its variables, repeats and the section `tune`. */
CLADE_API const char *clade_recipe_source(const clade_recipe *recipe);
/* Creates the recipe with these values of its parameters (NaN: unchanged), then applies the edits
 * `sets`, as in clade_recipe_read. Errors: those of clade_recipe_read. */
CLADE_API clade_status clade_recipe_vary(const clade_recipe *recipe, const double *values,
                                         const char *const *sets, size_t set_count,
                                         clade_recipe **out);
/* Checks that each parameter names something that a recipe may have. Errors: EINVAL with file and
 * line. */
CLADE_API clade_status clade_recipe_check_tunables(const clade_recipe *recipe);

#ifdef __cplusplus
}
#endif
#endif
