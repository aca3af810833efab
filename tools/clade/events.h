/* TensorBoard events of training: the recipe, numbers per epoch and step, weights and gradients,
 * sample images, mistakes. */
#ifndef CLADE_TOOLS_EVENTS_H
#define CLADE_TOOLS_EVENTS_H

#include <clade/tensorboard.h>
#include <clade/train.h>

typedef struct events {
    const char *folder; /* for the event file; NULL: nothing is written and the functions below do
                         * nothing */
    const clade_dataset *dataset;
    const clade_recipe *recipe;
    bool resumed; /* the folder may contain an older file */
    clade_tensorboard *file;
    bool failed; /* writing is given up; training goes on */
    int64_t next_step;
    clade_epoch told; /* when the loss was last written */
} events;

/* Observers of training. The first call creates the file: the run folder exists by then. */
void events_batch(events *e, const clade_epoch *so_far, size_t batches);
void events_epoch(events *e, const clade_epoch *epoch);
/* Writes the classifier's most confident mistakes, then closes the file. Without a classifier, only
 * closes it. */
void events_end(events *e, clade_classifier *classifier);

#endif
