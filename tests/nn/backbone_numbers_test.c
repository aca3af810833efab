/* The named backbones by numbers of the libraries that they are taken from, which backbones.txt
 * keeps (tests/torch/backbone_vectors.py makes it and says what is in it): names, shapes and count
 * of the weights, and outputs for weights and an image that both sides draw by name and index. */
#include "../test.h"

#include "base/sha256.h"
#include "nn/backbone.h"
#include "nn/graph.h"
#include "weights/backbone.h"

#include <clade/interchange.h>

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { value_count = 8, probe_count = 4, name_size = CLADE_NAME_SIZE + 32 };

/* One case of the file. */
typedef struct expectation {
    char net[32], library[32], digest[65];
    clade_backbone_options options;
    unsigned long long weights, outputs;
    double largest, value[value_count], probe[probe_count];
} expectation;

/* A weight as the library has it; of torchvision's nets the sizes are its, outputs first. */
typedef struct tensor_line {
    char text[name_size + 64], name[name_size];
    int32_t rank, dim[4];
    float *data;
    size_t count;
} tensor_line;

/* --- what both sides draw --- */

/* Number `i` of those that belong to the name, from 0 to 1. */
static double draw(uint64_t start, uint64_t i)
{
    uint64_t z = start + (i + 1) * 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    z ^= z >> 31;
    return (double)(z >> 40) / 16777216;
}

static uint64_t start_of(const char *name)
{
    uint64_t hash = 0xCBF29CE484222325U; /* FNV-1a */
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001B3U;
    return hash;
}

static float *draw_image(size_t count)
{
    float *image = malloc(count * sizeof *image);
    for (size_t i = 0; image && i < count; i++)
        image[i] = (float)(2 * draw(start_of("image"), i) - 1);
    return image;
}

/* `inputs`: what a kernel adds up for an output; 0: it is none. */
static void draw_weight(tensor_line *t, bool scale, double inputs)
{
    uint64_t start = start_of(t->name);
    t->data = malloc(t->count * sizeof *t->data);
    for (size_t i = 0; t->data && i < t->count; i++) {
        double u = draw(start, i);
        u = inputs > 0 ? (2 * u - 1) * sqrt(6 / inputs) : scale ? 0.5 + u : 0.4 * u - 0.2;
        t->data[i] = (float)u;
    }
}

/* --- the library's weights --- */

static tensor_line tensor_of(const clade_backbone *b, int32_t layer, int32_t w, bool keras)
{
    static const char *const words[][2] = {{"kernel", "weight"},
                                           {"depthwise_kernel", "weight"},
                                           {"gamma", "weight"},
                                           {"bias", "bias"},
                                           {"beta", "bias"},
                                           {"moving_mean", "running_mean"},
                                           {"moving_variance", "running_var"},
                                           {"scale", ""},
                                           {"token", ""},
                                           {"position", ""}};
    const clade_node *node = &b->graph->node[layer];
    const clade_weight *weight = &node->weight[w];
    const int32_t *d = weight->shape.dim;
    int32_t rank = weight->shape.rank;
    tensor_line t = {.rank = rank, .count = clade_tensor_count(&weight->shape)};
    size_t word = 0;
    while (strcmp(words[word][0], weight->name)) word++;
    const bool own = !*words[word][1]; /* a parameter of its own, named as the layer is */
    const bool scale = !strcmp(weight->name, "scale"), token = !strcmp(weight->name, "token");
    const char *joined = b->alias[layer].name[CLADE_NAMING_GLUON]; /* of a vit: in_proj_weight */
    if (keras)
        snprintf(t.name, sizeof t.name, "%s/%s", b->alias[layer].name[CLADE_NAMING_KERAS],
                 own ? "Variable" : weight->name);
    else if (own)
        snprintf(t.name, sizeof t.name, "%s", node->layer.name);
    else
        snprintf(t.name, sizeof t.name, "%s%s%s", node->layer.name,
                 *joined && !strcmp(joined, node->layer.name) ? "_" : ".", words[word][1]);
    double inputs = rank == 4 ? (double)(d[0] * d[1] * d[2]) : rank == 2 ? d[0] : 0;
    for (int32_t k = 0; k < rank; k++) t.dim[k] = d[k];
    if (rank == 4 && !strcmp(weight->name, "depthwise_kernel")) {
        inputs = d[0] * d[1];
        if (keras) { /* [h, w, channels, 1] there */
            t.dim[2] = d[3];
            t.dim[3] = d[2];
        }
    }
    if (!keras && rank == 4)
        memcpy(t.dim, (int32_t[]){d[3], d[2], d[0], d[1]}, sizeof t.dim);
    else if (!keras && rank == 2)
        memcpy(t.dim, (int32_t[]){d[1], d[0]}, 2 * sizeof *t.dim);
    if (!keras && (scale || token)) { /* [c, 1, 1] and [1, 1, c] there */
        t.rank = rank = 3;
        memcpy(t.dim, scale ? (int32_t[]){d[0], 1, 1} : (int32_t[]){1, 1, d[0]}, 3 * sizeof *t.dim);
    }
    bool one = rank == 4 && d[0] == 1 && d[1] == 1; /* no window */
    int at = snprintf(t.text, sizeof t.text, "%s", t.name);
    for (int32_t k = one && keras ? 2 : 0; k < (one && !keras ? 2 : rank); k++)
        at += snprintf(t.text + at, sizeof t.text - (size_t)at, " %d", t.dim[k]);
    draw_weight(&t,
                scale || !strcmp(weight->name, "gamma") || !strcmp(weight->name, "moving_variance"),
                inputs);
    return t;
}

