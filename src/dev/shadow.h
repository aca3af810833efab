/* A call that is verified: what it reads and writes, on the host, and whether that is right. */
#ifndef CLADE_DEV_SHADOW_H
#define CLADE_DEV_SHADOW_H

#include "dev/device.h"

/* A call's tensors on the host; absent ones are NULL. */
typedef struct shadow {
    clade_device *device;
    const clade_call *call;
    const clade_op_info *info;
    void *before[CLADE_MOST_SLOTS]; /* of what it reads, or adds to; else anything */
    void *got[CLADE_MOST_SLOTS];    /* what it has written */
    int32_t image;                  /* the one that is judged; -1: all */
    clade_args part;                /* the call on what is judged */
} shadow;

/* Where a number is not what it must be. */
typedef struct wrong_place {
    size_t slot, element; /* the first, in the whole tensor */
    size_t count;
    double got, expected, bound; /* bound negative: every bit counts */
} wrong_place;

/* Does the call read this slot, or add to what is there? */
bool clade_shadow_reads(const shadow *s, size_t slot);
/* Waits, and reads what the call reads, or `after` it what it has written. */
clade_status clade_shadow_read(shadow *s, bool after);
void clade_shadow_clear(shadow *s);
/* Is all that it reads finite? */
bool clade_shadow_is_finite(const shadow *s);
/* By the reference in exact math, else by the oracle; out->count 0: all is right. */
clade_status clade_shadow_judge(const shadow *s, wrong_place *out);

#endif
