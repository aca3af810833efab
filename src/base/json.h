/* JSON with cJSON, which tells short memory from bad text or a complete tree only by errno. */
#ifndef CLADE_BASE_JSON_H
#define CLADE_BASE_JSON_H

#include <clade/status.h>

#include <cjson/cJSON.h>
#include <stddef.h>

/* Reads `size` bytes into a tree to be deleted. Errors: EFORMAT, whose message names `what` and the
 * byte; ENOMEM. On error *root is NULL. *end, where `end` is given, is where the JSON ends, or is
 * none any more. */
clade_status clade_json_parse(const char *text, size_t size, const char *what, const char **end,
                              cJSON **root);

/* To be called before a tree is built ... */
void clade_json_begin(void);
/* ... and after: its text, repaired, to be freed with cJSON_free. NULL when memory was short, for
 * the tree too: what cannot be added to a tree is left out of it without a word. */
char *clade_json_end(const cJSON *root);
/* Takes printed JSON, or NULL, and gives it back with U+FFFD for bytes that are no UTF-8, which
 * cJSON passes on as they are; NULL: out of memory. */
char *clade_json_repair(char *text);
/* Adds to an array, or to an object; frees what cannot be added. */
void clade_json_append(cJSON *array, cJSON *item);
void clade_json_put(cJSON *object, const char *key, cJSON *item);

#endif
