/* What a YAML node is made of; for the files that implement recipe/yaml.h. */
#ifndef CLADE_YAML_NODE_H
#define CLADE_YAML_NODE_H

#include "recipe/yaml.h"

#include <stdatomic.h>

/* The name that a node's error texts begin with, shared by the nodes that came from there. */
typedef struct yaml_source {
    atomic_size_t users;
    bool lines; /* error texts give the line: not of an assignment */
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
    yaml_source *source; /* NULL: made in memory */
    char *text;          /* of a scalar */
    yaml_member *member; /* `count` of them, room for `room` */
    size_t count, room;
};

void clade_yaml_share_source(clade_yaml *node, yaml_source *source);
/* Adds a member to a list or map and takes key and value, also when it fails. */
clade_status clade_yaml_add_member(clade_yaml *node, yaml_member member);

/* What plain (unquoted) text means. */
bool clade_yaml_text_is_null(const char *text);
bool clade_yaml_text_is_bool(const char *text, bool *value);
/* A decimal number or a fraction of two; the value may be infinite when it is too large. */
bool clade_yaml_text_is_number(const char *text, double *value);

/* Of `count` words the one that `word` was probably meant to be; NULL when none is near. */
const char *clade_yaml_nearest(const char *word, const char *const *words, size_t count);

/* `text` cut to a length that suits a message and without control characters. */
typedef struct yaml_quote {
    char text[64];
} yaml_quote;
yaml_quote clade_yaml_quote(const char *text);

#endif
