/* Data sets published as records in a few binary files: CIFAR and MNIST's IDX. */
#ifndef CLADE_DATA_BINARY_H
#define CLADE_DATA_BINARY_H

#include "data/dataset.h"

enum { clade_member_bytes = 1 << 30 }; /* maximum size of such a file */

/* Return whether a file of this name may be part of such a set. */
bool clade_binary_member(const char *base);
bool clade_cifar_member(const char *base);
bool clade_idx_member(const char *base);
bool clade_named_gz(const char *base);

/* Fill in raw, classes and images if `source` holds such a set; else *found is false. */
clade_status clade_cifar_read(clade_dataset *dataset, clade_source *source, bool *found);
clade_status clade_idx_read(clade_dataset *dataset, clade_source *source, bool *found);

/* Adds `count` records of an entry to a split: image i lies at first + i·stride, its label is
 * labels[i]. Labels must be below the number of classes. */
typedef struct clade_records {
    clade_source *source;
    clade_entry *entry;
    size_t count, first, stride;
    const uint8_t *labels;
} clade_records;
clade_status clade_records_add(clade_dataset *dataset, clade_split split,
                               const clade_records *records);

#endif
