/* The running statistics that a model's training steps update. */
#ifndef CLADE_NN_RUNNING_H
#define CLADE_NN_RUNNING_H

#include <clade/model.h>

typedef struct clade_running {
    clade_tensor value;
    float momentum; /* a step sets it to fma(momentum, value, the images' contribution) */
} clade_running;

/* Lists them in the order of the calls; the caller frees `out`. */
clade_status clade_running_list(const clade_model *model, clade_running **out, size_t *count);

#endif
