/* Training end to end on a small rendered set: run folders, resuming to the bit, stops, and
 * predictions that do not depend on where a classifier comes from. */
#define _DEFAULT_SOURCE /* flock */
#define _XOPEN_SOURCE 700
#include "../test.h"

#include "base/file.h"
#include "base/sha256.h"
#include "weights/safetensors.h"

#include <clade/clade.h>

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static const char recipe_text[] =
    "name: tiny\n"
    "input: {size: 24, rescale: 1/255}\n"
    "augment: {rotation: 30, horizontal_flip: true}\n"
    "model:\n"
    "  - conv2d: {filters: 6, kernel: 3, stride: 2, use_bias: false}\n"
    "  - batchnorm: {momentum: 0.9}\n"
    "  - activation: relu\n"
    "  - maxpool2d: 2\n"
    "  - flatten\n"
    "  - dropout: 0.25\n"
    "  - dense: {units: classes, activation: softmax}\n"
    "train:\n"
    "  loss: sparse_categorical_crossentropy\n"
    "  optimizer: {adam: {lr: 0.01}}\n"
    "  schedule: {plateau: {patience: 1, factor: 0.5, warmup: 2}}\n"
    "  clip_norm: 1\n"
    "  batch: 13\n"
    "  epochs: 3\n"
    "  seed: 5\n"
    "  top_k: 2\n";

typedef struct world {
    char folder[64];
    char *images;
    clade_device *device;
    clade_dataset *dataset;
    clade_recipe *recipe;
} world;

static char *below(const world *w, const char *name) { return clade_path_join(w->folder, name); }

/* All weights and statistics of a classifier. */
static void hash_weights(const clade_classifier *classifier, char hex[65])
{
    clade_sha256 hash;
    clade_sha256_start(&hash);
    const clade_model *model = clade_classifier_model(classifier);
    for (size_t i = 0; i < clade_model_parameters(model); i++) {
        const clade_tensor *t = &clade_model_parameter(model, i)->value;
        size_t bytes = clade_tensor_count(t) * sizeof(float);
        float *values = malloc(bytes);
        CHECK_OK(clade_tensor_read(t, values));
        clade_sha256_add(&hash, values, bytes);
        free(values);
    }
    clade_sha256_end(&hash, hex);
}

/* Stops when this many polls have been made. */
static bool count_down(void *user) { return --*(int *)user < 0; }

static clade_status train(const world *w, const char *out, bool resume, int *polls,
                          clade_classifier **classifier)
{
    clade_train_options options = {.out = out, .resume = resume, .threads = 1};
    if (polls) options.observer = (clade_train_observer){.user = polls, .stop = count_down};
    return clade_train(w->recipe, w->dataset, w->device, &options, classifier);
}

/* One go, and in pieces that end after each of several numbers of batches: at an epoch's start, in
 * its middle, before its validation and within it. */
static void test_resume(const world *w, const char *run, char expected[65])
{
    clade_classifier *classifier = NULL;
    char *whole = below(w, run), hex[65];
    CHECK_OK(train(w, whole, false, NULL, &classifier));
    if (!classifier) return;
    hash_weights(classifier, expected);
    clade_classifier_destroy(&classifier);
    static const int pieces[] = {0, 1, 2, 3, 4, 5, 7};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s-%d", run, pieces[i]);
        char *path = below(w, name);
        int polls = pieces[i], stops = 0;
        clade_status status = train(w, path, false, &polls, &classifier);
        while (status == CLADE_ECANCELLED && stops++ < 40) {
            CHECK(classifier);
            clade_classifier_destroy(&classifier);
            polls = pieces[i] + 6; /* enough for one batch and a whole validation */
            status = train(w, path, true, &polls, &classifier);
        }
        CHECK_OK(status);
        CHECK(stops > 0);
        if (classifier) {
            hash_weights(classifier, hex);
            CHECK(!strcmp(hex, expected));
        }
        clade_classifier_destroy(&classifier);
        /* losses and accuracies of the history are the same too; times are not */
        char *a = NULL, *b = NULL, *one = clade_string_join(whole, "/history.csv");
        char *other = clade_string_join(path, "/history.csv");
        size_t size;
        CHECK_OK(clade_file_read(one, 1 << 20, (void **)&a, &size));
        CHECK_OK(clade_file_read(other, 1 << 20, (void **)&b, &size));
        const char *x = a, *y = b;
        for (int row = 0; row < 4 && x && y && *x && *y; row++) {
            for (int field = 0; field < 6; field++) {
                size_t n = strcspn(x, ",\n"), m = strcspn(y, ",\n");
                CHECK(n == m && !memcmp(x, y, n));
                x += n + 1;
                y += m + 1;
            }
            x = strchr(x, '\n');
            y = strchr(y, '\n');
            if (x) x++;
            if (y) y++;
        }
        free(a);
        free(b);
        free(one);
        free(other);
        free(path);
    }
    free(whole);
}

