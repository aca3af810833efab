/* Formats the results of `clade conform`. */
#ifndef CLADE_TOOLS_CONFORM_FORMAT_H
#define CLADE_TOOLS_CONFORM_FORMAT_H

#include "conform_record.h"

#include <clade/bench.h>

#include <stdio.h>

typedef enum conform_format { CONFORM_TABLE, CONFORM_JSON, CONFORM_MARKDOWN } conform_format;

typedef struct conform_row {
    conform_record *record;
    conform_verdict verdict;
} conform_row;

typedef struct conform_writer conform_writer;

/* Creates a writer to `to`. `verbose`: tables list every case, not only every op. */
clade_status conform_writer_create(conform_format format, bool verbose, FILE *to,
                                   conform_writer **out);
/* Takes a result, which the writer then owns. */
clade_status conform_writer_take(conform_writer *writer, conform_record *record,
                                 conform_verdict verdict);
/* Ends the first device's column of a table of support in Markdown; later results are the
 * second's. */
void conform_writer_column(conform_writer *writer);
/* Sets the speeds of ops for the matrix in Markdown; `bench` must live until finish. */
void conform_writer_speeds(conform_writer *writer, const clade_bench *bench);
/* Writes the rest and the summary. */
clade_status conform_writer_finish(conform_writer *writer, const conform_totals *totals);
/* Returns all rows taken so far. */
const conform_row *conform_writer_rows(const conform_writer *writer, size_t *count);
void conform_writer_destroy(conform_writer **writer);

/* Grows an array of `count` elements of `size` bytes for one more. NULL: out of memory. */
void *conform_grow(void *array, size_t count, size_t *room, size_t size);

/* Returns "native", …. */
const char *conform_support_name(char support);

#endif
