/* Roof: the file in which a device's measured choices of algorithms are kept. */
#ifndef CLADE_OPENCL_TUNING_CACHE_H
#define CLADE_OPENCL_TUNING_CACHE_H

#include "opencl/family.h"

typedef struct opencl_tuning opencl_tuning;

/* Reads the file and what Clade comes with for the device's family, or (`read` false) only finds
 * where the file is. One that is damaged is as good as none, and leaves a warning. Errors: ENOMEM.
 */
clade_status clade_opencl_tuning_open(opencl_context *cl, bool read, opencl_tuning **out);
void clade_opencl_tuning_close(opencl_tuning *tuning);
const char *clade_opencl_tuning_warning(const opencl_tuning *tuning);
/* The algorithm that was best for a call, of all or of those of exact mode's arithmetic; NULL: it
 * was not measured. */
const char *clade_opencl_tuned(const opencl_tuning *tuning, clade_op op, const clade_args *args,
                               bool exact);
/* Takes over what was shipped for a family, for calls of which nothing is known yet; false: not all
 * of it can be understood. */
bool clade_opencl_tuning_take(opencl_context *cl, opencl_tuning *tuning,
                              const opencl_shipped *shipped);
/* A device's family, and for how many calls there are choices. */
void clade_opencl_tuning_describe(cl_platform_id platform, cl_device_id device,
                                  clade_device_info *info);
/* The file's text, to be freed. Errors: EUNSUPPORTED where there is none; EFORMAT, EIO, ENOMEM. */
clade_status clade_opencl_tuning_text(const opencl_tuning *tuning, const char *label, char **out);
/* Keeps what timings of a call gave (NULL: of matrix products in general). Errors: EIO, ENOMEM. */
clade_status clade_opencl_tuning_keep(const opencl_tuning *tuning, const clade_call *call,
                                      const clade_algorithm_timing *timings, size_t count);

#endif
