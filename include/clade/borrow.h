/* Buffers of the CPU in memory that stays the caller's. */
#ifndef CLADE_BORROW_H
#define CLADE_BORROW_H

#include <clade/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `memory`, which lives until the buffer is given back, not destroyed. Errors: ENOMEM; EUNSUPPORTED
 * for a device that is not the CPU. */
CLADE_API clade_status clade_buffer_borrow(clade_device *cpu, void *memory, size_t bytes,
                                           clade_buffer **out);
CLADE_API void clade_buffer_give_back(clade_buffer **buffer);

/* Moves what is in a buffer of the CPU to `memory` of as many bytes, which stays the caller's, or
 * with NULL back to memory of its own; not of a borrowed buffer. Calls that are prepared go on.
 * Errors, after which it lies where it did: ENOMEM, EUNSUPPORTED as above. */
CLADE_API clade_status clade_buffer_move(clade_buffer *buffer, void *memory);

#ifdef __cplusplus
}
#endif
#endif
