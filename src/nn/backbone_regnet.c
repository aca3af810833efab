/* RegNetY-400MF: Radosavovic et al. 2020, "Designing network design spaces". Bottlenecks of grouped
 * convolutions, 8 channels per group, with squeeze and excite. */
#include "nn/backbone.h"

#include <stdio.h>

/* One block; timm counts stages and blocks from 1, torchvision counts blocks from 0. */
typedef struct regnet_block {
    char torch[48], timm[16];
    int32_t inputs, filters, stride;
} regnet_block;

/* Adds a convolution and its normalisation, numbers 0 and 1 of torchvision's part. */
static int32_t conv_norm(clade_backbone *b, int32_t from, clade_backbone_conv conv,
                         const char *torch, const char *timm)
{
    clade_backbone_call(b, CLADE_NAMING_TIMM, "%s.conv", timm);
    from = clade_backbone_add_conv(b, from, conv, "%s.0", torch);
    clade_backbone_call(b, CLADE_NAMING_TIMM, "%s.bn", timm);
    return clade_backbone_add_norm(b, from, "%s.1", torch);
}

static int32_t add_part(clade_backbone *b, const regnet_block *k, int32_t from,
                        clade_backbone_conv conv, const char *torch, const char *timm)
{
    char torch_name[64], timm_name[32];
    snprintf(torch_name, sizeof torch_name, "%s.%s", k->torch, torch);
    snprintf(timm_name, sizeof timm_name, "%s.%s", k->timm, timm);
    return conv_norm(b, from, conv, torch_name, timm_name);
}

static int32_t excite(clade_backbone *b, const regnet_block *k, int32_t from)
{
    char name[64], reduce[32], expand[32];
    snprintf(name, sizeof name, "%s.f.se", k->torch);
    snprintf(reduce, sizeof reduce, "%s.se.fc1", k->timm);
    snprintf(expand, sizeof expand, "%s.se.fc2", k->timm);
    const clade_squeeze_excite_layer settings = {.units = k->inputs / 4};
    return clade_backbone_excite(b, from, name, &settings, (const char *const[]){reduce, expand},
                                 (const char *const[]){"", ""});
}

static void add_block(clade_backbone *b, const regnet_block *k)
{
    enum { group = 8 };
    const clade_backbone_conv narrow = {.filters = k->filters, .kernel = 1},
                              grouped = {.filters = k->filters,
                                         .kernel = 3,
                                         .stride = k->stride,
                                         .groups = k->filters / group},
                              project = {.filters = k->filters, .kernel = 1, .stride = k->stride};
    int32_t from = b->last, around = from;
    int32_t y = add_part(b, k, from, narrow, "f.a", "conv1");
    y = clade_backbone_activate(b, y, CLADE_RELU, "%s.f.a.2", k->torch);
    y = add_part(b, k, y, grouped, "f.b", "conv2");
    y = clade_backbone_activate(b, y, CLADE_RELU, "%s.f.b.2", k->torch);
    y = excite(b, k, y);
    y = add_part(b, k, y, narrow, "f.c", "conv3");
    if (k->stride > 1 || k->inputs != k->filters)
        around = add_part(b, k, from, project, "proj", "downsample");
    y = clade_backbone_join(b, CLADE_LAYER_ADD, y, around, "%s.add", k->torch);
    clade_backbone_activate(b, y, CLADE_RELU, "%s.activation", k->torch);
}

void clade_backbone_regnet_y_400mf(clade_backbone *b)
{
    static const struct {
        int32_t filters, count;
    } stages[] = {{48, 1}, {104, 3}, {208, 6}, {440, 6}};
    int32_t inputs = 32;
    conv_norm(b, b->last, (clade_backbone_conv){.filters = 32, .kernel = 3, .stride = 2}, "stem",
              "stem");
    clade_backbone_activate(b, b->last, CLADE_RELU, "stem.2");
    for (int s = 0; s < 4; s++)
        for (int i = 0; i < stages[s].count; i++) {
            regnet_block k = {
                .inputs = inputs, .filters = stages[s].filters, .stride = i == 0 ? 2 : 1};
            snprintf(k.torch, sizeof k.torch, "trunk_output.block%d.block%d-%d", s + 1, s + 1, i);
            snprintf(k.timm, sizeof k.timm, "s%d.b%d", s + 1, i + 1);
            add_block(b, &k);
            inputs = stages[s].filters;
        }
    clade_backbone_call(b, CLADE_NAMING_TIMM, "head.fc");
    clade_backbone_add_classifier(b, 0, "avgpool", NULL, "fc");
}
