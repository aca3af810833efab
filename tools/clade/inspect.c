/* clade inspect: what a data set holds, and what is wrong with it. */
#include "inspect_print.h"
#include "session.h"
#include "shown.h"
#include "status_line.h"

typedef struct inspect_request {
    session_place place;
    session_source source;
    const char *recipe, *html;
    command_list set;
    int64_t distance, list, samples, pairs, seed;
    double similarity;
    bool json, force;
} inspect_request;

/* As training would open it, but what is wrong shall be listed. */
static clade_status open_data(const inspect_request *r, const char *path,
                              const clade_recipe *recipe, clade_dataset **out)
{
    clade_data_options options = {.height = 64, .width = 64};
    if (recipe) options = *clade_recipe_data(recipe);
    options.path = path;
    if (r->source.validation) options.validation = r->source.validation;
    if (r->source.label_pattern) options.label_pattern = r->source.label_pattern;
    if (r->source.labels) options.labels = r->source.labels;
    if (r->source.label_columns) options.label_columns = r->source.label_columns;
    if (!recipe && options.labels) {
        clade_status status =
            clade_labels_guess(options.labels, options.label_columns, &options.task);
        if (status) return status;
    }
    options.lenient = true;
    return session_list_data(&options, out);
}

static bool watch(void *user, size_t done, size_t total)
{
    (void)user;
    if (done < total)
        status_line_wait("Reading images", done, total, NULL);
    else
        status_line_wait("Comparing images", 0, 0, NULL);
    return true;
}

static clade_status inspect(const inspect_request *r, const clade_dataset *dataset,
                            clade_inspection **out)
{
    const clade_inspect_options options = {.hash_distance = (int32_t)r->distance,
                                           .similarity = r->similarity,
                                           .threads = (int)r->place.threads,
                                           .progress = watch};
    clade_status status = clade_inspect(dataset, &options, out);
    status_line_clear();
    return status;
}

static clade_status write_page(const inspect_request *r, const clade_inspection *in,
                               const char *path, const clade_recipe *recipe)
{
    clade_device *device = NULL;
    clade_status status = recipe ? session_open_device(&r->place, &device) : CLADE_OK;
    const clade_inspect_page page = {.title = path,
                                     .samples = (int32_t)r->samples,
                                     .pairs = (int32_t)r->pairs,
                                     .seed = (uint64_t)r->seed,
                                     .recipe = recipe,
                                     .device = device};
    if (!status) status = clade_inspection_write(in, &page, r->html);
    clade_device_close(&device);
    return status;
}

static int run(const inspect_request *r, const char *path)
{
    clade_recipe *recipe = NULL;
    clade_dataset *dataset = NULL;
    clade_inspection *inspection = NULL;
    clade_status status = CLADE_OK;
    if (r->recipe) status = clade_recipe_read(r->recipe, r->set.item, r->set.count, &recipe);
    if (!status) status = open_data(r, path, recipe, &dataset);
    if (!status && r->html) status = session_check_new(r->html, r->force);
    if (!status) status = inspect(r, dataset, &inspection);
    if (!status && r->html) status = write_page(r, inspection, path, recipe);
    if (!status && r->json)
        inspect_print_json(inspection, path, r->list < 0 ? 1000 : (size_t)r->list);
    else if (!status)
        inspect_print_text(inspection, path, r->list < 0 ? 10 : (size_t)r->list);
    if (!status && r->html && !r->json) printf("\nSaved in %s\n", shown(r->html));
    clade_inspection_destroy(&inspection);
    clade_dataset_destroy(&dataset);
    clade_recipe_destroy(&recipe);
    return status ? command_fail("inspect") : COMMAND_OK;
}

int command_inspect(int argc, char **argv)
{
    inspect_request r = {.place = {.math = session_math_default}, .list = -1};
    const command_option options[] = {
        SESSION_SOURCE_OPTIONS(&r.source),
        OPTION_TEXT("recipe", "RECIPE", &r.recipe,
                    "use this recipe's splits and channels, and show on the page what training "
                    "with it sees"),
        OPTION_LIST("set", "KEY=VALUE", &r.set, "change a key of the recipe; repeatable"),
        OPTION_INTEGER("hash-distance", "BITS", &r.distance, -1, 15,
                       "near duplicates: compare images whose hashes differ in at most BITS of 64 "
                       "bits (default: 11; -1: none)"),
        OPTION_REAL("similarity", "X", &r.similarity, 0, 1,
                    "near duplicates: list pairs of at least this similarity (default: 0.75, or "
                    "more if images are alike by chance)"),
        OPTION_INTEGER("list", "N", &r.list, 0, 1000000000,
                       "list N pairs of duplicates, and N files of each kind (default: 10; with "
                       "--json 1000, and all files)"),
        OPTION_TEXT("html", "FILE", &r.html, "also write a page with images, as a single file"),
        SESSION_FORCE_OPTION(&r.force),
        OPTION_INTEGER("samples", "N", &r.samples, 1, 1000, "page: images per class (default: 10)"),
        OPTION_INTEGER("pairs", "N", &r.pairs, 1, 100000,
                       "page: pairs of duplicates (default: 60)"),
        OPTION_INTEGER("seed", "N", &r.seed, 0, 9007199254740992.0,
                       "page: seed that chooses the images"),
        SESSION_PLACE_OPTIONS(&r.place),
        OPTION_FLAG("json", &r.json, "print JSON"),
    };
    static const command_usage usage = {
        .name = "inspect",
        .arguments = "[DATA]",
        .least = 0,
        .most = 1,
        .about =
            "Reads every image of a data set (folder, archive, CIFAR or IDX files) and reports\n"
            "classes, sizes, formats, means, duplicates within and across splits, and damaged\n"
            "files.",
        .example = "clade inspect photos.zip\n"
                   "  clade inspect photos.zip --recipe cats-dogs-64 --html photos.html\n"
                   "  clade inspect train.zip --validation validation.zip --json",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (r.set.count && !r.recipe) return command_misuse("inspect", "--set requires --recipe");
    if (!r.html && (r.samples || r.pairs || r.seed))
        return command_misuse("inspect", "--samples, --pairs and --seed require --html");
    if ((count == 1) == (r.source.data != NULL))
        return command_misuse("inspect", "expected one folder or archive, as DATA or --data PATH");
    return run(&r, count ? argv[1] : r.source.data);
}
