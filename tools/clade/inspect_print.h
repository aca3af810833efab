/* Prints an inspection as text and as JSON. */
#ifndef CLADE_TOOLS_INSPECT_PRINT_H
#define CLADE_TOOLS_INSPECT_PRINT_H

#include <clade/inspect.h>

/* For people: tables with bars. Lists at most `listed` pairs of duplicates and files. */
void inspect_print_text(const clade_inspection *in, const char *path, size_t listed);
/* For programs: everything, but at most `listed` pairs of duplicates. */
void inspect_print_json(const clade_inspection *in, const char *path, size_t listed);

#endif
