/* What a recipe makes of a backbone: which layers and parameters are trained, by torchvision's
 * counts; whose statistics change; and how pixels become its input. */
#include "../test.h"

#include <clade/recipe.h>

#include <math.h>

/* `until` is the first module that is trained; `trained` are its and the later ones'
 * parameters, of `all`. The head adds those of 3 outputs for `features`. */
static const struct {
    const char *name, *until;
    uint64_t trained, all;
    int features;
} nets[] = {
    {"vgg16", "features.24", 7079424, 14714688, 512},
    {"resnet18", "layer4", 8393728, 11176512, 512},
    {"resnet50", "layer3", 22063104, 23508032, 2048},
    {"mobilenet_v2", "features.14", 1681344, 2223872, 1280},
    {"squeezenet1_1", "features.10", 497200, 722496, 512},
    {"efficientnet_b0", "features.6", 3155740, 4007548, 1280},
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
    static const int norms[count] = {0, 20, 53, 52, 0, 49};
    for (int i = 0; i < count; i++) {
        uint64_t head = 3 * (uint64_t)nets[i].features + 3;
        char until[64];
        int moving;
        snprintf(until, sizeof until, ", freeze: until %s", nets[i].until);
        CHECK(count_trained(nets[i].name, until, &moving) == nets[i].trained + head);
        CHECK(moving == 0);
        CHECK(count_trained(nets[i].name, "", &moving) == head); /* all are frozen */
        CHECK(count_trained(nets[i].name, ", freeze: none, bn: train", &moving) ==
              nets[i].all + head);
        CHECK(moving == norms[i]);
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
    } cases[] = {{"vgg16", &caffe},
                 {"resnet50", &caffe},
                 {"mobilenet_v2", &tf},
                 {"squeezenet1_1", &caffe},
                 {"efficientnet_b0", &torch}};
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

int main(void)
{
    test_trained();
    test_preprocessing();
    return TEST_END();
}
