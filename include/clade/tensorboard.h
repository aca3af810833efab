/* Event files for TensorBoard: numbers, images, histograms and recipes. */
#ifndef CLADE_TENSORBOARD_H
#define CLADE_TENSORBOARD_H

#include <clade/recipe.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One event file. TensorBoard may read it while it is written. */
typedef struct clade_tensorboard clade_tensorboard;

/* Creates a new file events.out.tfevents.TIME.HOST.PID.NUMBER in `folder`, which is created if
 * needed. first_step > 0: training continues from this step, and TensorBoard shall ignore what
 * older files in the folder say about it and later ones. Errors: EIO, ENOMEM. */
CLADE_API clade_status clade_tensorboard_create(const char *folder, int64_t first_step,
                                                clade_tensorboard **out);
/* Closes the file, which remains. */
CLADE_API void clade_tensorboard_destroy(clade_tensorboard **tensorboard);
CLADE_API const char *clade_tensorboard_path(const clade_tensorboard *tensorboard);

/* Each adds one event, which is completely in the file when the call returns. TensorBoard groups
 * tags by the part before their first slash. Errors: EIO (also a full disk), ENOMEM, EINVAL; after
 * an error the file can still be read up to the previous event. */
CLADE_API clade_status clade_tensorboard_scalar(clade_tensorboard *tensorboard, const char *tag,
                                                int64_t step, double value);
/* Pixels, uint8 height × width × channels (1: grey, 3: RGB), stored losslessly. */
CLADE_API clade_status clade_tensorboard_image(clade_tensorboard *tensorboard, const char *tag,
                                               int64_t step, const uint8_t *hwc, int32_t height,
                                               int32_t width, int32_t channels);
/* The distribution of values, in 30 bins of equal width; values that are not finite are left
 * out. */
CLADE_API clade_status clade_tensorboard_histogram(clade_tensorboard *tensorboard, const char *tag,
                                                   int64_t step, const float *values, size_t count);
/* The recipe as text, and its settings except those of layers as hyperparameters, which TensorBoard
 * shows beside the last numbers of each run. */
CLADE_API clade_status clade_tensorboard_recipe(clade_tensorboard *tensorboard,
                                                const clade_recipe *recipe);
/* Marks the run of these events as complete. */
CLADE_API clade_status clade_tensorboard_success(clade_tensorboard *tensorboard);

#ifdef __cplusplus
}
#endif
#endif
