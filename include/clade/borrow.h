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

#ifdef __cplusplus
}
#endif
#endif
