/* A file that a subcommand writes with stdio, and that appears completely or not at all. */
#ifndef CLADE_TOOLS_OUTPUT_FILE_H
#define CLADE_TOOLS_OUTPUT_FILE_H

#include "base/file.h"

#include <stdio.h>

typedef struct output_file {
    clade_file_writer writer;
    FILE *to; /* write to it without checking for errors: output_close does */
} output_file;

/* Opens the file. Errors: those of clade_file_writer_open. */
clade_status output_open(output_file *file, const char *path);

/* Replaces the file at that path with what was written. Errors: EIO, also if an earlier write
 * failed; that file is then unchanged. */
clade_status output_close(output_file *file);

#endif
