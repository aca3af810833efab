/* From uint8 images to a model's input: upload, affine sampling, scaling. */
#ifndef CLADE_TRAIN_SAMPLER_H
#define CLADE_TRAIN_SAMPLER_H

#include <clade/train.h>

typedef struct clade_sampler clade_sampler;

/* Fills the input of `model`. `resident`: the split's images [images, h, w, c] that lie on the
 * device already; NULL: every batch brings its own. Fill mode and value are the augmentation's
 * (NULL: nearest). */
clade_status clade_sampler_create(const clade_model *model,
                                  const clade_preprocessing *preprocessing,
                                  const clade_augment *augment, const clade_tensor *resident,
                                  clade_sampler **out);
void clade_sampler_destroy(clade_sampler **sampler);

/* Plans the call for n images, so that a run of as many need not. */
clade_status clade_sampler_prepare(clade_sampler *sampler, int32_t n);
/* Queues the first n images of a batch. `pixels`: n of [h, w, c] or, with resident images,
 * `index` [n]; `matrix` [n, 8] of clade_augment_matrix; NULL: the images as they are. */
clade_status clade_sampler_run(clade_sampler *sampler, int32_t n, const uint8_t *const *pixels,
                               const int32_t *index, const float *matrix);

#endif
