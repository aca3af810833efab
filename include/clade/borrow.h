/* CPU buffers in memory that the caller owns. */
#ifndef CLADE_BORROW_H
#define CLADE_BORROW_H

#include <clade/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Wraps `memory` in a buffer. The memory must live until the buffer is given back; do not destroy
 * the buffer. Errors: ENOMEM; EUNSUPPORTED for a device other than the CPU. */
CLADE_API clade_status clade_buffer_borrow(clade_device *cpu, void *memory, size_t bytes,
                                           clade_buffer **out);
CLADE_API void clade_buffer_give_back(clade_buffer **buffer);

/* Moves the contents of a CPU buffer, not a borrowed one, to `memory` of the same size, which stays
 * the caller's; NULL moves them back to memory of the buffer's own. Prepared calls stay valid.
 * Errors, after which the contents are where they were: ENOMEM, EUNSUPPORTED as above. */
CLADE_API clade_status clade_buffer_move(clade_buffer *buffer, void *memory);

#ifdef __cplusplus
}
#endif
#endif
