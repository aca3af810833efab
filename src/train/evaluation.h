/* One pass over a split without training, and all metrics of it. */
#ifndef CLADE_TRAIN_EVALUATION_H
#define CLADE_TRAIN_EVALUATION_H

#include "dist/ranks.h"
#include "train/feed.h"
#include "train/results.h"

typedef struct clade_evaluation clade_evaluation;

/* For a split through a model with a loss; the data set must outlive it. */
clade_status clade_evaluation_create(const clade_model *model, const clade_dataset *dataset,
                                     clade_split split, int32_t classes, int32_t top_k,
                                     clade_evaluation **out);
void clade_evaluation_destroy(clade_evaluation **evaluation);
/* The thresholds [classes] of several labels, which are not copied; NULL, the default: 0.5. */
void clade_evaluation_tell_by(clade_evaluation *evaluation, const float *thresholds);
/* That of targets that are numbers, which is not copied. */
void clade_evaluation_scale_by(clade_evaluation *evaluation, const clade_target_scale *scale);
/* The feed must be of this model and split; `results` must be empty. `matrix` [batch, 8] is that of
 * every batch's images; NULL: as the feed has them. `ranks` (may be NULL) take the
 * batches in turn; only the first of them has the metrics. `stop` (may be NULL) is polled
 * between batches; true ends it with ECANCELLED. The confusion matrix belongs to the evaluation. */
clade_status clade_evaluation_run(clade_evaluation *evaluation, clade_model *model,
                                  clade_feed *feed, clade_results *results, const float *matrix,
                                  clade_ranks *ranks, bool (*stop)(void *user), void *user,
                                  clade_metrics *out);
/* What the model gave for each image of the last run, [count, outputs]. */
const float *clade_evaluation_outputs(const clade_evaluation *evaluation);
/* All metrics again, by these probabilities [count, classes] of its images (clade_metrics_of,
 * clade_label_metrics, clade_number_metrics). */
clade_status clade_evaluation_measure(clade_evaluation *evaluation, const float *p,
                                      clade_metrics *out);

#endif
