/* Trained classifiers that predict together, and the views of images that each predicts. */
#ifndef CLADE_TOOLS_ENSEMBLE_H
#define CLADE_TOOLS_ENSEMBLE_H

#include "command.h"

#include <clade/train.h>

typedef struct ensemble {
    clade_classifier *member[COMMAND_LIST_SIZE + 1]; /* the first one defines the order of the
                                                      * classes */
    const char *path[COMMAND_LIST_SIZE + 1];
    int32_t *place[COMMAND_LIST_SIZE + 1]; /* [classes]: maps those classes to the member's own */
    size_t count;
} ensemble;

#define ENSEMBLE_OPTIONS(with, views)                                                              \
    OPTION_LIST(                                                                                   \
        "with", "MODEL", with,                                                                     \
        "another model with the same classes, to average the probabilities of all; repeatable"),   \
        OPTION_TEXT("tta", "VIEWS", views,                                                         \
                    "average views of each image: flip, 5crop, 10crop, or a number of views from " \
                    "the recipe's augmentation")

/* Opens all of them, with these views (NULL: the images themselves). Errors: those of opening one;
 * EINVAL (other classes, a net without probabilities, unknown views). A zeroed ensemble may be
 * cleared; after a failure it must be. */
clade_status ensemble_open(const char *path, const command_list *with, const char *views,
                           clade_device *device, ensemble *out);
void ensemble_clear(ensemble *e);
/* Adds member k's predictions for n images, p [n, classes] in its own order, to the mean [n,
 * classes]. Member 0 initialises the mean; the last member completes it. */
void ensemble_add(const ensemble *e, size_t k, const float *p, size_t n, float *mean);

#endif
