/* clade recipes: the built-in ones. */
#include "json_print.h"
#include "session.h"

#include <string.h>

/* The comment that a recipe begins with, as one line. */
static void print_about(const char *const *line)
{
    for (; *line && **line == '#' && strncmp(*line, "#   ", 4); line++) { /* not its commands */
        int n = (int)strcspn(*line + 1, "\n");
        printf("%.*s", n, *line + 1);
    }
}

int command_recipes_list(int argc, char **argv)
{
    bool json = false;
    const command_option options[] = {
        OPTION_FLAG("json", &json, "print JSON"),
    };
    static const command_usage usage = {
        .name = "recipes list",
        .about = "Lists the built-in recipes and their purposes.",
        .example = "clade recipes list",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    cJSON *list = json ? cJSON_CreateArray() : NULL;
    for (const char *const *name = clade_recipe_names(); *name; name++) {
        if (json) {
            clade_json_append(list, cJSON_CreateString(*name));
            continue;
        }
        printf("%s\n ", *name);
        print_about(clade_recipe_lines(*name));
        printf("\n");
    }
    if (json) json_print(list, false);
    return COMMAND_OK;
}

int command_recipes_show(int argc, char **argv)
{
    static const command_usage usage = {
        .name = "recipes show",
        .arguments = "NAME",
        .least = 1,
        .most = 1,
        .about = "Prints a built-in recipe, so that you can save it to a file of your own.",
        .example = "clade recipes show photos > mine.yaml && clade train mine.yaml --data photos/",
    };
    int count;
    int done = command_parse(&usage, NULL, 0, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    const char *const *line = clade_recipe_lines(argv[1]);
    if (!line)
        return command_misuse("recipes show",
                              "unknown recipe '%s'; `clade recipes list` lists them", argv[1]);
    for (; *line; line++) fputs(*line, stdout);
    return COMMAND_OK;
}
