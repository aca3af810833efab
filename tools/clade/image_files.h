/* The images given to a command: files, folders, archives, standard input. */
#ifndef CLADE_TOOLS_IMAGE_FILES_H
#define CLADE_TOOLS_IMAGE_FILES_H

#include <clade/data.h>
#include <clade/ranks.h>

#include <stdbool.h>
#include <stddef.h>

/* An image, in a file or in memory. */
typedef struct image_file {
    char *path;        /* in an archive ARCHIVE/NAME; "-": standard input */
    const void *bytes; /* NULL: in the file */
    size_t size;
} image_file;

typedef struct image_files {
    image_file *item;
    size_t count, room;
    size_t unread;           /* number of files with an image's name but not its content */
    void *input;             /* the image on standard input; NULL: there is none */
    clade_archive **archive; /* the open archives */
    size_t archives;
} image_files;

/* Lists the images: files as they are; in folders and archives all files with the content of an
 * image, in the order of their names, following links. Reports files that are not images on
 * standard error. "-" is an image on standard input, or the names of files, one per line. With
 * ranks (or NULL), all use the first rank's list. Errors: EIO, EINVAL (no images at all),
 * ENOMEM. */
clade_status image_files_list(char *const *arguments, int count, clade_ranks *ranks,
                              image_files *out);
void image_files_clear(image_files *files);

#endif
