/* Fields of comma-separated values (RFC 4180). */
#ifndef CLADE_TOOLS_CSV_H
#define CLADE_TOOLS_CSV_H

#include <stdio.h>

/* A part of a field in quotes, which the caller writes. */
void csv_part(FILE *to, const char *text);
void csv_quoted(FILE *to, const char *text);
/* In quotes only where it needs them. */
void csv_field(FILE *to, const char *text);

#endif
