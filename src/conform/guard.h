/* Guard zones around the memory that an op receives. The workspace of a judged call is exactly as
 * large as planned, lies between guard zones, and is NaN before. */
#ifndef CLADE_CONFORM_GUARD_H
#define CLADE_CONFORM_GUARD_H

#include "conform/conform.h"

enum { conform_guard = 256 }; /* minimum size of a guard zone in bytes */

/* Fills memory with NaNs of many bit patterns: an element read by mistake spoils a sum, and one
 * written shows. */
void clade_guard_fill(unsigned char *to, size_t bytes);

/* Forbid or allow the host access to bytes of a buffer, if an address sanitizer is active and it is
 * the host's memory. */
void clade_guard_close(clade_buffer *buffer, size_t offset, size_t bytes);
void clade_guard_open(clade_buffer *buffer, size_t offset, size_t bytes);

/* Runs a prepared call and waits. Writes beyond its workspace set `failure`. Errors: the
 * device's. */
clade_status clade_guarded_run(const clade_call *call, conform_failure *failure);

#endif
