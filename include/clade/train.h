/* Training classifiers from a recipe, evaluating them, and predicting with them. */
#ifndef CLADE_TRAIN_H
#define CLADE_TRAIN_H

#include <clade/ranks.h>
#include <clade/recipe.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Means over the images of a split. Precision, recall, f1 and auc are those of class 1 if there are
 * two classes, else means over the classes that have images (auc: one against the rest). In running
 * means during training only count, loss, accuracy and top_k are set.
 *
 * MULTI_LABEL: accuracy is the share of correct labels, over all images and classes; precision,
 * recall and f1 are means over all classes; micro_f1 is taken over all labels at once; map is the
 * mean over the classes that some images show, auc over those that other images do not show.
 *
 * REGRESSION: mse, mae and r2 are means over the targets, of targets and outputs in the data's own
 * units; in running means, only mae. The rest but count and loss is 0. ORDINAL: mae is that of the
 * classes' numbers. */
typedef struct clade_metrics {
    size_t count; /* images; 0: nothing was measured */
    double loss, accuracy, top_k, precision, recall, f1, auc;
    double micro_f1, map; /* MULTI_LABEL: map is the mean average precision
                           * (clade_average_precision) */
    double mse, mae, r2;  /* r2: 1 minus mse / variance of the targets; NaN if that is 0 */
    clade_task task;
    int32_t classes;
    /* Owned by whoever returned the metrics. classes × classes, [true][predicted]. MULTI_LABEL:
     * classes × 2 × 2, for each class [shown][predicted]. REGRESSION: NULL. */
    const uint64_t *confusion;
} clade_metrics;

typedef struct clade_epoch {
    int32_t epoch, epochs;             /* from 1 */
    clade_metrics train, validation;   /* validation.count 0: no validation */
    int64_t step;                      /* optimizer steps so far, over all epochs */
    double lr;                         /* of the last step */
    double seconds;                    /* including validation, and feature_seconds */
    double feature_seconds;            /* time before the epoch to compute the features of frozen
                                        * layers */
    double images_per_second, step_ms; /* training only */
    int64_t skipped;   /* MIXED_FLOAT16: steps of the epoch that were skipped because the gradients
                        * of the scaled loss were not finite */
    double loss_scale; /* for the next step; 0 in other precisions */
    bool best;         /* the highest validation accuracy or map so far; in a tie, the lowest loss
                        * (REGRESSION: the lowest loss; without a validation split: the lowest
                        * training loss) */
    /* Only in the observer's call after an epoch, and only during it; else NULL. Parameters that
     * are not trained may be absent. */
    const clade_model *model;
} clade_epoch;

/* What one of several devices contributed to training so far. */
typedef struct clade_device_share {
    char id[32];
    uint64_t images;     /* that it computed */
    double busy, waited; /* seconds spent computing, and waiting for the others */
    /* With ranks, for the device that holds the weights: seconds spent exchanging gradients, and
     * how many of them overlapped the backward pass. */
    double exchanged, hidden;
    bool failed; /* it failed, and was left out from some step on */
} clade_device_share;

/* The inputs of the next step. */
typedef struct clade_step {
    int32_t epoch;        /* from 1 */
    int64_t batch, step;  /* both from 1: in the epoch, in the run */
    double lr;            /* for layers whose rate is not scaled */
    int32_t count;        /* images */
    const int32_t *image; /* [count]: positions in the training split */
    const float *matrix;  /* [count, 8]: see clade_augment_matrix */
} clade_step;

/* Phases of training that take a while but are not steps. */
typedef enum clade_train_phase {
    CLADE_PHASE_PREPARE, /* create models and load weights; until the first step, kernels are
                          * built */
    CLADE_PHASE_READ,    /* decode all images first */
    CLADE_PHASE_FEATURES,
    CLADE_PHASE_VALIDATE
} clade_train_phase;

/* Callbacks, called from the training thread or while it waits. */
typedef struct clade_train_observer {
    void *user;
    /* When a phase begins, and as it progresses: images done, of `total`; total 0: it has none. A
     * phase ends with the next one, or with `batch` or `epoch`. May be NULL. */
    void (*phase)(void *user, clade_train_phase phase, size_t done, size_t total);
    /* Once, when training begins and the first step's images are ready. May be NULL. */
    void (*begin)(void *user);
    /* Before each step. May be NULL. */
    void (*step)(void *user, const clade_step *step);
    /* Running means of this epoch, whenever results have arrived from the device: after the first
     * step, then at least several times a second, unless a single batch takes longer. May be
     * NULL. */
    void (*batch)(void *user, const clade_epoch *so_far, size_t batch, size_t batches);
    /* After each epoch. May be NULL. */
    void (*epoch)(void *user, const clade_epoch *epoch);
    /* With several devices: after each epoch, what each has done since training began. May be
     * NULL. */
    void (*shares)(void *user, const clade_device_share *shares, size_t count);
    /* When features kept in memory (clade_train_options.cache_bytes) are ready: the number of
     * images, how many were found on disk, and the seconds that finding and computing them took.
     * May be NULL. */
    void (*features)(void *user, size_t images, size_t found, double seconds);
    /* A line on a problem that does not end training: a device that failed, a cache that cannot be
     * written. May be NULL. */
    void (*note)(void *user, const char *text);
    /* Polled between batches: returning true stops training with a checkpoint and ECANCELLED. May
     * be NULL. */
    bool (*stop)(void *user);
} clade_train_observer;