/* The same with an average of the weights, which a stop finds in any state; while validation shows
 * it, and while statistics are computed for it, too. */
static void test_averages(world *w)
{
    static const char *const lines[] = {"  ema: {decay: 0.8}\n", "  swa: {epoch: 2}\n"};
    clade_recipe *plain = w->recipe;
    for (int i = 0; i < 2; i++) {
        char *text = clade_string_join(recipe_text, lines[i]), whole[65], hex[65], name[32];
        clade_classifier *classifier = NULL;
        CHECK_OK(clade_recipe_parse(text, "averaged", &w->recipe));
        CHECK_OK(train(w, NULL, false, NULL, &classifier));
        if (classifier) hash_weights(classifier, whole);
        clade_classifier_destroy(&classifier);
        for (int first = 1; first < 30; first += 4) {
            snprintf(name, sizeof name, "average-%d-%d", i, first);
            char *path = below(w, name);
            int polls = first;
            clade_status status = train(w, path, false, &polls, &classifier);
            if (first < 20) CHECK(status == CLADE_ECANCELLED);
            clade_classifier_destroy(&classifier);
            CHECK_OK(train(w, path, true, NULL, &classifier));
            if (classifier) hash_weights(classifier, hex);
            CHECK(classifier && !strcmp(hex, whole));
            clade_classifier_destroy(&classifier);
            free(path);
        }
        clade_recipe_destroy(&w->recipe);
        free(text);
    }
    w->recipe = plain;
}

/* Epochs that end, and are stopped, anywhere in the data. */
static void test_steps(const world *w)
{
    char *text = clade_string_join(recipe_text, "  steps_per_epoch: 5\n"), expected[65];
    world other = *w;
    CHECK_OK(clade_recipe_parse(text, "steps", &other.recipe));
    test_resume(&other, "steps", expected);
    clade_recipe_destroy(&other.recipe);
    free(text);
}

static void test_more_epochs(world *w, const char *expected)
{
    /* two epochs, then the third of a recipe that asks for three */
    clade_recipe *three = w->recipe, *two = NULL;
    char *path = below(w, "longer"), *text = clade_string_join(recipe_text, ""), hex[65];
    *(strstr(text, "epochs: 3") + strlen("epochs: ")) = '2';
    CHECK_OK(clade_recipe_parse(text, "two", &two));
    clade_classifier *classifier = NULL;
    w->recipe = two;
    CHECK_OK(train(w, path, false, NULL, NULL));
    w->recipe = three;
    CHECK_OK(train(w, path, true, NULL, &classifier));
    if (classifier) hash_weights(classifier, hex);
    CHECK(classifier && !strcmp(hex, expected));
    clade_classifier_destroy(&classifier);
    clade_recipe_destroy(&two);
    free(text);
    free(path);
}

/* A folder that another process trains in, or that holds a run, before any image has been read. */
static void test_taken(const world *w)
{
    world own = *w;
    char *run = below(w, "whole");
    clade_data_options data = *clade_recipe_data(w->recipe);
    data.path = w->images;
    CHECK_OK(clade_dataset_open(&data, &own.dataset));
    const int taken = open(run, O_RDONLY | O_DIRECTORY);
    CHECK(taken >= 0 && flock(taken, LOCK_EX | LOCK_NB) == 0);
    for (int resume = 0; resume < 2; resume++)
        CHECK_FAILS(train(&own, run, resume, NULL, NULL), CLADE_EINVAL,
                    "whole: another process is at work in this folder");
    close(taken);
    CHECK_FAILS(train(&own, run, false, NULL, NULL), CLADE_EINVAL,
                "whole: the folder is not empty");
    clade_dataset_destroy(&own.dataset);
    free(run);
}

