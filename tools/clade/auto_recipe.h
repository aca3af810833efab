/* Chooses a recipe for images of which nothing is known. */
#ifndef CLADE_TOOLS_AUTO_RECIPE_H
#define CLADE_TOOLS_AUTO_RECIPE_H

#include "session.h"

enum { auto_recipe_most = 6 };

typedef struct auto_request {
    const session_source *source;
    const char *model; /* what backbone_option_read accepts; NULL: the best one available, if any */
    bool gpu;          /* there is one to compute on */
    int32_t size;      /* requested size of images; 0: automatic */
} auto_request;

typedef struct auto_choice {
    const char *recipe; /* name of a built-in recipe */
    char about[1024];   /* lines on what was chosen, and why */
} auto_choice;

/* Chooses a built-in recipe that suits the data, and appends edits of it, at most auto_recipe_most,
 * which the caller frees. If a backbone's weights are available and images are as large as those it
 * was trained on, a head is trained on its features; else a small net from scratch. Errors: those
 * of clade_dataset_open, EINVAL if the requested model has no such name or no weights, ENOMEM. */
clade_status auto_recipe(const auto_request *request, char **edits, size_t *count,
                         auto_choice *out);

#endif
