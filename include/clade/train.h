/* Training classifiers by a recipe, evaluating them, and predicting with them. */
#ifndef CLADE_TRAIN_H
#define CLADE_TRAIN_H

#include <clade/ranks.h>
#include <clade/recipe.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Means over the images of a split. Precision, recall, f1 and auc are those of class 1 where
 * there are two classes, else the means over the classes that have images (auc: one against the
 * rest). Of the running means of training only count, loss, accuracy and top_k are set.
 *
 * With MULTI_LABEL accuracy is the share of all labels, of each image for each class, that are told
 * right; precision, recall and f1 are means over all classes, micro_f1 is that of all labels at
 * once, auc and map are means over the classes that some images show and, auc, others do not.
 *
 * With REGRESSION mse, mae and r2 are means over the targets, by targets and outputs in the data's
 * own units, of the running means mae alone; the rest but count and loss is 0. With ORDINAL mae is
 * that of the classes' numbers. */
typedef struct clade_metrics {
    size_t count; /* images; 0: nothing was measured */
    double loss, accuracy, top_k, precision, recall, f1, auc;
    double micro_f1, map; /* of MULTI_LABEL: mean average precision (clade_average_precision) */
    double mse, mae, r2;  /* r2: 1 less mse / variance of the targets; NaN where that is 0 */
    clade_task task;
    int32_t classes;
    /* NULL with REGRESSION. classes × classes, [true][predicted]; with MULTI_LABEL classes × 2 × 2,
     * of each class [it is there][it is told]. Owned by whoever gave the metrics. */
    const uint64_t *confusion;
} clade_metrics;

typedef struct clade_epoch {
    int32_t epoch, epochs;             /* from 1 */
    clade_metrics train, validation;   /* validation.count 0: there is none */
    int64_t step;                      /* optimizer steps done, over all epochs */
    double lr;                         /* of the last step */
    double seconds;                    /* with validation, and: */
    double feature_seconds;            /* of frozen layers' features, before the epoch */
    double images_per_second, step_ms; /* of training alone */
    int64_t skipped;   /* MIXED_FLOAT16: the epoch's steps that were left out, for the gradients of
                        * the scaled loss were not finite */
    double loss_scale; /* for the next step; 0 in other precisions */
    bool best; /* the highest validation accuracy, or map, so far, of equals the lowest loss (with
                * REGRESSION the lowest loss; without a validation split: the lowest training loss)
                */
    /* For the observer of whole epochs, during its call; else NULL. Parameters that are not trained
     * may be absent. */
    const clade_model *model;
} clade_epoch;

/* What one of several devices did in training so far. */
typedef struct clade_device_share {
    char id[32];
    uint64_t images;     /* that it computed */
    double busy, waited; /* seconds: computing, and for the others */
    /* Of ranks: seconds in which gradients were exchanged, and how many of these beside the
     * backward pass; of the device that holds the weights. */
    double exchanged, hidden;
    bool failed; /* it was left out from some step on */
} clade_device_share;

/* What a step is about to be taken with. */
typedef struct clade_step {
    int32_t epoch;        /* from 1 */
    int64_t batch, step;  /* from 1: in the epoch, in the run */
    double lr;            /* of layers whose rate is not scaled */
    int32_t count;        /* images */
    const int32_t *image; /* [count]: places in the training split */
    const float *matrix;  /* [count, 8]: those of clade_augment_matrix */
} clade_step;

/* What training does that takes a while and is no step. */
typedef enum clade_train_phase {
    CLADE_PHASE_PREPARE, /* models and weights; until the first step, kernels are built */
    CLADE_PHASE_READ,    /* all images are decoded first */
    CLADE_PHASE_FEATURES,
    CLADE_PHASE_VALIDATE
} clade_train_phase;

/* Called from the training thread, or while that waits. */
typedef struct clade_train_observer {
    void *user;
    /* When a phase begins, and as it goes on: so many of its images are done; total 0: it has none.
     * It ends with another, or with `batch` or `epoch`. May be NULL. */
    void (*phase)(void *user, clade_train_phase phase, size_t done, size_t total);
    /* Once, when training begins: its first step's images are at hand. May be NULL. */
    void (*begin)(void *user);
    /* Before each step. May be NULL. */
    void (*step)(void *user, const clade_step *step);
    /* Running means of this epoch, whenever results have come back from the device: after the first
     * step, then at least several times a second, unless a single batch takes longer. May be NULL.
     */
    void (*batch)(void *user, const clade_epoch *so_far, size_t batch, size_t batches);
    /* After each epoch. May be NULL. */
    void (*epoch)(void *user, const clade_epoch *epoch);
    /* Of several devices: after each epoch, what each did since training began. May be NULL. */
    void (*shares)(void *user, const clade_device_share *shares, size_t count);
    /* Where features are kept in memory (clade_train_options.cache_bytes), when they are at hand:
     * of so many images, those that were found on disk, and the seconds that finding and computing
     * them took. May be NULL. */
    void (*features)(void *user, size_t images, size_t found, double seconds);
    /* A line on something that did not end training: a device that failed, a cache that cannot be
     * written. May be NULL. */
    void (*note)(void *user, const char *text);
    /* Polled between batches: true stops with a checkpoint and ECANCELLED. May be NULL. */
    bool (*stop)(void *user);
} clade_train_observer;

