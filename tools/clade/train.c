/* clade train: from a recipe and images to a trained classifier. */
#define _XOPEN_SOURCE 700
#include "auto_recipe.h"
#include "interrupt.h"
#include "memory.h"
#include "session.h"
#include "shown.h"
#include "status_line.h"
#include "together.h"
#include "train_watch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct train_request {
    session_place place;
    session_source source;
    session_training training;
    const char *recipe, *model, *out, *resume, *cache, *memory, *tensorboard, *trace;
    int64_t shard, pause, rank_timeout, size, patience;
    clade_ranks *ranks; /* NULL: this process alone */
    double verify;
    int action; /* of verify_actions; -1: none */
    command_list set;
    bool strict_data, json, no_report, quiet;
    bool automatic; /* no recipe is given, but data */
    uint64_t cache_bytes, memory_bytes, feature_bytes;
    char *edits[COMMAND_LIST_SIZE + session_source_most + session_training_most + auto_recipe_most +
                4]; /* in order */
    size_t edit_count;
    char *folder; /* of the run */
} train_request;

enum { text_size = 96 };

static const char *const verify_actions[] = {"stop", "quarantine", NULL};
enum { ACTION_QUARANTINE = 1 };

static bool add_edit(train_request *r, char *edit)
{
    if (!edit) return false;
    r->edits[r->edit_count++] = edit;
    return true;
}

static bool add_number(train_request *r, const char *key, const char *number)
{
    char *edit = malloc(strlen(key) + strlen(number) + 2);
    if (edit) sprintf(edit, "%s=%s", key, number);
    return add_edit(r, edit);
}

/* The recipe for data alone, and edits of it. */
static clade_status choose_recipe(train_request *r, const device_list *devices)
{
    const auto_request request = {.source = &r->source,
                                  .model = r->model,
                                  .size = (int32_t)r->size,
                                  .gpu = !clade_device_describe(devices->device[0])->cpu_like};
    auto_choice choice;
    clade_status status = auto_recipe(&request, r->edits, &r->edit_count, &choice);
    if (status) return status;
    r->recipe = choice.recipe;
    if (!r->quiet && !r->json && (!r->ranks || clade_ranks_own(r->ranks) == 0))
        fprintf(stderr,
                "No recipe given: %s--model, --size, --epochs, --set change it; `clade new` writes "
                "a recipe to edit\n",
                choice.about);
    return CLADE_OK;
}

/* Options become edits of the recipe, so that the run folder's recipe.yaml says it all. */
static clade_status collect_edits(train_request *r)
{
    char text[text_size];
    bool good = true;
    for (size_t i = 0; i < r->set.count && good; i++) {
        char *copy = malloc(strlen(r->set.item[i]) + 1);
        if (copy) strcpy(copy, r->set.item[i]);
        good = add_edit(r, copy);
    }
    good = good && session_source_edits(&r->source, r->edits, &r->edit_count);
    const struct {
        const char *key;
        int64_t value;
        bool given;
    } numbers[] = {{"train.shard", r->shard, r->shard > 0},
                   {"train.early_stopping", r->patience, r->patience > 0},
                   {"input.size", r->size, r->size > 0}};
    good = good && session_training_edits(&r->training, r->edits, &r->edit_count);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && good; i++) {
        if (!numbers[i].given) continue;
        snprintf(text, sizeof text, "%lld", (long long)numbers[i].value);
        good = add_number(r, numbers[i].key, text);
    }
    return good ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory");
}

static clade_status read_own_recipe(train_request *r, clade_recipe **out)
{
    const char *const *edits = (const char *const *)r->edits;
    if (!r->resume) return clade_recipe_read(r->recipe, edits, r->edit_count, out);
    size_t size = strlen(r->resume) + sizeof "/recipe.yaml";
    char *path = malloc(size);
    if (!path) return clade_fail(CLADE_ENOMEM, "out of memory");
    snprintf(path, size, "%s/recipe.yaml", r->resume);
    clade_status status = clade_recipe_read_again(path, edits, r->edit_count, out);
    free(path);
    return status == CLADE_EIO ? clade_context(status, "nothing to resume in %s", r->resume)
                               : status;
}

