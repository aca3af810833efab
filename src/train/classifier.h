/* The inside of a classifier, for training, which makes one of its model. */
#ifndef CLADE_TRAIN_CLASSIFIER_H
#define CLADE_TRAIN_CLASSIFIER_H

#include <clade/train.h>

#include "recipe/modelfile.h"
#include "train/targets.h"

/* Makes a classifier of a model and class names, which it takes over when it succeeds (then they
 * are empty); the recipe is copied. */
clade_status clade_classifier_create(const clade_recipe *recipe, clade_model **model,
                                     clade_class_names *classes, clade_classifier **out);

/* Gives it the scale of its targets, which is copied. */
clade_status clade_classifier_scale_by(clade_classifier *classifier,
                                       const clade_target_scale *scale);

#endif