static void test_refusals(world *w)
{
    char *whole = below(w, "whole"), *nowhere = below(w, "nowhere");
    CHECK_FAILS(train(w, whole, false, NULL, NULL), CLADE_EINVAL, "not empty");
    CHECK_FAILS(train(w, nowhere, true, NULL, NULL), CLADE_EIO, "nothing to resume");
    /* another model, another optimizer, other data */
    clade_recipe *kept = w->recipe, *other = NULL;
    static const struct {
        const char *from, *to;
    } changes[] = {{"filters: 6", "filters: 7"}, {"adam: {lr", "sgdm: {lr"}};
    for (size_t i = 0; i < 2; i++) {
        char *text = clade_string_join(recipe_text, "");
        char *at = strstr(text, changes[i].from);
        if (i == 0)
            memcpy(at, changes[i].to, strlen(changes[i].to));
        else
            memcpy(at, "sgd: { lr", 9);
        CHECK_OK(clade_recipe_parse(text, "other", &other));
        w->recipe = other;
        /* sgd without momentum has no state to miss, but its epochs are over; a model differs */
        if (i == 0)
            CHECK_FAILS(train(w, whole, true, NULL, NULL), CLADE_EINVAL, "conv2d/kernel");
        else
            CHECK_OK(train(w, whole, true, NULL, NULL));
        clade_recipe_destroy(&other);
        free(text);
    }
    /* other shards, which a larger batch does not excuse */
    static const char *const shards[] = {"  shard: 6\n", "  batch: 20\n  shard: 13\n"};
    for (size_t i = 0; i < 2; i++) {
        char *rest = strstr(recipe_text, "  batch: 13\n"),
             *text = clade_string_join(recipe_text, "");
        text[rest - recipe_text] = 0;
        rest += i ? strlen("  batch: 13\n") : 0;
        char *start = clade_string_join(text, shards[i]), *all = clade_string_join(start, rest);
        CHECK_OK(clade_recipe_parse(all, "other", &other));
        w->recipe = other;
        CHECK_FAILS(train(w, whole, true, NULL, NULL), CLADE_EINVAL, "found train.shard");
        clade_recipe_destroy(&other);
        free(all);
        free(start);
        free(text);
    }
    w->recipe = kept;
    free(whole);
    free(nowhere);
}

/* A velocity is gone on with as what it is; either way a run stopped half-way comes to the same. */
static void test_velocity(world *w)
{
    static const char before[] = "{adam: {lr: 0.01}}";
    static const char *const word[] = {"steps", "gradients"}, *const run[] = {"velocity-steps",
                                                                              "velocity-gradients"};
    clade_recipe *kept = w->recipe, *recipe[2] = {NULL};
    char *at = strstr(recipe_text, before), expected[65];
    for (int i = 0; i < 2; i++) {
        char text[sizeof recipe_text + 64];
        snprintf(text, sizeof text, "%.*s{sgd: {lr: 0.01, momentum: 0.9, velocity: %s}}%s",
                 (int)(at - recipe_text), recipe_text, word[i], at + strlen(before));
        CHECK_OK(clade_recipe_parse(text, run[i], &recipe[i]));
    }
    for (int i = 0; i < 2; i++) {
        w->recipe = recipe[i];
        test_resume(w, run[i], expected);
        char *path = below(w, run[i]);
        w->recipe = recipe[!i];
        CHECK_FAILS(train(w, path, true, NULL, NULL), CLADE_EINVAL, word[!i]);
        free(path);
    }
    for (int i = 0; i < 2; i++) clade_recipe_destroy(&recipe[i]);
    w->recipe = kept;
}

