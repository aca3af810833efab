/* clade compare: the same head on several backbones, and the best of them on images held back. */
#define _POSIX_C_SOURCE 200809L
#include "backbone_option.h"
#include "compare.h"
#include "interrupt.h"
#include "progress.h"
#include "session.h"
#include "shown.h"
#include "status_line.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct compare_request {
    session_place place;
    session_source source;
    session_training training;
    const char *recipe, *out, *cache;
    command_list set, backbones;
    bool json, quiet;
    uint64_t cache_bytes, feature_bytes;
    char *edits[COMMAND_LIST_SIZE + session_source_most + session_training_most];
    size_t edit_count;
    char *folder;
    clade_device *device;
    clade_dataset *dataset; /* of the backbone before, opened for `opened` */
    clade_data_options opened;
} compare_request;

/* --- the recipe --- */

static char *join(const char *a, const char *b, const char *c)
{
    size_t size = strlen(a) + strlen(b) + strlen(c) + 1;
    char *text = malloc(size);
    if (text) snprintf(text, size, "%s%s%s", a, b, c);
    return text;
}

static clade_status add_edit(compare_request *r, char *edit)
{
    if (!edit) return clade_fail(CLADE_ENOMEM, "out of memory");
    r->edits[r->edit_count++] = edit;
    return CLADE_OK;
}

/* The recipe with this backbone, as if it had been set. */
static clade_status read_chosen(const compare_request *r, const char *option, clade_recipe **out)
{
    backbone_option backbone;
    clade_status status = backbone_option_read("--backbone", option, &backbone);
    if (status) return status;
    char *own[backbone_option_most + 1] = {session_text_edit("name", backbone.label)};
    const char *edits[COMMAND_LIST_SIZE + 20];
    size_t count = 0, own_count = 1;
    status = own[0] ? backbone_option_edits(&backbone, own, &own_count)
                    : clade_fail(CLADE_ENOMEM, "out of memory");
    for (; count < r->edit_count; count++) edits[count] = r->edits[count];
    edits[count++] = "compare=null";
    edits[count++] = "backbone.layers=null";
    for (size_t i = 0; i < own_count; i++) edits[count++] = own[i];
    if (!status) status = clade_recipe_read(r->recipe, edits, count, out);
    for (size_t i = 0; i < own_count; i++) free(own[i]);
    return status;
}

static clade_status collect_edits(compare_request *r)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < r->set.count && !status; i++)
        status = add_edit(r, join(r->set.item[i], "", ""));
    if (!status && !(session_source_edits(&r->source, r->edits, &r->edit_count) &&
                     session_training_edits(&r->training, r->edits, &r->edit_count)))
        status = clade_fail(CLADE_ENOMEM, "out of memory");
    return status;
}

/* --- the folder --- */

/* A folder that is new or empty, which the first run makes: --out, or the first of
 * runs/NAME-compare, … that is not there. */
static clade_status choose_folder(compare_request *r, const char *name)
{
    struct stat info;
    if (!r->out) {
        size_t size = strlen(name) + 40;
        r->folder = malloc(size);
        if (!r->folder) return clade_fail(CLADE_ENOMEM, "out of memory");
        snprintf(r->folder, size, "runs/%s-compare", name);
        size_t length = strlen(r->folder);
        for (unsigned n = 2; !stat(r->folder, &info); n++)
            snprintf(r->folder + length, size - length, "-%u", n);
        return CLADE_OK;
    }
    r->folder = join(r->out, "", "");
    if (!r->folder) return clade_fail(CLADE_ENOMEM, "out of memory");
    return session_check_empty(r->folder);
}

/* --- one backbone --- */

static bool is_silent(const compare_request *r) { return r->json || r->quiet; }

static void watch_phase(void *user, clade_train_phase phase, size_t done, size_t total)
{
    progress_wait_phase(((const compare_row *)user)->name, phase, done, total);
}

static void watch_batch(void *user, const clade_epoch *e, size_t batch, size_t batches)
{
    progress_wait_batch(((const compare_row *)user)->name, e, batch, batches);
}

