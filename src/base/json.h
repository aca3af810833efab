/* JSON with cJSON, which distinguishes lack of memory from bad text or a complete tree only by
 * errno. */
#ifndef CLADE_BASE_JSON_H
#define CLADE_BASE_JSON_H

#include <clade/status.h>

#include <cjson/cJSON.h>
#include <stddef.h>

/* Parses `size` bytes into a tree that the caller deletes. Errors: EFORMAT, whose message names
 * `what` and the byte; ENOMEM. On error *root is NULL. *end (if `end` is not NULL) is where the
 * JSON ends or becomes invalid. */
clade_status clade_json_parse(const char *text, size_t size, const char *what, const char **end,
                              cJSON **root);

/* Call this before building a tree ... */
void clade_json_begin(void);
/* ... and this after it: returns its text, repaired, to free with cJSON_free. NULL if memory was
 * short, also while building the tree: cJSON silently omits what it cannot add. */
char *clade_json_end(const cJSON *root);
/* Takes printed JSON, or NULL, and returns it with U+FFFD in place of invalid UTF-8, which cJSON
 * passes through; NULL: out of memory. */
char *clade_json_repair(char *text);
/* Add to an array, or to an object; free the item if it cannot be added. */
void clade_json_append(cJSON *array, cJSON *item);
void clade_json_put(cJSON *object, const char *key, cJSON *item);

#endif