/* The state with one number changed is refused. */
static void try_state(const world *w, const char *folder, const clade_safetensors *sound,
                      const char *key, const char *value)
{
    size_t count = clade_safetensors_count(sound), n = clade_safetensors_metadata_count(sound);
    clade_safetensors_tensor *tensors = malloc(count * sizeof *tensors);
    clade_safetensors_pair *pairs = malloc(n * sizeof *pairs);
    char *path = clade_string_join(folder, "/state"), quoted[64];
    for (size_t i = 0; i < count; i++) tensors[i] = *clade_safetensors_at(sound, i);
    for (size_t i = 0; i < n; i++) {
        pairs[i] = clade_safetensors_metadata_at(sound, i);
        if (!strcmp(pairs[i].key, key)) pairs[i].value = value;
    }
    CHECK_OK(clade_safetensors_write(path, tensors, count, pairs, n));
    snprintf(quoted, sizeof quoted, "/state: '%s' is ", key);
    CHECK_FAILS(train(w, folder, true, NULL, NULL), CLADE_EFORMAT, quoted);
    CHECK(strstr(clade_error(), "expected"));
    free(pairs);
    free(tensors);
    free(path);
}

static void test_states(const world *w)
{
    static const char *const wrong[][2] = {
        {"progress.step", "9223372036854775807"},
        {"progress.step", "-1"},
        {"progress.step", "99999999999999999999"},
        {"progress.step", "nan"},
        {"progress.step", ""},
        {"progress.step", "12 "},
        {"progress.epoch", "2147483647"},
        {"progress.epoch", "-9223372036854775808"},
        {"progress.batch", "9223372036854775807"},
        {"progress.plateau_wait", "4294967296"},
        {"progress.tally.loss", "inf"},
        {"progress.tally.loss", "nan"},
        {"progress.tally.correct", "1000"},
        {"progress.seconds", "-0x1p+3"},
        {"progress.plateau_factor", "-1"},
        {"progress.plateau_best", "nan"},
        {"progress.stop_best", "nan"},
        {"progress.best_accuracy", "1e999"},
        {"progress.best_loss", "nan"},
        {"progress.unfrozen", "1000"},
    };
    char *folder = below(w, "states"), *state = clade_string_join(folder, "/state");
    clade_safetensors *sound = NULL;
    int polls = 3;
    CHECK_FAILS(train(w, folder, false, &polls, NULL), CLADE_ECANCELLED, "stopped");
    CHECK_OK(clade_safetensors_open(state, &sound));
    for (size_t i = 0; sound && i < sizeof wrong / sizeof *wrong; i++)
        try_state(w, folder, sound, wrong[i][0], wrong[i][1]);
    clade_safetensors_destroy(&sound);
    free(folder);
    free(state);
}

static void test_classifier(const world *w)
{
    char *folder = below(w, "whole"), *file = below(w, "copy.safetensors");
    char *image = clade_string_join(w->images, "/validation/circle/0000.jpg");
    clade_classifier *a = NULL, *b = NULL;
    float p[3][4] = {{0}};
    CHECK_OK(clade_classifier_open(folder, w->device, &a));
    if (!a) return;
    CHECK(clade_classifier_classes(a) == 4);
    CHECK(!strcmp(clade_classifier_class_name(a, 0), "circle"));
    CHECK_OK(clade_classifier_save(a, file));
    CHECK_OK(clade_classifier_open(file, w->device, &b));
    const char *const files[] = {image, image};
    CHECK_OK(clade_classifier_predict(a, files, 1, p[0]));
    CHECK_OK(clade_classifier_predict(b, files, 2, p[1]));
    CHECK(!memcmp(p[0], p[1], sizeof p[0]) && !memcmp(p[1], p[2], sizeof p[0]));
    CHECK(fabsf(p[0][0] + p[0][1] + p[0][2] + p[0][3] - 1) < 1e-5f);
    clade_metrics m, n;
    CHECK_OK(clade_classifier_evaluate(a, w->dataset, CLADE_VALIDATION, NULL, &m));
    CHECK_OK(clade_classifier_evaluate(b, w->dataset, CLADE_VALIDATION, NULL, &n));
    CHECK(m.count == 40 && m.loss == n.loss && m.accuracy == n.accuracy && m.top_k >= m.accuracy);
    uint64_t sum = 0;
    for (int i = 0; i < 16; i++) sum += m.confusion[i];
    CHECK(sum == m.count);

    /* a file cut short, one that is no model, one from the future */
    void *bytes = NULL;
    size_t size;
    clade_classifier *bad = NULL;
    CHECK_OK(clade_file_read(file, 1 << 24, &bytes, &size));
    CHECK_OK(clade_file_write(file, bytes, size - 7));
    CHECK_FAILS(clade_classifier_open(file, w->device, &bad), CLADE_EFORMAT, "copy.safetensors");
    char *version = strstr((char *)bytes + 8, "\"clade_format\":\"1\"");
    CHECK(version);
    if (version) version[strlen("\"clade_format\":\"")] = '9';
    CHECK_OK(clade_file_write(file, bytes, size));
    CHECK_FAILS(clade_classifier_open(file, w->device, &bad), CLADE_EUNSUPPORTED, "newer version");
    CHECK_FAILS(clade_classifier_open(w->images, w->device, &bad), CLADE_EIO, "not a run folder");
    free(bytes);
    clade_classifier_destroy(&a);
    clade_classifier_destroy(&b);
    free(folder);
    free(file);
    free(image);
}