static void watch_epoch(void *user, const clade_epoch *e)
{
    compare_row *row = user;
    row->epochs = e->epoch;
    if (!e->best) return;
    const clade_metrics *judged = e->validation.count ? &e->validation : &e->train;
    row->best_epoch = e->epoch;
    row->accuracy = judged->accuracy;
    row->loss = judged->loss;
}

static void print_features(void *user, size_t images, size_t found, double seconds)
{
    const compare_row *row = user;
    char text[progress_features_room];
    status_line_clear();
    printf("%s: %s\n", shown(row->name), progress_features(images, found, seconds, text));
    fflush(stdout);
}

static void print_note(void *user, const char *text)
{
    const compare_row *row = user;
    status_line_clear();
    fprintf(stderr, "clade compare: %s: %s\n", shown(row->name), shown(text));
}

static bool poll_stop(void *user)
{
    (void)user;
    return interrupt_asked();
}

static clade_status open_data(compare_request *r, const clade_recipe *recipe)
{
    clade_data_options o = *clade_recipe_data(recipe);
    o.cache_bytes = r->cache_bytes;
    o.threads = (int)r->place.threads;
    bool same = r->dataset && o.height == r->opened.height && o.width == r->opened.width &&
                o.channels == r->opened.channels && o.interpolation == r->opened.interpolation;
    if (same) return CLADE_OK;
    clade_dataset_destroy(&r->dataset);
    r->opened = o;
    clade_status status = session_open_data(&o, interrupt_asked, &r->dataset);
    if (!status) session_print_skipped(stderr, r->dataset, 0);
    return status;
}

static void measure(compare_row *row, const clade_classifier *classifier)
{
    const clade_graph *graph = clade_model_graph(clade_classifier_model(classifier));
    for (int32_t i = 1; i < clade_graph_layers(graph); i++) {
        uint64_t trained, fixed;
        clade_graph_parameters(graph, i, &trained, &fixed);
        row->trained += trained;
        row->parameters += trained + fixed;
    }
}

/* Whether the file of a backbone's weights cannot be read, which is no other backbone's trouble. */
static bool lacks_weights(const clade_recipe *recipe)
{
    const char *weights = clade_recipe_transfer(recipe)->weights;
    return weights && access(weights, R_OK) != 0;
}

/* Trains entry i; its row tells what came of it. *all_fail: no other entry would fare better, as
 * the images cannot be read, or the end was asked for. */
static clade_status train_entry(compare_request *r, const clade_recipe *all, size_t i,
                                compare_row *row, bool *all_fail)
{
    clade_recipe *recipe = NULL;
    clade_classifier *classifier = NULL;
    double start = command_clock();
    clade_status status = r->backbones.count ? read_chosen(r, r->backbones.item[i], &recipe)
                                             : clade_recipe_alternative(all, i, &recipe);
    if (!status) {
        snprintf(row->backbone, sizeof row->backbone, "%s", clade_recipe_transfer(recipe)->name);
        status = open_data(r, recipe);
        *all_fail = status != CLADE_OK;
    }
    if (!status) {
        row->has_validation = clade_dataset_count(r->dataset, CLADE_VALIDATION) > 0;
        const clade_train_options options = {
            .out = row->folder,
            .threads = (int)r->place.threads,
            .cache_bytes = r->cache_bytes,
            .feature_bytes = r->feature_bytes,
            .observer = {.user = row,
                         .phase = watch_phase,
                         .batch = watch_batch,
                         .epoch = watch_epoch,
                         .features = is_silent(r) ? NULL : print_features,
                         .note = print_note,
                         .stop = poll_stop}};
        start = command_clock();
        status = clade_train(recipe, r->dataset, r->device, &options, &classifier);
        *all_fail = status == CLADE_ECANCELLED || (status == CLADE_EIO && !lacks_weights(recipe));
    }
    row->seconds = command_clock() - start;
    if (classifier) measure(row, classifier);
    char *best = join(row->folder, "/best.safetensors", "");
    struct stat info;
    if (best && !stat(best, &info)) row->bytes = (uint64_t)info.st_size;
    free(best);
    if (status) snprintf(row->error, sizeof row->error, "%s", clade_error());
    clade_classifier_destroy(&classifier);
    clade_recipe_destroy(&recipe);
    return status;
}

