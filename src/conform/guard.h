/* Guard zones: what lies around memory that an op is handed, and the workspace of a call that is
 * judged: exactly as much as was planned, between guard zones, and NaN before. */
#ifndef CLADE_CONFORM_GUARD_H
#define CLADE_CONFORM_GUARD_H

#include "conform/conform.h"

enum { conform_guard = 256 }; /* bytes of a guard zone, at least */

/* NaNs of many bit patterns: an element read by mistake spoils a sum, one written shows. */
void clade_guard_fill(unsigned char *to, size_t bytes);

/* Forbids or allows the host to touch bytes of a buffer, if an address sanitizer looks on and it is
 * the host's memory. */
void clade_guard_close(clade_buffer *buffer, size_t offset, size_t bytes);
void clade_guard_open(clade_buffer *buffer, size_t offset, size_t bytes);

/* Runs a prepared call and waits. What was written beyond its workspace sets `failure`. Errors: the
 * device's. */
clade_status clade_guarded_run(const clade_call *call, conform_failure *failure);

#endif