typedef struct clade_train_options {
    const char *out; /* the run folder; NULL: nothing is written */
    bool resume;     /* continue the run in `out`; else `out` must be empty or not exist */
    int threads;     /* of the loader; 0: automatic */
    /* Devices that compute shards of each batch (clade_training.shard) beside the first device,
     * which holds weights and optimizer. In exact mode they do not change the result. A device that
     * fails is left out from then on; if it is the first one, another takes its place, and training
     * continues from the last checkpoint. */
    clade_device *const *further;
    size_t further_count;
    /* Ranks that train together on shards of each batch, each with its own devices; NULL: this
     * process alone. All need the same recipe and data set (else EINVAL); the data set is loaded
     * first. Only the first rank reads and writes `out`. On an error on any rank, its caller must
     * end the others (clade_ranks_abort). */
    clade_ranks *ranks;
    /* Memory for features: if a recipe's first layers are frozen and images are not augmented, the
     * outputs of these layers are computed once per image, and only the remaining layers are
     * trained, with the same result. Features that do not fit are not kept. 0: half of the free
     * memory. */
    uint64_t cache_bytes;
    /* Features are also kept on disk for later runs, in the folder features/ of the user's cache,
     * up to this many bytes; beyond that, the least recently used files are deleted. A row's key
     * covers its image's bytes, the layers and their parameters, how images are read and scaled,
     * and the arithmetic, in fast mode also the device, so that training gives the same result with
     * and without it. None are kept with 0, or if calls are verified. */
    uint64_t feature_bytes;
    /* Memory of the device; images may stay in a quarter of it. 0: all of it. */
    uint64_t memory_bytes;
    /* The share of a step's calls to verify (clade/verify.h), with the recipe's seed; 0: none. A
     * wrong call ends training with EWRONG; the run folder is then as after a stop some steps
     * earlier, and the call's inputs are in verify-failure. With `quarantine`, the wrong algorithm
     * is no longer used if there is another: plans for the device are made again, and training
     * continues from those steps. For one device without ranks, and shards that do not wait for
     * each other (else EINVAL). */
    double verify;
    bool quarantine;
    clade_train_observer observer;
} clade_train_options;

/* A trained classifier: weights, class names, preprocessing. */
typedef struct clade_classifier clade_classifier;

/* Bytes of a device's memory that training uses at once. Excludes what drivers reserve for
 * themselves, and host memory, where decoded images are kept. */
typedef struct clade_train_memory {
    int32_t shard;        /* images computed at a time */
    uint64_t total;       /* the sum of the parts below */
    uint64_t parameters;  /* all parameters and statistics */
    uint64_t gradients;   /* gradients, and their sums over shards */
    uint64_t optimizer;   /* its moments */
    uint64_t activations; /* outputs of layers and their gradients */
    uint64_t workspace;   /* of the ops */
    uint64_t other;       /* images, labels, results, and temporary buffers */
    uint64_t largest;     /* the largest single buffer */
} clade_train_memory;

/* Computes the memory of the first epoch and, if a backbone is unfrozen later, of the epochs after
 * that, for shards of this many images, 1 to the batch. Of `options` it uses the memory limits and
 * whether there are further devices and ranks: a device that is one of several keeps no images and
 * does not validate. Allocates and runs nothing on the device. `dataset` may be NULL: then
 * `classes` is used, and no images stay on the device. Errors: EINVAL, ENOMEM (on the host),
 * EDEVICE. */
CLADE_API clade_status clade_train_plan_memory(const clade_recipe *recipe,
                                               const clade_dataset *dataset, int32_t classes,
                                               clade_device *device,
                                               const clade_train_options *options, int32_t shard,
                                               clade_train_memory *out);
/* Returns whether that is within `limit` (0: the device's memory, if known), with no buffer larger
 * than the device allows. */
CLADE_API bool clade_train_memory_fits(const clade_train_memory *memory, const clade_device *device,
                                       uint64_t limit);
