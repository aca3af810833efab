/* Converts lists of labels in JSON to tables. */
#ifndef CLADE_DATA_LABEL_JSON_H
#define CLADE_DATA_LABEL_JSON_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>

/* Follows each label of a file that may have several. */
#define CLADE_LABEL_END "\x1f"

/* Returns whether a text begins like JSON. */
bool clade_label_json_is(const char *text);

/* Converts a JSON text, zero-terminated, to comma-separated values, a line per entry after the
 * header. Accepts an array of objects or JSON lines (their keys are the columns), an object of
 * files and their classes, an object of classes and arrays of their files, or COCO's images,
 * annotations and categories. With `several` labels per file, an object of arrays is one of files
 * and their classes, arrays of objects may have arrays of labels, and a COCO image need not be
 * annotated. If `numbers` are expected, values that are neither text nor number are written as they
 * are, for the message. The caller frees *table. Errors: EFORMAT (naming line or entry), ENOMEM. */
clade_status clade_label_json_to_table(const char *text, size_t size, const char *path,
                                       bool several, bool numbers, char **table,
                                       size_t *table_size);

#endif
