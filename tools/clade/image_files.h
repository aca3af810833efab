/* The images that a command is given: files, folders, archives, standard input. */
#ifndef CLADE_TOOLS_IMAGE_FILES_H
#define CLADE_TOOLS_IMAGE_FILES_H

#include <clade/data.h>
#include <clade/ranks.h>

#include <stdbool.h>
#include <stddef.h>

/* An image, in a file or in memory. */
typedef struct image_file {
    char *path;        /* in an archive ARCHIVE/NAME; "-": standard input */
    const void *bytes; /* NULL: they are in the file */
    size_t size;
} image_file;

typedef struct image_files {
    image_file *item;
    size_t count, room;
    size_t unread;           /* files that are named like images and are none */
    void *input;             /* the image on standard input; NULL: there is none */
    clade_archive **archive; /* that are open */
    size_t archives;
} image_files;

/* Files as they are; of folders and archives all that have the content of an image, in the order of
 * their names, links followed: what is none is said on standard error. "-" is an image on standard
 * input, or the names of files, one a line. With ranks (or NULL) the first one's list becomes
 * everyone's. Errors: EIO, EINVAL (no images at all), ENOMEM. */
clade_status image_files_list(char *const *arguments, int count, clade_ranks *ranks,
                              image_files *out);
void image_files_clear(image_files *files);

#endif
