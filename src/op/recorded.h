/* A call that lies in a folder, as a verification keeps it or a reduction has written it: `call`,
 * and SLOT.in.npy of what it reads. */
#ifndef CLADE_OP_RECORDED_H
#define CLADE_OP_RECORDED_H

#include <clade/ops.h>

/* Errors: EIO; EFORMAT where it is no call, or its shapes are wrong. */
clade_status clade_recorded_call(const char *folder, clade_call *call);
/* What is there of a slot: a block of the tensor's shape, to be freed; NULL: nothing. Errors: EIO;
 * EFORMAT where it has another shape; ENOMEM. */
clade_status clade_recorded_slot(const char *folder, const char *slot, const clade_tensor *shape,
                                 void **block);

#endif
