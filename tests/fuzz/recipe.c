/* Fuzz target: recipes with their variables, repeats and searches; what is read can be read again,
 * and settings of the search make a recipe or a plain error. */
#include <clade/tune.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int condition, const char *what, const char *text)
{
    if (condition) return;
    fprintf(stderr, "%s: %s\n%s\n", what, clade_error(), text);
    abort();
}

/* The first settings that a search tries. */
static void vary(const clade_recipe *recipe)
{
    clade_search_options options = {.method = CLADE_SEARCH_RANDOM, .seed = 1};
    clade_suggestion next;
    clade_recipe *varied;
    options.count = clade_recipe_tunables(recipe, &options.parameters);
    if (options.count == 0) return;
    expect(!clade_search_next(&options, NULL, 0, &next), "search", clade_recipe_source(recipe));
    if (!clade_recipe_vary(recipe, next.values, NULL, 0, &varied)) clade_recipe_destroy(&varied);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { most = 1 << 16 };
    if (size > most) return 0;
    char *text = malloc(size + 1);
    if (!text) return 0;
    memcpy(text, data, size);
    text[size] = 0;
    clade_recipe *recipe, *again;
    if (!clade_recipe_parse(text, "fuzz", &recipe)) {
        expect(!clade_recipe_parse(clade_recipe_text(recipe), "again", &again), "parse again",
               clade_recipe_text(recipe));
        expect(!strcmp(clade_recipe_text(recipe), clade_recipe_text(again)), "differs",
               clade_recipe_text(again));
        clade_recipe_destroy(&again);
        expect(!clade_recipe_parse(clade_recipe_source(recipe), "source", &again), "source",
               clade_recipe_source(recipe));
        expect(!strcmp(clade_recipe_text(recipe), clade_recipe_text(again)), "source differs",
               clade_recipe_text(again));
        clade_recipe_destroy(&again);
        vary(recipe);
        clade_recipe_destroy(&recipe);
    }
    free(text);
    return 0;
}
