/* From uint8 images to a model's input: upload, affine sampling, scaling. */
#ifndef CLADE_TRAIN_SAMPLER_H
#define CLADE_TRAIN_SAMPLER_H

#include <clade/train.h>

typedef struct clade_sampler clade_sampler;

/* n images: `pixels` of [h, w, c] each or, where they are resident, `index` [n]; the rest as in
 * clade_batch, NULL: the images as they are. */
typedef struct clade_sampled {
    const uint8_t *const *pixels;
    const int32_t *index;
    const float *matrix, *steps;
    const int32_t *erase;
    const clade_chain *chains;
} clade_sampled;

/* Fills the input of `model`. `resident`: the split's images [images, h, w, c] that lie on the
 * device already; NULL: every batch brings its own. `augment`: NULL: none. */
clade_status clade_sampler_create(const clade_model *model,
                                  const clade_preprocessing *preprocessing,
                                  const clade_augment *augment, const clade_tensor *resident,
                                  clade_sampler **out);
void clade_sampler_destroy(clade_sampler **sampler);

/* Plans the calls for n images, so that a run of as many need not. */
clade_status clade_sampler_prepare(clade_sampler *sampler, int32_t n);
/* Queues the first n images of a batch. With an augmentation that mixes, image i of `others` is
 * what image i is mixed with. */
clade_status clade_sampler_run(clade_sampler *sampler, int32_t n, const clade_sampled *images,
                               const clade_sampled *others, const clade_mix *mix);

#endif
