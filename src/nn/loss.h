/* Losses: what they ask of a graph, and their calls. */
#ifndef CLADE_NN_LOSS_H
#define CLADE_NN_LOSS_H

#include "nn/build.h"

/* Does the loss compute the last layer's activation itself? */
bool clade_loss_takes_activation(clade_loss loss);

/* Errors: EINVAL, with what the last layer is and what it should be. */
clade_status clade_loss_check(const clade_graph *graph, clade_loss loss);

/* From the last layer's y to losses (and to outputs, where the loss takes the activation). */
void clade_loss_forward(clade_build *build);
/* To the last layer's dy. */
void clade_loss_backward(clade_build *build);

#endif
