/* Training on a backbone: features that are kept give the same bits as those that are not, rates of
 * parts, unfreezing, resuming through it, and models that need no other file. */
#define _XOPEN_SOURCE 700
#include "../test.h"

#include "base/file.h"
#include "base/sha256.h"
#include "weights/safetensors.h"

#include <clade/clade.h>

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define RECIPE(backbone)                                                                           \
    "name: tiny\n"                                                                                 \
    "input: {size: 32, rescale: 1/255}\n"                                                          \
    "backbone: {name: squeezenet1_1, " backbone "}\n"                                              \
    "model:\n"                                                                                     \
    "  - dense: {units: 8, activation: relu}\n"                                                    \
    "  - dropout: 0.25\n"                                                                          \
    "  - dense: {units: classes, activation: softmax}\n"                                           \
    "train:\n"                                                                                     \
    "  loss: sparse_categorical_crossentropy\n"                                                    \
    "  optimizer: {adam: {lr: 0.01}}\n"                                                            \
    "  clip_norm: 1\n"                                                                             \
    "  batch: 16\n"                                                                                \
    "  epochs: 3\n"                                                                                \
    "  seed: 5\n"

typedef struct world {
    char folder[64];
    char *images, *weights;
    clade_device *device;
    clade_dataset *dataset;
} world;

static char *below(const world *w, const char *name) { return clade_path_join(w->folder, name); }

static void hash_one(clade_sha256 *hash, const clade_tensor *t)
{
    size_t bytes = clade_tensor_count(t) * sizeof(float);
    float *values = malloc(bytes);
    CHECK_OK(clade_tensor_read(t, values));
    clade_sha256_add(hash, values, bytes);
    free(values);
}

/* Parameters whose layer's name begins so. */
static void hash_weights(const clade_classifier *classifier, const char *start, char hex[65])
{
    clade_sha256 hash;
    clade_sha256_start(&hash);
    const clade_model *model = clade_classifier_model(classifier);
    for (size_t i = 0; i < clade_model_parameters(model); i++) {
        const clade_parameter *p = clade_model_parameter(model, i);
        if (!strncmp(p->name, start, strlen(start))) hash_one(&hash, &p->value);
    }
    clade_sha256_end(&hash, hex);
}

/* Stops when this many polls have been made. */
static bool count_down(void *user) { return --*(int *)user < 0; }

typedef struct go {
    const char *out;
    bool resume;
    uint64_t cache;
    int *polls;
} go;

static clade_status train(const world *w, const clade_recipe *recipe, go how,
                          clade_classifier **classifier)
{
    clade_train_options options = {
        .out = how.out, .resume = how.resume, .threads = 1, .cache_bytes = how.cache};
    if (how.polls) options.observer = (clade_train_observer){.user = how.polls, .stop = count_down};
    return clade_train(recipe, w->dataset, w->device, &options, classifier);
}

static clade_recipe *parse(const char *text)
{
    clade_recipe *recipe = NULL;
    CHECK_OK(clade_recipe_parse(text, "tiny.yaml", &recipe));
    return recipe;
}

/* The weights that training ends with: all, or of some layers. */
static bool end_with(const world *w, const char *text, uint64_t cache, const char *start,
                     char hex[65])
{
    clade_classifier *classifier = NULL;
    clade_recipe *recipe = parse(text);
    if (recipe) CHECK_OK(train(w, recipe, (go){.cache = cache}, &classifier));
    if (classifier) hash_weights(classifier, start, hex);
    clade_recipe_destroy(&recipe);
    bool good = classifier != NULL;
    clade_classifier_destroy(&classifier);
    return good;
}

enum { no_room = 1, room = 1 << 30 };

/* Kept features change nothing: the whole backbone, a part of it, and one below a dropout. */
static void test_features(const world *w)
{
    static const char *const texts[] = {
        RECIPE("pooling: avg, weights: random"),
        RECIPE("pooling: avg, weights: random, freeze: until features.12, lr_scale: 0.5"),
        RECIPE("pooling: avg, weights: random, include_top: true"),
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char kept[65], computed[65];
        if (!end_with(w, texts[i], room, "", kept) || !end_with(w, texts[i], no_room, "", computed))
            continue;
        CHECK(!strcmp(kept, computed));
    }
}

