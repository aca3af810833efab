/* A process that judges cases, so that a crash or a hang of a driver costs only its own case. It is
 * a fork of the command, which itself opens no device; it sends its results through a socket
 * pair. */
#ifndef CLADE_TOOLS_CONFORM_CHILD_H
#define CLADE_TOOLS_CONFORM_CHILD_H

#include "conform_plan.h"

#include <stdatomic.h>
#include <sys/types.h>

/* The remaining work, in memory that all children share: each takes the next free case. */
typedef struct conform_work {
    const clade_conform_options *options;
    const conform_plan *plan;
    _Atomic unsigned char *taken; /* for each case */
} conform_work;

typedef struct conform_child {
    pid_t pid; /* 0: no process */
    int from;  /* the parent's socket */
    char *text;
    size_t have, room;
    conform_record *begun; /* the current case; NULL: none */
    size_t index;          /* its number in the plan */
    double since;          /* time of its last message */
    bool done;             /* it has judged all it could, or says why it cannot */
    clade_status status;
    char error[1024];
} conform_child;

/* Receives and owns a result read from a child. */
typedef void conform_child_take(void *user, size_t index, conform_record *record);

clade_status conform_child_start(const conform_work *work, conform_child *child);

/* Reads what has arrived from the child. *ended: there is no more. Errors: EIO, ENOMEM. */
clade_status conform_child_read(conform_child *child, conform_child_take *take, void *user,
                                clade_device_info *device, bool *ended);

/* Ends the child, by force if requested, and gives in `how` what ended it: "" if all was well, else
 * like "signal 11 (Segmentation fault)". */
void conform_child_end(conform_child *child, bool force, char how[128]);

#endif
