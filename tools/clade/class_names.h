/* A file of class names, one per line. */
#ifndef CLADE_TOOLS_CLASS_NAMES_H
#define CLADE_TOOLS_CLASS_NAMES_H

#include <clade/status.h>

#include <stdint.h>

typedef struct class_names {
    char **name;
    int32_t count;
} class_names;

/* Reads the lines of the file in order, without trailing spaces. Errors: EIO,
 * ENOMEM; EFORMAT if a line is empty or not UTF-8, or if there are none. *out must be zeroed
 * before, and cleared in any case. */
clade_status class_names_read(const char *path, class_names *out);
void class_names_clear(class_names *names);

#endif