/* A rate of its own: almost none leaves kernels as they are. */
static void test_rates(const world *w)
{
    static const char kernel[] = "features.3.squeeze/kernel";
    char initial[65], slow[65], fast[65], again[65];
    if (!end_with(w, RECIPE("weights: random, pooling: avg"), room, kernel, initial) ||
        !end_with(w, RECIPE("pooling: avg, freeze: none, lr_scale: 1e-30"), room, kernel, slow) ||
        !end_with(w, RECIPE("pooling: avg, freeze: none"), room, kernel, fast) ||
        !end_with(w, RECIPE("pooling: avg, freeze: none, lr_scale: 1"), room, kernel, again))
        return;
    CHECK(!strcmp(initial, slow));
    CHECK(strcmp(initial, fast) != 0);
    CHECK(!strcmp(fast, again));
}

/* A decay by depth: blocks are counted from the head, what is before the first one last. */
static void test_layer_decay(void)
{
    clade_recipe *recipe =
        parse(RECIPE("pooling: avg, freeze: none, lr_scale: 2, layer_decay: 0.5"));
    clade_graph *graph = NULL;
    if (recipe) CHECK_OK(clade_recipe_graph(recipe, 2, &graph));
    if (!graph) return;
    const clade_transfer *transfer = clade_recipe_transfer(recipe);
    static const struct {
        const char *layer;
        double rate;
    } expected[] = {{"features.12.expand3x3", 1},
                    {"features.12.squeeze", 1},
                    {"features.11.squeeze", 0.5},
                    {"features.3.expand1x1", 1. / 128},
                    {"features.0", 1. / 256}};
    int found = 0;
    for (int32_t i = 1; i <= transfer->layers; i++)
        for (size_t k = 0; k < sizeof expected / sizeof *expected; k++)
            if (!strcmp(clade_graph_layer(graph, i)->name, expected[k].layer)) {
                CHECK((double)transfer->lr_scale[i - 1] == expected[k].rate);
                found++;
            }
    CHECK(found == 5);
    clade_graph_destroy(&graph);
    clade_recipe_destroy(&recipe);
}

/* Until the epoch nothing but the head changes; from then on the layers that were named do. */
static void test_unfreeze(const world *w, const char *text)
{
    char early[65], late[65], before[65], never[65];
    if (!end_with(w, text, room, "features.0", early) ||
        !end_with(w, text, room, "features.12", late) ||
        !end_with(w, RECIPE("pooling: avg, weights: random"), room, "features.12", before) ||
        !end_with(w, RECIPE("pooling: avg, weights: random"), room, "features.0", never))
        return;
    CHECK(!strcmp(early, never));
    CHECK(strcmp(late, before) != 0);
}

/* Stopped after each number of batches, with features kept in some of the pieces only. */
static void test_resume(const world *w, const char *text, const char *label)
{
    char expected[65], hex[65];
    clade_recipe *recipe = parse(text);
    if (!recipe || !end_with(w, text, room, "", expected)) return;
    static const int pieces[] = {0, 7, 13};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s-%d", label, pieces[i]);
        char *path = below(w, name);
        int polls = pieces[i], stops = 0;
        clade_classifier *classifier = NULL;
        clade_status status =
            train(w, recipe, (go){.out = path, .cache = i % 2 ? room : no_room, .polls = &polls},
                  &classifier);
        while (status == CLADE_ECANCELLED && stops++ < 40) {
            clade_classifier_destroy(&classifier);
            polls = pieces[i] + 14;
            status = train(w, recipe,
                           (go){.out = path,
                                .resume = true,
                                .cache = stops % 2 ? no_room : room,
                                .polls = &polls},
                           &classifier);
        }
        CHECK_OK(status);
        CHECK(stops > 0);
        if (classifier) {
            hash_weights(classifier, "", hex);
            CHECK(!strcmp(hex, expected));
        }
        clade_classifier_destroy(&classifier);
        free(path);
    }
    clade_recipe_destroy(&recipe);
}

