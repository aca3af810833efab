/* Compares two runs of `clade conform`. */
#ifndef CLADE_TOOLS_CONFORM_COMPARE_H
#define CLADE_TOOLS_CONFORM_COMPARE_H

/* Prints which cases were fixed, broke, are new or are missing from the one CSV file to the other.
 * Returns an exit status: 1 if something broke. */
int conform_compare(const char *before, const char *after);

#endif