/* Trains a recipe on a data set, on this device.
 *
 * A data set that is not loaded is decoded during the first epoch: the first step waits only for
 * its own images. Damaged images are left out of their batch, with the same result as in a loaded
 * data set, and dropped at the end of the epoch. The data set is loaded first if the device has its
 * own memory, if features are computed, or if classes are balanced.
 *
 * Writes the run folder: recipe.yaml, history.csv, best.safetensors, last.safetensors, state,
 * metrics.json; all replaced atomically, so that after a crash it holds the end of an earlier
 * epoch. `out` (may be NULL) receives the classifier with the last weights, also with ECANCELLED,
 * the status after a stop; the run folder can then be resumed. In exact mode the weights depend on
 * recipe, data set and seed alone, however often training was stopped and resumed.
 *
 * An image that can no longer be read or has changed (EIO), too many damaged images (EFORMAT), and
 * a call that verification finds wrong (EWRONG) end training with the run folder as after a stop.
 * Errors: EINVAL (the recipe does not fit the data; a folder in use; a state of another recipe or
 * other data), EMISMATCH (the loss became NaN or infinite; names epoch and batch), EIO, EFORMAT,
 * ENOMEM, EDEVICE. */
CLADE_API clade_status clade_train(const clade_recipe *recipe, clade_dataset *dataset,
                                   clade_device *device, const clade_train_options *options,
                                   clade_classifier **out);

/* Opens a run folder (its best weights, or the last ones if no epoch has ended) or one .safetensors
 * file. Errors: EIO, EFORMAT (truncated, not a Clade model, weights that do not fit its recipe),
 * EUNSUPPORTED (made by a newer version). */
CLADE_API clade_status clade_classifier_open(const char *path, clade_device *device,
                                             clade_classifier **out);
CLADE_API void clade_classifier_destroy(clade_classifier **classifier);
CLADE_API clade_status clade_classifier_save(const clade_classifier *classifier, const char *path);
CLADE_API int32_t clade_classifier_classes(const clade_classifier *classifier);
CLADE_API const char *clade_classifier_class_name(const clade_classifier *classifier, int32_t i);
CLADE_API const clade_recipe *clade_classifier_recipe(const clade_classifier *classifier);
CLADE_API clade_model *clade_classifier_model(const clade_classifier *classifier);
/* Returns whether the last layer is a softmax or a sigmoid. An imported net may end without one:
 * then "probabilities" below are its raw outputs, of which the largest wins; for a single output y,
 * -y and y. */
CLADE_API bool clade_classifier_gives_probabilities(const clade_classifier *classifier);

CLADE_API clade_task clade_classifier_task(const clade_classifier *classifier);
/* MULTI_LABEL: the probabilities [classes] above which a class is predicted, 0.5 each unless set;
 * other tasks: NULL. Saved with the classifier. Errors: EINVAL (not MULTI_LABEL; not within 0 to
 * 1). */
CLADE_API const float *clade_classifier_thresholds(const clade_classifier *classifier);
CLADE_API clade_status clade_classifier_set_thresholds(clade_classifier *classifier,
                                                       const float *thresholds);

/* From now on, predicts and evaluates `count` views of each image, 1 to 1000, and averages their
 * probabilities in this order. Each view has a matrix of clade_augment_matrix, [count, 8], and is
 * sampled with the recipe's fill mode. 0: the image itself. Errors: EINVAL (several views for a net
 * that gives no probabilities), ENOMEM. */
CLADE_API clade_status clade_classifier_set_views(clade_classifier *classifier, const float *matrix,
                                                  size_t count);
/* The divisor of logits before they become probabilities; 1 unless the model was calibrated. Saved
 * with it. Errors: EINVAL (not within 0.01 to 100; a net that gives no probabilities;
 * MULTI_LABEL). */
CLADE_API double clade_classifier_temperature(const clade_classifier *classifier);
CLADE_API clade_status clade_classifier_set_temperature(clade_classifier *classifier,
                                                        double temperature);

/* Predicts probabilities or, for REGRESSION, numbers in the targets' own units: one row of
 * `classes` per image. Errors: those of clade_image_read. */
CLADE_API clade_status clade_classifier_predict(clade_classifier *classifier,
                                                const char *const *files, size_t count,
                                                float *probabilities);
/* Does the same for images already decoded to the size of the recipe's preprocessing: count ×
 * height × width × channels. */
CLADE_API clade_status clade_classifier_predict_pixels(clade_classifier *classifier,
                                                       const uint8_t *pixels, size_t count,
                                                       float *probabilities);
/* Computes loss and metrics over a split of a loaded data set, whose classes must be the
 * classifier's, by name. `ranks` take its batches in turn, and only the first rank receives the
 * metrics; NULL: this process alone. The loss is the recipe's; with several views, or a
 * temperature, it is clade_log_loss. The confusion matrix lives until the next call or destroy. */
CLADE_API clade_status clade_classifier_evaluate(clade_classifier *classifier,
                                                 const clade_dataset *dataset, clade_split split,
                                                 clade_ranks *ranks, clade_metrics *out);
/* Returns the probabilities of the images evaluated last, in the split's order, in the form of
 * clade_classifier_predict; they live as long as the confusion matrix. NULL: nothing was evaluated,
 * or another rank has them. */
CLADE_API const float *clade_classifier_evaluated(const clade_classifier *classifier);

#ifdef __cplusplus
}
#endif
#endif
