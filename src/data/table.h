/* Tables as text: comma-, semicolon- or tab-separated values (RFC 4180), or words. */
#ifndef CLADE_DATA_TABLE_H
#define CLADE_DATA_TABLE_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>

enum { CLADE_TABLE_COLUMNS = 256 }; /* at most */

/* The reading position in a text, which is split into fields in place. */
typedef struct clade_table {
    const char *path, *place; /* place: the text before a row's number in messages */
    char *at, *end;
    char separator; /* ' ': any white space */
    size_t line;
} clade_table;

/* Returns the separator of the fields of the first line. */
char clade_table_separator(const char *text, const char *end);
/* Gives the fields of the next non-empty line, which begins at *line; *count 0: end of the table.
 * Errors: EFORMAT. */
clade_status clade_table_next(clade_table *table, char *fields[CLADE_TABLE_COLUMNS], size_t *count,
                              size_t *line);

#endif
