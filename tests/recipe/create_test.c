/* Recipes made of parts: what is written is read again. */
#include "recipe/recipe.h"

#include "../test.h"

#include <stdlib.h>

/* A recipe made of parts reads back to those parts. */
static void test_create(void)
{
    const char *const *names = clade_recipe_names();
    for (size_t i = 0; names[i]; i++) {
        clade_recipe *recipe = NULL, *made = NULL;
        clade_graph *graph = NULL, *again = NULL;
        const char *const edits[] = {
            "train.shard=8",
            "train.sync_batchnorm=true",
            "train.precision=mixed_float16",
            "train.ema.decay=0.9",
            "steps_per_epoch=9",
            "early_stopping={patience: 2, min_delta: 0.5, monitor: val_accuracy}",
            "train.optimizer={lamb: {lr: 0.1, beta2: 0.9, decay: weights}}",
            "train.schedule={cosine_restarts: {t_0: 3, t_mult: 2, minimum: 0.001}}",
            "augment.horizontal_flip=false",
            "augment.alternating_flip=true",
            "augment.pad_crop=4",
            "augment.cutout=8",
            "augment.grayscale=0.2",
            "augment.mixup={alpha: 0.3}",
            "augment.cutmix={alpha: 1}",
            "augment.random_erasing={p: 0.3, scale: [0.1, 0.2], ratio: [0.5, 3], value: -1}",
            i % 2 ? "augment.rand_augment={num_ops: 3, magnitude: 0}"
                  : "augment.augmix={severity: 5, mixture_width: 2, chain_depth: 1, alpha: 0.5, "
                    "all_ops: false}",
            i % 2 ? "augment.policy_ops=[rotate, equalize]" : "augment.trivial_augment=false",
            "augment.random_resized_crop={scale: [0.2, 0.9], ratio: [0.5, 2]}",
            "augment.color_jitter={brightness: 0.1, contrast: 0.2, saturation: 0.3, hue: 0.4}",
            "augment.color_jitter.p=0.8"};
        CHECK_OK(clade_recipe_read(names[i], edits, sizeof edits / sizeof *edits, &recipe));
        CHECK_OK(clade_recipe_graph(recipe, 0, &graph));
        const clade_recipe_parts parts = {names[i], graph, clade_recipe_preprocessing(recipe),
                                          clade_recipe_augment(recipe),
                                          clade_recipe_training(recipe)};
        CHECK_OK(clade_recipe_create(&parts, &made));
        CHECK_OK(clade_recipe_graph(made, 0, &again));
        CHECK(!memcmp(clade_recipe_preprocessing(made), clade_recipe_preprocessing(recipe),
                      sizeof(clade_preprocessing)));
        CHECK(!memcmp(clade_recipe_augment(made), clade_recipe_augment(recipe),
                      sizeof(clade_augment)));
        CHECK(!memcmp(clade_recipe_training(made), clade_recipe_training(recipe),
                      sizeof(clade_training)));
        CHECK(clade_graph_layers(graph) == clade_graph_layers(again));
        for (int32_t l = 1; l < clade_graph_layers(graph); l++)
            CHECK(!memcmp(clade_graph_layer(graph, l), clade_graph_layer(again, l),
                          sizeof(clade_layer)));
        clade_graph_destroy(&graph);
        clade_graph_destroy(&again);
        clade_recipe_destroy(&recipe);
        clade_recipe_destroy(&made);
    }
}

/* What of training is written that no built-in recipe has, and names, which are another's. */
static void test_create_training(void)
{
    static const char *const schedules[] = {
        "{one_cycle: {pct_start: 0.4, div_factor: 5, final_div_factor: 100}}",
        "{polynomial: {power: 2, warmup: 1}}",
        "{exponential: {epochs: 3, factor: 0.5, minimum: 0.01, warmup: 2}}",
        "linear",
        "{constant: {warmup: 3}}",
        "{step: {epochs: 4, factor: 0.3, minimum: 0.02, warmup: 1}}",
        "{plateau: {patience: 6, factor: 0.4, minimum: 0.03, warmup: 2}}",
        "{cosine: {minimum: 0.04, warmup: 3}}",
        "{cosine_restarts: {t_0: 3, t_mult: 2, minimum: 0.05, warmup: 4}}"};
    for (size_t i = 0; i < sizeof schedules / sizeof *schedules; i++) {
        char edit[128];
        snprintf(edit, sizeof edit, "train.schedule=%s", schedules[i]);
        const char *const edits[] = {edit,
                                     i % 2 ? "train.optimizer={muon: {exclude: [bias, dense], "
                                             "exclude_layers: dense, momentum: 0, "
                                             "lr_scale: {bias: 2, dense: 0.5}}}"
                                           : "train.optimizer={lion: {exclude: [bias, dense]}}",
                                     "train.swa.epoch=3"};
        clade_recipe *recipe = NULL, *made = NULL;
        clade_graph *graph = NULL;
        CHECK_OK(clade_recipe_read("cifar10", edits, 3, &recipe));
        CHECK_OK(clade_recipe_graph(recipe, 0, &graph));
        const clade_training *t = clade_recipe_training(recipe);
        CHECK_OK(clade_recipe_create(&(clade_recipe_parts){.graph = graph, .training = t}, &made));
        if (!made) continue;
        const clade_training *again = clade_recipe_training(made);
        CHECK(!memcmp(&again->schedule, &t->schedule, sizeof t->schedule));
        CHECK(again->swa == 3 && t->swa == 3);
        const clade_optimizer *o = &again->optimizer;
        CHECK(o->kind == (i % 2 ? CLADE_MUON : CLADE_LION) && o->exclude_count == 2 &&
              !strcmp(o->exclude[0], "bias") && !strcmp(o->exclude[1], "dense"));
        CHECK(o->no_muon_count == i % 2);
        CHECK(!o->no_muon_count || !strcmp(o->no_muon[0], "dense"));
        CHECK(o->lr_scale_count == (i % 2 ? 2u : 0u));
        CHECK(i % 2 == 0 ||
              (!strcmp(o->lr_scale[1].name, "dense") && o->lr_scale[1].scale == 0.5f));
        CHECK(o->momentum == t->optimizer.momentum && (o->momentum > 0) == i % 2);
        clade_graph_destroy(&graph);
        clade_recipe_destroy(&recipe);
        clade_recipe_destroy(&made);
    }
}

int main(void)
{
    test_create();
    test_create_training();
    return TEST_END();
}
