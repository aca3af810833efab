/* What training shows while it runs: a bar on a terminal, one line per epoch elsewhere. */
#ifndef CLADE_TOOLS_PROGRESS_H
#define CLADE_TOOLS_PROGRESS_H

#include <clade/train.h>

typedef struct progress {
    bool json;     /* a JSON object per epoch instead */
    bool terminal; /* standard output is one */
    bool open;     /* a bar is being drawn */
    int32_t epoch; /* whose heading has been printed */
    int32_t first; /* the first of this process */
    double seconds;
    clade_epoch best; /* epoch 0: none yet */
    clade_epoch last;
} progress;

void progress_start(progress *p);
/* Observers; `user` is a progress. */
void progress_batch(void *user, const clade_epoch *so_far, size_t batch, size_t batches);
void progress_epoch(void *user, const clade_epoch *epoch);
/* Ends an open bar, before a message. */
void progress_break(progress *p);
/* The last lines: what came of it, and where it is. */
void progress_end(progress *p, const char *folder);

#endif