/* The row's name, that no row before has, and its folder. */
static clade_status name_row(const compare_request *r, const clade_recipe *all, size_t i,
                             compare *c)
{
    compare_row *row = &c->row[i];
    char label[sizeof c->row->name - 12];
    if (r->backbones.count) {
        backbone_option backbone;
        clade_status status = backbone_option_read("--backbone", r->backbones.item[i], &backbone);
        if (status) return status;
        snprintf(label, sizeof label, "%s", backbone.label);
    } else {
        clade_recipe_label(all, i, label, sizeof label);
    }
    for (char *p = label; *p; p++)
        if (*p == '/' || (unsigned char)*p < ' ') *p = '_';
    snprintf(row->name, sizeof row->name, "%s", label);
    for (unsigned n = 2, k = 0; k < i; k++)
        if (!strcmp(c->row[k].name, row->name)) {
            snprintf(row->name, sizeof row->name, "%s-%u", label, n++);
            k = (unsigned)-1; /* from the start again */
        }
    row->folder = join(r->folder, "/", row->name);
    return row->folder ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory");
}

/* --- all of them --- */

static bool is_better(const compare_row *a, const compare_row *b)
{
    if (a->accuracy != b->accuracy) return a->accuracy > b->accuracy;
    return a->loss < b->loss;
}

/* The best one's best weights on the test split. */
static clade_status test_best(compare_request *r, compare *c)
{
    if (!c->best || clade_dataset_count(r->dataset, CLADE_TEST) == 0) return CLADE_OK;
    clade_classifier *classifier = NULL;
    clade_metrics metrics;
    clade_status status = clade_classifier_open(c->best->folder, r->device, &classifier);
    const clade_recipe *recipe = classifier ? clade_classifier_recipe(classifier) : NULL;
    if (!status) status = open_data(r, recipe);
    status_line_wait("Testing the best", 0, 0, NULL);
    if (!status)
        status = clade_classifier_evaluate(classifier, r->dataset, CLADE_TEST, NULL, &metrics);
    status_line_clear();
    if (!status) {
        c->tested = metrics.count;
        c->test_accuracy = metrics.accuracy;
        c->test_loss = metrics.loss;
    }
    clade_classifier_destroy(&classifier);
    return status;
}

static clade_status run_all(compare_request *r, const clade_recipe *all, compare *c)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < c->count && !status; i++) {
        status = name_row(r, all, i, c);
        if (status) break;
        bool all_fail = false;
        clade_status trained = train_entry(r, all, i, &c->row[i], &all_fail);
        status_line_clear();
        if (all_fail) return trained;
        if (!is_silent(r)) compare_print_row(&c->row[i]);
        if (!trained && (!c->best || is_better(&c->row[i], c->best))) c->best = &c->row[i];
        if (c->best) status = compare_write(c, r->folder);
    }
    if (!status) status = test_best(r, c);
    return status || !c->best ? status : compare_write(c, r->folder);
}

static clade_status prepare(compare_request *r, clade_recipe **recipe, compare *c)
{
    const char *const *edits = (const char *const *)r->edits;
    clade_status status = session_feature_bytes(&r->feature_bytes);
    if (!status) status = collect_edits(r);
    if (!status) status = clade_recipe_read(r->recipe, edits, r->edit_count, recipe);
    if (status) return status;
    if (clade_recipe_data(*recipe)->task == CLADE_TASK_REGRESSION)
        return clade_fail(CLADE_EINVAL,
                          "%s: backbones are compared by accuracy, which data.task: "
                          "regression does not have",
                          shown(r->recipe));
    c->count = r->backbones.count ? r->backbones.count : clade_recipe_alternatives(*recipe);
    if (!c->count)
        return clade_fail(CLADE_EINVAL,
                          "%s: nothing to compare; expected --backbone NAME=FILE, or a section "
                          "'compare' with a list of backbones",
                          r->recipe);
    c->recipe = clade_recipe_name(*recipe);
    c->row = calloc(c->count, sizeof *c->row);
    if (!c->row) return clade_fail(CLADE_ENOMEM, "out of memory");
    status = session_open_device(&r->place, &r->device);
    return status ? status : choose_folder(r, c->recipe);
}

