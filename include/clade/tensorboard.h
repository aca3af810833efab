/* Event files for TensorBoard: numbers, images and histograms by step; the recipe. */
#ifndef CLADE_TENSORBOARD_H
#define CLADE_TENSORBOARD_H

#include <clade/recipe.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One event file, written to as things happen; TensorBoard may read it meanwhile. */
typedef struct clade_tensorboard clade_tensorboard;

/* Makes a new file events.out.tfevents.TIME.HOST.PID.NUMBER in `folder`, which is made if need be.
 * first_step > 0: training goes on from there, and TensorBoard shall forget what older files in the
 * folder say of this and later steps. Errors: EIO, ENOMEM. */
CLADE_API clade_status clade_tensorboard_create(const char *folder, int64_t first_step,
                                                clade_tensorboard **out);
/* What was written stays. */
CLADE_API void clade_tensorboard_destroy(clade_tensorboard **tensorboard);
CLADE_API const char *clade_tensorboard_path(const clade_tensorboard *tensorboard);

/* Each adds one event, complete in the file when the call returns. TensorBoard groups tags by what
 * stands before their first slash. Errors: EIO (also a full disk), ENOMEM, EINVAL; after an error
 * the file can still be read up to the event before. */
CLADE_API clade_status clade_tensorboard_scalar(clade_tensorboard *tensorboard, const char *tag,
                                                int64_t step, double value);
/* Pixels, uint8 height × width × channels (1: grey, 3: RGB); kept without loss. */
CLADE_API clade_status clade_tensorboard_image(clade_tensorboard *tensorboard, const char *tag,
                                               int64_t step, const uint8_t *hwc, int32_t height,
                                               int32_t width, int32_t channels);
/* How values are spread, in 30 bins of one width; those that are not finite are left out. */
CLADE_API clade_status clade_tensorboard_histogram(clade_tensorboard *tensorboard, const char *tag,
                                                   int64_t step, const float *values, size_t count);
/* The recipe as text, and its settings, but for those of layers, as hyperparameters, which
 * TensorBoard shows beside the last numbers of each run. */
CLADE_API clade_status clade_tensorboard_recipe(clade_tensorboard *tensorboard,
                                                const clade_recipe *recipe);
/* The run that these events are of is complete. */
CLADE_API clade_status clade_tensorboard_success(clade_tensorboard *tensorboard);

#ifdef __cplusplus
}
#endif
#endif
