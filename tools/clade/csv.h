/* Writing fields of comma-separated values (RFC 4180). */
#ifndef CLADE_TOOLS_CSV_H
#define CLADE_TOOLS_CSV_H

#include <stdio.h>

/* Writes part of a quoted field; the caller writes the quotes. */
void csv_part(FILE *to, const char *text);
void csv_quoted(FILE *to, const char *text);
/* Quotes the field only if needed. */
void csv_field(FILE *to, const char *text);

#endif
