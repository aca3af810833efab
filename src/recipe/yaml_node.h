/* The contents of a YAML node, for the files that implement recipe/yaml.h. */
#ifndef CLADE_YAML_NODE_H
#define CLADE_YAML_NODE_H

#include "recipe/yaml.h"

#include <stdatomic.h>

/* The name at the start of a node's error texts, shared by all nodes of one source. */
typedef struct yaml_source {
    atomic_size_t users;
    bool lines; /* error texts give the line; false for assignments */
    char name[];
} yaml_source;

typedef struct yaml_member {
    char *key;             /* NULL in a list */
    uint32_t line, column; /* of the key */
    clade_yaml *value;
} yaml_member;

struct clade_yaml {
    clade_yaml_kind kind;
    bool quoted; /* a scalar that is text although it looks like a number, a boolean or null */
    bool flow;   /* a list or map that was written in brackets */
    uint32_t line, column;
    yaml_source *source; /* NULL: created in memory */
    char *text;          /* of a scalar */
    yaml_member *member; /* `count` of them, allocated for `room` */
    size_t count, room;
};

void clade_yaml_share_source(clade_yaml *node, yaml_source *source);
/* Adds a member to a list or map, and takes over key and value, also on failure. */
clade_status clade_yaml_add_member(clade_yaml *node, yaml_member member);

/* The meaning of plain (unquoted) text. */
bool clade_yaml_text_is_null(const char *text);
bool clade_yaml_text_is_bool(const char *text, bool *value);
/* Parses a decimal number or a fraction of two; the value is infinite if it is too large. */
bool clade_yaml_text_is_number(const char *text, double *value);

/* Returns the one of `count` words that `word` was probably meant to be; NULL if none is close. */
const char *clade_yaml_nearest(const char *word, const char *const *words, size_t count);

/* `text` without control characters, truncated to a length suitable for messages. */
typedef struct yaml_quote {
    char text[64];
} yaml_quote;
yaml_quote clade_yaml_quote(const char *text);

#endif
