/* A call in a folder, kept by a verification or written by a reduction: `call`, and SLOT.in.npy for
 * each input. */
#ifndef CLADE_OP_RECORDED_H
#define CLADE_OP_RECORDED_H

#include <clade/ops.h>

/* Reads the call. Errors: EIO; EFORMAT if it is not a call, or its shapes are wrong. */
clade_status clade_recorded_call(const char *folder, clade_call *call);
/* Reads a slot's file: a block of the tensor's shape, which the caller frees; NULL: there is none.
 * Errors: EIO; EFORMAT if it has another shape; ENOMEM. */
clade_status clade_recorded_slot(const char *folder, const char *slot, const clade_tensor *shape,
                                 void **block);

#endif
