/* How the results of `clade conform` are written. */
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

/* Writes to `to`. `verbose`: tables list every case, not only every op. */
clade_status conform_writer_create(conform_format format, bool verbose, FILE *to,
                                   conform_writer **out);
/* Takes a result, which is the writer's from then on. */
clade_status conform_writer_take(conform_writer *writer, conform_record *record,
                                 conform_verdict verdict);
/* Ends the first device's column of a table of support in Markdown; the results after it are the
 * second's. */
void conform_writer_column(conform_writer *writer);
/* Speeds of ops for the matrix in Markdown; `bench` must live until finish. */
void conform_writer_speeds(conform_writer *writer, const clade_bench *bench);
/* Writes what is left and the summary. */
clade_status conform_writer_finish(conform_writer *writer, const conform_totals *totals);
/* All that it took. */
const conform_row *conform_writer_rows(const conform_writer *writer, size_t *count);
void conform_writer_destroy(conform_writer **writer);

/* Makes room for one more of `size` bytes in an array of `count`. NULL: out of memory. */
void *conform_grow(void *array, size_t count, size_t *room, size_t size);

/* "native", … */
const char *conform_support_name(char support);

#endif
