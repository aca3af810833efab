/* The running statistics that a model's training steps change. */
#ifndef CLADE_NN_RUNNING_H
#define CLADE_NN_RUNNING_H

#include <clade/model.h>

typedef struct clade_running {
    clade_tensor value;
    float momentum; /* a step makes it fma(momentum, value, what the images gave) */
} clade_running;

/* In the order of the calls; `out` is the caller's to free. */
clade_status clade_running_list(const clade_model *model, clade_running **out, size_t *count);

#endif
