/* Calls as text: "dense_dw x=32x3136 dy=32x512 dw=3136x512 db=512 accumulate=0". */
#ifndef CLADE_OP_CALL_TEXT_H
#define CLADE_OP_CALL_TEXT_H

#include <clade/ops.h>

enum { CLADE_CALL_TEXT_SIZE = 512 };

/* The op, the shapes of the tensors that are there, and the parameters that are whole numbers and
 * not 0. Other parameters are not in it. */
const char *clade_call_text(clade_op op, const clade_args *args, char text[CLADE_CALL_TEXT_SIZE]);

/* The way back; the shapes are checked by the op's rule. Buffers are not set, other parameters 0.
 * Errors: EFORMAT, EINVAL. */
clade_status clade_call_parse(const char *text, clade_call *call);

/* A number for all that the text tells. */
uint64_t clade_call_hash(clade_op op, const clade_args *args);

#endif
