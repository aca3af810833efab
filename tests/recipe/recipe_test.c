/* Recipes: what they mean, the built-in ones, edits, and the message of each mistake. */
#define _POSIX_C_SOURCE 200809L
#include "recipe/recipe.h"

#include "../test.h"

#include <clade/tune.h>

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD "input: {size: 32, rescale: 1/255}\n"
#define TAIL "train: {loss: categorical_crossentropy}\n"
#define DENSE "  - flatten\n  - dense: {units: 3, activation: softmax}\n"

/* Parses text that must be refused with this status and these parts in the message. */
static void refuse(const char *text, const char *place, const char *part)
{
    clade_recipe *recipe = NULL;
    clade_status status = clade_recipe_parse(text, "bad.yaml", &recipe);
    CHECK(status == CLADE_EINVAL || status == CLADE_EFORMAT);
    CHECK(!recipe);
    bool good = strstr(clade_error(), place) && strstr(clade_error(), part);
    CHECK(good);
    if (!good) printf("    expected '%s' and '%s' in: %s\n", place, part, clade_error());
    clade_recipe_destroy(&recipe);
}

static void test_mistakes(void)
{
    static const struct {
        const char *text, *place, *part;
    } cases[] = {
        {HEAD "model:\n" DENSE "trian: {}\n", "bad.yaml:5:", "did you mean 'train'"},
        {HEAD "model:\n  - conv2d: {filters: 8, kernal: 3}\n" DENSE,
         "bad.yaml:3:", "did you mean 'kernel'"},
        {HEAD "model:\n  - convd2: {filters: 8, kernel: 3}\n" DENSE,
         "bad.yaml:3:", "did you mean 'conv2d'"},
        {HEAD "model:\n  - conv2d: {filters: 8}\n" DENSE, "bad.yaml:3:", "'kernel' is missing"},
        {HEAD "model:\n  - conv2d: {filters: 8, kernel: 3, activation: rellu}\n" DENSE,
         "bad.yaml:3:", "did you mean 'relu'"},
        {HEAD "model:\n  - conv2d: {filters: 8, kernel: 33}\n" DENSE, "bad.yaml:3:", "33"},
        {HEAD "model:\n  - conv2d: {filters: 8, kernel: 3, kernel_size: 3}\n" DENSE,
         "bad.yaml:3:", "the same"},
        {HEAD "model:\n  - dropout: 1\n" DENSE, "bad.yaml:3:", "less than 1"},
        {HEAD "model:\n  - flatten\n  - maxpool2d: 2\n" DENSE, "bad.yaml:4:", "image"},
        {HEAD "model:\n  - add: [input, stem]\n" DENSE, "bad.yaml:3:", "'stem'"},
        {HEAD "model:\n  - squeeze_exite\n" DENSE, "bad.yaml:3:", "did you mean 'squeeze_excite'"},
        {HEAD "model:\n  - squeeze_excite: {unit: 4}\n" DENSE,
         "bad.yaml:3:", "did you mean 'units'"},
        {HEAD "model:\n  - squeeze_excite: {units: 4, ratio: 0.5}\n" DENSE,
         "bad.yaml:3:", "expected one of them"},
        {HEAD "model:\n  - squeeze_excite: {ratio: 0}\n" DENSE, "bad.yaml:3:", "positive"},
        {HEAD "model:\n  - squeeze_excite: {inputs: [input, input]}\n" DENSE,
         "bad.yaml:3:", "expected 1 input"},
        {HEAD "model:\n  - flatten\n  - squeeze_excite: 4\n" DENSE,
         "bad.yaml:4:", "squeeze_excite: needs an image"},
        {HEAD "model:\n  - multi_head_attention: 2\n" DENSE,
         "bad.yaml:3:", "multi_head_attention: heads is 2, which does not divide 3 channels"},
        {HEAD "model:\n  - multi_head_attention\n" DENSE, "bad.yaml:3:", "'heads'"},
        {HEAD "model:\n  - multi_head_attention: {head: 3}\n" DENSE,
         "bad.yaml:3:", "did you mean 'heads'"},
        {HEAD "model:\n  - flatten\n  - multi_head_attention: 2\n" DENSE,
         "bad.yaml:4:", "multi_head_attention: needs an image"},
        {HEAD "model:\n  - conv2d: {filters: 8, kernel: 1}\n  - attention: 2\n" DENSE,
         "bad.yaml:4:", "as many queries, keys and values"},
        {HEAD "model:\n  - attention: 2\n" DENSE,
         "bad.yaml:3:", "expected a number that divides 1 channels evenly"},
        {HEAD "model:\n  - flatten\n  - attention: 1\n" DENSE, "bad.yaml:4:", "[n, …, 3 c]"},
        {HEAD "model:\n  - flatten\n  - class_token\n" DENSE, "bad.yaml:4:", "image"},
        {HEAD "model:\n  - stochastic_depth: 1\n" DENSE, "bad.yaml:3:", "less than 1"},
        {HEAD "model:\n  - layer_scale: -1\n" DENSE, "bad.yaml:3:", "value: expected"},
        {HEAD "backbone: {name: resnet18, weights: random, stochastic_depth: 0.1}\nmodel:\n" DENSE,
         "bad.yaml:2:", "resnet18 has none"},
        {HEAD
         "backbone: {name: convnext_tiny, weights: random, stochastic_depth: 1}\nmodel:\n" DENSE,
         "bad.yaml:2:", "less than 1"},
        {HEAD "backbone: {layers: [flatten], stochastic_depth: 0.1}\nmodel:\n" DENSE,
         "bad.yaml:2:", "requires 'name'"},
        {HEAD "model:\n  - maxpool2d: two\n" DENSE, "bad.yaml:3:", "found 'two'"},
        {HEAD "model: []\n", "bad.yaml:2:", "expected layers"},
        {"input: {rescale: 1/255}\nmodel:\n" DENSE, "bad.yaml:1:", "'size' is missing"},
        {"input: {size: 0}\nmodel:\n" DENSE, "bad.yaml:1:", "from 1"},
        {"input: {size: 32, channels: 2}\nmodel:\n" DENSE, "bad.yaml:1:", "1 (grey) or 3"},
        {"input: {size: 32, mean: [1, 2]}\nmodel:\n" DENSE, "bad.yaml:1:", "one per channel"},
        {"input: {size: 32, interpolation: nearest, antialias: true}\nmodel:\n" DENSE,
         "bad.yaml:1:", "requires interpolation: bilinear"},
        {"input: {size: 32, interpolation: cubic}\nmodel:\n" DENSE,
         "bad.yaml:1:", "nearest, bilinear"},
        {HEAD "augment: {zoom: [1.2, 0.8]}\nmodel:\n" DENSE, "bad.yaml:2:", "higher number first"},
        {HEAD "augment: {alternating_flip: true, horizontal_flip: true}\nmodel:\n" DENSE,
         "bad.yaml:2:", "cannot be combined with horizontal_flip"},
        {HEAD "augment: {pad_crop: -1}\nmodel:\n" DENSE, "bad.yaml:2:", "pad_crop"},
        {HEAD "augment: {random_resized_crop: {scale: [0.5, 2]}}\nmodel:\n" DENSE,
         "bad.yaml:2:", "up to 1, found 2"},
        {HEAD "augment: {random_resized_crop: {ratio: 2}}\nmodel:\n" DENSE, "bad.yaml:2:", "ratio"},
        {HEAD "augment: {random_erasing: {p: 2}}\nmodel:\n" DENSE, "bad.yaml:2:", "from 0 to 1"},
        {HEAD "augment: {color_jitter: {hue: 0.6}}\nmodel:\n" DENSE, "bad.yaml:2:", "half a turn"},
        {HEAD "augment: {color_jitter: {tint: 1}}\nmodel:\n" DENSE, "bad.yaml:2:", "tint"},
        {HEAD "augment: {trivial_augment: true, rand_augment: {}}\nmodel:\n" DENSE,
         "bad.yaml:2:", "cannot be combined with trivial_augment"},
        {HEAD "augment: {trivial_augment: true, augmix: {}}\nmodel:\n" DENSE,
         "bad.yaml:2:", "cannot be combined with rand_augment or trivial_augment"},
        {HEAD "augment: {augmix: {severity: 11}}\nmodel:\n" DENSE, "bad.yaml:2:", "severity"},
        {HEAD "augment: {augmix: {alpha: 0.01}}\nmodel:\n" DENSE, "bad.yaml:2:", "0.05 to 4"},
        {HEAD "augment: {trivial_augment: true, policy_ops: [turn]}\nmodel:\n" DENSE,
         "bad.yaml:2:", "policy_ops"},
        {HEAD "augment: {trivial_augment: true, policy_ops: []}\nmodel:\n" DENSE,
         "bad.yaml:2:", "policy_ops: expected all, or some operations"},
        {HEAD "augment: {augmix: {}, policy_ops: [rotate]}\nmodel:\n" DENSE,
         "bad.yaml:2:", "policy_ops: has no effect without rand_augment or"},
        {HEAD "augment: {augmix: {chain_depth: 0}}\nmodel:\n" DENSE,
         "bad.yaml:2:", "chain_depth: expected 1 to 3, or -1"},
        {HEAD "augment: {rand_augment: {num_ops: 4}}\nmodel:\n" DENSE, "bad.yaml:2:", "num_ops"},
        {HEAD "augment: {mixup: {alpha: 0.01}}\nmodel:\n" DENSE, "bad.yaml:2:", "0.05 to 4"},
        {HEAD "augment: {cutmix: 1}\nmodel:\n" DENSE, "bad.yaml:2:", "cutmix"},
        {HEAD "augment: {horizontal_flop: true}\nmodel:\n" DENSE,
         "bad.yaml:2:", "did you mean 'horizontal_flip'"},
        {HEAD "data: {max_damaged: 2}\nmodel:\n" DENSE, "bad.yaml:2:", "from 0 to 1"},
        {HEAD "data: {validation_split: 1.5}\nmodel:\n" DENSE, "bad.yaml:2:", "validation_split"},
        {HEAD "model:\n" DENSE "train: {loss: categorical_crossentrop}\n",
         "bad.yaml:5:", "did you mean 'categorical_crossentropy'"},
        {HEAD "model:\n" DENSE "train: {loss: binary_crossentropy}\n",
         "bad.yaml:4:", "one sigmoid output"},
        {HEAD "model:\n  - flatten\n  - dense: 3\n" TAIL, "bad.yaml:4:", "softmax"},
        {HEAD "model:\n  - conv2d: {filters: 3, kernel: 3}\n" TAIL, "bad.yaml:3:", "a vector"},
        {HEAD "model:\n" DENSE "train: {optimizer: {adam: {rl: 0.1}}}\n",
         "bad.yaml:5:", "did you mean 'lr'"},
        {HEAD "model:\n" DENSE "train: {optimizer: adm}\n", "bad.yaml:5:", "did you mean 'adam'"},
        {HEAD "model:\n" DENSE "train: {optimizer: {adam: {lr: -1}}}\n", "bad.yaml:5:", "positive"},
        {HEAD "model:\n" DENSE "train: {optimizer: {sgd: {velocity: gradients}}}\n",
         "bad.yaml:5:", "velocity: requires momentum"},
        {HEAD "model:\n" DENSE "train: {optimizer: {sgd: {momentum: 0.9, velocity: torch}}}\n",
         "bad.yaml:5:", "steps, gradients"},
        {HEAD "model:\n" DENSE "train: {optimizer: {sgd: {lr: 1e-50}}}\n",
         "bad.yaml:5:", "lr: expected a positive number, found '1e-50'"},
        {HEAD "model:\n" DENSE "train: {optimizer: {sgd: {lr: 1e39}}}\n",
         "bad.yaml:5:", "lr: expected a number up to 3.4e38, found '1e39'"},
        {HEAD "model:\n" DENSE "train: {class_weight: {a: 1e400}}\n",
         "bad.yaml:5:", "a: expected a number up to 3.4e38, found '1e400'"},
        {HEAD "augment: {random_erasing: {value: -1e39}}\nmodel:\n" DENSE,
         "bad.yaml:2:", "value: expected a number up to 3.4e38"},
        {HEAD "model:\n" DENSE "train: {schedule: {step: {factor: 0}}}\n",
         "bad.yaml:5:", "positive"},
        {HEAD "model:\n  - flatten\n  - dense: {units: 2, kernel_regularizer: l2}\n",
         "bad.yaml:4:", "kernel_regularizer: expected a map"},
        {HEAD "model:\n  - flatten\n  - dense: {units: 2, kernel_regularizer: {l2: -1}}\n",
         "bad.yaml:4:", "l2"},
        {HEAD "model:\n  - flatten\n  - dense: {units: 2, kernel_regularizer: {l1: 1}}\n",
         "bad.yaml:4:", "l1"},
        {HEAD "model:\n" DENSE "train: {schedule: {one_cycle: {max_lr: 1}}}\n",
         "bad.yaml:5:", "the optimizer's lr"},
        {HEAD "model:\n" DENSE "train: {schedule: {one_cycle: {warmup: 1}}}\n",
         "bad.yaml:5:", "warmup"},
        {HEAD "model:\n" DENSE "train: {optimizer: {lion: {eps: 1}}}\n", "bad.yaml:5:", "eps"},
        {HEAD "model:\n" DENSE "train: {optimizer: {adamw: {decay: weight}}}\n",
         "bad.yaml:5:", "did you mean 'weights'"},
        {HEAD "model:\n" DENSE "train: {optimizer: {adamw: {exclude: {a: b}}}}\n",
         "bad.yaml:5:", "exclude"},
        {HEAD "model:\n  - attention: {heads: 5}\n" DENSE, "bad.yaml:3: attention: heads is 5", ""},
        {HEAD "model:\n" DENSE "train: {optimizer: {muon: {exclude_layers: hed}}}\n", "bad.yaml:5:",
         "exclude_layers: expected part of a parameter's name, such as 'conv/' or 'bias'; none "
         "contains 'hed'"},
        {HEAD "model:\n" DENSE "train:\n  optimizer: {sgd: {lr_scale: {bias: 2, beta: 64}}}\n",
         "bad.yaml:6:", "lr_scale: expected part of a parameter's name"},
        {HEAD "model:\n" DENSE "train: {optimizer: {sgd: {lr_scale: {bias: 0}}}}\n",
         "bad.yaml:5:", "bias: expected a positive number"},
        {HEAD "model:\n" DENSE "train: {optimizer: {sgd: {lr_scale: 64}}}\n",
         "bad.yaml:5:", "lr_scale"},
        {HEAD "model:\n" DENSE "train: {ema: {decay: 1}}\n", "bad.yaml:5:", "decay"},
        {HEAD "model:\n" DENSE "train: {ema: 0.9}\n", "bad.yaml:5:", "ema"},
        {HEAD "model:\n" DENSE "train: {ema: {}, swa: {epoch: 1}}\n",
         "bad.yaml:5:", "swa: cannot be combined with ema"},
        {HEAD "model:\n" DENSE "train: {swa: {}}\n", "bad.yaml:5:", "epoch"},
        {HEAD "model:\n" DENSE "train: {precision: half}\n", "bad.yaml:5:",
         "expected one of float32, mixed_bfloat16, mixed_float16, tf32, found 'half'"},
        {HEAD "model:\n" DENSE "train: {precision: float16}\n",
         "bad.yaml:5:", "did you mean 'mixed_float16'"},
        {HEAD "model:\n" DENSE "train: {epochs: many}\n", "bad.yaml:5:", "found 'many'"},
        {HEAD "model:\n" DENSE "train: {class_weight: {a: -1}}\n", "bad.yaml:5:", "0 or more"},
        {HEAD "model:\n" DENSE "train: {lr: 0.1}\n", "bad.yaml:5:", "under the optimizer"},
        {"- a\n- b\n", "bad.yaml", "expected a recipe"},
        {"input: [", "bad.yaml", "bad.yaml"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse(cases[i].text, cases[i].place, cases[i].part);
}

static void test_meaning(void)
{
    static const char text[] =
        "name: full\n"
        "input: {size: [48, 64], channels: 3, rescale: 1/255, mean: [0.5, 0.25, 0], std: 0.5,\n"
        "        interpolation: bilinear}\n"
        "augment: {rotation: 10, zoom: 0.2, shear: 0.2, horizontal_flip: true, brightness: [0.5, "
        "2],\n"
        "          fill: constant, fill_value: 7}\n"
        "model:\n"
        "  - conv2d: {filters: 8, kernel: [3, 5], strides: 2, padding: same, activation: relu, "
        "name: "
        "stem}\n"
        "  - conv2d: {filters: 8, kernel: 1, inputs: stem, name: a}\n"
        "  - conv2d: {filters: 8, kernel: 3, padding: 1, inputs: [stem], name: b, trainable: "
        "false}\n"
        "  - add: [a, b]\n"
        "  - max_pooling2d: {pool_size: 2, strides: 2}\n"
        "  - activation: swish\n"
        "  - global_avgpool2d\n"
        "  - dropout: 0.25\n"
        "  - dense: {units: classes, activation: softmax}\n"
        "data: {path: images, validation_split: 0.1, seed: 4, max_damaged: 0.25}\n"
        "train:\n"
        "  loss: sparse_categorical_crossentropy\n"
        "  optimizer: {sgd: {lr: 0.1, momentum: 0.9, nesterov: true, velocity: gradients}}\n"
        "  schedule: {cosine: {minimum: 0.001, warmup: 2}}\n"
        "  class_weight: {cat: 2, 1: 0.5}\n"
        "  batch: 16\n"
        "  shard: 4\n"
        "  sync_batchnorm: true\n"
        "  precision: mixed_bfloat16\n"
        "  epochs: 7\n"
        "  seed: 3\n"
        "  early_stopping: {patience: 4, min_delta: 0.25, monitor: val_accuracy}\n"
        "  steps_per_epoch: 9\n"
        "  clip_norm: 1\n"
        "  label_smoothing: 0.1\n"
        "  shuffle: false\n"
        "  top_k: 2\n"
        "tune: {dropout: {range: [0.1, 0.6]}}\n";
    clade_recipe *recipe = NULL;
    CHECK_OK(clade_recipe_parse(text, "full.yaml", &recipe));
    if (!recipe) return;
    CHECK(!strcmp(clade_recipe_name(recipe), "full"));
    CHECK(!strstr(clade_recipe_text(recipe), "tune"));
    CHECK(strstr(clade_recipe_source(recipe), "range: [0.1, 0.6]"));
    const clade_preprocessing *p = clade_recipe_preprocessing(recipe);
    CHECK(p->height == 48 && p->width == 64 && p->channels == 3 &&
          p->interpolation == CLADE_BILINEAR);
    CHECK(p->scale[0] == (float)(1 / 255.0 / 0.5) && p->shift[0] == -1 && p->shift[1] == -0.5f &&
          p->shift[2] == 0);
    const clade_augment *a = clade_recipe_augment(recipe);
    CHECK(a->rotation == 10 && a->zoom[0] == 0.8f && a->zoom[1] == 1.2f && a->shear == 0.2f);
    CHECK(a->horizontal_flip && !a->vertical_flip && a->brightness[1] == 2);
    CHECK(a->fill == CLADE_FILL_CONSTANT && a->fill_value == 7);
    const clade_data_options *d = clade_recipe_data(recipe);
    CHECK(!strcmp(d->path, "images") && d->validation_split == 0.1 && d->seed == 4);
    CHECK(d->max_damaged == 0.25 && !d->strict);
    CHECK(d->height == 48 && d->width == 64 && d->channels == 3);
    const clade_training *t = clade_recipe_training(recipe);
    CHECK(t->loss == CLADE_LOSS_CATEGORICAL_CROSSENTROPY && t->optimizer.kind == CLADE_SGD);
    CHECK(t->optimizer.lr == 0.1f && t->optimizer.momentum == 0.9f && t->optimizer.nesterov);
    CHECK(t->optimizer.velocity == CLADE_VELOCITY_GRADIENTS);
    CHECK(t->schedule.kind == CLADE_SCHEDULE_COSINE && t->schedule.warmup == 2);
    CHECK(t->class_weights == 2 && !strcmp(t->class_weight[0].name, "cat") &&
          t->class_weight[1].weight == 0.5f);
    CHECK(t->batch == 16 && t->epochs == 7 && t->seed == 3 && t->early_stopping == 4 &&
          t->top_k == 2);
    CHECK(t->steps_per_epoch == 9 && t->min_delta == 0.25f && t->stop_on_accuracy);
    CHECK(t->shard == 4 && t->sync_batchnorm);
    CHECK(t->precision == CLADE_PRECISION_MIXED_BFLOAT16);
    CHECK(t->optimizer.clip_norm == 1 && t->label_smoothing == 0.1f && t->no_shuffle);
    clade_graph *graph = NULL;
    CHECK_OK(clade_recipe_graph(recipe, 5, &graph));
    int32_t dim[3], last = graph ? clade_graph_layers(graph) - 1 : 0;
    if (graph) {
        CHECK(clade_graph_shape(graph, last, dim) == 1 && dim[0] == 5);
        CHECK(clade_graph_shape(graph, 1, dim) == 3 && dim[0] == 24 && dim[1] == 32 && dim[2] == 8);
        const clade_layer *add = clade_graph_layer(graph, 4);
        CHECK(add->kind == CLADE_LAYER_ADD && add->input[0] == 2 && add->input[1] == 3);
        CHECK(clade_graph_layer(graph, 3)->frozen && !clade_graph_layer(graph, 2)->frozen);
    }
    clade_graph_destroy(&graph);
    clade_recipe_destroy(&recipe);
}

/* Parameters of the last layer and of all: Keras' own numbers for these nets. */
/* What squeeze_excite stands for. */
static void test_squeeze_excite(void)
{
    static const char text[] =
        HEAD "model:\n"
             "  - conv2d: {filters: 24, kernel: 3, name: stem}\n"
             "  - squeeze_excite\n"
             "  - squeeze_excite: 5\n"
             "  - squeeze_excite: {ratio: 0.25, activation: silu, gate: hard_sigmoid, name: own,\n"
             "                     inputs: stem, trainable: false}\n" DENSE;
    static const struct {
        const char *name;
        int32_t units;
        clade_activation activation, gate;
    } expected[] = {{"squeeze_excite", 2, CLADE_RELU, CLADE_SIGMOID}, /* 24 / 16 */
                    {"squeeze_excite_1", 5, CLADE_RELU, CLADE_SIGMOID},
                    {"own", 6, CLADE_SILU, CLADE_HARD_SIGMOID}};
    clade_recipe *recipe = NULL;
    clade_graph *graph = NULL;
    CHECK_OK(clade_recipe_parse(text, "excite.yaml", &recipe));
    if (recipe) CHECK_OK(clade_recipe_graph(recipe, 3, &graph));
    for (int32_t i = 0; graph && i < 3; i++) {
        const clade_layer *layer[4];
        char name[64];
        for (int32_t k = 0; k < 4; k++) layer[k] = clade_graph_layer(graph, 2 + 4 * i + k);
        int32_t from = i == 1 ? 5 : 1;
        snprintf(name, sizeof name, "%s.fc1", expected[i].name);
        CHECK(layer[0]->kind == CLADE_LAYER_GLOBAL_AVGPOOL2D && layer[0]->input[0] == from);
        CHECK(!strcmp(layer[1]->name, name) && layer[1]->as.dense.units == expected[i].units);
        CHECK(layer[1]->as.dense.activation == expected[i].activation);
        CHECK(layer[2]->as.dense.units == 24 && layer[2]->as.dense.activation == expected[i].gate);
        CHECK(layer[3]->kind == CLADE_LAYER_MULTIPLY && !strcmp(layer[3]->name, expected[i].name));
        CHECK(layer[3]->input[0] == from && layer[3]->input[1] == 4 + 4 * i);
        CHECK(layer[1]->frozen == (i == 2) && layer[2]->frozen == (i == 2));
    }
    clade_graph_destroy(&graph);
    clade_recipe_destroy(&recipe);
}

/* What multi_head_attention stands for. */
static void test_multi_head_attention(void)
{
    static const char text[] =
        HEAD "model:\n"
             "  - conv2d: {filters: 24, kernel: 3, name: stem}\n"
             "  - multi_head_attention: 3\n"
             "  - multi_head_attention: {num_heads: 8, use_bias: false, inputs: stem,\n"
             "                           trainable: false}\n" DENSE;
    static const char *const names[] = {"multi_head_attention", "multi_head_attention_1"};
    clade_recipe *recipe = NULL;
    clade_graph *graph = NULL;
    CHECK_OK(clade_recipe_parse(text, "heads.yaml", &recipe));
    if (recipe) CHECK_OK(clade_recipe_graph(recipe, 3, &graph));
    for (int32_t i = 0; graph && i < 2; i++) {
        const clade_layer *layer[3];
        char name[64];
        for (int32_t k = 0; k < 3; k++) layer[k] = clade_graph_layer(graph, 2 + 3 * i + k);
        snprintf(name, sizeof name, "%s.qkv", names[i]);
        CHECK(!strcmp(layer[0]->name, name) && layer[0]->input[0] == 1);
        CHECK(layer[0]->kind == CLADE_LAYER_CONV2D && layer[0]->as.conv2d.filters == 72);
        CHECK(layer[1]->kind == CLADE_LAYER_ATTENTION);
        CHECK(layer[1]->as.attention.heads == (i ? 8 : 3) && layer[1]->input[0] == 2 + 3 * i);
        CHECK(!strcmp(layer[2]->name, names[i]) && layer[2]->as.conv2d.filters == 24);
        CHECK(layer[2]->kind == CLADE_LAYER_CONV2D && layer[2]->input[0] == 3 + 3 * i);
        for (int k = 0; k < 3; k += 2)
            CHECK(layer[k]->as.conv2d.no_bias == (i == 1) && layer[k]->frozen == (i == 1));
    }
    clade_graph_destroy(&graph);
    clade_recipe_destroy(&recipe);
}

static void test_built_in(void)
{
    static const struct {
        const char *name;
        int32_t classes;
        uint64_t parameters;
    } known[] = {{"horses-or-humans", 2, 1704097}, {"cats-dogs-64", 2, 813217},
                 {"cifar10", 10, 3702186},         {"cifar10-94", 10, 1975106},
                 {"cifar10-96", 10, 9924930},      {"cats-dogs-dropout", 2, 3453634}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        clade_recipe *recipe = NULL;
        clade_graph *graph = NULL;
        CHECK_OK(clade_recipe_read(known[i].name, NULL, 0, &recipe));
        CHECK_OK(clade_recipe_graph(recipe, known[i].classes, &graph));
        uint64_t sum = 0, trained, fixed;
        for (int32_t l = 0; l < clade_graph_layers(graph); l++) {
            clade_graph_parameters(graph, l, &trained, &fixed);
            sum += trained + fixed;
        }
        CHECK(sum == known[i].parameters);
        clade_graph_destroy(&graph);
        CHECK_FAILS(clade_recipe_graph(recipe, 7, &graph), CLADE_EINVAL, "the data has 7 classes");
        clade_recipe_destroy(&recipe);
    }
    const char *const *names = clade_recipe_names();
    size_t count = 0;
    for (; names[count]; count++) {
        clade_recipe *recipe = NULL;
        CHECK_OK(clade_recipe_read(names[count], NULL, 0, &recipe));
        if (recipe) CHECK(!strcmp(clade_recipe_name(recipe), names[count]));
        clade_recipe_destroy(&recipe);
    }
    CHECK(count >= 5);
    clade_recipe *recipe = NULL;
    CHECK_FAILS(clade_recipe_read("cifar", NULL, 0, &recipe), CLADE_EIO, "did you mean 'cifar10'");
    CHECK_FAILS(clade_recipe_read("nowhere/cifar10.yaml", NULL, 0, &recipe), CLADE_EIO,
                "nowhere/cifar10.yaml");
}

static void test_edits(void)
{
    static const char *const edits[] = {"train.epochs=3", "batch=8", "lr=0.25",
                                        "model.0.conv2d.filters=4", "optimizer.adam.beta1=0.5"};
    clade_recipe *recipe = NULL;
    CHECK_OK(clade_recipe_read("cifar10", edits, 5, &recipe));
    if (recipe) {
        const clade_training *t = clade_recipe_training(recipe);
        CHECK(t->epochs == 3 && t->batch == 8 && t->optimizer.lr == 0.25f &&
              t->optimizer.beta1 == 0.5f);
        /* the resolved text says the same */
        clade_recipe *again = NULL;
        CHECK_OK(clade_recipe_parse(clade_recipe_text(recipe), "again", &again));
        if (again) {
            CHECK(clade_recipe_training(again)->optimizer.lr == 0.25f);
            CHECK(!strcmp(clade_recipe_text(again), clade_recipe_text(recipe)));
        }
        clade_recipe_destroy(&again);
    }
    clade_recipe_destroy(&recipe);
    static const char *const change[] = {"optimizer=sgd", "lr=0.5"};
    CHECK_OK(clade_recipe_read("cifar10", change, 2, &recipe));
    if (recipe) {
        CHECK(clade_recipe_training(recipe)->optimizer.kind == CLADE_SGD);
        CHECK(clade_recipe_training(recipe)->optimizer.lr == 0.5f);
    }
    clade_recipe_destroy(&recipe);
    static const char *const wrong[] = {"train.epochs=none"};
    CHECK_FAILS(clade_recipe_read("cifar10", wrong, 1, &recipe), CLADE_EINVAL,
                "--set train.epochs=none");
    static const char *const unknown[] = {"train.epohcs=3"};
    CHECK_FAILS(clade_recipe_read("cifar10", unknown, 1, &recipe), CLADE_EINVAL,
                "did you mean 'epochs'");
}

static const char searched[] =
    "name: searched\n"
    "input: {size: 8}\n"
    "vars: {times: 2, kernel: 3, opt: adam}\n"
    "model:\n"
    "  - repeat:\n"
    "      times: $times\n"
    "      with: {filters: [4, 8], name: [a, b, c]}\n"
    "      layers:\n"
    "        - conv2d: {filters: $filters, kernel: $kernel, padding: same, name: $name}\n"
    "  - flatten\n"
    "  - dense: {units: 2, activation: softmax}\n"
    "train: {loss: sparse_categorical_crossentropy, optimizer: {$opt: {lr: 0.01}}}\n"
    "tune:\n"
    "  lr: {log: [1e-4, 0.1]}\n"
    "  train.optimizer: {choice: [{adam: {}}, sgd]}\n"
    "  times: {int: [0, 3]}\n"
    "  kernel: {choice: [1, 3, 5], when: {times: [1, 2, 3]}}\n"
    "  batch: {int: [8, 32], step: 8}\n";

/* Variables and repeats, and what a search finds. */
static void test_search(void)
{
    clade_recipe *recipe = NULL, *varied = NULL;
    const clade_tunable *p;
    CHECK_OK(clade_recipe_parse(searched, "searched.yaml", &recipe));
    if (!recipe) return;
    const char *text = clade_recipe_text(recipe);
    CHECK(strstr(text, "- conv2d: {filters: 4, kernel: 3, padding: same, name: a}\n"
                       "- conv2d: {filters: 8, kernel: 3, padding: same, name: b}\n"
                       "- flatten"));
    CHECK(!strstr(text, "$") && !strstr(text, "vars") && !strstr(text, "tune"));
    CHECK(clade_recipe_tunables(recipe, &p) == 5);
    CHECK(p[0].log && p[0].low == 1e-4 && p[0].high == 0.1);
    CHECK(p[1].kind == CLADE_TUNABLE_CHOICE && !p[1].ordered && p[1].choice_count == 2);
    CHECK(p[2].has_start && p[2].start == 2);
    CHECK(p[3].ordered && p[3].has_start && p[3].start == 1 && p[3].parent == 3);
    CHECK(p[4].step == 8 && !p[4].has_start);
    CHECK_OK(clade_recipe_check_tunables(recipe));

    /* the rate is set last, so that it is that of the other optimizer */
    const double values[] = {0.05, 1, 3, 2, 24};
    const char *const sets[] = {"epochs=4"};
    CHECK_OK(clade_recipe_vary(recipe, values, sets, 1, &varied));
    if (varied) {
        const clade_training *t = clade_recipe_training(varied);
        CHECK(t->optimizer.kind == CLADE_SGD && t->optimizer.lr == 0.05f);
        CHECK(t->batch == 24 && t->epochs == 4);
        CHECK(strstr(clade_recipe_text(varied), "- conv2d: {filters: 8, kernel: 5, padding: same, "
                                                "name: c}\n- flatten"));
    }
    clade_recipe_destroy(&varied);
    const double wrong[] = {NAN, NAN, 2, NAN, NAN};
    const char *const unknown[] = {"vars={times: 1, kernel: 1}"};
    CHECK_FAILS(clade_recipe_vary(recipe, wrong, unknown, 1, &varied), CLADE_EINVAL,
                "unknown variable '$opt'");
    clade_recipe_destroy(&recipe);
}

/* A choice is kept as what would stand behind `key=`, however the file writes it. */
static void test_block_choice(void)
{
    static const char text[] = "name: toy\n"
                               "input: {size: 8}\n"
                               "model: [flatten, dense: {units: 2, activation: softmax}]\n"
                               "train: {loss: sparse_categorical_crossentropy}\n"
                               "tune:\n"
                               "  train.optimizer:\n"
                               "    choice:\n"
                               "      - adam:\n"
                               "          lr: 0.1\n"
                               "      - sgd\n";
    clade_recipe *recipe = NULL;
    const clade_tunable *p;
    CHECK_OK(clade_recipe_parse(text, "toy.yaml", &recipe));
    if (!recipe) return;
    CHECK(clade_recipe_tunables(recipe, &p) == 1 && p->choice_count == 2);
    CHECK(!strcmp(p->choices[0], "{adam: {lr: 0.1}}") && !strcmp(p->choices[1], "sgd"));
    clade_recipe_destroy(&recipe);
}

/* Policies draw all operations and say so; what was written before they had all, draws those that
 * there were. */
static void test_policy_ops(void)
{
    static const char text[] =
        "input: {size: 32}\naugment: {rand_augment: {num_ops: 1}}\nmodel:\n" DENSE;
    const uint32_t all = (1u << CLADE_POLICY_OPS) - 1;
    const uint32_t once = all & ~(1u << CLADE_POLICY_SHARPNESS) & ~(1u << CLADE_POLICY_EQUALIZE);
    clade_recipe *recipe = NULL, *again = NULL;
    CHECK_OK(clade_recipe_parse(text, "new", &recipe));
    CHECK(recipe && clade_recipe_augment(recipe)->policy_ops == 0);
    CHECK(recipe && strstr(clade_recipe_source(recipe), "policy_ops: all"));
    if (recipe) CHECK_OK(clade_recipe_parse_saved(clade_recipe_text(recipe), "model", &again));
    CHECK(again && clade_recipe_augment(again)->policy_ops == 0);
    clade_recipe_destroy(&again);
    clade_recipe_destroy(&recipe);
    CHECK_OK(clade_recipe_parse_saved(text, "model", &recipe));
    CHECK(recipe && clade_recipe_augment(recipe)->policy_ops == once);
    if (recipe) CHECK_OK(clade_recipe_parse(clade_recipe_text(recipe), "again", &again));
    CHECK(again && clade_recipe_augment(again)->policy_ops == once);
    clade_recipe_destroy(&again);
    clade_recipe_destroy(&recipe);
    /* a run without a policy that goes on with one */
    char path[] = "/tmp/clade-recipe-XXXXXX";
    int file = mkstemp(path);
    static const char plain[] = "input: {size: 32}\nmodel:\n" DENSE;
    CHECK(file >= 0 && write(file, plain, sizeof plain - 1) == sizeof plain - 1);
    close(file);
    CHECK_OK(clade_recipe_read_again(path, (const char *const[]){"augment.trivial_augment=true"}, 1,
                                     &recipe));
    CHECK(recipe && clade_recipe_augment(recipe)->policy_ops == 0);
    clade_recipe_destroy(&recipe);
    remove(path);
}

static clade_interpolation interpolation_of(const clade_recipe *recipe)
{
    return recipe ? clade_recipe_preprocessing(recipe)->interpolation : (clade_interpolation)-1;
}

/* A new recipe is bilinear and says so in its text; what was written before nearest was left is
 * not changed by that. */
static void test_interpolation(void)
{
    static const char text[] = "input: {size: 32}\nmodel:\n" DENSE,
                      smooth[] = "input: {size: 32, antialias: true}\nmodel:\n" DENSE;
    clade_recipe *recipe = NULL, *again = NULL;
    CHECK_OK(clade_recipe_parse(text, "new", &recipe));
    CHECK(interpolation_of(recipe) == CLADE_BILINEAR);
    CHECK(recipe && strstr(clade_recipe_text(recipe), "interpolation: bilinear"));
    CHECK(recipe && strstr(clade_recipe_source(recipe), "interpolation: bilinear"));
    CHECK_OK(clade_recipe_parse_saved(clade_recipe_text(recipe), "model", &again));
    CHECK(interpolation_of(again) == CLADE_BILINEAR);
    clade_recipe_destroy(&again);
    clade_recipe_destroy(&recipe);

    CHECK_OK(clade_recipe_parse_saved(text, "model", &recipe));
    CHECK(interpolation_of(recipe) == CLADE_NEAREST);
    CHECK_OK(clade_recipe_parse(clade_recipe_text(recipe), "again", &again));
    CHECK(interpolation_of(again) == CLADE_NEAREST);
    clade_recipe_destroy(&again);
    clade_recipe_destroy(&recipe);

    char path[] = "/tmp/clade-recipe-XXXXXX";
    int file = mkstemp(path);
    CHECK(file >= 0 && write(file, text, sizeof text - 1) == sizeof text - 1);
    close(file);
    CHECK_OK(clade_recipe_read_again(path, NULL, 0, &recipe));
    CHECK(interpolation_of(recipe) == CLADE_NEAREST);
    clade_recipe_destroy(&recipe);
    remove(path);

    CHECK_OK(clade_recipe_parse(smooth, "smooth", &recipe));
    CHECK(interpolation_of(recipe) == CLADE_BILINEAR_ANTIALIAS);
    CHECK_OK(clade_recipe_parse_saved(clade_recipe_text(recipe), "model", &again));
    CHECK(interpolation_of(again) == CLADE_BILINEAR_ANTIALIAS);
    clade_recipe_destroy(&again);
    clade_recipe_destroy(&recipe);

    /* the built-in ones are what they were */
    static const char *const nearest[] = {"cats-dogs-64", "cats-dogs-dropout", "cifar10",
                                          "horses-or-humans", "shapes"};
    for (size_t i = 0; i < sizeof nearest / sizeof *nearest; i++) {
        CHECK_OK(clade_recipe_read(nearest[i], NULL, 0, &recipe));
        CHECK(interpolation_of(recipe) == CLADE_NEAREST);
        clade_recipe_destroy(&recipe);
    }
}

int main(void)
{
    test_mistakes();
    test_meaning();
    test_squeeze_excite();
    test_multi_head_attention();
    test_built_in();
    test_edits();
    test_policy_ops();
    test_interpolation();
    test_search();
    test_block_choice();
    return TEST_END();
}
