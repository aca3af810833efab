/* Classes found in file names by a regular expression. */
#ifndef CLADE_DATA_LABEL_PATTERN_H
#define CLADE_DATA_LABEL_PATTERN_H

#include <clade/status.h>

#include <stddef.h>

typedef struct clade_label_pattern clade_label_pattern;

/* A POSIX extended regular expression whose group (?<class>…), or only group, is the class:
 * "^(.+)_[0-9]+". It is matched against a file's name or, if it contains a '/', its whole path
 * within the data set. EINVAL: an invalid expression, or it is not clear which group. */
clade_status clade_label_pattern_create(const char *text, clade_label_pattern **out);
void clade_label_pattern_destroy(clade_label_pattern **pattern);
/* Returns the class, within `name`, not terminated; NULL if the pattern does not match or the class
 * is empty. */
const char *clade_label_find(const clade_label_pattern *pattern, const char *name, size_t *length);

#endif
