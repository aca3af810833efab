/* Training with features on disk: the same weights as without, whatever the cache holds; and when
 * they are found again and when not. */
#define _XOPEN_SOURCE 700
#include "../test.h"

#include "base/file.h"
#include "base/sha256.h"
#include "data/dataset.h"

#include <clade/clade.h>

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#define RECIPE(input, backbone, pool, seed)                                                        \
    "name: tiny\n"                                                                                 \
    "input: {" input "}\n"                                                                         \
    "backbone: {name: squeezenet1_1, weights: random" backbone "}\n"                               \
    "model:\n"                                                                                     \
    "  - " pool "\n"                                                                               \
    "  - dropout: 0.25\n"                                                                          \
    "  - dense: {units: classes, activation: softmax}\n"                                           \
    "train:\n"                                                                                     \
    "  loss: sparse_categorical_crossentropy\n"                                                    \
    "  optimizer: {adam: {lr: 0.01}}\n"                                                            \
    "  batch: 16\n"                                                                                \
    "  epochs: 2\n"                                                                                \
    "  seed: " seed "\n"
#define AVG "global_avgpool2d"
#define MAX "global_maxpool2d"
#define PLAIN RECIPE("size: 32, rescale: 1/255", "", AVG, "5")

enum { images = 3 * (10 + 6), ample = 1 << 30 };

typedef struct told {
    size_t times, images, found;
    double seconds, epoch_seconds;
    char note[700];
    int polls; /* before it is stopped; negative: never */
} told;

/* How a run is made; zero: on the CPU, exactly, in memory alone. */
typedef struct how {
    const char *out;
    bool resume, whole; /* whole: the data set is loaded before */
    int threads, polls;
    uint64_t disk;
    clade_math math;
} how;

static char home[] = "/tmp/clade-features-XXXXXX";
static char *folder;

static void hear_features(void *user, size_t count, size_t found, double seconds)
{
    told *t = user;
    t->times++;
    t->images = count;
    t->found = found;
    t->seconds = seconds;
}

static void hear_note(void *user, const char *text)
{
    told *t = user;
    snprintf(t->note, sizeof t->note, "%s", text);
}

static void hear_epoch(void *user, const clade_epoch *e)
{
    told *t = user;
    if (e->epoch == 1) t->epoch_seconds = e->seconds - e->feature_seconds;
}

static bool count_down(void *user)
{
    told *t = user;
    return t->polls >= 0 && t->polls-- == 0;
}

static void hash_weights(const clade_classifier *classifier, char hex[65])
{
    clade_sha256 hash;
    clade_sha256_start(&hash);
    const clade_model *model = clade_classifier_model(classifier);
    for (size_t i = 0; i < clade_model_parameters(model); i++) {
        const clade_tensor *value = &clade_model_parameter(model, i)->value;
        size_t bytes = clade_tensor_count(value) * sizeof(float);
        float *values = malloc(bytes);
        CHECK_OK(clade_tensor_read(value, values));
        clade_sha256_add(&hash, values, bytes);
        free(values);
    }
    clade_sha256_end(&hash, hex);
}

/* Trains on images that are opened for it alone. */
static clade_status train(const char *text, how h, told *t, char hex[65])
{
    clade_recipe *recipe = NULL;
    clade_device *device = NULL;
    clade_dataset *dataset = NULL;
    clade_classifier *classifier = NULL;
    *t = (told){.polls = h.polls ? h.polls : -1};
    hex[0] = 0;
    clade_status status = clade_recipe_parse(text, "tiny.yaml", &recipe);
    clade_data_options data = status ? (clade_data_options){0} : *clade_recipe_data(recipe);
    data.path = folder;
    if (!status)
        status = clade_device_open(
            "cpu", &(clade_device_options){.math = h.math, .threads = h.threads}, &device);
    if (!status) status = clade_dataset_open(&data, &dataset);
    if (!status && h.whole) status = clade_dataset_load(dataset, NULL, NULL);
    const clade_train_options options = {.out = h.out,
                                         .resume = h.resume,
                                         .threads = h.threads,
                                         .cache_bytes = ample,
                                         .feature_bytes = h.disk,
                                         .observer = {.user = t,
                                                      .features = hear_features,
                                                      .note = hear_note,
                                                      .epoch = hear_epoch,
                                                      .stop = count_down}};
    if (!status) status = clade_train(recipe, dataset, device, &options, &classifier);
    if (!status) hash_weights(classifier, hex);
    if (!status && !h.whole && t->found == images) CHECK(!dataset->loaded); /* none was decoded */
    clade_classifier_destroy(&classifier);
    clade_dataset_destroy(&dataset);
    clade_device_close(&device);
    clade_recipe_destroy(&recipe);
    return status;
}

