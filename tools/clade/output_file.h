/* A file that a subcommand writes with stdio, and that is there whole or not at all. */
#ifndef CLADE_TOOLS_OUTPUT_FILE_H
#define CLADE_TOOLS_OUTPUT_FILE_H

#include "base/file.h"

#include <stdio.h>

typedef struct output_file {
    clade_file_writer writer;
    FILE *to; /* write to it and look at no result: output_close does */
} output_file;

/* Errors: those of clade_file_writer_open. */
clade_status output_open(output_file *file, const char *path);

/* Puts what was written in the place of the file at that path. Errors: EIO, also where an earlier
 * write has failed; that file is then as it was. */
clade_status output_close(output_file *file);

#endif
