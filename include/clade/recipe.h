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
    CLADE_LAMB, /* You et al. 2020; each parameter is a layer of the paper's */
    CLADE_MUON  /* Jordan et al. 2024, for kernels; adam for the other parameters */
} clade_optimizer_kind;

/* Which parameters weight decay is for. */
typedef enum clade_decay_scope {
    CLADE_DECAY_ALL,
    CLADE_DECAY_WEIGHTS /* of two dimensions and more: no bias, gamma or beta */
} clade_decay_scope;

/* What the velocity of sgd is a sum of; where the rate changes, steps differ. */
typedef enum clade_velocity {
    CLADE_VELOCITY_STEPS,    /* each at the rate of its time, as in Keras */
    CLADE_VELOCITY_GRADIENTS /* all of which the present rate multiplies, as in PyTorch */
} clade_velocity;

/* A factor of the rates of parameters whose names contain this. */
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
    const char *const *exclude; /* parameters whose names contain one of these are not decayed */
    size_t exclude_count;
    const char *const *no_muon; /* muon: kernels whose names contain one of these are adam's */
    size_t no_muon_count;
    const clade_lr_scale *lr_scale; /* all that fit a parameter multiply its rate */
    size_t lr_scale_count;
    bool nesterov;
    clade_velocity velocity;
    float clip_norm; /* 0: gradients are not clipped */
} clade_optimizer;

typedef enum clade_lr_schedule_kind {
    CLADE_SCHEDULE_CONSTANT,
    CLADE_SCHEDULE_STEP,    /* × factor every `epochs` */
    CLADE_SCHEDULE_COSINE,  /* half a cosine, which reaches `minimum` behind the last epoch */
    CLADE_SCHEDULE_PLATEAU, /* × factor after `patience` epochs in which the validation loss did not
                             * fall by 1e-4 (without a validation split: the training loss) */
    CLADE_SCHEDULE_LINEAR,  /* step by step to `minimum` behind the last one */
    CLADE_SCHEDULE_POLYNOMIAL,      /* the same by the power `power` of what is left */
    CLADE_SCHEDULE_EXPONENTIAL,     /* × factor over `epochs`, step by step */
    CLADE_SCHEDULE_COSINE_RESTARTS, /* half cosines, step by step, over t_0 epochs, t_0 t_mult, … */
    CLADE_SCHEDULE_ONE_CYCLE /* step by step from rate / div_factor up to it over pct_start of
                              * all steps, then down to that of the beginning / final_div_factor */
} clade_lr_schedule_kind;

/* The rate as a share of the optimizer's. Zero means: factor 0.1, epochs 10, patience 10, power 1,
 * t_0 10, t_mult 1, pct_start 0.3, div_factor 25, final_div_factor 1e4. */
typedef struct clade_lr_schedule {
    clade_lr_schedule_kind kind;
    float factor;
    float minimum; /* the least rate, not a share */
    int32_t epochs, patience;
    int32_t warmup; /* epochs of linear rise from 0 before it, step by step; none in one_cycle */
    float power;
    int32_t t_0, t_mult; /* t_0 in epochs */
    float pct_start, div_factor, final_div_factor;
} clade_lr_schedule;

/* Weight of the images of one class in the loss. */
typedef struct clade_class_weight {
    const char *name; /* of the class, or its number */
    float weight;
} clade_class_weight;

