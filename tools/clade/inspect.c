/* clade inspect: what a data set holds, and what is wrong with it. */
#include "inspect_print.h"
#include "session.h"

typedef struct request {
    const char *validation, *recipe;
    command_list set;
    int64_t threads, distance, list;
    double similarity;
    bool json;
} request;

/* As training would open it, but what is wrong shall be listed. */
static clade_status open_data(const request *r, const char *path, const clade_recipe *recipe,
                              clade_dataset **out)
{
    clade_data_options options = {.height = 64, .width = 64};
    if (recipe) options = *clade_recipe_data(recipe);
    options.path = path;
    if (r->validation) options.validation = r->validation;
    options.lenient = true;
    return clade_dataset_open(&options, out);
}

static clade_status inspect(const request *r, const clade_dataset *dataset, clade_inspection **out)
{
    session_watcher w = session_watch_start(NULL);
    const clade_inspect_options options = {.hash_distance = (int32_t)r->distance,
                                           .similarity = r->similarity,
                                           .threads = (int)r->threads,
                                           .progress = session_watch,
                                           .user = &w};
    clade_status status = clade_inspect(dataset, &options, out);
    session_watch_end(&w);
    return status;
}

static int run(const request *r, const char *path)
{
    clade_recipe *recipe = NULL;
    clade_dataset *dataset = NULL;
    clade_inspection *inspection = NULL;
    clade_status status = CLADE_OK;
    if (r->recipe) status = clade_recipe_read(r->recipe, r->set.item, r->set.count, &recipe);
    if (!status) status = open_data(r, path, recipe, &dataset);
    if (!status) status = inspect(r, dataset, &inspection);
    if (!status && r->json)
        inspect_print_json(inspection, path);
    else if (!status)
        inspect_print_text(inspection, path, (size_t)r->list);
    clade_inspection_destroy(&inspection);
    clade_dataset_destroy(&dataset);
    clade_recipe_destroy(&recipe);
    return status ? command_fail("inspect") : COMMAND_OK;
}

int command_inspect(int argc, char **argv)
{
    request r = {.list = 10};
    const command_option options[] = {
        OPTION_TEXT("validation", "PATH", &r.validation,
                    "the validation pictures, if they lie apart"),
        OPTION_TEXT("recipe", "RECIPE", &r.recipe,
                    "a recipe whose splits and channels are used, as in training"),
        OPTION_LIST("set", "KEY=VALUE", &r.set, "change the recipe; may be given several times"),
        OPTION_INTEGER("hash-distance", "BITS", &r.distance, -1, 15,
                       "near duplicates: compare where hashes differ in so many of 64 bits "
                       "(default 11; -1: no near ones)"),
        OPTION_REAL("similarity", "X", &r.similarity, 0, 1,
                    "near duplicates: list from this likeness on (default 0.75)"),
        OPTION_INTEGER("list", "N", &r.list, 0, 1000000000,
                       "name so many duplicates and files of each kind (default 10)"),
        OPTION_INTEGER("threads", "N", &r.threads, 0, 4096, "default: one per processor"),
        OPTION_FLAG("json", &r.json, "print JSON, everything named"),
    };
    static const command_usage usage = {
        .name = "inspect",
        .arguments = "DATA",
        .least = 1,
        .most = 1,
        .about = "Looks at every picture of a data set (folder, archive, CIFAR or IDX files): "
                 "classes,\nsizes, formats, means, duplicates within and across splits, damage.",
        .example = "clade inspect photos.zip\n"
                   "  clade inspect train.zip --validation validation.zip --json",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (r.set.count && !r.recipe) return command_misuse("inspect", "--set needs --recipe");
    return run(&r, argv[1]);
}