/* torchvision's names: squeezenet's features as a file, from a model's own values. */
static void write_weights(const world *w, const clade_model *model, size_t leave_out)
{
    enum { most = 64 };
    clade_safetensors_tensor tensors[most];
    static char names[most][128];
    float *values[most], *turned[most];
    size_t count = 0;
    for (size_t i = 0; i < clade_model_parameters(model); i++) {
        const clade_parameter *p = clade_model_parameter(model, i);
        if (strncmp(p->name, "features", 8) || i == leave_out) continue;
        size_t n = clade_tensor_count(&p->value), slash = strcspn(p->name, "/");
        bool kernel = p->value.rank == 4;
        const int32_t *d = p->value.dim;
        values[count] = malloc(n * sizeof(float));
        turned[count] = malloc(n * sizeof(float));
        CHECK_OK(clade_tensor_read(&p->value, values[count]));
        for (size_t at = 0; at < n; at++) { /* HWIO to OIHW */
            size_t to = at;
            if (kernel) {
                size_t o = at % (size_t)d[3], in = at / (size_t)d[3] % (size_t)d[2];
                size_t area = at / (size_t)d[3] / (size_t)d[2];
                to = (o * (size_t)d[2] + in) * (size_t)d[0] * (size_t)d[1] + area;
            }
            turned[count][to] = values[count][at];
        }
        snprintf(names[count], sizeof names[count], "%.*s.%s", (int)slash, p->name,
                 kernel ? "weight" : "bias");
        tensors[count] = (clade_safetensors_tensor){.name = names[count],
                                                    .dtype = CLADE_SAFETENSORS_F32,
                                                    .rank = p->value.rank,
                                                    .data = turned[count]};
        if (kernel)
            for (int k = 0; k < 4; k++) tensors[count].shape[k] = d[(int[]){3, 2, 0, 1}[k]];
        else
            tensors[count].shape[0] = d[0];
        count++;
    }
    CHECK(count > 40 && count < most);
    CHECK_OK(clade_safetensors_write(w->weights, tensors, count, NULL, 0));
    for (size_t i = 0; i < count; i++) {
        free(values[i]);
        free(turned[i]);
    }
}

/* Weights of one run begin another; then their file goes away, and the model opens all the same. */
static void test_weights(const world *w)
{
    char text[1024], hex[65], opened[65], head[65];
    clade_classifier *first = NULL, *second = NULL;
    clade_recipe *recipe = parse(RECIPE("pooling: avg, weights: random"));
    if (!recipe) return;
    CHECK_OK(train(w, recipe, (go){0}, &first));
    clade_recipe_destroy(&recipe);
    if (!first) return;
    char *out = below(w, "weights-run");
    hash_weights(first, "features", hex);
    write_weights(w, clade_classifier_model(first), SIZE_MAX);
    snprintf(text, sizeof text, "%s", RECIPE("pooling: avg, weights: WEIGHTS"));
    char *at = strstr(text, "WEIGHTS"), rest[1024];
    strcpy(rest, at + strlen("WEIGHTS"));
    snprintf(at, sizeof text - (size_t)(at - text), "%s%s", w->weights, rest);
    char *other = strstr(text, "seed: 5");
    if (other) other[6] = '6'; /* other initial weights */
    recipe = parse(text);
    if (recipe) CHECK_OK(train(w, recipe, (go){.out = out}, &second));
    if (second) {
        hash_weights(second, "features", opened);
        CHECK(!strcmp(opened, hex));
        hash_weights(second, "", head);
    }
    clade_classifier_destroy(&second);
    /* a file in which a tensor is missing */
    char *bad = below(w, "bad-run");
    write_weights(w, clade_classifier_model(first), 3);
    if (recipe) CHECK(train(w, recipe, (go){.out = bad}, NULL) == CLADE_EFORMAT);
    CHECK(strstr(clade_error(), "is missing") && strstr(clade_error(), w->weights));
    unlink(w->weights);
    CHECK_OK(clade_classifier_open(out, w->device, &second));
    if (second) {
        hash_weights(second, "features", opened);
        CHECK(!strcmp(opened, hex));
    }
    clade_classifier_destroy(&second);
    if (recipe) CHECK_OK(train(w, recipe, (go){.out = out, .resume = true}, &second));
    if (second) {
        hash_weights(second, "", opened);
        CHECK(!strcmp(opened, head));
    }
    clade_classifier_destroy(&second);
    clade_classifier_destroy(&first);
    clade_recipe_destroy(&recipe);
    free(out);
    free(bad);
}

/* A model on the backbone in a file, which then goes away: all that is done with the model goes on.
 */
