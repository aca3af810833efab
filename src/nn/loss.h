/* Losses: their requirements on a graph, and their calls. */
#ifndef CLADE_NN_LOSS_H
#define CLADE_NN_LOSS_H

#include "nn/build.h"

enum { CLADE_LOSS_WORDS = 3, CLADE_LOSS_OPTIONS = 3 };

/* Everything about a loss. */
typedef struct clade_loss_rule {
    const char *word[CLADE_LOSS_WORDS]; /* in recipes: its name, then aliases or NULL */
    const char *activation[2];   /* what the last layer must have, either; the loss computes it
                                  * itself. NULLs: any, which stays */
    int32_t outputs[2];          /* minimum and maximum number */
    const char *last;            /* description of such a last layer, for messages */
    const char *last_of_several; /* the same for images with several labels: any number of outputs;
                                  * NULL: one label only */
    const char *option[CLADE_LOSS_OPTIONS]; /* keys of its parameters, or NULL */
} clade_loss_rule;

/* Indexed by loss; CLADE_LOSS_NONE's is empty. */
extern const clade_loss_rule clade_loss_rules[CLADE_LOSSES];

/* Returns whether the loss computes the last layer's activation itself. */
bool clade_loss_takes_activation(clade_loss loss);
/* Return whether an image may have any number of labels; whether labels are numbers, not
 * probabilities. */
bool clade_loss_takes_several(clade_loss loss);
bool clade_loss_takes_numbers(clade_loss loss);
/* Returns the parameters with Keras' defaults in place of 0. */
clade_loss_numbers clade_loss_numbers_resolve(clade_loss loss, clade_loss_numbers numbers);

/* Checks the graph's last layer. `several`: labels are probabilities of all outputs, any number of
 * which may be 1. Errors: EINVAL, saying what the last layer is and what it should be, or that the
 * loss is for one class. */
clade_status clade_loss_check(const clade_graph *graph, clade_loss loss, bool several);

/* Adds the calls from the last layer's y to losses (and to outputs, if the loss computes the
 * activation). */
void clade_loss_forward(clade_build *build);
/* Adds the calls to the last layer's dy. */
void clade_loss_backward(clade_build *build);

#endif
