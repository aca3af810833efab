/* Makes foreign names (of files, classes, recipes, layers) and error texts safe for a terminal or a
 * log. */
#ifndef CLADE_TOOLS_SHOWN_H
#define CLADE_TOOLS_SHOWN_H

#include <stdbool.h>
#include <stddef.h>

/* Returns the text itself, or a copy in which anything that could move the cursor, begin a line,
 * change the order of letters or is not UTF-8 is escaped: \n, \x1b, \u202e. Valid until sixteen
 * more calls; a long copy ends in an ellipsis. */
const char *shown(const char *text);
/* Returns a copy truncated to this many columns. */
const char *shown_start(const char *text, size_t columns);
/* Returns a shown text padded with blanks to this many columns, on the left with `right`; a wider
 * text is unchanged. */
const char *shown_cell(const char *text, size_t columns, bool right);
/* Returns the number of columns of a shown text: East Asian letters and emoji take two, marks
 * none. */
size_t shown_columns(const char *text);

#endif
