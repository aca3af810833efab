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
        {"3ca229e99162ccd4", "3c721d2468808b9d"}, {"c1a2377e3cd88889", NULL}, /* Keras has none */
        {"0d8903da8a2610ea", "330665632d56d45d"}, {"145963bb204125f5", "145963bb204125f5"},
        {"98569105e9ac3e64", "98569105e9ac3e64"}, {"abaeab646165ad0e", "abaeab646165ad0e"},
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
                    add(&hash, b.alias[i].name[n]);
            }
            clade_sha256_end(&hash, hex);
            hex[16] = 0;
            CHECK(!strcmp(hex, expected[known][keras]));
            clade_backbone_clear(&b);
        }
    }
    CHECK(known == sizeof expected / sizeof *expected);
    return TEST_END();
}
