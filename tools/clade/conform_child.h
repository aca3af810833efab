/* A process that judges cases, so that a crash or a hang of a driver costs its own case. It is a
 * fork of the command, which itself opens no device; what it finds comes back through a pair of
 * sockets. */
#ifndef CLADE_TOOLS_CONFORM_CHILD_H
#define CLADE_TOOLS_CONFORM_CHILD_H

#include "conform_plan.h"

#include <stdatomic.h>
#include <sys/types.h>

/* What is left to do, in memory that all children share: each takes the next case that none has. */
typedef struct conform_work {
    const clade_conform_options *options;
    const conform_plan *plan;
    _Atomic unsigned char *taken; /* of each case */
} conform_work;

typedef struct conform_child {
    pid_t pid; /* 0: there is none */
    int from;  /* the parent's socket */
    char *text;
    size_t have, room;
    conform_record *begun; /* the case in hand; NULL: none */
    size_t index;          /* its number in the plan */
    double since;          /* when it was last heard of */
    bool done;             /* it has judged all it could, or says why it cannot */
    clade_status status;
    char error[1024];
} conform_child;

/* What a child's reader does with a result, which it then owns. */
typedef void conform_child_take(void *user, size_t index, conform_record *record);

clade_status conform_child_start(const conform_work *work, conform_child *child);

/* Takes in what has come from the child. *ended: that was all. Errors: EIO, ENOMEM. */
clade_status conform_child_read(conform_child *child, conform_child_take *take, void *user,
                                clade_device_info *device, bool *ended);

/* Ends it, by force if it is asked to, and says in `how` what ended it: "" where all was well, else
 * like "signal 11 (Segmentation fault)". */
void conform_child_end(conform_child *child, bool force, char how[128]);

#endif
