/* Everything that watches `clade train`: the terminal, the run's page, TensorBoard's events, and
 * the trace. */
#ifndef CLADE_TOOLS_TRAIN_WATCH_H
#define CLADE_TOOLS_TRAIN_WATCH_H

#include "device_list.h"
#include "events.h"
#include "progress.h"
#include "trace.h"

typedef struct train_watch {
    progress progress;
    events events;
    trace trace;
    const char *folder; /* of the run; NULL: no page */
    int64_t pause;      /* the epoch after which to stop; 0: none */
    const clade_dataset *dataset;
    size_t skipped; /* number of its files reported so far */
    clade_device_share share[DEVICE_LIST_SIZE];
    size_t shares; /* 0: one device alone */
} train_watch;

/* Returns an observer that passes everything that training reports to `watch`, which begins with
 * `progress`. */
clade_train_observer train_watch_observer(train_watch *watch);

/* Returns whether training has reached the epoch after which to stop. */
bool train_watch_is_paused(const train_watch *watch);
/* Reports damaged images after training has left them out. */
void train_watch_data(train_watch *watch);
/* Prints each device's share of the images. */
void train_watch_shares(const train_watch *watch);
/* Writes the final page; for a complete run, with its best weights' predictions, as `clade report`
 * would write it. */
void train_watch_report(train_watch *watch, bool complete, clade_device *device,
                        const clade_dataset *dataset);

#endif
