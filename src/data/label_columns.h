/* Finds the role of each column in a list of labels. */
#ifndef CLADE_DATA_LABEL_COLUMNS_H
#define CLADE_DATA_LABEL_COLUMNS_H

#include "data/label_list.h"
#include "data/table.h"

typedef struct clade_label_columns {
    size_t file, label, split, weight, count; /* all but file: `count` if there is no such column */
    const char *class[CLADE_TABLE_COLUMNS];   /* without a label: the names of the columns */
    bool number[CLADE_TABLE_COLUMNS];         /* whether it is a column of numbers */
} clade_label_columns;

/* Finds the columns of the list at `path` from its first `count` fields. header: tells whether
 * these are the names of columns; if not, they are a row. The names point into the fields. Errors:
 * EINVAL. */
clade_status clade_label_columns_find(const char *path, const clade_label_options *options,
                                      char *const *fields, size_t count, clade_label_columns *c,
                                      bool *header);
/* Finds the columns of numbers: those that `given` names after the file's, or the label's, or all
 * others. Errors: EINVAL. */
clade_status clade_label_columns_find_numbers(const char *path, const char *given,
                                              char *const *fields, bool header,
                                              clade_label_columns *c);

#endif
