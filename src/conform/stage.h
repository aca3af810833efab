/* A problem as it lies in a device's memory: for those who judge it there, and who write it down.
 */
#ifndef CLADE_CONFORM_STAGE_H
#define CLADE_CONFORM_STAGE_H

#include "conform/conform.h"

/* Where a slot lies: bytes `offset` … `offset + bytes` of region `region`. */
typedef struct conform_place {
    int region;
    size_t offset, bytes;
} conform_place;

/* A buffer of the device and what it held before. */
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

/* Gets a problem on its device, and its call, prepared and not run. */
typedef clade_status conform_show(void *user, const conform_stage *stage, const clade_call *call);

/* Lays a problem out on a device as clade_problem_stage does, and shows it instead of running it.
 * Errors: the device's, ENOMEM, those of `show`. */
clade_status clade_problem_show(const conform_problem *problem, clade_device *device,
                                const conform_layout *layout, conform_show *show, void *user);

#endif