typedef struct clade_training {
    clade_loss loss; /* NONE: cannot be trained */
    clade_loss_numbers
        loss_numbers; /* 0: Keras' gamma 2, alpha 0.25 of CATEGORICAL_FOCAL, delta 1 */
    float label_smoothing;
    bool raw_targets; /* of REGRESSION: the net learns targets as they are, not their distance from
                       * the mean of the training split in its deviations */
    clade_optimizer optimizer;
    clade_lr_schedule schedule;
    int32_t batch, epochs; /* 0: 32 and 1 */
    int32_t shard;         /* most images that are computed at a time, their batch statistics
                            * included; 0: the batch */
    bool sync_batchnorm;   /* batch statistics are those of the batch, of all its shards */
    uint64_t seed;         /* of initial weights, shuffling, augmentation and dropout */
    bool no_shuffle;
    int32_t steps_per_epoch; /* an epoch is so many batches, and the next one goes on in the data
                              * where it ended; 0: an epoch is once through the data */
    int32_t early_stopping;  /* epochs without a better validation loss (without a validation split:
                              * training loss) after which training ends; 0: off */
    float min_delta;         /* of early stopping: better by no more than this is not better */
    bool stop_on_accuracy;   /* early stopping judges the accuracy, with MULTI_LABEL the map, in
                              * place of the loss */
    const clade_class_weight *class_weight; /* classes that are not named weigh 1 */
    size_t class_weights;
    bool balanced; /* instead: images / (classes · images of the class) */
    int32_t top_k; /* also counted in metrics; 0: off */
    float ema;     /* of an exponential moving average of the weights, which is what is validated
                    * and saved: the share that is kept at each step; 0: off */
    clade_precision precision;
    int32_t swa; /* the epoch, from 1, from which on the mean of the weights at the ends of epochs
                  * is what is validated and saved, with statistics computed anew; 0: off */
} clade_training;

/* A recipe: what to read, what to build, how to train. Made by clade_recipe_*. Plain data, owned by
 * the recipe. */
typedef struct clade_recipe clade_recipe;

/* Reads a file, or a built-in recipe by name (a name with a slash or ending in .yaml or .yml is a
 * file's). `sets` are edits made before it is understood, `key=value` with a path of keys and list
 * positions and a value in YAML: `train.epochs=3`, `model.0.conv2d.filters=16`. `train.` may be
 * left out; `lr` is the rate of whichever optimizer there is. Errors: EIO, EFORMAT and EINVAL
 * naming file, line, key and what was expected. */
CLADE_API clade_status clade_recipe_read(const char *file_or_name, const char *const *sets,
                                         size_t set_count, clade_recipe **out);
/* Reads the recipe.yaml of a run folder or a study: what it does not say means what it meant when
 * that was written. Edits and errors as above. */
CLADE_API clade_status clade_recipe_read_again(const char *file, const char *const *sets,
                                               size_t set_count, clade_recipe **out);
/* The same as clade_recipe_read from text; `name` stands for the file in messages. */
CLADE_API clade_status clade_recipe_parse(const char *text, const char *name, clade_recipe **out);
CLADE_API void clade_recipe_destroy(clade_recipe **recipe);
CLADE_API const char *clade_recipe_name(const clade_recipe *recipe);
/* The resolved recipe as YAML text: what it says with all edits, complete enough to run again. */
CLADE_API const char *clade_recipe_text(const clade_recipe *recipe);
/* Names of the built-in recipes, ended by NULL. */
CLADE_API const char *const *clade_recipe_names(void);
/* The lines of a built-in recipe, each with its end, and NULL behind them; NULL: there is none of
 * this name. */
CLADE_API const char *const *clade_recipe_lines(const char *name);

typedef struct clade_preprocessing {
    int32_t height, width, channels; /* channels 0: 3 */
    clade_interpolation interpolation;
    float scale[4], shift[4]; /* value = scale · pixel + shift, per channel; scale 0: 1 */
} clade_preprocessing;

/* A recipe made in code; any part but the graph may be left zero or NULL. The graph's input gives
 * the size of the images where the preprocessing does not; both must agree. */
typedef struct clade_recipe_parts {
    const char *name;
    const clade_graph *graph;
    const clade_preprocessing *preprocessing;
    const clade_augment *augment;
    const clade_training *training;
} clade_recipe_parts;

/* Makes a recipe of these parts, which are copied. Errors: EINVAL, as when its text is read. */
CLADE_API clade_status clade_recipe_create(const clade_recipe_parts *parts, clade_recipe **out);

