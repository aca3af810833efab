/* Which algorithm a convolution or a dense layer uses: by rule, as asked for, or as measured and
 * kept on disk. */
#ifndef CLADE_OPENCL_ALGORITHM_H
#define CLADE_OPENCL_ALGORITHM_H

#include "opencl/opencl.h"

typedef enum opencl_algorithm {
    OPENCL_DIRECT,   /* kernels that compute every result by itself */
    OPENCL_IMPLICIT, /* implicit matrix products, by the same arithmetic; for GPUs */
    OPENCL_WINOGRAD, /* Winograd's tiles */
    OPENCL_GEMM,     /* CLBlast's matrix products */
    OPENCL_ALGORITHMS
} opencl_algorithm;

/* What a device's choices are made from; part of its context. */
typedef struct opencl_choices opencl_choices;

/* `algorithm`: the option of that name, or NULL. Without it, reads what was kept where there is a
 * choice; a file that is damaged is as good as none, and leaves a warning. Errors: EINVAL (there is
 * no such algorithm), EUNSUPPORTED (not in this build), ENOMEM. */
clade_status clade_opencl_choices_open(opencl_context *cl, const char *algorithm);
void clade_opencl_choices_close(opencl_context *cl);

/* How a call is to be done. In exact mode its arithmetic is a function of shapes alone, and what
 * was asked for or measured decides between algorithms of one arithmetic only. Decided, and where
 * need be tried, when a call is met for the first time. */
opencl_algorithm clade_opencl_algorithm(opencl_context *cl, clade_op op, const clade_args *args);

/* For the backend's table. */
bool clade_opencl_choice(void *context, size_t i, clade_algorithm_choice *out);
clade_status clade_opencl_choose(void *context, const clade_call *call,
                                 const clade_algorithm_timing *timings, size_t count);
const char *clade_opencl_warning(void *context);

#endif
