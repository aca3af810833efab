/* What a recipe makes of a backbone: which layers and parameters are trained, by torchvision's
 * counts; whose statistics change; and how pixels become its input. */
#include "../test.h"

#include "base/file.h"
#include "recipe/recipe.h"

#include <clade/backbone.h>

#include <math.h>

/* `until` is the first module that is trained; `trained` are its and the later ones'
 * parameters, of `all`. The head adds those of 3 outputs for `features`; `norms` are the batch
 * normalisations. */
static const struct {
    const char *name, *until;
    uint64_t trained, all;
    int features, norms;
} nets[] = {
    {"vgg16", "features.24", 7079424, 14714688, 512, 0},
    {"resnet18", "layer4", 8393728, 11176512, 512, 20},
    {"resnet34", "layer4", 13114368, 21284672, 512, 36},
    {"resnet50", "layer3", 22063104, 23508032, 2048, 53},
    {"resnet101", "layer3", 41055232, 42500160, 2048, 104},
    {"mobilenet_v2", "features.14", 1681344, 2223872, 1280, 52},
    {"mobilenet_v3_small", "features.9", 736488, 927008, 576, 34},
    {"mobilenet_v3_large", "features.13", 2179464, 2971952, 960, 46},
    {"squeezenet1_1", "features.10", 497200, 722496, 512, 0},
    {"efficientnet_b0", "features.6", 3155740, 4007548, 1280, 49},
    {"efficientnet_b1", "features.6", 5307292, 6513184, 1280, 69},
    {"efficientnet_b2", "features.6", 6283130, 7700994, 1408, 69},
    {"efficientnet_b3", "features.6", 8506078, 10696232, 1536, 78},
    {"convnext_tiny", "features.7", 14289408, 27818592, 768, 0},
    {"regnet_y_400mf", "trunk_output.block4", 3052442, 3903144, 440, 53},
    {"vit_b_16", "encoder.layers.encoder_layer_11", 7089408, 85660416, 768, 0},
    {"vit_s_16", "encoder.layers.encoder_layer_11", 1775232, 21596544, 384, 0},
};
enum { count = sizeof nets / sizeof *nets };

static clade_recipe *parse(const char *name, const char *more)
{
    char text[512];
    clade_recipe *recipe = NULL;
    snprintf(text, sizeof text,
             "input: {size: 64}\nbackbone: {name: %s, pooling: avg%s}\n"
             "model:\n  - dense: {units: classes, activation: softmax}\n",
             name, more);
    CHECK_OK(clade_recipe_parse(text, "backbone.yaml", &recipe));
    return recipe;
}

/* The trained parameters; *moving gets how many batch normalisations change their statistics. */
static uint64_t count_trained(const char *name, const char *more, int *moving)
{
    clade_recipe *recipe = parse(name, more);
    clade_graph *graph = NULL;
    uint64_t sum = 0;
    *moving = 0;
    CHECK_OK(clade_recipe_graph(recipe, 3, &graph));
    for (int32_t i = 1; graph && i < clade_graph_layers(graph); i++) {
        const clade_layer *layer = clade_graph_layer(graph, i);
        uint64_t trained, fixed;
        clade_graph_parameters(graph, i, &trained, &fixed);
        sum += trained;
        *moving += layer->kind == CLADE_LAYER_BATCHNORM && !layer->as.batchnorm.frozen;
    }
    clade_graph_destroy(&graph);
    clade_recipe_destroy(&recipe);
    return sum;
}

static void test_trained(void)
{
    const char *const *names = clade_backbone_names();
    for (int i = 0; i < count; i++) {
        CHECK(names[i] && !strcmp(names[i], nets[i].name));
        uint64_t head = 3 * (uint64_t)nets[i].features + 3;
        char until[64];
        int moving;
        snprintf(until, sizeof until, ", freeze: until %s", nets[i].until);
        CHECK(count_trained(nets[i].name, until, &moving) == nets[i].trained + head);
        CHECK(moving == 0);
        CHECK(count_trained(nets[i].name, "", &moving) == head); /* all are frozen */
        CHECK(count_trained(nets[i].name, ", freeze: none, bn: train", &moving) ==
              nets[i].all + head);
        CHECK(moving == nets[i].norms);
    }
    CHECK(!names[count]);
}

