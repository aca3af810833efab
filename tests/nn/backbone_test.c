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

int main(void)
{
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
