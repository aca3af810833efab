/* Printing JSON: valid whatever names it contains, and complete or not at all. */
#ifndef CLADE_TOOLS_JSON_PRINT_H
#define CLADE_TOOLS_JSON_PRINT_H

#include "base/json.h" /* for adding to trees */

#include <stdbool.h>

/* Call this once, before creating any JSON: from then on it records lack of memory, since cJSON
 * silently omits what it cannot add to a tree. */
void json_watch_memory(void);

/* Returns a tree's text, to be freed with cJSON_free, on one line or indented. Bytes that are not
 * UTF-8 become U+FFFD. NULL: memory is, or was, short. */
char *json_text(const cJSON *root, bool one_line);

/* Prints the text and deletes the tree; on failure says so, and json_failed returns true. */
void json_print(cJSON *root, bool one_line);
bool json_failed(void);

#endif
