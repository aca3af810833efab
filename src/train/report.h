/* metrics.json: what a run has come to. */
#ifndef CLADE_TRAIN_REPORT_H
#define CLADE_TRAIN_REPORT_H

#include "train/run.h"

/* The JSON text, to be freed with free(). Errors: ENOMEM. */
clade_status clade_report_metrics(const clade_recipe *recipe, const clade_class_names *classes,
                                  const clade_dataset *dataset, const clade_model *model,
                                  const clade_progress *progress, const clade_epoch *epoch,
                                  char **text);

#endif
