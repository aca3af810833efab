/* All that a training run holds, and making it. */
#ifndef CLADE_TRAIN_TRAINER_H
#define CLADE_TRAIN_TRAINER_H

#include "dist/ranks.h"
#include "dist/sum.h"
#include "train/evaluation.h"
#include "train/learner.h"
#include "train/run.h"
#include "train/team.h"
#include "train/verify.h"
#include "train/lr_schedule.h"

typedef struct clade_trainer {
    const clade_recipe *recipe;
    const clade_training *settings;
    clade_dataset *dataset;
    clade_device *device; /* that holds the weights; one of: */
    clade_device **devices;
    clade_device_share *share; /* of each of them */
    size_t device_count;
    clade_ranks *ranks; /* that train together; NULL: this process alone */
    bool lead;          /* of all ranks the first, which alone reads and writes the run folder */
    const clade_train_options *options;
    clade_class_names classes;
    clade_learner learner;
    float *class_weight;      /* one per class, or NULL */
    float *label_weight;      /* [2, classes] where an image may have several labels, or NULL */
    clade_target_scale scale; /* of targets that are numbers */
    float *row; /* [2, classes]: room for what an image has and what it is taken for, or NULL */
    clade_lr_scheduler scheduler;
    clade_features features[2];     /* of the training and the validation split, if kept */
    clade_feature_cache cache;      /* where they are found and kept, while they are made */
    double feature_seconds;         /* that they took, before the epoch to come */
    clade_loader *early;            /* decodes the first images while the model is made; or NULL */
    clade_feed *train, *validation; /* validation NULL: there is no such split */
    clade_results *results;
    clade_shard_sum *sum; /* of the gradients of a batch's shards; NULL where there is a team */
    clade_team *team;     /* of several devices; NULL: there is one */
    clade_evaluation *evaluation;
    clade_run run;
    clade_progress progress;
    clade_snapshot snapshot; /* while calls are verified */
    clade_epoch epoch;       /* what the observer is told */
    bool asked;              /* of ranks: one of them was asked to stop */
    bool begun;              /* the first step of this process */
    double started, told;    /* told 0: nothing yet, so that the first step is told of at once */
    clade_train_phase phase;
    size_t phase_done, phase_total, phase_batch; /* images */
    int64_t images_before, batches_before;       /* of this epoch, done by an earlier process */
} clade_trainer;

/* Tells the observer of a phase over so many images (0: it has none), in batches of that many. */
void clade_trainer_begin_phase(clade_trainer *t, clade_train_phase phase, size_t images,
                               size_t batch);
/* Before each of its batches, and after the last; true: the observer asks to stop. Ranks are not
 * stopped while they validate together. */
bool clade_trainer_poll_phase(void *trainer);

/* Decodes all images, as a phase that can be stopped. */
clade_status clade_trainer_read_images(clade_trainer *t);

/* Does the recipe fit the data set? */
clade_status clade_trainer_check(const clade_recipe *recipe, const clade_dataset *dataset);

/* Classes, learner and schedule, and progress at its beginning. In a run that goes on, `unfrozen`
 * is the step at which more began to be trained. */
clade_status clade_trainer_set_up(clade_trainer *t, int64_t unfrozen);
void clade_trainer_clear(clade_trainer *t);

/* Initial weights beyond random ones: the backbone's, and kernels made of training images. */
clade_status clade_trainer_load_weights(clade_trainer *t);

/* What trains the layers that are trained at this point of the progress. */
clade_status clade_trainer_make_learner(clade_trainer *t, clade_learner *out);

/* In place of the learner one that trains what is trained now, with its weights and moments;
 * without a stream. */
clade_status clade_trainer_renew_learner(clade_trainer *t);

/* Has the device verify steps, if the options say so. */
clade_status clade_trainer_verify(clade_trainer *t);
/* After a call that was wrong, its text the last error: learner and stream anew, without the
 * algorithm. EWRONG where there is no other. */
clade_status clade_trainer_quarantine(clade_trainer *t);

/* Before the gradients of a step: gives the model the scale of its loss, where that has one. */
clade_status clade_trainer_scale_loss(clade_trainer *t);
/* After them: the optimizer's step at this rate, where no team has taken it, and counts it; it is
 * skipped where the scaled loss has given gradients that are not finite. */
clade_status clade_trainer_step(clade_trainer *t, double lr);
/* Before its state is looked at: ranks make it whole, together. */
clade_status clade_trainer_gather(clade_trainer *t);
/* Steps so far that were not skipped. */
int64_t clade_trainer_updates(const clade_trainer *t);

/* What is made for the model at hand: features, feeds, evaluation and results. */
clade_status clade_trainer_make_stream(clade_trainer *t);
void clade_trainer_drop_stream(clade_trainer *t);

/* Puts the average of the weights in their place, where there is one that something is in;
 * clade_updater_hide_average puts them back. */
clade_status clade_trainer_show_average(clade_trainer *t);
/* At the end of an epoch: the same with its weights in the mean of epochs, and the model's
 * statistics computed anew for that. */
clade_status clade_trainer_show_epoch(clade_trainer *t);
/* Takes the weights at the end of the epoch under way into the mean of epochs. */
clade_status clade_trainer_add_to_average(clade_trainer *t);

/* Queues the gradient of a batch, shard by shard, on one device. What comes back meanwhile goes to
 * `take`, with the trainer. */
typedef clade_status clade_take(void *user, const clade_result *result);
clade_status clade_trainer_run_shards(clade_trainer *t, const clade_batch *batch, clade_take *take);

/* Counts what a batch of the training split gave in the progress. */
void clade_trainer_count(clade_trainer *t, const clade_result *result);

/* From the beginning, or from the state that was found, to the last epoch. */
clade_status clade_trainer_run(clade_trainer *t, bool found);

#endif