/* The run folder, and so the recipe to go on with, may be there for the first rank alone. */
static clade_status share_recipe(train_request *r, clade_recipe **recipe)
{
    uint64_t size = *recipe ? strlen(clade_recipe_text(*recipe)) + 1 : 0;
    clade_status status = clade_ranks_broadcast(r->ranks, &size, sizeof size);
    char *text = status ? NULL : malloc(size);
    if (!status && !text) status = clade_fail(CLADE_ENOMEM, "out of memory");
    if (!status && *recipe) memcpy(text, clade_recipe_text(*recipe), size);
    if (!status) status = clade_ranks_broadcast(r->ranks, text, size);
    if (!status && !*recipe) status = clade_recipe_parse(text, r->resume, recipe);
    free(text);
    return status;
}

static clade_status read_recipe(train_request *r, clade_recipe **out)
{
    bool shared = r->ranks && r->resume;
    clade_status status = shared && clade_ranks_own(r->ranks) ? CLADE_OK : read_own_recipe(r, out);
    return status || !shared ? status : share_recipe(r, out);
}

/* --- the run folder --- */

static bool is_there(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

/* --out, --resume, or the first of runs/NAME, runs/NAME-2, … that is not there. */
static clade_status choose_folder(train_request *r, const char *name)
{
    const char *given = r->resume ? r->resume : r->out;
    size_t size = strlen(given ? given : name) + 32;
    r->folder = malloc(size);
    if (!r->folder) return clade_fail(CLADE_ENOMEM, "out of memory");
    if (given) {
        strcpy(r->folder, given);
        return CLADE_OK;
    }
    snprintf(r->folder, size, "runs/%s", name);
    for (char *p = r->folder + strlen("runs/"); *p; p++)
        if (*p == '/' || (unsigned char)*p < ' ') *p = '_';
    size_t length = strlen(r->folder);
    for (unsigned n = 2; is_there(r->folder); n++)
        snprintf(r->folder + length, size - length, "-%u", n);
    return CLADE_OK;
}

/* --- data --- */

/* The rendered set in the cache folder, made if need be. The path is to be freed. */
static clade_status make_shapes(char **path)
{
    *path = session_cache_path("shapes");
    if (!*path)
        return clade_fail(
            CLADE_EINVAL,
            "no cache folder for rendered images: neither XDG_CACHE_HOME nor HOME is an "
            "absolute path; expected --data PATH");
    return clade_context(clade_shapes_write(*path, NULL), "rendered images");
}

/* Training decodes the images on the way, unless all must be known before. */
static clade_status open_data(train_request *r, const clade_recipe *recipe,
                              const device_list *devices, clade_dataset **out)
{
    clade_data_options options = *clade_recipe_data(recipe);
    char *shapes = NULL;
    clade_status status = CLADE_OK;
    if (!options.path && !strcmp(clade_recipe_name(recipe), "shapes")) {
        status = make_shapes(&shapes);
        options.path = shapes;
    }
    if (r->ranks && r->source.data) options.path = r->source.data;
    options.cache_bytes = r->cache_bytes;
    options.threads = (int)r->place.threads;
    options.strict |= r->strict_data;
    bool first =
        options.strict || r->tensorboard || !clade_device_describe(devices->device[0])->host_memory;
    if (!status && first) status = session_open_data(&options, interrupt_asked, out);
    if (!status && !first) status = session_list_data(&options, out);
    free(shapes);
    return status;
}

/* --- training --- */

static void print_head(const train_request *r, const clade_recipe *recipe,
                       const device_list *devices, const clade_dataset *dataset)
{
    const clade_training *t = clade_recipe_training(recipe);
    session_print_data(stdout, dataset);
    printf("Recipe: %s, batch %d, %d epoch%s, seed %llu\n", shown(clade_recipe_name(recipe)),
           t->batch, t->epochs, t->epochs == 1 ? "" : "s", (unsigned long long)t->seed);
    if (clade_training_shard(t) < t->batch)
        printf("Shards of %d images\n", clade_training_shard(t));
    for (size_t i = 0; i < devices->count; i++) {
        const clade_device_info *info = clade_device_describe(devices->device[i]);
        printf("Device: %s (%s), %s math\n", info->id, shown(info->name),
               session_math_words[clade_device_math(devices->device[i])]);
    }
    printf("Run folder: %s\n", shown(r->folder));
}

static int finish(const train_request *r, clade_status status, train_watch *w)
{
    status_line_clear();
    if (w->dataset) train_watch_data(w);
    if (status == CLADE_OK ||
        (status == CLADE_ECANCELLED && !interrupt_asked() && train_watch_is_paused(w))) {
        train_watch_shares(w);
        progress_end(&w->progress, r->folder);
        return COMMAND_OK;
    }
    if (status == CLADE_ECANCELLED && r->ranks && !interrupt_asked()) return COMMAND_OK;
    if (status != CLADE_ECANCELLED || !interrupt_asked()) {
        return together_speak(r->ranks) ? command_fail_training("train", status) : COMMAND_FAILED;
    }
    if (is_there(r->folder))
        fprintf(stderr, "clade train: %s; continue with: clade train --resume %s\n",
                shown(clade_error()), shown(r->folder));
    else
        fprintf(stderr, "clade train: stopped before training began\n");
    return interrupt_status();
}

/* Where neither the recipe nor a run that goes on has a shard: several devices, of this and of
 * other ranks, need one for each, and --memory one that fits. What is chosen becomes an edit of the
 * recipe. */
static clade_status choose_shard(train_request *r, const device_list *devices,
                                 const clade_dataset *dataset, clade_recipe **recipe)
{
    const clade_training *t = clade_recipe_training(*recipe);
    const bool open = !t->shard && !r->resume;
    const memory_request request = {.recipe = *recipe,
                                    .dataset = dataset,
                                    .devices = devices->device,
                                    .count = devices->count,
                                    .ranks = r->ranks,
                                    .limit = r->memory_bytes,
                                    .cache_bytes = r->cache_bytes,
                                    .choose = open && r->memory,
                                    .resumed = r->resume != NULL};
    clade_train_memory m = {.shard = clade_training_shard(t)};
    int64_t shards = 1, all = (int64_t)devices->count;
    char text[text_size], total[32], limit[32];
    clade_status status = r->ranks ? clade_ranks_add(r->ranks, &all) : CLADE_OK;
    while (open && shards < all) shards *= 2;
    if (open) m.shard = (int32_t)((t->batch + shards - 1) / shards);
    if (!status) status = memory_fit(&request, &m);
    if (status) return status;
    if (r->memory && !r->quiet)
        fprintf(r->json ? stderr : stdout, "Memory: %s of %s, in shards of %d\n",
                memory_text(m.total, total), memory_text(r->memory_bytes, limit), m.shard);
    if (m.shard == clade_training_shard(t)) return CLADE_OK;
    snprintf(text, sizeof text, "%d", m.shard);
    if (!add_number(r, "train.shard", text)) return clade_fail(CLADE_ENOMEM, "out of memory");
    clade_recipe_destroy(recipe);
    return read_recipe(r, recipe);
}

/* A recipe's may be: it goes with any --batch, and any that tune tries. */
static clade_status check_shard(const train_request *r, const clade_recipe *recipe)
{
    const int32_t batch = clade_recipe_training(recipe)->batch;
    if (r->shard <= batch) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "--shard %lld is more than the batch: expected 1 to %d images",
                      (long long)r->shard, batch);
}

