/* A file of class names, one a line. */
#ifndef CLADE_TOOLS_CLASS_NAMES_H
#define CLADE_TOOLS_CLASS_NAMES_H

#include <clade/status.h>

#include <stdint.h>

typedef struct class_names {
    char **name;
    int32_t count;
} class_names;

/* The lines of the file, without spaces at their ends, in their order. Errors: EIO, ENOMEM; EFORMAT
 * where a line is empty or not UTF-8, or there is none. *out, zeroed before, is to be cleared
 * whatever comes of it. */
clade_status class_names_read(const char *path, class_names *out);
void class_names_clear(class_names *names);

#endif
