/* Backbones: shapes, and names of layers and weights, here and in other libraries' files, are the
 * same in every release, for pretrained weights are found by them. */
#include "../test.h"

#include "base/sha256.h"
#include "nn/backbone.h"
#include "nn/graph.h"

static void add(clade_sha256 *hash, const char *text)
{
    clade_sha256_add(hash, text, strlen(text) + 1);
}

static void add_numbers(clade_sha256 *hash, const int32_t *dim, int32_t rank)
{
    for (int32_t i = 0; i < rank; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", dim[i]);
        add(hash, text);
    }
}

/* Depths of layers: of nets that timm 1.0 has groups for (param_groups_layer_decay) its own, the
 * same from the head down. */
static void test_depths(void)
{
    static const struct {
        const char *name;
        int32_t blocks;
        struct {
            const char *layer;
            int32_t depth;
        } at[8];
    } nets[] = {
        {"vgg16", 13, {{"features.0", 1}, {"features.5", 3}, {"features.28", 13}}},
        {"resnet50",
         16,
         {{"conv1", 0}, {"bn1", 0}, {"layer1.0.downsample.0", 1}, {"layer4.2.bn3", 16}}},
        {"efficientnet_b0",
         16,
         {{"features.0.0", 0}, {"features.2.1.block.1.0", 3}, {"features.8.0", 16}}},
        {"convnext_tiny",
         18,
         {{"features.0.0", 0},
          {"features.0.1", 0},
          {"features.1.2.block.0", 3},
          {"features.2.0", 4},
          {"features.2.1", 4},
          {"features.3.0.block.0", 4},
          {"features.7.2.layer_scale", 18},
          {"features.7.2.block.5", 18}}},
        {"mobilenet_v2",
         17,
         {{"features.0.0", 0}, {"features.1.conv.0.0", 1}, {"features.18.0", 17}}},
        {"mobilenet_v3_small",
         11,
         {{"features.0.0", 0}, {"features.1.block.0.0", 1}, {"features.12.0", 11}}},
        {"squeezenet1_1",
         8,
         {{"features.0", 0}, {"features.3.squeeze", 1}, {"features.12.expand3x3", 8}}},
        {"regnet_y_400mf", 16, {{"stem.0", 0}, {"trunk_output.block4.block4-5.f.c.0", 16}}},
        {"vit_s_16",
         12,
         {{"conv_proj", 0},
          {"encoder.layers.encoder_layer_0.ln_1", 1},
          {"encoder.layers.encoder_layer_11.mlp.3", 12},
          {"encoder.ln", 12}}},
    };
    for (size_t n = 0; n < sizeof nets / sizeof *nets; n++) {
        clade_graph *graph = NULL;
        CHECK_OK(clade_backbone_create(nets[n].name, NULL, &graph));
        if (!graph) continue;
        int32_t depth[512], found = 0, wanted = 0;
        CHECK(graph->count - 1 <= 512);
        CHECK(clade_backbone_find_depths(nets[n].name, graph, graph->count - 1, depth) ==
              nets[n].blocks);
        for (size_t k = 0; k < 8 && nets[n].at[k].layer; k++, wanted++)
            for (int32_t i = 1; i < graph->count; i++) {
                if (strcmp(graph->node[i].layer.name, nets[n].at[k].layer) != 0) continue;
                CHECK(depth[i - 1] == nets[n].at[k].depth);
                found++;
            }
        CHECK(found == wanted);
        clade_graph_destroy(&graph);
    }
}

int main(void)
{
    test_depths();
    static const char *const expected[][2] = {
        /* NULL: Keras' form is not read */
        {"3ca229e99162ccd4", "3c721d2468808b9d"}, /* vgg16 */
        {"c1a2377e3cd88889", NULL},               /* resnet18 */
        {"4427128295d31ef2", NULL},               /* resnet34 */
        {"0d8903da8a2610ea", "330665632d56d45d"}, /* resnet50 */
        {"b78b377d50899e92", "5c7b62fb04d282d3"}, /* resnet101 */
        {"145963bb204125f5", "145963bb204125f5"}, /* mobilenet_v2 */
        {"95c52ed9ad9abe73", "95c52ed9ad9abe73"}, /* mobilenet_v3_small */
        {"7ccffdb2ce98209d", "7ccffdb2ce98209d"}, /* mobilenet_v3_large */
        {"98569105e9ac3e64", "98569105e9ac3e64"}, /* squeezenet1_1 */
        {"abaeab646165ad0e", "abaeab646165ad0e"}, /* efficientnet_b0 */
        {"a30645721d3cbb76", "a30645721d3cbb76"}, /* efficientnet_b1 */
        {"7e4e250d503c8ca6", "7e4e250d503c8ca6"}, /* efficientnet_b2 */
        {"965814c8e0469788", "965814c8e0469788"}, /* efficientnet_b3 */
        {"b945263bf3ee5d9c", "e9d0b3cb008ac0b8"}, /* convnext_tiny */
        {"9c97e76d84367108", NULL},               /* regnet_y_400mf */
        {"74326bb417183f97", NULL},               /* vit_b_16 */
        {"f6d8052e63f13cf0", NULL},               /* vit_s_16 */
    };
    size_t known = 0;
    for (const char *const *name = clade_backbone_names(); *name; name++, known++) {
        for (int keras = 0; keras < 2 && known < sizeof expected / sizeof *expected; keras++) {
            clade_backbone b;
            clade_status status = clade_backbone_build(
                *name, &(clade_backbone_options){.classes = 1000, .keras = keras}, &b);
            CHECK((status == CLADE_OK) == (expected[known][keras] != NULL));
            if (status || !expected[known][keras]) {
                clade_backbone_clear(&b);
                continue;
            }
            clade_sha256 hash;
            char hex[65];
            clade_sha256_start(&hash);
            for (int32_t i = 0; i < b.graph->count; i++) {
                const clade_node *node = &b.graph->node[i];
                add(&hash, node->layer.name);
                add_numbers(&hash, node->dim, node->rank);
                for (int32_t k = 0; k < node->weight_count; k++) {
                    add(&hash, node->weight[k].name);
                    add_numbers(&hash, node->weight[k].shape.dim, node->weight[k].shape.rank);
                }
                for (int n = 0; node->weight_count && n < CLADE_NAMINGS; n++)
                    if (n < CLADE_NAMING_OLD || b.alias[i].name[n][0])
                        add(&hash, b.alias[i].name[n]);
            }
            clade_sha256_end(&hash, hex);
            hex[16] = 0;
            CHECK(!strcmp(hex, expected[known][keras]));
            if (strcmp(hex, expected[known][keras]) != 0)
                printf("    %s%s: %s\n", *name, keras ? " of Keras" : "", hex);
            clade_backbone_clear(&b);
        }
    }
    CHECK(known == sizeof expected / sizeof *expected);
    return TEST_END();
}