/* A rate that blows the weights up ends with an error, and the folder keeps the last good epoch. */
static void test_divergence(world *w)
{
    clade_recipe *kept = w->recipe;
    char *path = below(w, "diverged"), *text = clade_string_join(recipe_text, "");
    memcpy(strstr(text, "lr: 0.01"), "lr: 1e38", 8);
    memcpy(strstr(text, "adam: {lr"), "sgd: { lr", 9);
    CHECK_OK(clade_recipe_parse(text, "diverge", &w->recipe));
    CHECK_FAILS(train(w, path, false, NULL, NULL), CLADE_EMISMATCH, "in epoch 1, batch ");
    clade_classifier *classifier = NULL; /* no epoch has ended */
    CHECK_FAILS(clade_classifier_open(path, w->device, &classifier), CLADE_EIO, "");
    clade_recipe_destroy(&w->recipe);
    w->recipe = kept;
    free(text);
    free(path);
}

/* A copy of the images, of which some of both splits are cut short. */
static char *damage_some(const world *w)
{
    static const struct {
        clade_split split;
        size_t at;
    } which[] = {{CLADE_TRAIN, 3}, {CLADE_TRAIN, 71}, {CLADE_VALIDATION, 12}};
    char *folder = below(w, "damaged");
    const clade_shapes_options shapes = {.classes = 4, .train = 20, .validation = 10, .size = 32};
    CHECK_OK(clade_shapes_write(folder, &shapes));
    for (size_t i = 0; i < sizeof which / sizeof *which; i++) {
        const char *name = clade_dataset_name(w->dataset, which[i].split, which[i].at);
        char *slash = clade_string_join(folder, "/"), *path = clade_string_join(slash, name);
        CHECK(truncate(path, 500) == 0);
        free(slash);
        free(path);
    }
    return folder;
}

/* Without loading the data set first the end is the same, also where images are damaged, and
 * wherever it stops on the way. */
static void test_early(const world *w, const char *expected)
{
    char *damaged = damage_some(w), *path[2] = {w->images, damaged}, wanted[65];
    for (int k = 0; k < 8; k++) { /* images, loaded or not, at once or in pieces */
        bool is_damaged = k / 2 % 2, loaded = k < 4;
        int polls = 3;
        char name[16], hex[65];
        snprintf(name, sizeof name, "early-%d", k);
        char *out = below(w, name);
        clade_data_options data = *clade_recipe_data(w->recipe);
        data.path = path[is_damaged];
        world own = *w;
        clade_classifier *classifier = NULL;
        CHECK_OK(clade_dataset_open(&data, &own.dataset));
        if (loaded) CHECK_OK(clade_dataset_load(own.dataset, NULL, NULL));
        if (k % 2) {
            CHECK_FAILS(train(&own, out, false, &polls, NULL), CLADE_ECANCELLED, "stopped");
            CHECK_OK(train(&own, out, true, NULL, &classifier));
        } else {
            CHECK_OK(train(&own, out, false, NULL, &classifier));
        }
        CHECK(clade_dataset_skipped(own.dataset) == (is_damaged ? 3 : 0));
        if (classifier) hash_weights(classifier, hex);
        if (k == 2) memcpy(wanted, hex, sizeof wanted);
        CHECK(!strcmp(hex, is_damaged ? wanted : expected));
        clade_classifier_destroy(&classifier);
        clade_dataset_destroy(&own.dataset);
        free(out);
    }
    CHECK(strcmp(wanted, expected));
    free(damaged);
}

