/* What the binary sets share: names of their files, and images that are records in a file. */
#include "data/binary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

clade_status clade_records_add(clade_dataset *dataset, clade_split split,
                               const clade_records *records)
{
    const char *name = records->entry->name;
    size_t width = strlen(name) + 12; /* ":4294967295" and the end */
    char *names = malloc(records->count * width);
    if (!names) return clade_fail(CLADE_ENOMEM, "out of memory for %zu names", records->count);
    clade_status status = clade_dataset_keep(dataset, names);
    for (size_t i = 0; i < records->count && !status; i++) {
        unsigned label = records->labels[i];
        if (label >= dataset->classes)
            return clade_fail(CLADE_EFORMAT, "record %zu has label %u of %zu classes", i, label,
                              dataset->classes);
        char *own = names + i * width;
        snprintf(own, width, "%s:%u", name, (unsigned)i);
        clade_image image = {.name = own,
                             .key = clade_base_name(own),
                             .source = records->source,
                             .entry = records->entry,
                             .offset = records->first + i * records->stride,
                             .label = (int32_t)label};
        status = clade_dataset_add(dataset, split, &image);
    }
    return status;
}
