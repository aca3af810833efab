/* Internals of the pickle machine: its input, values, stack and memo. */
#ifndef CLADE_WEIGHTS_PICKLE_STACK_H
#define CLADE_WEIGHTS_PICKLE_STACK_H

#include "weights/pickle.h"

enum {
    clade_pickle_most = 1 << 20, /* maximum number of values, and of entries of the memo and of the
                                  * stack */
    clade_pickle_block = 256,    /* values allocated at once */
    clade_pickle_window = 4096   /* bytes read at once */
};

typedef struct clade_pickle_values {
    struct clade_pickle_values *next;
    size_t used;
    clade_pickle_value value[clade_pickle_block];
} clade_pickle_values;

struct clade_pickle {
    const clade_blob *bytes;
    const char *const *globals;
    clade_pickle_values *block; /* of all values */
    size_t values, text_bytes, steps;
    uint64_t at, end; /* the next byte, and the end of the input */
    uint8_t window[clade_pickle_window];
    uint64_t window_at; /* position of the window's first byte */
    size_t window_size;
    clade_pickle_value **stack, **memo; /* NULL on the stack: a mark */
    size_t depth, stack_size, memo_count, memo_size;
    clade_pickle_value outside; /* a list of all of them */
};

/* Errors: damaged at the current byte; larger than the limit; out of memory. */
clade_status clade_pickle_damaged(const clade_pickle *p, const char *what);
clade_status clade_pickle_too_large(const clade_pickle *p);
clade_status clade_pickle_no_memory(const clade_pickle *p);

/* Reads the next `size` bytes. */
clade_status clade_pickle_take(clade_pickle *p, void *out, size_t size);

/* Creates a value, which belongs to the machine. */
clade_status clade_pickle_make(clade_pickle *p, clade_pickle_kind kind, clade_pickle_value **out);
clade_status clade_pickle_add_item(const clade_pickle *p, clade_pickle_value *to,
                                   clade_pickle_value *item);

/* NULL on the stack is a mark. */
clade_status clade_pickle_push(clade_pickle *p, clade_pickle_value *value);
/* Returns the value on top of the stack; NULL: there is none. */
clade_pickle_value *clade_pickle_top(const clade_pickle *p);
clade_status clade_pickle_pop(clade_pickle *p, clade_pickle_value **out);

#endif
