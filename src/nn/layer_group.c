/* The list of words in recipes that stand for several layers. */
#include "nn/layer_group.h"
#include "nn/multi_head_attention.h"
#include "nn/squeeze_excite.h"

static clade_status multi_head_attention(const clade_graph *graph, int32_t from, const char *name,
                                         const clade_layer *settings,
                                         clade_layer out[CLADE_MOST_GROUP_LAYERS])
{
    return clade_multi_head_attention_layers(graph, from, name, &settings->as.multi_head_attention,
                                             out);
}

static clade_status squeeze_excite(const clade_graph *graph, int32_t from, const char *name,
                                   const clade_layer *settings,
                                   clade_layer out[CLADE_MOST_GROUP_LAYERS])
{
    return clade_squeeze_excite_layers(graph, from, name, &settings->as.squeeze_excite, out);
}

const clade_layer_group clade_layer_groups[] = {
    {&clade_multi_head_attention_record, CLADE_MULTI_HEAD_ATTENTION_LAYERS, multi_head_attention},
    {&clade_squeeze_excite_record, CLADE_SQUEEZE_EXCITE_LAYERS, squeeze_excite},
    {.record = NULL},
};