/* Moves the images away when the first step, or the first epoch, is done: a disk that is
 * unplugged. */
typedef struct unplugged {
    const char *from, *to;
    bool done;
} unplugged;

static void unplug(unplugged *u)
{
    if (!u->done) CHECK(rename(u->from, u->to) == 0);
    u->done = true;
}

static void unplug_in_epoch(void *user, const clade_epoch *e, size_t batch, size_t batches)
{
    (void)e, (void)batch, (void)batches;
    unplug(user);
}

static void unplug_after_epoch(void *user, const clade_epoch *e)
{
    (void)e;
    unplug(user);
}

/* Trains until the images vanish, which ends it with a checkpoint, and puts them back. */
static void train_unplugged(const world *w, const char *out, bool late)
{
    char *away = below(w, "unplugged");
    unplugged u = {.from = w->images, .to = away};
    clade_train_options options = {.out = out, .threads = 1, .observer.user = &u};
    if (late)
        options.observer.epoch = unplug_after_epoch;
    else
        options.observer.batch = unplug_in_epoch;
    clade_status status = clade_train(w->recipe, w->dataset, w->device, &options, NULL);
    CHECK(status == CLADE_EIO && strstr(clade_error(), ".jpg: No such file or directory"));
    CHECK(strstr(clade_error(), late ? "stopped in epoch 2 after" : "stopped in epoch 1 after"));
    CHECK(strstr(clade_error(), "saved: the run can be resumed"));
    CHECK(rename(away, w->images) == 0);
    CHECK(clade_dataset_skipped(w->dataset) == 0);
    free(away);
}

/* Resumes with the images as they are on disk now. */
static clade_status resume_anew(const world *w, const clade_data_options *data, const char *out,
                                char hex[65])
{
    world own = *w;
    clade_classifier *classifier = NULL;
    CHECK_OK(clade_dataset_open(data, &own.dataset));
    clade_status status = train(&own, out, true, NULL, &classifier);
    if (classifier) hash_weights(classifier, hex);
    clade_classifier_destroy(&classifier);
    clade_dataset_destroy(&own.dataset);
    return status;
}

/* Images that vanish end training with a checkpoint, from which it goes on to the same weights; one
 * that has changed meanwhile is refused by its name. */
static void test_vanished(const world *w, const char *expected)
{
    clade_data_options data = *clade_recipe_data(w->recipe);
    data.path = w->images;
    data.cache_bytes = 1; /* none: every image is read each time */
    for (int late = 0; late < 2; late++) {
        char *out = below(w, late ? "vanished-2" : "vanished-1"), hex[65] = "";
        world own = *w;
        CHECK_OK(clade_dataset_open(&data, &own.dataset));
        train_unplugged(&own, out, late);
        if (late) {
            char *path =
                clade_path_join(w->images, clade_dataset_name(own.dataset, CLADE_VALIDATION, 3));
            uint8_t *bytes = NULL;
            size_t size;
            CHECK_OK(clade_file_read(path, 1 << 20, (void **)&bytes, &size));
            bytes[size - 2] ^= 1; /* the end marker */
            CHECK_OK(clade_file_write(path, bytes, size));
            CHECK_FAILS(
                resume_anew(w, &data, out, hex), CLADE_EIO,
                "0003.jpg: its content has changed since it was first read; stopped in epoch 2");
            bytes[size - 2] ^= 1;
            CHECK_OK(clade_file_write(path, bytes, size));
            free(bytes);
            free(path);
        }
        CHECK_OK(resume_anew(w, &data, out, hex));
        CHECK(!strcmp(hex, expected));
        clade_dataset_destroy(&own.dataset);
        free(out);
    }
}

/* An image that is damaged since is refused as well, though a loaded data set has dropped it; and
 * what was too much damage, or a class without images, is so at each resume. */
