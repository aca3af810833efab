/* Finding a learning rate: training with a rate that rises step by step (Smith 2017). */
#ifndef CLADE_LR_FIND_H
#define CLADE_LR_FIND_H

#include <clade/recipe.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clade_lr_find_options {
    double low, high; /* the first and the last rate; 0: 1e-7 and 10 */
    int32_t steps;    /* between the two; 0: 200 */
    int threads;      /* of the loader; 0: automatic */
    void *user;
    /* Called before each step, after `done` of `steps`. Returning true ends the search with
     * ECANCELLED. May be NULL. */
    bool (*stop)(void *user, int32_t done, int32_t steps);
} clade_lr_find_options;

/* A step: its rate, its batch's loss, and an exponential moving average of the losses (decay 0.98,
 * with bias correction). */
typedef struct clade_lr_point {
    double lr, loss, smoothed;
} clade_lr_point;

/* Trains a freshly initialised model of the recipe with exponentially rising rates, until the
 * average loss exceeds four times its minimum or is not a number. The model is discarded. `points`
 * has room for the steps and receives *count of them. *suggestion is the rate at which the average
 * falls fastest, over a twentieth of the steps before and after it, without the first tenth; 0: it
 * never falls. Errors: those of clade_train; EINVAL (rates or steps out of order,
 * train.sync_batchnorm with shards), ECANCELLED. */
CLADE_API clade_status clade_lr_find(const clade_recipe *recipe, clade_dataset *dataset,
                                     clade_device *device, const clade_lr_find_options *options,
                                     clade_lr_point *points, size_t *count, double *suggestion);
/* Returns the number of steps that these options mean. */
CLADE_API int32_t clade_lr_find_steps(const clade_lr_find_options *options);

/* Draws the losses against the rates as SVG. Errors: EIO, ENOMEM. */
CLADE_API clade_status clade_lr_find_draw(const clade_lr_point *points, size_t count,
                                          double suggestion, const char *path);

#ifdef __cplusplus
}
#endif
#endif
