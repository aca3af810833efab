/* The progress of training: a bar on a terminal, one line per epoch everywhere. */
#ifndef CLADE_TOOLS_PROGRESS_H
#define CLADE_TOOLS_PROGRESS_H

#include <clade/train.h>

typedef struct progress {
    bool json;     /* a JSON object per epoch instead */
    bool quiet;    /* only the last lines */
    int64_t until; /* the epoch after which to stop; 0: the last */
    double seconds;
    clade_epoch best; /* epoch 0: none yet */
    clade_epoch last;
} progress;

/* Observers; `user` is a progress, except for phases, where it may be anything. */
void progress_phase(void *user, clade_train_phase phase, size_t done, size_t total);
void progress_batch(void *user, const clade_epoch *so_far, size_t batch, size_t batches);
void progress_epoch(void *user, const clade_epoch *epoch);
/* The same for one of several runs, in one line that names it. */
void progress_wait_phase(const char *run, clade_train_phase phase, size_t done, size_t total);
void progress_wait_batch(const char *run, const clade_epoch *so_far, size_t batch, size_t batches);
/* Writes "features: 558 of 558 images from the cache", "features: 558 images computed in 12.3
 * s". */
enum { progress_features_room = 128 };
const char *progress_features(size_t images, size_t found, double seconds,
                              char text[progress_features_room]);
/* Prints the last lines: the result, and where it is. */
void progress_end(const progress *p, const char *folder);

#endif