/* Rates rise from block to block; what is frozen leaves nothing out. */
static void test_stochastic_depth(void)
{
    static const struct {
        const char *name, *until;
        int blocks, frozen;
        float last;
    } cases[] = {{"convnext_tiny", "features.5", 17, 5, 0.2F},
                 {"efficientnet_b0", "features.6", 9, 6, 0.2F * 14 / 16}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char more[96];
        snprintf(more, sizeof more, ", freeze: until %s, stochastic_depth: 0.2, weights: random",
                 cases[i].until);
        clade_recipe *recipe = parse(cases[i].name, more);
        clade_graph *graph = NULL;
        CHECK_OK(clade_recipe_graph(recipe, 3, &graph));
        int blocks = 0, frozen = 0;
        float last = 0;
        for (int32_t l = 1; graph && l < clade_graph_layers(graph); l++) {
            const clade_layer *layer = clade_graph_layer(graph, l);
            if (layer->kind != CLADE_LAYER_STOCHASTIC_DEPTH) continue;
            const float rate = layer->as.dropout.rate;
            blocks++;
            frozen += layer->frozen;
            CHECK(layer->frozen ? rate == 0 : rate > last);
            last = rate;
        }
        CHECK(blocks == cases[i].blocks && frozen == cases[i].frozen);
        CHECK(fabsf(last - cases[i].last) < 1e-6F);
        clade_graph_destroy(&graph);
        clade_recipe_destroy(&recipe);
    }
}

/* Scale and shift of red, green and blue. */
typedef struct pixel_map {
    double scale[3], shift[3];
} pixel_map;

/* Of torchvision's weights, then of Keras'. */
static void test_preprocessing(void)
{
    static const pixel_map torch = {{0.0171247538, 0.0175070028, 0.0174291939},
                                    {-2.1179039, -2.0357143, -1.8044444}},
                           caffe = {{1, 1, 1}, {-123.68, -116.779, -103.939}},
                           tf = {{0.0078431373, 0.0078431373, 0.0078431373}, {-1, -1, -1}};
    static const struct {
        const char *name;
        const pixel_map *keras;
    } cases[] = {{"vgg16", &caffe},           {"resnet50", &caffe},
                 {"resnet101", &caffe},       {"mobilenet_v2", &tf},
                 {"mobilenet_v3_small", &tf}, {"mobilenet_v3_large", &tf},
                 {"squeezenet1_1", &caffe},   {"efficientnet_b0", &torch},
                 {"efficientnet_b3", &torch}, {"convnext_tiny", &torch}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int keras = 0; keras < 2; keras++) {
            clade_recipe *recipe =
                parse(cases[i].name, keras ? ", weights: w.h5" : ", weights: w.safetensors");
            const pixel_map *expected = keras ? cases[i].keras : &torch;
            const clade_preprocessing *p = clade_recipe_preprocessing(recipe);
            for (int c = 0; c < 3; c++) {
                CHECK(fabs((double)p->scale[c] / expected->scale[c] - 1) < 1e-6);
                CHECK(fabs((double)p->shift[c] / expected->shift[c] - 1) < 1e-6);
            }
            clade_recipe_destroy(&recipe);
        }
    }
}

/* Is the recipe's backbone vgg16 in Keras' form? Its pixels are scaled another way. */
static bool is_keras(clade_recipe *recipe)
{
    bool keras = recipe && fabs((double)clade_recipe_preprocessing(recipe)->scale[0] - 1) < 1e-6;
    clade_recipe_destroy(&recipe);
    return keras;
}

static clade_recipe *parse_saved(const char *text)
{
    clade_recipe *recipe = NULL;
    CHECK_OK(clade_recipe_parse_saved(text, "model.safetensors", &recipe));
    return recipe;
}

/* What a file of weights is, says its content, once: a saved recipe does not look at the file. */
static void test_form(void)
{
    static const char odd[] = "backbone-test-odd.pth", hdf5[] = "\x89HDF\r\n\x1a\n";
    char text[512], *form;
    CHECK_OK(clade_file_write(odd, hdf5, sizeof hdf5 - 1));
    clade_recipe *recipe = parse("vgg16", ", weights: backbone-test-odd.pth");
    snprintf(text, sizeof text, "%s", recipe ? clade_recipe_text(recipe) : "");
    CHECK(is_keras(recipe));
    CHECK((form = strstr(text, "form: keras")));
    remove(odd);
    CHECK(is_keras(parse_saved(text)));
    CHECK_OK(clade_file_write(odd, hdf5, sizeof hdf5 - 1));
    if (form) memcpy(form, "form: torch", 11);
    CHECK(!is_keras(parse_saved(text)));
    CHECK(!is_keras(parse_saved("input: {size: 64}\nbackbone: {name: vgg16, weights: "
                                "backbone-test-odd.pth}\nmodel: [flatten]\n")));
    remove(odd);
    CHECK(is_keras(parse_saved("input: {size: 64}\nbackbone: {name: vgg16, weights: a.h5}\n"
                               "model: [flatten]\n"))); /* saved before there was the key */
    CHECK(is_keras(parse("vgg16", ", weights: random, form: keras")));
}

int main(void)
{
    test_trained();
    test_form();
    test_stochastic_depth();
    test_preprocessing();
    return TEST_END();
}
