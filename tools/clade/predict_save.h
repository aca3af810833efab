/* Images that `clade predict` keeps, with what it says of them below. */
#ifndef CLADE_TOOLS_PREDICT_SAVE_H
#define CLADE_TOOLS_PREDICT_SAVE_H

#include "image_files.h"

#include <clade/train.h>

typedef struct saved_images {
    const char *folder; /* NULL: none are kept, and all below does nothing */
    bool force;         /* files that are there are replaced */
    char **path;        /* of each image's, in the order of the files */
    size_t count, saved;
} saved_images;

/* Chooses a path for each file: its name, ending in .jpg, in the folder, which is made; of files of
 * one name all but the first get a number. Errors: EINVAL (an image lies in the folder; a file is
 * there already, and no `force`), EIO, ENOMEM. */
clade_status saved_images_plan(saved_images *saved, const image_files *files);
/* Writes file i with the most probable of its classes; p: one number for each class. */
clade_status saved_images_write(saved_images *saved, const image_files *files, size_t i,
                                const clade_classifier *classifier, const float *p);
void saved_images_clear(saved_images *saved);

#endif
