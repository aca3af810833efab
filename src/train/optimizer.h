/* Optimizers at work: the state of one, and its step over the flat parameter buffer. */
#ifndef CLADE_TRAIN_OPTIMIZER_H
#define CLADE_TRAIN_OPTIMIZER_H

#include <clade/train.h>

/* The settings with Keras' defaults in place of zeros. */
clade_optimizer clade_optimizer_resolve(const clade_optimizer *settings);

typedef struct clade_updater clade_updater;

/* Updates w by the gradients g, two flat tensors of the same shape on this device. The moments
 * begin at zero. */
clade_status clade_updater_create(const clade_optimizer *settings, clade_device *device,
                                  const clade_tensor *w, const clade_tensor *g,
                                  clade_updater **out);
/* For a model's parameters, as the recipe says. `first`: the graph before something was unfrozen at
 * this step; NULL: nothing was. */
clade_status clade_updater_create_by(const clade_recipe *recipe, const clade_model *model,
                                     const clade_graph *first, uint64_t unfrozen_step,
                                     clade_updater **out);
/* A range of w with a rate of its own: the rate times `scale`, and steps counted from `began`. Of
 * LAMB each is a layer. */
typedef struct clade_updater_part {
    uint64_t first, count; /* elements */
    float scale;
    uint64_t began;
    bool spared;     /* weight decay is not for it */
    float l2;        /* 2 l2 w is added to its gradient, before that is clipped */
    int32_t columns; /* of a matrix for Muon; else 0 */
} clade_updater_part;
/* Divides w into parts, which must cover it in order; at first it is one, with scale 1. */
clade_status clade_updater_divide(clade_updater *updater, const clade_updater_part *parts,
                                  size_t count);
void clade_updater_destroy(clade_updater **updater);

/* Queues step t (from 1) at this rate: clips g by its norm if that is wanted, then one call over
 * all parameters. The rate and Adam's correction of the bias are computed in double. */
clade_status clade_updater_step(clade_updater *updater, double lr, uint64_t t);
/* The call that a step queues over all parameters. */
const clade_call *clade_updater_call(const clade_updater *updater);
enum { CLADE_MOST_MOMENTS = 3 };
/* What goes into checkpoints: the moments, and the average of w, each of w's shape. */
size_t clade_updater_moments(const clade_updater *updater, clade_tensor moment[CLADE_MOST_MOMENTS],
                             const char *name[CLADE_MOST_MOMENTS]);

/* Does it take its step element by element? Not if an element's depends on the norm of several. */
bool clade_updater_is_elementwise(const clade_updater *updater);
/* The tensors of its step: w, g, then what clade_updater_moments lists. */
enum { CLADE_UPDATER_TENSORS = 2 + CLADE_MOST_MOMENTS };
/* Of one that is element by element: another that takes the same steps for elements `first` to
 * `first + count` alone, on this device, where these buffers are its tensors; they are the
 * caller's, who keeps them as long. */
clade_status clade_updater_create_slice(const clade_updater *of, clade_device *device,
                                        clade_buffer *const memory[CLADE_UPDATER_TENSORS],
                                        uint64_t first, uint64_t count, clade_updater **out);

/* Is there an average of w? */
bool clade_updater_has_average(const clade_updater *updater);
/* From now on there is an average of w: an exponential moving one, of which each step keeps this
 * share, or where that is 0 one that is added to by hand. */
clade_status clade_updater_average(clade_updater *updater, float kept);
/* The average begins anew, as w. Does nothing where there is none, nor do the next three. */
clade_status clade_updater_begin_average(clade_updater *updater);
/* Makes w this share of it. */
clade_status clade_updater_add_to_average(clade_updater *updater, double share);
/* Puts the average in w's place, as it would be with this share of w, and w back. */
clade_status clade_updater_show_average(clade_updater *updater, double share);
clade_status clade_updater_hide_average(clade_updater *updater);

#endif
