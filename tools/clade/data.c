/* clade data: rendered image sets, and the list of public ones. */
#include "datasets.h"
#include "json_print.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>

int command_data_make(int argc, char **argv)
{
    int64_t classes = 0, train = 0, validation = 0, size = 0, seed = 0;
    const command_option options[] = {
        OPTION_INTEGER("classes", "N", &classes, 2, 8, "number of classes; default: 4"),
        OPTION_INTEGER("train", "N", &train, 1, 100000, "training images per class; default: 250"),
        OPTION_INTEGER("validation", "N", &validation, 1, 100000,
                       "validation images per class; default: 50"),
        OPTION_INTEGER("size", "N", &size, 16, 1024, "side in pixels; default: 64"),
        OPTION_INTEGER("seed", "N", &seed, 0, 9007199254740992.0, "seed of the images"),
    };
    static const command_usage usage = {
        .name = "data make",
        .arguments = "DIR",
        .least = 1,
        .most = 1,
        .about =
            "Renders JPEG images of shapes in colours and textures, in folders for training and\n"
            "validation with one folder per class in each.",
        .example = "clade data make shapes --classes 6 --seed 1",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    const clade_shapes_options shapes = {.classes = (int32_t)classes,
                                         .train = (int32_t)train,
                                         .validation = (int32_t)validation,
                                         .size = (int32_t)size,
                                         .seed = (uint64_t)seed};
    if (clade_shapes_write(argv[1], &shapes)) return command_fail("data make");
    return COMMAND_OK;
}

/* --- the list --- */

/* Splits "word   value" of the list; false: a comment or an empty line. */
static bool split_line(const char *line, char word[16], const char **value)
{
    size_t n = strcspn(line, " \t\n");
    if (n == 0 || n >= 16 || line[0] == '#') return false;
    memcpy(word, line, n);
    word[n] = 0;
    *value = line + n + strspn(line + n, " \t");
    return true;
}

static void print_text(void)
{
    for (const char *const *line = dataset_lines; *line; line++) {
        char word[16];
        const char *value;
        if (!split_line(*line, word, &value)) continue;
        if (!strcmp(word, "name"))
            printf("%s%s\n", line == dataset_lines ? "" : "\n", value);
        else
            printf("  %-9s%s\n", word, value);
    }
    printf("\n"
           "`fetch-dataset NAME` downloads one, checks its size and checksum, and resumes an "
           "interrupted download.\n");
}

/* Words that follow `url` belong to that file. */
static void print_json(void)
{
    cJSON *root = cJSON_CreateArray(), *set = NULL, *file = NULL;
    for (const char *const *line = dataset_lines; *line; line++) {
        char word[16];
        const char *value;
        if (!split_line(*line, word, &value)) continue;
        if (!strcmp(word, "name")) {
            set = cJSON_CreateObject();
            file = NULL;
            clade_json_append(root, set);
        }
        if (!strcmp(word, "url")) {
            cJSON *files = cJSON_GetObjectItem(set, "files");
            if (!files) files = cJSON_AddArrayToObject(set, "files");
            file = cJSON_CreateObject();
            clade_json_append(files, file);
        }
        char *end;
        double number = strtod(value, &end);
        cJSON *to = file ? file : set;
        if (!strcmp(word, "bytes") && end != value && !*end)
            cJSON_AddNumberToObject(to, word, number);
        else
            cJSON_AddStringToObject(to, word, value);
    }
    json_print(root, false);
}

int command_data_list(int argc, char **argv)
{
    bool json = false;
    const command_option options[] = {
        OPTION_FLAG("json", &json, "print JSON"),
    };
    static const command_usage usage = {
        .name = "data list",
        .about = "Lists public data sets of images, with their contents, terms and addresses.",
        .example = "clade data list",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (json)
        print_json();
    else
        print_text();
    return COMMAND_OK;
}
