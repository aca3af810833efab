/* Classes in the names of files, found by a regular expression. */
#ifndef CLADE_DATA_LABEL_PATTERN_H
#define CLADE_DATA_LABEL_PATTERN_H

#include <clade/status.h>

#include <stddef.h>

typedef struct clade_label_pattern clade_label_pattern;

/* A POSIX extended regular expression whose group (?<class>…), or only group, is the class:
 * "^(.+)_[0-9]+". It is searched in a file's name, or if it has a '/' in its whole path within the
 * data set. EINVAL: no such expression, or none that says which group. */
clade_status clade_label_pattern_create(const char *text, clade_label_pattern **out);
void clade_label_pattern_destroy(clade_label_pattern **pattern);
/* The class, within `name`, not terminated; NULL: the pattern is not found or the class empty. */
const char *clade_label_find(const clade_label_pattern *pattern, const char *name, size_t *length);

#endif