/* Trains, and looks how many of the features were on disk. */
static void expect(const char *text, how h, size_t found, char hex[65])
{
    told t;
    CHECK_OK(train(text, h, &t, hex));
    CHECK(t.times == 1 && t.images == images);
    CHECK(t.found == found);
    CHECK(t.seconds > 0 && t.epoch_seconds >= 0);
    if (t.found != found) printf("found %zu of %zu, expected %zu\n", t.found, t.images, found);
    CHECK(!t.note[0]);
}

/* With nothing on disk, with all of it, on other threads, and with images that lie decoded. */
static void test_same(char without[65])
{
    char with[65];
    expect(PLAIN, (how){.threads = 2}, 0, without);
    expect(PLAIN, (how){.disk = ample, .threads = 2}, 0, with);
    CHECK(!strcmp(with, without));
    expect(PLAIN, (how){.disk = ample, .threads = 1}, images, with);
    CHECK(!strcmp(with, without));
    expect(PLAIN, (how){.disk = ample, .threads = 3, .whole = true}, images, with);
    CHECK(!strcmp(with, without));
    expect(PLAIN, (how){0}, 0, with); /* a limit of 0: they are not looked for */
    CHECK(!strcmp(with, without));
}

/* Another head finds them too; whatever features depend on makes others. */
static void test_key(const char *plain)
{
    static const char *const same[] = {
        RECIPE("size: 32, rescale: 1/255", ", lr_scale: 0.5", AVG, "5"),
    };
    static const char *const others[] = {
        RECIPE("size: 32, rescale: 1/255", "", AVG, "6"), /* other weights */
        RECIPE("size: 64, rescale: 1/255", "", AVG, "5"),
        RECIPE("size: 64, rescale: 1/255", "", MAX, "5"), /* of the same weights */
        RECIPE("size: 40, rescale: 1/255", "", AVG, "5"),
        RECIPE("size: 32, rescale: 1/255, interpolation: nearest", "", AVG, "5"),
        RECIPE("size: 32, rescale: 1/255, antialias: true", "", AVG, "5"),
        RECIPE("size: 32, rescale: 1/254", "", AVG, "5"),
        RECIPE("size: 32, rescale: 1/255, mean: [0.5, 0.5, 0.5]", "", AVG, "5"),
        RECIPE("size: 32, rescale: 1/255", ", freeze: until features.12", AVG, "5"),
    };
    char with[65], without[65];
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        expect(same[i], (how){.disk = ample}, images, with);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        expect(others[i], (how){.disk = ample}, 0, with);
        expect(others[i], (how){.disk = ample}, images, with);
        expect(others[i], (how){0}, 0, without);
        CHECK(!strcmp(with, without));
        CHECK(strcmp(with, plain) != 0);
    }
    expect(PLAIN, (how){.disk = ample, .math = CLADE_FAST}, 0, with);
    expect(PLAIN, (how){.disk = ample, .math = CLADE_FAST}, images, with);
}

/* The first file of a class, to be freed. */
static char *first_image(const char *class_folder)
{
    char *path = clade_path_join(folder, class_folder), *file = NULL;
    DIR *dir = opendir(path);
    CHECK(dir != NULL);
    for (struct dirent *e; dir && !file && (e = readdir(dir));)
        if (e->d_name[0] != '.') file = clade_path_join(path, e->d_name);
    if (dir) closedir(dir);
    free(path);
    return file;
}

