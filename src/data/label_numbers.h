/* Numbers in a list of labels. */
#ifndef CLADE_DATA_LABEL_NUMBERS_H
#define CLADE_DATA_LABEL_NUMBERS_H

#include "data/label_list.h"

/* Reads a decimal number, with white space around it or not; an infinity or NaN too. False: the
 * text is none. */
bool clade_label_number(const char *text, double *out);

/* Of the list at `path`: does float32 tell the numbers of each column apart, but for a hundredth of
 * their deviation? Errors: EINVAL. */
clade_status clade_label_numbers_check(const clade_label_list *list, const char *path);

#endif
