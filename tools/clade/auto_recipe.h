/* A recipe for images of which nothing is known. */
#ifndef CLADE_TOOLS_AUTO_RECIPE_H
#define CLADE_TOOLS_AUTO_RECIPE_H

#include "session.h"

enum { auto_recipe_most = 6 };

typedef struct auto_request {
    const session_source *source;
    const char *model; /* what backbone_option_read takes; NULL: the best that is at hand, if any */
    bool gpu;          /* there is one to compute on */
    int32_t size;      /* of images, that is asked for; 0: what suits them */
} auto_request;

typedef struct auto_choice {
    const char *recipe; /* which of the built-in ones */
    char about[1024];   /* in lines: what was chosen, and why */
} auto_choice;

/* Chooses a built-in recipe that suits the data, and appends edits of it, at most auto_recipe_most,
 * to be freed. Where a backbone's weights are at hand and images are as large as what it was
 * trained on, a head is trained on its features, else a small net from scratch. Errors: those of
 * clade_dataset_open, EINVAL where the model that is asked for has no name or no weights, ENOMEM.
 */
clade_status auto_recipe(const auto_request *request, char **edits, size_t *count,
                         auto_choice *out);

#endif
