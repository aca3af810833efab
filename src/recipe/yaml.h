/* A YAML document as a tree, for recipes and run folders: parsing, reading, editing, writing.
 *
 * Supports a subset of YAML: maps with unique text keys, lists, scalars and null. Anchors, aliases,
 * tags and several documents in one file are refused. Every node knows its file, line and column,
 * and every error text begins with them ("recipe.yaml:7: lr: expected a positive number, found
 * 'abc'"). */
#ifndef CLADE_YAML_H
#define CLADE_YAML_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits of a document. */
enum { clade_yaml_max_bytes = 4 << 20, clade_yaml_max_nodes = 100000, clade_yaml_max_depth = 64 };

typedef enum clade_yaml_kind {
    CLADE_YAML_NULL,
    CLADE_YAML_SCALAR,
    CLADE_YAML_LIST,
    CLADE_YAML_MAP
} clade_yaml_kind;

/* A node with all its descendants. A node inside a list or map belongs to that list or map; the
 * caller owns the root. */
typedef struct clade_yaml clade_yaml;

/* --- Reading and writing --- */

/* Parses UTF-8 (or UTF-16) text; `name` stands for it in error texts. An empty document is null.
 * Errors: EFORMAT, ENOMEM. */
clade_status clade_yaml_parse(const void *text, size_t size, const char *name, clade_yaml **out);
/* Does the same from a file. Errors also: EIO. */
clade_status clade_yaml_read(const char *path, clade_yaml **out);
void clade_yaml_destroy(clade_yaml **node);

/* Writes the tree as YAML text that parses to an equal tree; the caller frees *text. Maps and lists
 * keep their original style, as far as they fit on a line. Errors: ENOMEM, EINVAL (text that is not
 * UTF-8 or contains characters that YAML cannot express). */
clade_status clade_yaml_emit(const clade_yaml *node, char **text, size_t *size);
/* Does the same to a file, replaced atomically. */
clade_status clade_yaml_write(const clade_yaml *node, const char *path);

/* --- Looking at it --- */

clade_yaml_kind clade_yaml_kind_of(const clade_yaml *node);
uint32_t clade_yaml_line(const clade_yaml *node);   /* from 1; 0: not from a file */
uint32_t clade_yaml_column(const clade_yaml *node); /* from 1; 0: not from a file */
size_t clade_yaml_count(const clade_yaml *node);    /* members of a list or map; else 0 */
clade_yaml *clade_yaml_item(const clade_yaml *node, size_t i); /* i < count */
const char *clade_yaml_key(const clade_yaml *map, size_t i);   /* i < count */
clade_yaml *clade_yaml_find(const clade_yaml *map,
                            const char *key);        /* NULL: no such key, or not a map */
const char *clade_yaml_text(const clade_yaml *node); /* of a scalar; else NULL */
/* Returns whether kinds, keys and their order, texts and meanings are equal; positions may
 * differ. */
bool clade_yaml_equal(const clade_yaml *a, const clade_yaml *b);

/* Sets the error text to "file:line: " and the formatted text and returns `status`. */
clade_status clade_yaml_fail(const clade_yaml *node, clade_status status, const char *format, ...)
    CLADE_PRINTF(3, 4);

/* Checks that every key of the map is one of the `count` known ones; else EINVAL with the key's
 * position and the nearest known key. A null counts as an empty map. `what` names the map in the
 * error text for other nodes. */
clade_status clade_yaml_check_keys(const clade_yaml *map, const char *what,
                                   const char *const *known, size_t count);

/* --- Values: of one node. `what` names it in the error text. All fail with EINVAL. --- */

/* Reads a decimal number or a fraction of two (1/255) that float32 can represent. */
clade_status clade_yaml_as_number(const clade_yaml *node, const char *what, double *out);
/* Reads a decimal integer within [low, high]. */
clade_status clade_yaml_as_int(const clade_yaml *node, const char *what, int64_t low, int64_t high,
                               int64_t *out);
clade_status clade_yaml_as_bool(const clade_yaml *node, const char *what, bool *out);
/* Reads any scalar; the string belongs to the node. */
clade_status clade_yaml_as_text(const clade_yaml *node, const char *what, const char **out);
/* Reads one of `count` words: gives its index. */
clade_status clade_yaml_as_word(const clade_yaml *node, const char *what, const char *const *words,
                                size_t count, size_t *out);
/* Checks the kind of the node. */
clade_status clade_yaml_expect(const clade_yaml *node, const char *what, clade_yaml_kind kind);

/* The range of numbers that clade_yaml_get_number accepts. */
typedef enum clade_yaml_range {
    CLADE_YAML_ANY,
    CLADE_YAML_POSITIVE,     /* > 0 */
    CLADE_YAML_NOT_NEGATIVE, /* >= 0 */
    CLADE_YAML_FRACTION,     /* 0 <= x <= 1 */
    CLADE_YAML_RATE          /* 0 <= x < 1: for dropout, for momentum */
} clade_yaml_range;
clade_status clade_yaml_in_range(const clade_yaml *node, const char *what, clade_yaml_range range,
                                 double *out);

/* --- Values: of a map's key. A key that is missing or null leaves *out as it was. --- */

clade_status clade_yaml_get_number(const clade_yaml *map, const char *key, clade_yaml_range range,
                                   double *out);
clade_status clade_yaml_get_int(const clade_yaml *map, const char *key, int64_t low, int64_t high,
                                int64_t *out);
clade_status clade_yaml_get_bool(const clade_yaml *map, const char *key, bool *out);
clade_status clade_yaml_get_text(const clade_yaml *map, const char *key, const char **out);
clade_status clade_yaml_get_word(const clade_yaml *map, const char *key, const char *const *words,
                                 size_t count, size_t *out);
/* Gives the list or map below a key; *out stays NULL if it is missing or null. */
clade_status clade_yaml_get_node(const clade_yaml *map, const char *key, clade_yaml_kind kind,
                                 const clade_yaml **out);
/* Fails unless the key exists and is not null. */
clade_status clade_yaml_require(const clade_yaml *map, const char *key, const clade_yaml **out);

/* --- Making and editing. A function that takes `value` owns it from then on, also when it fails;
 * so constructors may be passed straight in: a NULL value gives ENOMEM. --- */

clade_yaml *clade_yaml_create(clade_yaml_kind kind);  /* empty; NULL: out of memory */
clade_yaml *clade_yaml_create_text(const char *text); /* a string, whatever it looks like */
clade_yaml *clade_yaml_create_number(double value);   /* the shortest text that parses to the
                                                       * value */
clade_yaml *clade_yaml_create_int(int64_t value);
clade_yaml *clade_yaml_create_bool(bool value);
clade_status clade_yaml_copy(const clade_yaml *node, clade_yaml **out);

/* Adds a member, or replaces the one of that key. */
clade_status clade_yaml_put(clade_yaml *map, const char *key, clade_yaml *value);
clade_status clade_yaml_append(clade_yaml *list, clade_yaml *value);

/* Sets the value at a path of keys and list positions ("model.3.dropout"). Maps that are missing or
 * null on the way are created; a position must exist. EINVAL, and nothing changes, if the path runs
 * into a scalar, past the end of a list or too deep. */
clade_status clade_yaml_set(clade_yaml *root, const char *path, clade_yaml *value);
/* Does the same from one "path=value", as on a command line; the value is YAML. Errors about the
 * value, now or when it is read later, name the assignment in place of a file. */
clade_status clade_yaml_assign(clade_yaml *root, const char *assignment);

#endif
