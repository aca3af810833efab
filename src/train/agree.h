/* Ranks begin from the same: what they have is compared, and the first one's weights are theirs. */
#ifndef CLADE_TRAIN_AGREE_H
#define CLADE_TRAIN_AGREE_H

#include "train/trainer.h"

/* Has every rank this version, recipe (but for where its data are), data set, loaded, and math?
 * EINVAL names the first that has not, with the same text on all. */
clade_status clade_agree_check(const clade_trainer *t);

/* Weights, moments and progress of the first rank become everyone's. */
clade_status clade_agree_begin(clade_trainer *t);

#endif