static clade_status join(train_request *r)
{
    clade_status status = together_join((double)r->rank_timeout, &r->ranks);
    if (status || !r->ranks || clade_ranks_own(r->ranks) == 0) return status;
    r->no_report = true;
    r->tensorboard = r->trace = NULL;
    return CLADE_OK;
}

static int run(train_request *r)
{
    clade_recipe *recipe = NULL;
    device_list devices = {.count = 0};
    clade_dataset *dataset = NULL;
    clade_classifier *classifier = NULL;
    interrupt_watch();
    clade_status status = join(r);
    train_watch w = {.progress = {.json = r->json, .quiet = r->quiet, .until = r->pause},
                     .pause = r->pause,
                     .trace.path = r->trace};
    if (!status) status = session_feature_bytes(&r->feature_bytes);
    if (!status && r->automatic) status = device_list_open(&r->place, &devices);
    if (!status && r->automatic) status = choose_recipe(r, &devices);
    if (!status) status = collect_edits(r);
    if (!status) status = read_recipe(r, &recipe);
    if (!status) status = check_shard(r, recipe);
    if (!status) status = choose_folder(r, clade_recipe_name(recipe));
    if (!status && !r->automatic) status = device_list_open(&r->place, &devices);
    for (size_t i = 0; i < devices.count && !status; i++)
        status =
            session_prepare_products(devices.device[i], clade_recipe_training(recipe)->precision);
    if (!status) status = open_data(r, recipe, &devices, &dataset);
    if (!status) status = choose_shard(r, &devices, dataset, &recipe);
    if (!status) status = trace_open(&w.trace);
    if (!status) {
        if (r->json || r->quiet)
            session_print_skipped(stderr, dataset, 0);
        else
            print_head(r, recipe, &devices, dataset);
        if (!r->no_report) w.folder = r->folder;
        w.dataset = dataset;
        w.skipped = clade_dataset_skipped(dataset);
        if (r->tensorboard)
            w.events = (events){.folder = *r->tensorboard ? r->tensorboard : r->folder,
                                .dataset = dataset,
                                .recipe = recipe,
                                .resumed = r->resume != NULL};
        clade_train_options options = {.out = r->folder,
                                       .resume = r->resume != NULL,
                                       .threads = (int)r->place.threads,
                                       .cache_bytes = r->cache_bytes,
                                       .feature_bytes = r->feature_bytes,
                                       .memory_bytes = r->memory_bytes,
                                       .ranks = r->ranks,
                                       .further = devices.device + 1,
                                       .further_count = devices.count - 1,
                                       .verify = r->verify,
                                       .quarantine = r->action == ACTION_QUARANTINE,
                                       .observer = train_watch_observer(&w)};
        status = clade_train(recipe, dataset, devices.device[0], &options,
                             r->tensorboard ? &classifier : NULL);
    }
    if (!status || status == CLADE_ECANCELLED) {
        clade_status written = trace_close(&w.trace);
        if (written) status = written;
    }
    int result = together_leave(&r->ranks, finish(r, status, &w));
    train_watch_report(&w, status == CLADE_OK, devices.device[0], dataset);
    events_end(&w.events, status ? NULL : classifier);
    clade_classifier_destroy(&classifier);
    clade_dataset_destroy(&dataset);
    device_list_close(&devices);
    clade_recipe_destroy(&recipe);
    return result;
}

