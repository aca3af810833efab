/* What the tests of data sets share. */
#ifndef CLADE_TESTS_DATA_SETS_H
#define CLADE_TESTS_DATA_SETS_H

#include <clade/data.h>

#include <string.h>

#include "../test.h"

/* Opens and loads; NULL after a failure, which CHECK_OK has reported. */
static inline clade_dataset *load(clade_data_options options)
{
    clade_dataset *d = NULL;
    if (options.max_damaged == 0) options.max_damaged = 1; /* the sets are small */
    CHECK_OK(clade_dataset_open(&options, &d));
    if (!d) return NULL;
    CHECK_OK(clade_dataset_load(d, NULL, NULL));
    return d;
}

/* Whether a file was left out for a reason that has this text. */
static inline int skips(const clade_dataset *d, const char *name, const char *reason)
{
    for (size_t i = 0; i < clade_dataset_skipped(d); i++)
        if (!strcmp(clade_dataset_skipped_name(d, i), name) &&
            strstr(clade_dataset_skipped_reason(d, i), reason))
            return 1;
    return 0;
}

static inline size_t count(const clade_dataset *d, clade_split split)
{
    return clade_dataset_count(d, split);
}

static inline clade_status try_open(const char *path)
{
    clade_dataset *d = NULL;
    clade_data_options options = {.path = path};
    clade_status status = clade_dataset_open(&options, &d);
    clade_dataset_destroy(&d);
    return status;
}

#endif