CLADE_API const clade_preprocessing *clade_recipe_preprocessing(const clade_recipe *recipe);
CLADE_API const clade_augment *clade_recipe_augment(const clade_recipe *recipe);
CLADE_API const clade_training *clade_recipe_training(const clade_recipe *recipe);
/* Images that are computed at a time: the shard, or the batch where that is no more. */
CLADE_API int32_t clade_training_shard(const clade_training *training);
/* How to open the data: the recipe's keys under `data`, with the size of the images; path is NULL
 * unless the recipe names one. */
CLADE_API const clade_data_options *clade_recipe_data(const clade_recipe *recipe);
/* Builds the graph. `classes` sizes layers that say `units: classes`, and is checked against the
 * last layer (one sigmoid output means two classes), as is the loss. 0: unknown; then such layers
 * get two units. Errors: EINVAL, naming file and line of the layer. */
CLADE_API clade_status clade_recipe_graph(const clade_recipe *recipe, int32_t classes,
                                          clade_graph **out);

/* What a recipe says of the backbone that its layers begin with. */
typedef struct clade_transfer {
    const char *name;      /* of the backbone, or its file; NULL: the recipe has none */
    const char *weights;   /* the file of its weights; NULL: it begins at random */
    int32_t layers;        /* layers 1 to this of the graph are the backbone's */
    const float *lr_scale; /* [layers]: of the rates of their parameters */
    int32_t unfreeze; /* the epoch, from 1, that begins with clade_recipe_unfrozen_graph; 0: none */
} clade_transfer;

CLADE_API const clade_transfer *clade_recipe_transfer(const clade_recipe *recipe);
/* clade_recipe_graph from the epoch `unfreeze` on: the same but for what is trained. */
CLADE_API clade_status clade_recipe_unfrozen_graph(const clade_recipe *recipe, int32_t classes,
                                                   clade_graph **out);
/* Writes the backbone's weights into those parameters of a model that have their names; does
 * nothing where there is no backbone or it begins at random. Errors: EINVAL (frozen layers without
 * weights, naming line and key), those of reading the file. */
CLADE_API clade_status clade_recipe_load(const clade_recipe *recipe, clade_model *model);
/* The recipes that `clade compare` trains: one for each entry of the section `compare`, which gives
 * the backbone's name or changes its other keys. */
CLADE_API size_t clade_recipe_alternatives(const clade_recipe *recipe);
/* What entry i is called: its key `label`, else its backbone, or its file without folder and
 * ending; cut to `size` bytes. An entry that is no good has a label, too. */
CLADE_API void clade_recipe_label(const clade_recipe *recipe, size_t i, char *text, size_t size);
/* Entry i as a recipe of its own, named by its label. */
CLADE_API clade_status clade_recipe_alternative(const clade_recipe *recipe, size_t i,
                                                clade_recipe **out);

/* ---- what a search may change ---- */

/* What the recipe's section `tune` says; the parameters belong to the recipe. Gives how many there
 * are. `start` is what the recipe itself says, where that is within the range. */
CLADE_API size_t clade_recipe_tunables(const clade_recipe *recipe, const clade_tunable **out);
/* The recipe as YAML text with its variables, repeats and the section `tune` still in it. */
CLADE_API const char *clade_recipe_source(const clade_recipe *recipe);
/* The recipe with these values of its parameters (NaN: as it is), then with the edits `sets`, as in
 * clade_recipe_read. Errors: those of clade_recipe_read. */
CLADE_API clade_status clade_recipe_vary(const clade_recipe *recipe, const double *values,
                                         const char *const *sets, size_t set_count,
                                         clade_recipe **out);
/* Is each parameter the name of something that a recipe may have? EINVAL with file and line. */
CLADE_API clade_status clade_recipe_check_tunables(const clade_recipe *recipe);

#ifdef __cplusplus
}
#endif
#endif
