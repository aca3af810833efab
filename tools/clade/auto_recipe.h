/* A recipe for images of which nothing is known. */
#ifndef CLADE_TOOLS_AUTO_RECIPE_H
#define CLADE_TOOLS_AUTO_RECIPE_H

#include "session.h"

enum { auto_recipe_most = 3 };

/* Appends edits of the built-in recipe `photos` that suit the data, at most auto_recipe_most, to be
 * freed: the size of the images, and what cannot be done to grey ones. `about` says in a line what
 * was chosen. Errors: those of clade_dataset_open, ENOMEM. */
clade_status auto_recipe(const session_source *source, char **edits, size_t *count,
                         char about[256]);

#endif
