/* clade new: writes a recipe to edit. */
#define _POSIX_C_SOURCE 200809L
#include "auto_recipe.h"
#include "shown.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct new_request {
    session_source source;
    const char *file, *from, *model;
    const char *recipe; /* that the new one is made of */
    char *edits[session_source_most + auto_recipe_most + 1];
    size_t edit_count;
    auto_choice choice;
} new_request;

/* What a section is for, as a comment above it. */
static const struct {
    const char *key, *about;
} sections[] = {
    {"input", "The size to which images are resized, and the range of their values."},
    {"augment", "Random changes to each training image, each time it is used, up to these limits."},
    {"backbone",
     "The pretrained network. freeze: all trains only the layers in `model`; unfreeze: N\n"
     "# also trains the network from epoch N on, best with a low lr_scale."},
    {"vars", "Variables, used as $NAME; --set NAME=VALUE changes them."},
    {"model", "The layers, in order; `units: classes` means one unit per class."},
    {"data", "Where the images are, and the share to use for validation."},
    {"train", "early_stopping ends training after this many epochs without improvement."},
    {"tune", "The settings that `clade tune` searches."},
    {"compare", "The backbones that `clade compare` compares."},
};

static void write_text(const new_request *r, const char *text, FILE *to)
{
    fprintf(to,
            "# A recipe based on `%s`. Every key is in docs/recipe-keys.md.\n"
            "#   clade train %s%s\n",
            shown(r->recipe), shown(r->file), r->source.data ? "" : " --data FOLDER");
    for (const char *line = text; *line;) {
        int n = (int)strcspn(line, "\n");
        for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
            size_t length = strlen(sections[i].key);
            if (!strncmp(line, sections[i].key, length) && line[length] == ':')
                fprintf(to, "\n# %s\n", sections[i].about);
        }
        fprintf(to, "%.*s\n", n, line);
        line += n + (line[n] == '\n');
    }
}

static clade_status write_file(const new_request *r, const char *text)
{
    FILE *to = fopen(r->file, "wx");
    if (!to && errno == EEXIST)
        return clade_fail(CLADE_EINVAL, "%s: already exists; expected a new file", r->file);
    if (!to) return clade_fail(CLADE_EIO, "%s: cannot write: %s", r->file, strerror(errno));
    write_text(r, text, to);
    bool bad = ferror(to);
    if (fclose(to) || bad) {
        unlink(r->file);
        return clade_fail(CLADE_EIO, "%s: cannot write: %s", r->file, strerror(errno));
    }
    return CLADE_OK;
}

static clade_status has_gpu(bool *out)
{
    clade_device_info *info;
    size_t count;
    char note[256];
    clade_status status = clade_devices_list(&info, &count, note);
    *out = false;
    if (status) return status;
    for (size_t i = 0; i < count; i++) *out |= !info[i].unusable[0] && !info[i].cpu_like;
    free(info);
    return CLADE_OK;
}

static clade_status choose(new_request *r)
{
    auto_request request = {.source = &r->source, .model = r->model};
    clade_status status = has_gpu(&request.gpu);
    if (!status) status = auto_recipe(&request, r->edits, &r->edit_count, &r->choice);
    if (!status) r->recipe = r->choice.recipe;
    return status;
}

/* "folder/mine.yaml" → "name='mine'", to be freed. */
static char *name_edit(const char *file)
{
    const char *slash = strrchr(file, '/');
    char *stem = strdup(slash ? slash + 1 : file), *edit = NULL;
    if (!stem) return NULL;
    char *dot = strrchr(stem, '.');
    if (dot && dot > stem) *dot = 0;
    edit = session_text_edit("name", stem);
    free(stem);
    return edit;
}

static clade_status make(new_request *r)
{
    clade_recipe *recipe = NULL;
    clade_status status = r->recipe ? CLADE_OK : choose(r);
    if (status) return status;
    char *name = name_edit(r->file);
    if (name) r->edits[r->edit_count++] = name;
    if (!name || !session_source_edits(&r->source, r->edits, &r->edit_count))
        return clade_fail(CLADE_ENOMEM, "out of memory");
    status = clade_recipe_read(r->recipe, (const char *const *)r->edits, r->edit_count, &recipe);
    if (!status) status = write_file(r, clade_recipe_source(recipe));
    clade_recipe_destroy(&recipe);
    return status;
}

int command_new(int argc, char **argv)
{
    new_request r = {.file = "recipe.yaml"};
    const command_option options[] = {
        OPTION_TEXT("from", "RECIPE", &r.from,
                    "start from this recipe of `clade recipes list`, or from a file; default: what "
                    "suits the data, or photos without data"),
        SESSION_SOURCE_OPTIONS(&r.source),
        OPTION_TEXT("model", "NAME[=FILE]", &r.model,
                    "start from this pretrained network: a name from `clade weights list`, with or "
                    "without a file of weights, or NET.onnx"),
    };
    static const command_usage usage = {
        .name = "new",
        .arguments = "[FILE]",
        .least = 0,
        .most = 1,
        .about =
            "Writes a commented recipe to a new file, by default recipe.yaml: the recipe that\n"
            "`clade train --data` would choose for these images, or the one that --from names.",
        .example = "clade new mine.yaml --data photos/\n"
                   "  clade new --from cats-dogs-dropout",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (count) r.file = argv[1];
    if (r.model && (r.from || !r.source.data))
        return command_misuse("new", "--model requires --data, without --from");
    r.recipe = r.from ? r.from : r.source.data ? NULL : "photos";
    clade_status status = make(&r);
    for (size_t i = 0; i < r.edit_count; i++) free(r.edits[i]);
    if (status) return command_fail("new");
    if (r.choice.recipe) fputs(r.choice.about, stderr);
    printf("%s\n", r.file);
    return COMMAND_OK;
}
