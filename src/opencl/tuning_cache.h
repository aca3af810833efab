/* Roof: the file in which a device's measured choices of algorithms are kept. */
#ifndef CLADE_OPENCL_TUNING_CACHE_H
#define CLADE_OPENCL_TUNING_CACHE_H

#include "opencl/context.h"

typedef struct opencl_tuning opencl_tuning;

/* Reads the file, or (`read` false) only finds where it is. A file that is damaged is as good as
 * none, and leaves a warning. Errors: ENOMEM. */
clade_status clade_opencl_tuning_open(opencl_context *cl, bool read, opencl_tuning **out);
void clade_opencl_tuning_close(opencl_tuning *tuning);
const char *clade_opencl_tuning_warning(const opencl_tuning *tuning);
/* The algorithm that was best for a call, of all or of those of exact mode's arithmetic; NULL: it
 * was not measured. */
const char *clade_opencl_tuned(const opencl_tuning *tuning, clade_op op, const clade_args *args,
                               bool exact);
/* Keeps what timings of a call gave (NULL: of matrix products in general). Errors: EIO, ENOMEM. */
clade_status clade_opencl_tuning_keep(const opencl_tuning *tuning, const clade_call *call,
                                      const clade_algorithm_timing *timings, size_t count);

#endif
