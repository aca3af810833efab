/* Internals of calls as text: the parts of what clade/ops.h declares. */
#ifndef CLADE_OP_CALL_TEXT_H
#define CLADE_OP_CALL_TEXT_H

#include <clade/ops.h>

/* Splits a call's text after the op's name. Errors: EFORMAT. */
clade_status clade_call_split(const char *text, clade_op *op, const char **words);

/* Parses the words after the op's name. Slots that are not named stay absent, and shapes are not
 * checked. Errors: EFORMAT. */
clade_status clade_args_parse(clade_op op, const char *text, clade_args *args);

/* Returns a hash of the shapes and integer parameters, which determine the algorithm. */
uint64_t clade_call_hash(clade_op op, const clade_args *args);

#endif
