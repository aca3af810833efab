/* Sections of an inspection's page. */
#ifndef CLADE_REPORT_INSPECT_IMAGES_H
#define CLADE_REPORT_INSPECT_IMAGES_H

#include "report/page.h"

#include <clade/inspect.h>

extern const char *const clade_inspect_splits[CLADE_SPLITS]; /* train, validation, test */

/* Adds samples of each class, with a recipe also as training sees them, and duplicates side by
 * side. */
void clade_inspect_images(clade_page *page, const clade_inspection *in,
                          const clade_inspect_page *options);

#endif
