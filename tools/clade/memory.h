/* The memory that training takes of a device: sizes, tables, and shards that fit. */
#ifndef CLADE_TOOLS_MEMORY_H
#define CLADE_TOOLS_MEMORY_H

#include <clade/clade.h>

#include <stdio.h>

/* "1.5 MiB". */
const char *memory_text(uint64_t bytes, char text[32]);

/* Training whose memory is to fit. */
typedef struct memory_request {
    const clade_recipe *recipe;
    const clade_dataset *dataset;
    clade_device *const *devices;
    size_t count;
    clade_ranks *ranks;          /* whose devices it is to fit too; or NULL */
    uint64_t limit, cache_bytes; /* limit 0: each device's memory */
    bool choose;                 /* a smaller shard where it does not fit: the first half of a half
                                  * … that does */
    bool resumed;                /* the run has begun with its shard */
} memory_request;

/* Plans shards of m->shard images; m becomes what they take of the device that they take most of.
 * ENOMEM, where that does not fit, says what there is and which shard would fit. */
clade_status memory_fit(const memory_request *request, clade_train_memory *m);

/* What training takes by shards of the batch, its halves down to 1 image, and the recipe's own. The
 * data set may be NULL. */
clade_status memory_show(const clade_recipe *recipe, const clade_dataset *dataset, int32_t classes,
                         clade_device *device, bool json);

#endif
