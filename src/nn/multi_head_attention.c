/* Multi-head self-attention as layers. */
#include "nn/multi_head_attention.h"

#include <stdio.h>
#include <string.h>

static const clade_layer_field fields[] = {
    CLADE_FIELD(clade_multi_head_attention_layer, heads, INT, "heads", .alias = "num_heads",
                .required = true,
                .about = "number of groups of channels; must divide the image's channels"),
    CLADE_BIAS_FIELD(clade_multi_head_attention_layer),
    {0},
};

const clade_layer_record clade_multi_head_attention_record = {
    .key = "multi_head_attention",
    .name = "multi_head_attention",
    .about =
        "Self-attention of an image's pixels. It stands for three layers: the convolution of 1 "
        "× 1 NAME.qkv, the attention NAME.attention, and the convolution NAME.",
    .main = "heads",
    .field = fields,
};

/* A 1 × 1 convolution. */
static clade_layer mix(int32_t from, int32_t filters, bool no_bias)
{
    return (clade_layer){.kind = CLADE_LAYER_CONV2D,
                         .input_count = 1,
                         .input = {from},
                         .as.conv2d = {.filters = filters, .kernel = {1, 1}, .no_bias = no_bias}};
}

clade_status clade_multi_head_attention_layers(const clade_graph *graph, int32_t from,
                                               const char *name,
                                               const clade_multi_head_attention_layer *settings,
                                               clade_layer out[CLADE_MULTI_HEAD_ATTENTION_LAYERS])
{
    static const char *const parts[CLADE_MULTI_HEAD_ATTENTION_LAYERS] = {".qkv", ".attention", ""};
    const clade_node *image = &graph->node[from];
    clade_status status = clade_expect_image(image);
    if (status) return status;
    if (strlen(name) + strlen(parts[1]) >= CLADE_NAME_SIZE)
        return clade_fail(CLADE_EINVAL, "the name '%.40s…' has more than %zu characters", name,
                          CLADE_NAME_SIZE - 1 - strlen(parts[1]));
    const int32_t channels = image->dim[2];
    if (settings->heads < 1 || channels % settings->heads)
        return clade_fail(CLADE_EINVAL, "heads is %d, which does not divide %d channels evenly",
                          settings->heads, channels);
    if (channels > INT32_MAX / 3) return clade_fail(CLADE_EINVAL, "%d channels", channels);
    out[0] = mix(from, 3 * channels, settings->no_bias);
    out[1] = (clade_layer){.kind = CLADE_LAYER_ATTENTION,
                           .input_count = 1,
                           .input = {graph->count},
                           .as.attention.heads = settings->heads};
    out[2] = mix(graph->count + 1, channels, settings->no_bias);
    for (int i = 0; i < CLADE_MULTI_HEAD_ATTENTION_LAYERS; i++)
        snprintf(out[i].name, sizeof out[i].name, "%s%s", name, parts[i]);
    return CLADE_OK;
}