static void test_damaged_since(const world *w)
{
    char *images = damage_some(w), *out = below(w, "since"), *bad = below(w, "too-many"), hex[65];
    clade_data_options data = *clade_recipe_data(w->recipe);
    world own = *w;
    data.path = images;
    CHECK_OK(clade_dataset_open(&data, &own.dataset));
    CHECK_OK(train(&own, out, false, NULL, NULL));
    char *path = clade_path_join(images, clade_dataset_name(own.dataset, CLADE_TRAIN, 20));
    clade_dataset_destroy(&own.dataset);

    data.max_damaged = 0.02; /* 3 of 120 are more */
    for (int k = 0; k < 4; k++) {
        CHECK_OK(clade_dataset_open(&data, &own.dataset));
        CHECK_FAILS(train(&own, bad, k > 0, NULL, NULL), CLADE_EFORMAT, "3 of 120 images");
        CHECK(!strstr(clade_error(), "stopped in epoch") == (k > 0));
        clade_dataset_destroy(&own.dataset);
    }

    data.max_damaged = 0;
    CHECK(truncate(path, 500) == 0);
    CHECK_OK(clade_dataset_open(&data, &own.dataset));
    CHECK_OK(clade_dataset_load(own.dataset, NULL, NULL));
    CHECK_FAILS(train(&own, out, true, NULL, NULL), CLADE_EIO, "a damaged image of the");
    clade_dataset_destroy(&own.dataset);
    CHECK_FAILS(resume_anew(w, &data, out, hex), CLADE_EIO, "has changed since it was first read");
    free(path);
    free(images);
    free(out);
    free(bad);
}

/* Too much damage ends training also where all images are read before the first epoch begins. */
static void test_damaged_at_once(const world *w)
{
    char *images = below(w, "few"), *out = below(w, "few-run");
    const clade_shapes_options shapes = {.classes = 4, .train = 2, .validation = 10, .size = 32};
    clade_data_options data = *clade_recipe_data(w->recipe);
    world own = *w;
    data.path = images;
    data.max_damaged = 0.01;
    CHECK_OK(clade_shapes_write(images, &shapes));
    CHECK_OK(clade_dataset_open(&data, &own.dataset));
    for (size_t i = 0; i < 3; i++) {
        char *path = clade_path_join(images, clade_dataset_name(own.dataset, CLADE_TRAIN, 2 * i));
        CHECK(truncate(path, 500) == 0);
        free(path);
    }
    clade_dataset_destroy(&own.dataset);
    CHECK_OK(clade_dataset_open(&data, &own.dataset));
    CHECK_FAILS(train(&own, out, false, NULL, NULL), CLADE_EFORMAT, "of 48 images are damaged");
    clade_dataset_destroy(&own.dataset);
    free(images);
    free(out);
}

int main(void)
{
    world w = {.folder = "/tmp/clade-resume-XXXXXX"};
    if (!mkdtemp(w.folder)) return 1;
    w.images = below(&w, "images");
    const clade_shapes_options shapes = {.classes = 4, .train = 20, .validation = 10, .size = 32};
    CHECK_OK(clade_shapes_write(w.images, &shapes));
    CHECK_OK(clade_recipe_parse(recipe_text, "tiny.yaml", &w.recipe));
    CHECK_OK(clade_device_open("cpu", NULL, &w.device));
    if (w.recipe && w.device) {
        clade_data_options data = *clade_recipe_data(w.recipe);
        data.path = w.images;
        CHECK_OK(clade_dataset_open(&data, &w.dataset));
        CHECK_OK(clade_dataset_load(w.dataset, NULL, NULL));
    }
    char expected[65] = "";
    if (w.dataset) {
        test_resume(&w, "whole", expected);
        test_steps(&w);
        test_more_epochs(&w, expected);
        test_averages(&w);
        test_early(&w, expected);
        test_vanished(&w, expected);
        test_damaged_since(&w);
        test_damaged_at_once(&w);
        test_velocity(&w);
        test_taken(&w);
        test_refusals(&w);
        test_states(&w);
        test_classifier(&w);
        test_divergence(&w);
    }
    clade_dataset_destroy(&w.dataset);
    clade_recipe_destroy(&w.recipe);
    clade_device_close(&w.device);
    CHECK_OK(clade_folder_remove(w.folder));
    free(w.images);
    return TEST_END();
}
