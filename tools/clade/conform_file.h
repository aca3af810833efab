/* Writes the results of `clade conform` to files for other programs. */
#ifndef CLADE_TOOLS_CONFORM_FILE_H
#define CLADE_TOOLS_CONFORM_FILE_H

#include "conform_format.h"

/* Name of the CSV's first column, which includes the version of the form of names. */
#define CONFORM_CSV_NAME "name_v"

/* Writes comma-separated values (RFC 4180), one line per case. */
void conform_write_csv(FILE *to, const conform_row *rows, size_t count);
/* Writes JUnit's XML, with Surefire's element for flakes. */
void conform_write_junit(FILE *to, const conform_row *rows, size_t count,
                         const conform_totals *totals);

#endif
