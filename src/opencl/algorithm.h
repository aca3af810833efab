/* Roof: which algorithm a call is done by: by rule, as asked for, or as measured and kept on disk.
 */
#ifndef CLADE_OPENCL_ALGORITHM_H
#define CLADE_OPENCL_ALGORITHM_H

#include "opencl/ops.h"

/* What a device's choices are made from; part of its context. */
typedef struct opencl_choices opencl_choices;

/* `algorithm`: the option of that name, or NULL; without it what was measured decides. Errors:
 * EINVAL (there is no such algorithm), EUNSUPPORTED (not in this build), ENOMEM. */
clade_status clade_opencl_choices_open(opencl_context *cl, const char *algorithm);
void clade_opencl_choices_close(opencl_context *cl);

/* The algorithm for a call of an op that has several; NULL: those that could are excluded. In exact
 * mode its arithmetic is a function of shapes alone, and what was asked for or measured decides
 * between algorithms of one arithmetic only. */
const opencl_algorithm *clade_opencl_choose_algorithm(const opencl_context *cl, const opencl_op *op,
                                                      const clade_args *args);
/* The one that stands in for another one that cannot; or NULL, as above. */
const opencl_algorithm *clade_opencl_plain_algorithm(const opencl_context *cl, const opencl_op *op,
                                                     const clade_args *args);

/* Does the algorithm that the call would have in float32 take its tensors of 16 bits, and with
 * `fused` what goes with it? */
bool clade_opencl_algorithm_takes_halves(const opencl_context *cl, const opencl_op *op,
                                         const clade_args *args, bool fused);

/* For the backend's table. */
bool clade_opencl_choice(void *context, const clade_call *call, clade_algorithm_choice *out);
bool clade_opencl_exclude(void *context, const clade_call *call, const char *algorithm);
clade_status clade_opencl_choose(void *context, const clade_call *call,
                                 const clade_algorithm_timing *timings, size_t count);
const char *clade_opencl_warning(void *context);
clade_status clade_opencl_choices(void *context, char **out);

#endif
