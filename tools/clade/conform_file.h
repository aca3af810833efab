/* The results of `clade conform` in files for other programs. */
#ifndef CLADE_TOOLS_CONFORM_FILE_H
#define CLADE_TOOLS_CONFORM_FILE_H

#include "conform_format.h"

/* The name of the CSV's first column, which says of which form the names are. */
#define CONFORM_CSV_NAME "name_v"

/* Comma-separated values (RFC 4180), one line per case. */
void conform_write_csv(FILE *to, const conform_row *rows, size_t count);
/* JUnit's XML, with Surefire's element for flakes. */
void conform_write_junit(FILE *to, const conform_row *rows, size_t count,
                         const conform_totals *totals);

#endif