/* --verify alone: the default. */
static bool read_rate(const char *text, double *rate)
{
    char *end;
    *rate = *text ? strtod(text, &end) : 0.001;
    return !*text || (!*end && *rate > 0 && *rate <= 1);
}

int command_train(int argc, char **argv)
{
    train_request r = {
        .place = {.math = session_math_default}, .training = session_training_none, .action = -1};
    const char *verify = NULL;
    const command_option options[] = {
        SESSION_SOURCE_OPTIONS(&r.source),
        SESSION_DEVICE_OPTIONS(&r.place,
                               "cpu, opencl, opencl:P.D, auto or part of a name; several, "
                               "separated by commas, or all: these share each batch"),
        SESSION_TRAINING_OPTIONS(&r.training),
        OPTION_INTEGER("pause", "N", &r.pause, 1, INT32_MAX,
                       "stop after this epoch; --resume continues the run"),
        OPTION_INTEGER("shard", "N", &r.shard, 1, INT32_MAX,
                       "maximum number of images to compute at a time; default: the batch"),
        OPTION_TEXT("memory", "SIZE", &r.memory,
                    "device memory, such as 512M or 4G: use the largest shard that fits"),
        OPTION_TEXT("model", "NAME[=FILE]", &r.model,
                    "without a recipe: start from this pretrained network: a name from `clade "
                    "weights list`, with or without a file of weights, or NET.onnx"),
        OPTION_INTEGER("size", "N", &r.size, 1, 8192, "resize images to N by N pixels"),
        OPTION_INTEGER("patience", "N", &r.patience, 1, INT32_MAX,
                       "stop after N epochs in a row without improvement"),
        OPTION_INTEGER("early-stopping", "N", &r.patience, 1, INT32_MAX, "the same as --patience"),
        OPTION_INTEGER("rank-timeout", "SECONDS", &r.rank_timeout, 1, 86400,
                       "under mpirun: how long a rank waits for another; default: 300"),
        OPTION_TEXT("out", "DIR", &r.out, "the run folder; default: a new runs/NAME"),
        OPTION_TEXT("resume", "DIR", &r.resume, "continue the run in this folder"),
        OPTION_LIST("set", "KEY=VALUE", &r.set, "change a key of the recipe; repeatable"),
        OPTION_FLAG("strict-data", &r.strict_data,
                    "treat a damaged image as an error instead of skipping it"),
        OPTION_TEXT(
            "cache", "SIZE", &r.cache,
            "memory for decoded images, and for features, such as 4G; default: half the memory"),
        OPTION_MAYBE_TEXT("tensorboard", "DIR", &r.tensorboard,
                          "also write event files for TensorBoard; default: in the run folder"),
        OPTION_TEXT("trace", "FILE", &r.trace,
                    "append a line of JSON for each step: its rate, images and matrices"),
        OPTION_MAYBE_TEXT("verify", "RATE", &verify,
                          "repeat this share of the steps' calls on the reference; default: 0.001"),
        OPTION_CHOICE("verify-action", &r.action, verify_actions,
                      "if a result is wrong: stop with the state before it, or continue from there "
                      "without that algorithm; default: stop"),
        OPTION_FLAG("no-report", &r.no_report, "do not write report.html"),
        OPTION_FLAG("json", &r.json, "print one line of JSON per epoch"),
        OPTION_FLAG("quiet", &r.quiet, "print only errors, warnings and the last lines"),
    };
    static const command_usage usage = {
        .name = "train",
        .arguments = "[RECIPE]",
        .least = 0,
        .most = 1,
        .about =
            "Trains the classifier that a recipe describes: a YAML file or a built-in recipe.\n"
            "Without a recipe, chooses one that suits --data: a head on the features of a\n"
            "pretrained network, if this machine has its weights (`clade weights list`), else a\n"
            "small net from scratch. Without any arguments, renders a small data set of shapes\n"
            "and trains on it.",
        .example = "clade train\n"
                   "  clade train --data photos/\n"
                   "  clade train --data photos/ --model resnet18 --patience 5\n"
                   "  clade train cats-dogs-64 --data photos.zip --epochs 10 --out runs/first\n"
                   "  clade train --resume runs/first --epochs 20",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    r.automatic = !count && r.source.data && !r.resume;
    r.recipe = count ? argv[1] : "shapes";
    if (r.model && !r.automatic)
        return command_misuse("train", "--model requires --data, without a recipe%s",
                              count ? "; expected --set backbone.name=BACKBONE" : "");
    if (r.resume && r.out)
        return command_misuse("train", "--resume continues in the run's folder; expected no --out");
    if (r.resume && count)
        return command_misuse("train", "--resume uses the run's recipe; expected no '%s'", argv[1]);
    if (r.cache && !session_parse_bytes(r.cache, &r.cache_bytes))
        return command_misuse("train", "--cache %s: expected a size, such as 512M or 4G", r.cache);
    if (r.memory && (!session_parse_bytes(r.memory, &r.memory_bytes) || !r.memory_bytes))
        return command_misuse("train", "--memory %s: expected a size, such as 512M or 4G",
                              r.memory);
    if (verify && !read_rate(verify, &r.verify))
        return command_misuse(
            "train", "--verify=%s: expected a share above 0, up to 1, such as 0.001", verify);
    if (!verify && r.action >= 0)
        return command_misuse("train", "--verify-action requires --verify");
    if (r.quiet && r.json)
        return command_misuse("train", "--json prints epochs, --quiet does not; expected only one");
    if (r.quiet) status_line_hide();
    int result = run(&r);
    for (size_t i = 0; i < r.edit_count; i++) free(r.edits[i]);
    free(r.folder);
    return result;
}
