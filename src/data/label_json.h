/* Lists of labels in JSON, which become tables. */
#ifndef CLADE_DATA_LABEL_JSON_H
#define CLADE_DATA_LABEL_JSON_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>

/* Stands behind each label of a file that may have several. */
#define CLADE_LABEL_END "\x1f"

/* Does a text begin as JSON does? */
bool clade_label_json_is(const char *text);

/* Writes what a JSON text, with a 0 behind it, says as comma-separated values, a line per entry
 * after the header: an array of objects or JSON lines (their keys are the columns), an object of
 * files and their classes, one of classes and arrays of their files, or COCO's images, annotations
 * and categories. With `several` labels of a file an object of arrays is one of files and their
 * classes, arrays of objects may have arrays of labels, and an image of COCO's need not be
 * annotated. Where `numbers` are expected, a value that is neither text nor number is
 * written as such, for the message. The caller frees *table. Errors: EFORMAT (naming line or
 * entry), ENOMEM. */
clade_status clade_label_json_to_table(const char *text, size_t size, const char *path,
                                       bool several, bool numbers, char **table,
                                       size_t *table_size);

#endif
