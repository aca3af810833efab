/* What is trained: a model and its optimizer, as a recipe says what is frozen; where the first
 * layers are frozen, perhaps only the layers after them. */
#ifndef CLADE_TRAIN_LEARNER_H
#define CLADE_TRAIN_LEARNER_H

#include "train/features.h"
#include "train/loss_scale.h"
#include "train/optimizer.h"

typedef struct clade_learner {
    clade_model *model; /* its trained parameters are those of `whole`, in the same order */
    clade_model *whole; /* with all layers and without a loss; NULL: that is `model` */
    clade_graph *head;  /* the layers that only `whole` has; NULL: none */
    clade_model_options options; /* those of `model` */
    clade_updater *updater;
    clade_loss_scaler *scaler; /* NULL: the precision needs none */
} clade_learner;

typedef struct clade_learner_options {
    const clade_recipe *recipe;
    int32_t classes;
    clade_device *device;
    bool unfrozen;                /* from clade_transfer.unfreeze on */
    uint64_t unfrozen_step;       /* the step at which that began */
    const clade_dataset *dataset; /* NULL, where it is not known: features have room */
    uint64_t cache_bytes; /* for features of the training and validation split; 0: half of what is
                             free */
} clade_learner_options;

/* Initial weights, without those of the backbone. Errors: EINVAL (nothing is trained), those of
 * models. */
clade_status clade_learner_create(const clade_learner_options *options, clade_learner *out);
void clade_learner_clear(clade_learner *learner);

/* The model with all layers, into which clade_learner_gather writes what was trained since. */
clade_model *clade_learner_whole(const clade_learner *learner);
clade_status clade_learner_gather(const clade_learner *learner);
/* The other way, after something has been written into the whole. */
clade_status clade_learner_spread(const clade_learner *learner);

/* Gives `to` the parameters and the moments of `from`; moments of what `from` did not train stay 0.
 */
clade_status clade_learner_pass_on(const clade_learner *from, clade_learner *to);

#endif