static void test_file(const world *w)
{
    char text[1024], hex[65], opened[65];
    char *base = below(w, "base-run"), *out = below(w, "file-run");
    clade_classifier *classifier = NULL;
    clade_recipe *recipe = parse(RECIPE("pooling: avg, weights: random"));
    if (recipe) CHECK_OK(train(w, recipe, (go){.out = base}, NULL));
    clade_recipe_destroy(&recipe);
    snprintf(text, sizeof text,
             "input: {size: 32, rescale: 1/255}\n"
             "backbone: {file: %s/best.safetensors, pooling: avg}\n"
             "model:\n  - dense: {units: classes, activation: softmax, name: head}\n"
             "train: {loss: sparse_categorical_crossentropy, batch: 16, epochs: 2}\n",
             base);
    int polls = 6; /* beyond the features */
    recipe = parse(text);
    if (recipe)
        CHECK(train(w, recipe, (go){.out = out, .polls = &polls}, NULL) == CLADE_ECANCELLED);
    CHECK_OK(clade_folder_remove(base));
    if (recipe) CHECK_OK(train(w, recipe, (go){.out = out, .resume = true}, &classifier));
    if (classifier) hash_weights(classifier, "", hex);
    clade_classifier_destroy(&classifier);
    CHECK_OK(clade_classifier_open(out, w->device, &classifier));
    if (classifier) {
        clade_metrics metrics;
        hash_weights(classifier, "", opened);
        CHECK(!strcmp(opened, hex));
        CHECK_OK(
            clade_classifier_evaluate(classifier, w->dataset, CLADE_VALIDATION, NULL, &metrics));
    }
    clade_classifier_destroy(&classifier);
    clade_recipe_destroy(&recipe);
    free(base);
    free(out);
}

/* A model file whose recipe names another: that one, which is sound, is not opened. */
static void test_hostile_model(const world *w)
{
    char text[1024];
    char *base = below(w, "victim-run"), *hostile = below(w, "hostile.safetensors");
    clade_classifier *classifier = NULL;
    clade_network *network = NULL;
    clade_recipe *recipe = parse(RECIPE("pooling: avg, weights: random"));
    if (recipe) CHECK_OK(train(w, recipe, (go){.out = base}, NULL));
    clade_recipe_destroy(&recipe);
    snprintf(text, sizeof text,
             "input: {size: 32}\nbackbone:\n  file: %s/best.safetensors\n"
             "model:\n  - dense: {units: classes, activation: softmax, name: head}\n",
             base);
    CHECK_OK(clade_recipe_parse(text, "written.yaml", &recipe)); /* in a recipe it is good */
    clade_recipe_destroy(&recipe);
    const clade_safetensors_pair pairs[] = {
        {"clade_format", "1"}, {"recipe", text}, {"classes", "[\"a\",\"b\",\"c\"]"}};
    CHECK_OK(clade_safetensors_write(hostile, NULL, 0, pairs, 3));
    static const char message[] = "hostile.safetensors:3: backbone: file: ";
    CHECK_FAILS(clade_classifier_open(hostile, w->device, &classifier), CLADE_EINVAL, message);
    CHECK(strstr(clade_error(), "is outside the model"));
    CHECK_FAILS(clade_network_read(hostile, NULL, &network), CLADE_EINVAL, message);
    free(base);
    free(hostile);
}

/* One line with file, line and what was expected. */
static void test_mistakes(const world *w)
{
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {RECIPE("freeze: until features.99"), "tiny.yaml:3: freeze: the backbone has no layer"},
        {RECIPE("freeze: until features.12.squeese"), "did you mean 'features.12.squeeze'?"},
        {RECIPE("freeze: some"), "expected all, none or 'until LAYER'"},
        {RECIPE("unfreeze: {epoch: 1}"), "tiny.yaml:3: epoch"},
        {RECIPE("pooling: avg, freeze: none, unfreeze: {epoch: 2}"), "no further layers to train"},
        {RECIPE("output: nowhere"), "output: the backbone has no layer"},
        {RECIPE("wieghts: x"), "did you mean 'weights'?"},
        {RECIPE("file: x.onnx"), "has both 'name' and 'file'"},
        {RECIPE("preprocessing: imagenet"), "the section input also sets rescale"},
        {RECIPE("lr_scale: 0"), "lr_scale"},
        {RECIPE("layer_decay: 1.5"), "tiny.yaml:3: layer_decay: expected a number from 0 to 1"},
        {"input: {size: 32, channels: 1}\nbackbone: {name: vgg16, weights: x.safetensors}\n"
         "model: [flatten]\n",
         "take 3 channels, but the section input says 1"},
        {"input: {size: 8}\nbackbone: resnet19\nmodel: [flatten]\n", "did you mean 'resnet18'?"},
        {"input: {size: 8}\nbackbone: {name: resnet18, weights: x.h5}\nmodel: [flatten]\n",
         "Keras' weights are not read for this network"},
        {"input: {size: 8}\nbackbone: {freeze: none}\nmodel: [flatten]\n",
         "the key 'name' or 'file' is missing"},
        {"input: {size: 8}\ncompare: [resnet18, vgg16]\nbackbone: {freeze: nome}\n"
         "model: [flatten]\n",
         "freeze: expected all"},
        {"input: {size: 8}\ncompare: resnet18\nmodel: [flatten]\n", "compare"},
        {"input: {size: 8}\ncompare: [[resnet18]]\nmodel: [flatten]\n",
         "expected the name of a backbone"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        clade_recipe *recipe = NULL;
        CHECK_FAILS(clade_recipe_parse(wrong[i].text, "tiny.yaml", &recipe), CLADE_EINVAL,
                    wrong[i].message);
        clade_recipe_destroy(&recipe);
    }
    clade_recipe *recipe = parse(RECIPE("pooling: avg"));
    if (recipe) CHECK(train(w, recipe, (go){0}, NULL) == CLADE_EINVAL);
    CHECK(strstr(clade_error(), "tiny.yaml:3: backbone: frozen layers of squeezenet1_1 need"));
    clade_recipe_destroy(&recipe);
    recipe = parse(RECIPE("pooling: avg, weights: /nowhere/x.safetensors"));
    if (recipe) CHECK(train(w, recipe, (go){0}, NULL) == CLADE_EIO);
    CHECK(strstr(clade_error(), "tiny.yaml:3: backbone: /nowhere/x.safetensors"));
    clade_recipe_destroy(&recipe);
}

