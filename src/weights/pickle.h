/* Python pickles as PyTorch writes them, turned into values. Nothing is imported or called: what a
 * pickle would call stays a value that says so, and only for names that the caller expects. */
#ifndef CLADE_WEIGHTS_PICKLE_H
#define CLADE_WEIGHTS_PICKLE_H

#include "weights/blob.h"

#include <stdbool.h>

typedef enum clade_pickle_kind {
    CLADE_PICKLE_NONE, /* also floats and whole numbers beyond 64 bits */
    CLADE_PICKLE_BOOL,
    CLADE_PICKLE_INT,
    CLADE_PICKLE_TEXT,
    CLADE_PICKLE_TUPLE,
    CLADE_PICKLE_LIST,
    CLADE_PICKLE_DICT,   /* items: keys and values in turn */
    CLADE_PICKLE_GLOBAL, /* text: "module.name" */
    CLADE_PICKLE_CALL,   /* items: its arguments */
    CLADE_PICKLE_OUTSIDE /* "persistent": what lies outside of the pickle; one item: its name */
} clade_pickle_kind;

/* A value; values may be part of several others, and of themselves. */
typedef struct clade_pickle_value {
    clade_pickle_kind kind;
    int64_t number;   /* BOOL, INT */
    const char *text; /* without zeros */
    struct clade_pickle_value **item;
    size_t count, capacity;
    const struct clade_pickle_value *function; /* CALL: a global */
    const struct clade_pickle_value *state;    /* CALL: what it was given afterwards; or NULL */
} clade_pickle_value;

typedef struct clade_pickle clade_pickle;

/* `globals`, NULL at the end: the names that may occur; a name that ends in '.' stands for all that
 * begin so. `bytes` and `globals` must stay. */
clade_status clade_pickle_create(const clade_blob *bytes, const char *const *globals,
                                 clade_pickle **out);
/* Reads the pickle at *at, which must end before `end`; *at is then where it has ended. The value
 * belongs to the reader, and so do those of pickles before. Errors: EFORMAT (damaged), EUNSUPPORTED
 * (a name or an opcode that does not occur in files of tensors; too large), EIO, ENOMEM. */
clade_status clade_pickle_load(clade_pickle *p, uint64_t *at, uint64_t end,
                               const clade_pickle_value **out);
void clade_pickle_destroy(clade_pickle **p);

/* A list of all values of kind OUTSIDE that were read. */
const clade_pickle_value *clade_pickle_outside(const clade_pickle *p);

bool clade_pickle_is(const clade_pickle_value *value, clade_pickle_kind kind);
/* The value under a text as key; NULL: none, or no dict. */
const clade_pickle_value *clade_pickle_find(const clade_pickle_value *dict, const char *key);

#endif
