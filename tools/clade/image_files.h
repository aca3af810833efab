/* The images that a command is given: files, folders, standard input. */
#ifndef CLADE_TOOLS_IMAGE_FILES_H
#define CLADE_TOOLS_IMAGE_FILES_H

#include <clade/ranks.h>

#include <stdbool.h>
#include <stddef.h>

typedef struct image_files {
    char **path;
    size_t count, room;
    size_t unread; /* files that are named like images and are none */
    void *bytes;   /* the image that is called "-": what standard input held; NULL: none is */
    size_t size;
} image_files;

/* Files as they are; of folders all that have the content of an image, in the order of their names,
 * links followed: what is none is said on standard error. "-" is an image on standard input, or the
 * names of files, one a line. With ranks (or NULL) the first one's list becomes everyone's. Errors:
 * EIO, EINVAL (no images at all), ENOMEM. */
clade_status image_files_list(char *const *arguments, int count, clade_ranks *ranks,
                              image_files *out);
void image_files_clear(image_files *files);

#endif
