/* The device memory that training needs: sizes, tables, and shards that fit. */
#ifndef CLADE_TOOLS_MEMORY_H
#define CLADE_TOOLS_MEMORY_H

#include <clade/clade.h>

#include <stdio.h>

/* Writes "1.5 MiB". */
const char *memory_text(uint64_t bytes, char text[32]);

/* Training that must fit into memory. */
typedef struct memory_request {
    const clade_recipe *recipe;
    const clade_dataset *dataset;
    clade_device *const *devices;
    size_t count;
    clade_ranks *ranks;          /* whose devices it must fit, too; or NULL */
    uint64_t limit, cache_bytes; /* limit 0: each device's memory */
    bool choose;                 /* if it does not fit, use the largest shard that does of a half, a
                                  * half of that, … */
    bool resumed;                /* the run has started with its shard */
} memory_request;

/* Plans shards of m->shard images; m becomes their memory on the device where they need the most.
 * ENOMEM if that does not fit, with the memory available and the shard that would fit. */
clade_status memory_fit(const memory_request *request, clade_train_memory *m);

/* Prints the memory of training with the batch as the shard, its halves down to 1 image, and the
 * recipe's own. The data set may be NULL. */
clade_status memory_show(const clade_recipe *recipe, const clade_dataset *dataset, int32_t classes,
                         clade_device *device, bool json);

#endif
