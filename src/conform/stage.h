/* A problem laid out in a device's memory, for code that judges it there or writes it down. */
#ifndef CLADE_CONFORM_STAGE_H
#define CLADE_CONFORM_STAGE_H

#include "conform/conform.h"

/* The place of a slot: bytes `offset` … `offset + bytes` of region `region`. */
typedef struct conform_place {
    int region;
    size_t offset, bytes;
} conform_place;

/* A buffer of the device and its previous contents. */
typedef struct conform_region {
    unsigned char *before, *after;
    size_t bytes;
    clade_buffer *buffer;
} conform_region;

typedef struct conform_stage {
    const conform_problem *problem;
    const conform_layout *layout;
    conform_place places[conform_slots];
    bool present[conform_slots];
    conform_region regions[conform_slots];
    int region_count;
} conform_stage;

/* Receives a problem on its device, and its call, prepared but not run. */
typedef clade_status conform_show(void *user, const conform_stage *stage, const clade_call *call);

/* Lays a problem out on a device like clade_problem_stage, and shows it instead of running it.
 * Errors: the device's, ENOMEM, those of `show`. */
clade_status clade_problem_show(const conform_problem *problem, clade_device *device,
                                const conform_layout *layout, conform_show *show, void *user);

#endif