static int compare(const void *a, const void *b)
{
    return strcmp((*(const tensor_line *const *)a)->text, (*(const tensor_line *const *)b)->text);
}

static void check_names(const expectation *e, const tensor_line *tensors, size_t count)
{
    const tensor_line **sorted = calloc(count, sizeof *sorted);
    char hex[65];
    clade_sha256 hash;
    if (!sorted) abort();
    for (size_t i = 0; i < count; i++) sorted[i] = &tensors[i];
    qsort(sorted, count, sizeof *sorted, compare);
    clade_sha256_start(&hash);
    for (size_t i = 0; i < count; i++) {
        clade_sha256_add(&hash, sorted[i]->text, strlen(sorted[i]->text));
        clade_sha256_add(&hash, "\n", 1);
    }
    clade_sha256_end(&hash, hex);
    CHECK(!strcmp(hex, e->digest));
    for (size_t i = 0; i < count && strcmp(hex, e->digest) != 0; i++)
        printf("%s\n", sorted[i]->text);
    free(sorted);
}

/* --- outputs --- */

/* A file of torch's, which the reader of weights takes. */
static clade_status write_safetensors(const char *path, const tensor_line *tensors, size_t count)
{
    size_t size = 16, at = 0, offset = 0;
    for (size_t i = 0; i < count; i++) size += sizeof tensors->text + 128;
    char *head = malloc(size);
    FILE *file = fopen(path, "wb");
    if (!head || !file) abort();
    for (size_t i = 0; i < count; i++) {
        const tensor_line *t = &tensors[i];
        at += (size_t)snprintf(head + at, size - at, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[",
                               i ? "," : "{", t->name);
        for (int32_t k = 0; k < t->rank; k++)
            at += (size_t)snprintf(head + at, size - at, "%s%d", k ? "," : "", t->dim[k]);
        at += (size_t)snprintf(head + at, size - at, "],\"data_offsets\":[%zu,%zu]}", offset,
                               offset + 4 * t->count);
        offset += 4 * t->count;
    }
    at += (size_t)snprintf(head + at, size - at, "}");
    uint64_t length = at;
    bool good = fwrite(&length, 8, 1, file) == 1 && fwrite(head, 1, at, file) == at;
    for (size_t i = 0; i < count && good; i++)
        good = fwrite(tensors[i].data, 4, tensors[i].count, file) == tensors[i].count;
    good = fclose(file) == 0 && good;
    free(head);
    return good ? CLADE_OK : clade_fail(CLADE_EIO, "%s: cannot be written", path);
}

/* What places are added for another size of image is another thing. */
static void check_other_size(const expectation *e, const char *path)
{
    clade_backbone_options twice = e->options;
    clade_backbone_weights weights;
    twice.height *= 2;
    CHECK_FAILS(
        clade_backbone_read_weights(e->net, &twice, path, &weights), CLADE_EFORMAT,
        "'encoder.pos_embedding' is [1, 5, 768], but vit_b_16 at 64 × 32 needs [1, 9, 768]");
}

/* torchvision's weights go through a file, Keras' as they are: ours lie in the same order. */
static clade_status load(const expectation *e, const clade_backbone *b, const tensor_line *tensors,
                         size_t count, clade_model *model)
{
    clade_status status = CLADE_OK;
    if (!e->options.keras) {
        static const char path[] = "backbone_numbers.safetensors";
        clade_backbone_weights weights = {0};
        status = write_safetensors(path, tensors, count);
        if (!status) status = clade_backbone_read_weights(e->net, &e->options, path, &weights);
        if (!status) status = clade_model_load(model, weights.weight, weights.count, true);
        clade_backbone_weights_clear(&weights);
        if (!strncmp(e->net, "vit", 3)) check_other_size(e, path);
        remove(path);
        return status;
    }
    for (int32_t l = 1; l < b->graph->count; l++)
        for (int32_t w = 0; w < b->graph->node[l].weight_count && !status; w++, tensors++) {
            const clade_tensor *shape = &b->graph->node[l].weight[w].shape;
            char name[name_size];
            snprintf(name, sizeof name, "%s/%s", b->graph->node[l].layer.name,
                     b->graph->node[l].weight[w].name);
            clade_network_weight weight = {
                .name = name, .rank = shape->rank, .data = tensors->data};
            memcpy(weight.dim, shape->dim, sizeof weight.dim);
            status = clade_model_load(model, &weight, 1, false);
        }
    return status;
}

static void check_outputs(const expectation *e, const float *y, size_t count)
{
    double bound = 1e-4 * e->largest, largest = 0;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs((double)y[i]));
    CHECK(fabs(largest - e->largest) <= bound);
    for (size_t k = 0; k < value_count; k++)
        CHECK(fabs((double)y[k * (count - 1) / (value_count - 1)] - e->value[k]) <= bound);
    for (size_t k = 0; k < probe_count; k++) {
        char name[16];
        double sum = 0;
        snprintf(name, sizeof name, "probe%zu", k);
        uint64_t start = start_of(name);
        for (size_t i = 0; i < count; i++) sum += (double)y[i] * (2 * draw(start, i) - 1);
        CHECK(fabs(sum - e->probe[k]) <= bound * sqrt((double)count));
    }
}

