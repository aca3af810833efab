/* The run folder: what training writes, and what a resume reads. */
#ifndef CLADE_TRAIN_RUN_H
#define CLADE_TRAIN_RUN_H

#include "train/loss_scale.h"
#include "train/metrics.h"
#include "train/targets.h"
#include "recipe/modelfile.h"
#include "train/optimizer.h"

/* Where training is, beside weights and moments. */
typedef struct clade_progress {
    int64_t epoch; /* under way or next, from 0 */
    int64_t batch; /* the next in it */
    int64_t batch_size;
    int64_t step;      /* steps done, those that were skipped among them */
    clade_tally tally; /* of the epoch under way */
    double seconds;    /* spent on it so far */
    double plateau_factor, plateau_best;
    int64_t plateau_wait;
    double stop_best; /* of early stopping */
    int64_t stop_wait;
    clade_loss_scale loss_scale;
    int64_t
        unfrozen;    /* the optimizer's step at which more layers began to be trained; 0: not yet */
    int64_t damaged; /* images that were found to be */
    int64_t best_epoch;              /* from 1; 0: none yet */
    double best_accuracy, best_loss; /* or the best of another task: clade_metrics_score */
} clade_progress;

typedef struct clade_run {
    char *folder;  /* NULL: nothing is written */
    int lock;      /* the folder's descriptor, locked */
    int made;      /* folders that were not there before: they go again if nothing is written */
    char *history; /* of the CSV file, all of it so far */
    const clade_dataset *dataset;
} clade_run;

/* Makes the folder, or with `resume` opens it, and locks it. *found tells whether there is a state
 * to go on from; without `resume` a folder that has something in it is EINVAL. NULL: nothing will
 * be written. `scaled`: steps may be skipped. */
clade_status clade_run_open(const char *folder, bool resume, const clade_dataset *dataset,
                            bool scaled, clade_run *out, bool *found);
void clade_run_close(clade_run *run);
/* Of a new run that has failed before a step: takes back the recipe, if nothing else is there. */
void clade_run_withdraw(const clade_run *run);

/* One of the folder's files; free it. NULL: out of memory, with the error set. */
char *clade_run_path(const char *folder, const char *file);

/* Appends an epoch to the history and writes that. */
clade_status clade_run_add_history(clade_run *run, const clade_epoch *epoch);
/* Writes the state: weights, moments, progress and history. */
clade_status clade_run_save(const clade_run *run, const clade_recipe *recipe,
                            const clade_class_names *classes, const clade_model *model,
                            const clade_updater *updater, const clade_progress *progress);
/* Where the run in the folder is. */
clade_status clade_run_peek(const clade_run *run, clade_progress *progress);
/* Reads it back, to go on with these settings. EINVAL when it does not fit them, the model or the
 * data. */
clade_status clade_run_restore(clade_run *run, const clade_training *settings, clade_model *model,
                               clade_updater *updater, clade_progress *progress);
/* Writes the model, `scale` being that of its targets or empty, the text, or the JSON of metrics,
 * under that name. Nothing without a folder. */
clade_status clade_run_write_model(const clade_run *run, const char *name,
                                   const clade_recipe *recipe, const clade_class_names *classes,
                                   const clade_model *model, const clade_target_scale *scale);
clade_status clade_run_write_text(const clade_run *run, const char *name, const char *text);

#endif