typedef struct clade_train_options {
    const char *out; /* the run folder; NULL: nothing is written */
    bool resume;     /* continue the run in `out`; else that must be empty or not be there */
    int threads;     /* of the loader; 0: chosen */
    /* Devices that compute shards of each batch (clade_training.shard) beside the first one, which
     * holds weights and optimizer. In exact mode the result is the same with and without them. One
     * that fails is left out from then on; if that is the first one, another takes its place, and
     * training goes on from where the run was saved last. */
    clade_device *const *further;
    size_t further_count;
    /* Ranks that train together, each with devices of its own, on shards of each batch; NULL: this
     * process alone. All have the same recipe and data set (EINVAL), which is loaded first. The
     * first one alone reads and writes `out`. An error on any of them is for the caller to end the
     * others by (clade_ranks_abort). */
    clade_ranks *ranks;
    /* Memory for features: where the layers that a recipe begins with are frozen and images are
     * not augmented, what they give is computed once for each image, and only the rest trained,
     * with the same result. They are not kept where they have no room. 0: half of what is free. */
    uint64_t cache_bytes;
    /* Features are kept on disk too, for later runs, in the folder features/ of the user's cache,
     * which may have so many bytes: the files used longest ago are dropped beyond that. A row is
     * found by its image's bytes, the layers and their parameters, how images are read and scaled,
     * and the arithmetic, so that what is trained is the same with and without; in fast mode also
     * by the device. 0, and where calls are verified: none. */
    uint64_t feature_bytes;
    /* Memory of the device, a quarter of which images may stay in. 0: all of it. */
    uint64_t memory_bytes;
    /* The share of a step's calls that are verified (clade/verify.h), with the recipe's seed; 0:
     * none. A wrong one ends training with EWRONG and the run folder as after a stop some steps
     * before; its inputs are in verify-failure. With `quarantine` the algorithm is not used any
     * more where there is another: the device is planned for anew, and training goes on from those
     * steps. For one device without ranks, shards of which do not wait for each other (EINVAL). */
    double verify;
    bool quarantine;
    clade_train_observer observer;
} clade_train_options;

/* A trained classifier: weights, class names, preprocessing. */
typedef struct clade_classifier clade_classifier;

/* Of a device's memory, what training takes at once, in bytes. What drivers set aside for
 * themselves is not counted; nor is memory of the host, in which decoded images lie. */
typedef struct clade_train_memory {
    int32_t shard;        /* images that are computed at a time */
    uint64_t total;       /* of all at once */
    uint64_t parameters;  /* of the total: all parameters and statistics, */
    uint64_t gradients;   /* gradients, and sums of those of shards, */
    uint64_t optimizer;   /* its moments, */
    uint64_t activations; /* outputs of layers and their gradients, */
    uint64_t workspace;   /* ops' own, */
    uint64_t other;       /* images, labels, results, and what is there only for a while */
    uint64_t largest;     /* the largest single buffer */
} clade_train_memory;

/* What the first epoch and, where a backbone is unfrozen later, those after that will take by
 * shards of so many images, 1 to the batch; of `options`, the limits of memory count, and which
 * further devices and ranks there are: a device that is one of them keeps no images and does not
 * validate. Nothing is allocated on the device, and nothing runs there. `dataset` may be NULL: then
 * for so many `classes`, and without images that stay on the device. Errors: EINVAL, ENOMEM (of the
 * host), EDEVICE. */
CLADE_API clade_status clade_train_plan_memory(const clade_recipe *recipe,
                                               const clade_dataset *dataset, int32_t classes,
                                               clade_device *device,
                                               const clade_train_options *options, int32_t shard,
                                               clade_train_memory *out);
/* Is that within `limit` (0: the device's memory, as far as it is known), and no buffer larger than
 * the device allows? */
CLADE_API bool clade_train_memory_fits(const clade_train_memory *memory, const clade_device *device,
                                       uint64_t limit);
