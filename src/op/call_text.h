/* Calls as text, inside: the parts of what clade/ops.h declares. */
#ifndef CLADE_OP_CALL_TEXT_H
#define CLADE_OP_CALL_TEXT_H

#include <clade/ops.h>

/* Cuts a call's text behind the op's name. Errors: EFORMAT. */
clade_status clade_call_split(const char *text, clade_op *op, const char **words);

/* The words behind the op's name. Absent slots stay so, and shapes are not checked. Errors:
 * EFORMAT.
 */
clade_status clade_args_parse(clade_op op, const char *text, clade_args *args);

/* A number for the shapes and the parameters that are whole numbers, on which algorithms rest. */
uint64_t clade_call_hash(clade_op op, const clade_args *args);

#endif
