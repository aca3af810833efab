/* In which way a convolution or a dense layer is done: by rule, as asked for, or as measured and
 * kept on disk. */
#ifndef CLADE_OPENCL_CHOICE_H
#define CLADE_OPENCL_CHOICE_H

#include "opencl/opencl.h"

typedef enum opencl_way {
    OPENCL_DIRECT,   /* kernels that compute every result by itself */
    OPENCL_IMPLICIT, /* implicit matrix products, by the same arithmetic; for GPUs */
    OPENCL_WINOGRAD, /* Winograd's tiles */
    OPENCL_GEMM,     /* CLBlast's matrix products */
    OPENCL_WAYS
} opencl_way;

/* What a device's choices are made from; part of its context. */
typedef struct opencl_choices opencl_choices;

/* `way`: the option of that name, or NULL. Without it, reads what was kept where there is a choice;
 * a file that is damaged is as good as none, and leaves a warning. Errors: EINVAL (there is no such
 * way), EUNSUPPORTED (not in this build), ENOMEM. */
clade_status clade_opencl_choices_open(opencl_context *cl, const char *way);
void clade_opencl_choices_close(opencl_context *cl);

/* How a call is to be done. In exact mode its arithmetic is a function of shapes alone, and what
 * was asked for or measured decides between ways of one arithmetic only. Decided, and where need be
 * tried, when a call is met for the first time. */
opencl_way clade_opencl_way(opencl_context *cl, clade_op op, const clade_args *args);

/* For the backend's table. */
bool clade_opencl_choice(void *context, size_t i, clade_choice *out);
clade_status clade_opencl_choose(void *context, const clade_call *call,
                                 const clade_way_trial *trials, size_t count);
const char *clade_opencl_warning(void *context);

#endif