/* Trains what the recipe says on the data set, on this device. A data set that is not loaded is
 * decoded on the way: the first step waits for its own images alone. Damaged ones are left out of
 * their batch, with the result of a loaded data set, and dropped at the end of the epoch. Where the
 * device has memory of its own, features are computed, or classes are balanced, the data set is
 * loaded first. Writes the run folder: recipe.yaml, history.csv, best.safetensors,
 * last.safetensors, state, metrics.json; all replaced atomically, so that after a crash it holds
 * the end of some earlier epoch. `out` (may be NULL) gets the classifier with the last weights,
 * also with ECANCELLED, which is given after a stop: then the run folder can be resumed. In exact
 * mode the weights depend on recipe, data set and seed alone, however often training was stopped
 * and resumed. An image that cannot be read any more or has changed (EIO), or too many damaged ones
 * (EFORMAT), end it with the run folder as after a stop; so does a call that a verification finds
 * wrong (EWRONG). Errors: EINVAL (the recipe does not fit
 * the data; a folder that is in use; a state of another recipe or other data), EMISMATCH (the loss
 * became NaN or infinite; names epoch and batch), EIO, EFORMAT, ENOMEM, EDEVICE. */
CLADE_API clade_status clade_train(const clade_recipe *recipe, clade_dataset *dataset,
                                   clade_device *device, const clade_train_options *options,
                                   clade_classifier **out);

/* A run folder (its best weights, or the last if no epoch has ended) or one .safetensors file.
 * Errors: EIO, EFORMAT (cut short, not ours, weights that do not fit its recipe), EUNSUPPORTED
 * (made by a newer version). */
CLADE_API clade_status clade_classifier_open(const char *path, clade_device *device,
                                             clade_classifier **out);
CLADE_API void clade_classifier_destroy(clade_classifier **classifier);
CLADE_API clade_status clade_classifier_save(const clade_classifier *classifier, const char *path);
CLADE_API int32_t clade_classifier_classes(const clade_classifier *classifier);
CLADE_API const char *clade_classifier_class_name(const clade_classifier *classifier, int32_t i);
CLADE_API const clade_recipe *clade_classifier_recipe(const clade_classifier *classifier);
CLADE_API clade_model *clade_classifier_model(const clade_classifier *classifier);
/* Is the last layer a softmax or a sigmoid? A net from elsewhere may end without one: then what are
 * called probabilities below are its own outputs, of which the largest counts; of one output y, -y
 * and y. */
CLADE_API bool clade_classifier_gives_probabilities(const clade_classifier *classifier);

CLADE_API clade_task clade_classifier_task(const clade_classifier *classifier);
/* With MULTI_LABEL the probabilities [classes] above which a class is told, 0.5 each unless others
 * were set; else NULL. Saved with the classifier. Errors: EINVAL (not MULTI_LABEL; not within 0 to
 * 1). */
CLADE_API const float *clade_classifier_thresholds(const clade_classifier *classifier);
CLADE_API clade_status clade_classifier_set_thresholds(clade_classifier *classifier,
                                                       const float *thresholds);

/* What is predicted and evaluated from now on are `count` views of each image, 1 to 1000 with a
 * matrix of clade_augment_matrix each, [count, 8], and the mean of their probabilities, taken in
 * this order. Each is sampled with the recipe's fill mode. 0: the image as it is. Errors: EINVAL
 * (several, of a net that gives no probabilities), ENOMEM. */
CLADE_API clade_status clade_classifier_set_views(clade_classifier *classifier, const float *matrix,
                                                  size_t count);
/* What logits are divided by before they become probabilities; 1 unless the model was calibrated.
 * Saved with it. Errors: EINVAL (not within 0.01 to 100; a net that gives no probabilities;
 * MULTI_LABEL). */
CLADE_API double clade_classifier_temperature(const clade_classifier *classifier);
CLADE_API clade_status clade_classifier_set_temperature(clade_classifier *classifier,
                                                        double temperature);

/* Probabilities, or with REGRESSION numbers in the targets' own units, one row of `classes` per
 * image. Errors: those of clade_image_read. */
CLADE_API clade_status clade_classifier_predict(clade_classifier *classifier,
                                                const char *const *files, size_t count,
                                                float *probabilities);
/* The same for images already decoded to the size of the recipe's preprocessing: count × height ×
 * width × channels. */
CLADE_API clade_status clade_classifier_predict_pixels(clade_classifier *classifier,
                                                       const uint8_t *pixels, size_t count,
                                                       float *probabilities);
/* Loss and metrics over a split of a loaded data set. Its classes must be the classifier's, by
 * name. `ranks` take its batches in turn, and only the first one of them gets the metrics; NULL:
 * this process alone. The loss is the recipe's; of several views, or with a temperature, it is
 * clade_log_loss. The confusion matrix lives until the next call or destroy. */
CLADE_API clade_status clade_classifier_evaluate(clade_classifier *classifier,
                                                 const clade_dataset *dataset, clade_split split,
                                                 clade_ranks *ranks, clade_metrics *out);
/* Probabilities of the images that were evaluated last, in the split's order, as
 * clade_classifier_predict has them; they live as long as the confusion matrix. NULL: none were, or
 * by another rank. */
CLADE_API const float *clade_classifier_evaluated(const clade_classifier *classifier);

#ifdef __cplusplus
}
#endif
#endif
