/* Numbers in a list of labels. */
#ifndef CLADE_DATA_LABEL_NUMBERS_H
#define CLADE_DATA_LABEL_NUMBERS_H

#include "data/label_list.h"

/* Parses a decimal number, also an infinity or NaN, and allows white space around it. Returns false
 * if the text is not a number. */
bool clade_label_number(const char *text, double *out);

/* Checks for the list at `path` that float32 can distinguish the numbers of each column, up to a
 * hundredth of their deviation. Errors: EINVAL. */
clade_status clade_label_numbers_check(const clade_label_list *list, const char *path);

#endif