static clade_status run(const expectation *e, const clade_backbone *b, const tensor_line *tensors,
                        size_t count, clade_device *device)
{
    const clade_backbone_options *o = &e->options;
    clade_model_options options = {.batch = 1};
    clade_model *model = NULL;
    clade_status status = clade_model_create(b->graph, device, &options, &model);
    if (!status) status = load(e, b, tensors, count, model);
    float *x = draw_image((size_t)(o->height * o->width * o->channels)), *y = NULL;
    if (!status) status = clade_tensor_write(clade_model_input(model), x);
    if (!status) status = clade_model_infer(model, 1, false);
    size_t outputs = status ? 0 : clade_tensor_count(clade_model_output(model));
    CHECK(outputs == e->outputs);
    if (!status) y = malloc(outputs * sizeof *y);
    if (y) status = clade_tensor_read(clade_model_output(model), y);
    if (y && !status && outputs == e->outputs) check_outputs(e, y, outputs);
    clade_model_destroy(&model);
    free(x);
    free(y);
    return status;
}

/* --- cases --- */

static void check(const expectation *e, clade_device *device)
{
    clade_backbone b;
    size_t count = 0;
    uint64_t total = 0;
    CHECK_OK(clade_backbone_build(e->net, &e->options, &b));
    for (int32_t l = 1; b.graph && l < b.graph->count; l++)
        count += (size_t)b.graph->node[l].weight_count;
    tensor_line *tensors = calloc(count + 1, sizeof *tensors);
    if (!tensors) abort();
    count = 0;
    for (int32_t l = 1; b.graph && l < b.graph->count; l++) {
        uint64_t trained, fixed;
        clade_graph_parameters(b.graph, l, &trained, &fixed);
        total += trained;
        for (int32_t w = 0; w < b.graph->node[l].weight_count; w++) {
            b.graph->node[l].weight[w].init = CLADE_INIT_ZEROS; /* quickly */
            tensors[count++] = tensor_of(&b, l, w, e->options.keras);
        }
    }
    CHECK(total == e->weights);
    check_names(e, tensors, count);
    if (e->outputs && b.graph) CHECK_OK(run(e, &b, tensors, count, device));
    for (size_t i = 0; i < count; i++) free(tensors[i].data);
    free(tensors);
    clade_backbone_clear(&b);
}

static bool read_numbers(FILE *file, const char *word, double *out, int count)
{
    char found[16];
    bool good = fscanf(file, "%15s", found) == 1 && !strcmp(found, word);
    for (int k = 0; k < count && good; k++) good = fscanf(file, "%lf", &out[k]) == 1;
    return good;
}

static bool read_case(FILE *file, expectation *e)
{
    clade_backbone_options *o = &e->options;
    *e = (expectation){0};
    bool good = fscanf(file,
                       "%31s %31s %" SCNd32 " %" SCNd32 " %" SCNd32 " %" SCNd32
                       " weights %llu %64s outputs %llu %lf",
                       e->net, e->library, &o->height, &o->width, &o->channels, &o->classes,
                       &e->weights, e->digest, &e->outputs, &e->largest) == 10;
    o->keras = !strcmp(e->library, "keras");
    if (!good || !e->outputs) return good;
    return read_numbers(file, "values", e->value, value_count) &&
           read_numbers(file, "probes", e->probe, probe_count);
}

int main(int argc, char **argv)
{
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    clade_device *device = NULL;
    expectation e;
    CHECK(file);
    CHECK_OK(clade_device_open("cpu", &(clade_device_options){.math = CLADE_EXACT}, &device));
    int cases = 0;
    for (; file && device && read_case(file, &e); cases++) {
        int failures = test_failures;
        check(&e, device);
        if (test_failures > failures)
            printf("… %s of %s, %d × %d × %d, %d classes\n", e.net, e.library, e.options.height,
                   e.options.width, e.options.channels, e.options.classes);
    }
    CHECK(file && feof(file) && cases > 0);
    if (file) fclose(file);
    clade_device_close(&device);
    return TEST_END();
}
