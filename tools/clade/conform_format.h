/* How the results of `clade conform` are written. */
#ifndef CLADE_TOOLS_CONFORM_FORMAT_H
#define CLADE_TOOLS_CONFORM_FORMAT_H

#include <clade/bench.h>
#include <clade/conform.h>

#include <stdio.h>

typedef enum conform_format {
    CONFORM_TABLE,
    CONFORM_JSON,
    CONFORM_CSV,
    CONFORM_JUNIT,
    CONFORM_MARKDOWN
} conform_format;

/* One writer per format. begin and end may do nothing. */
typedef struct conform_writer conform_writer;

/* Writes to `to`. `verbose`: tables list every case, not only every op. */
clade_status conform_writer_create(conform_format format, bool verbose, FILE *to,
                                   conform_writer **out);
/* A clade_conform_sink; `user` is the writer. */
clade_status conform_writer_take(void *user, const clade_conform_result *result);
/* Ends the first device's column of a table of support in Markdown; the results after it are the
 * second's. */
void conform_writer_column(conform_writer *writer);
/* Speeds of ops for the matrix in Markdown; `bench` must live until finish. */
void conform_writer_speeds(conform_writer *writer, const clade_bench *bench);
/* Writes what is left and the summary. */
clade_status conform_writer_finish(conform_writer *writer, const clade_conform_summary *summary);
void conform_writer_destroy(conform_writer **writer);

#endif
