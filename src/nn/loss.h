/* Losses: what they ask of a graph, and their calls. */
#ifndef CLADE_NN_LOSS_H
#define CLADE_NN_LOSS_H

#include "nn/build.h"

enum { CLADE_LOSS_WORDS = 3, CLADE_LOSS_OPTIONS = 3 };

/* All that others need to know of a loss. */
typedef struct clade_loss_rule {
    const char *word[CLADE_LOSS_WORDS]; /* in recipes: its name, then others or NULL */
    const char *activation[2];   /* the last layer's, either, which the loss computes itself; NULLs:
                                    any stays */
    int32_t outputs[2];          /* how many, at least and at most */
    const char *last;            /* such a last layer, for messages */
    const char *last_of_several; /* likewise, where an image has several labels: any number of
                                  * outputs; NULL: the loss is for one */
    const char *option[CLADE_LOSS_OPTIONS]; /* keys of its numbers, or NULL */
} clade_loss_rule;

/* By loss; CLADE_LOSS_NONE's is empty. */
extern const clade_loss_rule clade_loss_rules[CLADE_LOSSES];

/* Does the loss compute the last layer's activation itself? */
bool clade_loss_takes_activation(clade_loss loss);
/* Is it one of any number of labels of an image? Of numbers, not probabilities? */
bool clade_loss_takes_several(clade_loss loss);
bool clade_loss_takes_numbers(clade_loss loss);
/* With Keras' defaults where there is 0. */
clade_loss_numbers clade_loss_numbers_resolve(clade_loss loss, clade_loss_numbers numbers);

/* `several`: labels are probabilities of all outputs, any number of which may be 1. Errors: EINVAL,
 * with what the last layer is and what it should be, or that the loss is for one class. */
clade_status clade_loss_check(const clade_graph *graph, clade_loss loss, bool several);

/* From the last layer's y to losses (and to outputs, where the loss takes the activation). */
void clade_loss_forward(clade_build *build);
/* To the last layer's dy. */
void clade_loss_backward(clade_build *build);

#endif
