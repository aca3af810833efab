/* Saves the images of `clade predict` with their predictions as captions. */
#ifndef CLADE_TOOLS_PREDICT_SAVE_H
#define CLADE_TOOLS_PREDICT_SAVE_H

#include "image_files.h"

#include <clade/train.h>

typedef struct saved_images {
    const char *folder; /* NULL: nothing is saved, and the functions below do nothing */
    bool force;         /* existing files are replaced */
    char **path;        /* one per image, in the order of the files */
    size_t count, saved;
} saved_images;

/* Chooses a path for each file in the folder, which is created: its name, with the extension .jpg;
 * repeated names get a number, except the first. Errors: EINVAL (an image lies in the folder; a
 * file exists, and `force` is not set), EIO, ENOMEM. */
clade_status saved_images_plan(saved_images *saved, const image_files *files);
/* Writes file i with what p predicts as its caption; p has one number for each class. */
clade_status saved_images_write(saved_images *saved, const image_files *files, size_t i,
                                const clade_classifier *classifier, const float *p);
void saved_images_clear(saved_images *saved);

#endif
