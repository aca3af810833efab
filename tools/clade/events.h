/* Training as TensorBoard shows it: the recipe, numbers per epoch and step, weights and gradients,
 * sample images, mistakes. */
#ifndef CLADE_TOOLS_EVENTS_H
#define CLADE_TOOLS_EVENTS_H

#include <clade/tensorboard.h>
#include <clade/train.h>

typedef struct events {
    const char *folder; /* for the event file; NULL: none is written and all below does nothing */
    const clade_dataset *dataset;
    const clade_recipe *recipe;
    bool resumed; /* an older file may be in the folder */
    clade_tensorboard *file;
    bool failed; /* what is left to write is given up; training goes on */
    int64_t next_step;
    clade_epoch told; /* at the last point of the loss */
} events;

/* As observers of training. The file is made at the first: the run folder is there by then. */
void events_batch(events *e, const clade_epoch *so_far, size_t batches);
void events_epoch(events *e, const clade_epoch *epoch);
/* The images that the classifier is most sure and wrong about; then closes the file. Without a
 * classifier it only does the latter. */
void events_end(events *e, clade_classifier *classifier);

#endif
