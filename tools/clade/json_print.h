/* JSON on its way out: valid whatever the names in it, and whole or not at all. */
#ifndef CLADE_TOOLS_JSON_PRINT_H
#define CLADE_TOOLS_JSON_PRINT_H

#include "base/json.h" /* adding to trees */

#include <stdbool.h>

/* To be called once, before any JSON is made: notes when memory is short, for what cannot be added
 * to a tree is left out of it without a word. */
void json_watch_memory(void);

/* A tree's text, to be freed with cJSON_free, on one line or indented. Bytes that are no UTF-8
 * become U+FFFD. NULL: memory is, or was, short. */
char *json_text(const cJSON *root, bool one_line);

/* Prints the text and deletes the tree; or says what failed, and then json_failed. */
void json_print(cJSON *root, bool one_line);
bool json_failed(void);

#endif
