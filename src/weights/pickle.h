/* Parses Python pickles as PyTorch writes them into values. Nothing is imported or called: a call
 * stays a value that describes it, and only the names that the caller expects are accepted. */
#ifndef CLADE_WEIGHTS_PICKLE_H
#define CLADE_WEIGHTS_PICKLE_H

#include "weights/blob.h"

#include <stdbool.h>

typedef enum clade_pickle_kind {
    CLADE_PICKLE_NONE, /* also floats and integers beyond 64 bits */
    CLADE_PICKLE_BOOL,
    CLADE_PICKLE_INT,
    CLADE_PICKLE_TEXT,
    CLADE_PICKLE_TUPLE,
    CLADE_PICKLE_LIST,
    CLADE_PICKLE_DICT,   /* items: keys and values alternately */
    CLADE_PICKLE_GLOBAL, /* text: "module.name" */
    CLADE_PICKLE_CALL,   /* items: its arguments */
    CLADE_PICKLE_OUTSIDE /* "persistent": stored outside of the pickle; one item: its name */
} clade_pickle_kind;

/* A value. Values may be part of several others, and of themselves. */
typedef struct clade_pickle_value {
    clade_pickle_kind kind;
    int64_t number;   /* BOOL, INT */
    const char *text; /* contains no zero bytes */
    struct clade_pickle_value **item;
    size_t count, capacity;
    const struct clade_pickle_value *function; /* CALL: a global */
    const struct clade_pickle_value *state;    /* CALL: the state set afterwards; or NULL */
} clade_pickle_value;

typedef struct clade_pickle clade_pickle;

/* `globals`, ended by NULL: the names that are accepted; a name that ends in '.' accepts all names
 * that begin so. `bytes` and `globals` must stay valid. */
clade_status clade_pickle_create(const clade_blob *bytes, const char *const *globals,
                                 clade_pickle **out);
/* Reads the pickle at *at, which must end before `end`, and sets *at to its end. The reader owns
 * the value, and the values of earlier pickles. Errors: EFORMAT (damaged), EUNSUPPORTED (a name or
 * an opcode that does not occur in files of tensors; too large), EIO, ENOMEM. */
clade_status clade_pickle_load(clade_pickle *p, uint64_t *at, uint64_t end,
                               const clade_pickle_value **out);
void clade_pickle_destroy(clade_pickle **p);

/* Returns a list of all values of kind OUTSIDE that were read. */
const clade_pickle_value *clade_pickle_outside(const clade_pickle *p);

bool clade_pickle_is(const clade_pickle_value *value, clade_pickle_kind kind);
/* Returns the value under a text key; NULL: none, or not a dict. */
const clade_pickle_value *clade_pickle_find(const clade_pickle_value *dict, const char *key);

#endif
