/* Names from outside (of files, classes, recipes, layers) and error texts, on their way to a
 * terminal or a log. */
#ifndef CLADE_TOOLS_SHOWN_H
#define CLADE_TOOLS_SHOWN_H

#include <stdbool.h>
#include <stddef.h>

/* The text itself, or a copy in which what could move the cursor, begin a line, change the order of
 * letters or is no UTF-8 is written out: \n, \x1b, \u202e. Good until sixteen more; a long copy
 * ends in an ellipsis. */
const char *shown(const char *text);
/* As many columns of it as that, as a copy. */
const char *shown_start(const char *text, size_t columns);
/* A shown text filled up with blanks to so many columns, in front with `right`; a wider one stays.
 */
const char *shown_cell(const char *text, size_t columns, bool right);
/* How many columns it takes, as it is shown: letters of East Asia and emoji two, marks none. */
size_t shown_columns(const char *text);

#endif