/* Entries replace the backbone, or change what they name. */
static void test_alternatives(void)
{
    clade_recipe *recipe = parse("name: all\ninput: {size: 64}\n"
                                 "backbone: {pooling: avg, freeze: none}\n"
                                 "compare: [resnet18, {name: squeezenet1_1, weights: a.h5}, "
                                 "{label: mine, name: mobilenet_v2, freeze: all, pooling: none}]\n"
                                 "model:\n  - flatten\n  - dense: {units: classes}\n");
    static const char *const names[] = {"resnet18", "squeezenet1_1", "mine"};
    if (!recipe) return;
    CHECK(clade_recipe_alternatives(recipe) == 3);
    for (size_t i = 0; i < 3; i++) {
        clade_recipe *one = NULL;
        clade_graph *graph = NULL;
        uint64_t trained = 0, fixed;
        CHECK_OK(clade_recipe_alternative(recipe, i, &one));
        if (!one) continue;
        CHECK(!strcmp(clade_recipe_name(one), names[i]));
        CHECK(clade_recipe_alternatives(one) == 0);
        CHECK_OK(clade_recipe_graph(one, 2, &graph));
        if (graph) clade_graph_parameters(graph, 1, &trained, &fixed);
        CHECK((trained == 0) == (i == 2));
        clade_graph_destroy(&graph);
        clade_recipe_destroy(&one);
    }
    clade_graph *graph;
    CHECK(clade_recipe_graph(recipe, 2, &graph) == CLADE_EINVAL);
    CHECK(strstr(clade_error(), "clade compare"));
    clade_recipe_destroy(&recipe);
}

int main(void)
{
    world w = {.folder = "/tmp/clade-transfer-XXXXXX"};
    if (!mkdtemp(w.folder)) return 1;
    w.images = below(&w, "images");
    w.weights = below(&w, "squeezenet.safetensors");
    const clade_shapes_options shapes = {.classes = 3, .train = 10, .validation = 6, .size = 32};
    const clade_data_options data = {.path = w.images, .height = 32, .width = 32};
    CHECK_OK(clade_shapes_write(w.images, &shapes));
    CHECK_OK(clade_device_open("cpu", NULL, &w.device));
    CHECK_OK(clade_dataset_open(&data, &w.dataset));
    CHECK_OK(clade_dataset_load(w.dataset, NULL, NULL));
    static const char unfreezing[] =
        RECIPE("pooling: avg, weights: random, unfreeze: {epoch: 2, from: features.11}");
    test_features(&w);
    test_rates(&w);
    test_layer_decay();
    test_unfreeze(&w, unfreezing);
    test_resume(&w, RECIPE("pooling: avg, weights: random"), "frozen");
    test_resume(&w, unfreezing, "unfreezing");
    test_weights(&w);
    test_file(&w);
    test_hostile_model(&w);
    test_mistakes(&w);
    test_alternatives();
    clade_dataset_destroy(&w.dataset);
    clade_device_close(&w.device);
    CHECK_OK(clade_folder_remove(w.folder));
    free(w.images);
    free(w.weights);
    return TEST_END();
}