/* One image with other content under its name; and one that cannot be decoded, but was before. */
static void test_content(void)
{
    void *bytes, *foreign;
    size_t size, foreign_size;
    char with[65], without[65];
    char *path = first_image("train/circle"), *other = first_image("train/square");
    if (!path || !other) return;
    CHECK_OK(clade_file_read(path, ample, &bytes, &size));
    CHECK_OK(clade_file_read(other, ample, &foreign, &foreign_size));
    ((char *)foreign)[foreign_size - 3] ^= 1; /* within its pixels */
    CHECK_OK(clade_file_write(path, foreign, foreign_size));
    expect(PLAIN, (how){.disk = ample}, images - 1, with);
    expect(PLAIN, (how){0}, 0, without);
    CHECK(!strcmp(with, without));
    CHECK_OK(clade_file_write(path, bytes, size));
    expect(PLAIN, (how){.disk = ample}, images, with);
    free(bytes);
    free(foreign);
    free(path);
    free(other);
}

/* Stopped while features are computed, and in the epoch after: what was computed is not lost. */
static void test_resume(const char *expected)
{
    char hex[65], *out = clade_path_join(home, "run"),
                  *features = clade_path_join(home, "clade/features");
    told t;
    CHECK_OK(clade_folder_remove(features));
    free(features);
    CHECK(train(PLAIN, (how){.out = out, .disk = ample, .polls = 1, .whole = true}, &t, hex) ==
          CLADE_ECANCELLED);
    CHECK(t.times == 0);
    CHECK(train(PLAIN, (how){.out = out, .disk = ample, .polls = 7, .resume = true, .whole = true},
                &t, hex) == CLADE_ECANCELLED);
    CHECK(t.times == 1 && t.found == 16); /* the first batch */
    CHECK_OK(train(PLAIN, (how){.out = out, .disk = ample, .resume = true}, &t, hex));
    CHECK(t.found == images);
    CHECK(!strcmp(hex, expected));
    free(out);
}

/* A file of the cache with one byte changed: told of, and without effect. */
static void test_damage(const char *expected)
{
    char hex[65], *path = clade_path_join(home, "clade/features");
    told t;
    DIR *dir = opendir(path);
    CHECK(dir != NULL);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (e->d_name[0] == '.') continue;
        void *bytes;
        size_t size;
        char *file = clade_path_join(path, e->d_name);
        CHECK_OK(clade_file_read(file, ample, &bytes, &size));
        ((char *)bytes)[size / 2] ^= 4;
        CHECK_OK(clade_file_write(file, bytes, size));
        free(bytes);
        free(file);
    }
    if (dir) closedir(dir);
    free(path);
    CHECK_OK(train(PLAIN, (how){.disk = ample}, &t, hex));
    CHECK(t.found == images - 1);
    CHECK(strstr(t.note, ".rows: 1 damaged; computed anew"));
    CHECK(!strcmp(hex, expected));
    expect(PLAIN, (how){.disk = ample}, images, hex);
    CHECK(!strcmp(hex, expected));
}

/* Nowhere to keep them. */
static void test_none(const char *expected)
{
    char hex[65];
    told t;
    setenv("XDG_CACHE_HOME", "/dev/null", 1);
    CHECK_OK(train(PLAIN, (how){.disk = ample}, &t, hex));
    CHECK(t.found == 0 && strstr(t.note, "features are not kept: "));
    CHECK(!strcmp(hex, expected));
}

int main(void)
{
    if (!mkdtemp(home)) return 1;
    setenv("XDG_CACHE_HOME", home, 1);
    folder = clade_path_join(home, "images");
    const clade_shapes_options shapes = {.classes = 3, .train = 10, .validation = 6, .size = 48};
    CHECK_OK(clade_shapes_write(folder, &shapes));
    char plain[65];
    test_same(plain);
    test_key(plain);
    test_content();
    test_resume(plain);
    test_damage(plain);
    test_none(plain);
    CHECK_OK(clade_folder_remove(home));
    free(folder);
    return TEST_END();
}