/* The exit status. */
static int tell_failures(const compare *c)
{
    const compare_row *last = NULL;
    size_t failed = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (!c->row[i].error[0]) continue;
        last = &c->row[i];
        failed++;
    }
    if (!last) return COMMAND_OK;
    fprintf(stderr, "clade compare: %zu of %zu backbones failed; the last: %s: %s\n", failed,
            c->count, shown(last->name), shown(last->error));
    return COMMAND_FAILED;
}

static int run(compare_request *r)
{
    clade_recipe *recipe = NULL;
    compare c = {0};
    interrupt_watch();
    clade_status status = prepare(r, &recipe, &c);
    if (!status && !is_silent(r))
        printf("%zu backbones, device %s, folder %s\n", c.count,
               clade_device_describe(r->device)->id, shown(r->folder));
    if (!status) status = run_all(r, recipe, &c);
    int result = status ? command_fail_training("compare", status) : COMMAND_OK;
    if (!status) {
        if (r->json)
            compare_print_json(&c);
        else
            compare_print_best(&c);
        result = tell_failures(&c);
    }
    if (interrupt_asked()) result = interrupt_status();
    for (size_t i = 0; c.row && i < c.count; i++) free(c.row[i].folder);
    free(c.row);
    clade_dataset_destroy(&r->dataset);
    clade_device_close(&r->device);
    clade_recipe_destroy(&recipe);
    return result;
}

int command_compare(int argc, char **argv)
{
    compare_request r = {.place = {.math = session_math_default},
                         .training = session_training_none};
    const command_option options[] = {
        SESSION_SOURCE_OPTIONS(&r.source),
        OPTION_LIST("backbone", "NAME=FILE", &r.backbones,
                    "a backbone and its weights, or LABEL=NET.onnx; repeatable"),
        SESSION_PLACE_OPTIONS(&r.place),
        OPTION_TEXT("out", "DIR", &r.out, "folder for the runs; default: a new runs/NAME-compare"),
        SESSION_TRAINING_OPTIONS(&r.training),
        OPTION_LIST("set", "KEY=VALUE", &r.set, "change a key of the recipe; repeatable"),
        OPTION_TEXT(
            "cache", "SIZE", &r.cache,
            "memory for decoded images, and for features, such as 4G; default: half the memory"),
        OPTION_FLAG("json", &r.json, "print JSON"),
        OPTION_FLAG("quiet", &r.quiet, "print only errors, warnings and the table"),
    };
    static const command_usage usage = {
        .name = "compare",
        .arguments = "RECIPE",
        .least = 1,
        .most = 1,
        .about =
            "Trains a recipe's head on each of several backbones (from the command line, or\n"
            "from the recipe's list under `compare`), selects the one with the best validation\n"
            "accuracy, and measures it on the test images, which influenced no choice. Each\n"
            "backbone gets a run folder. Writes the table beside them as compare.csv and\n"
            "compare.json, and with curves as compare.html.",
        .example = "clade compare cat-dog-transfer --data photos.zip \\\n"
                   "      --backbone resnet18=resnet18.safetensors \\\n"
                   "      --backbone squeezenet1_1=squeezenet.h5 --backbone mine=net.onnx",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (r.cache && !session_parse_bytes(r.cache, &r.cache_bytes))
        return command_misuse("compare", "--cache %s: expected a size, such as 512M or 4G",
                              r.cache);
    if (r.quiet) status_line_hide();
    r.recipe = argv[1];
    int result = run(&r);
    for (size_t i = 0; i < r.edit_count; i++) free(r.edits[i]);
    free(r.folder);
    return result;
}
