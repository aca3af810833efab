/* Squeeze and excite as layers. */
#include "nn/squeeze_excite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const clade_layer_field fields[] = {
    CLADE_FIELD(clade_squeeze_excite_layer, units, INT, "units", .otherwise = "as `ratio` says",
                .about = "units of the first dense layer"),
    CLADE_FIELD(clade_squeeze_excite_layer, ratio, REAL, "ratio", .range = CLADE_RANGE_POSITIVE,
                .standard = 0.0625F,
                .about = "units per channel; the total is rounded and at least 1"),
    CLADE_FIELD(clade_squeeze_excite_layer, activation, ACTIVATION, "activation",
                .otherwise = "relu", .about = "activation of the first dense layer"),
    CLADE_FIELD(clade_squeeze_excite_layer, gate, ACTIVATION, "gate", .otherwise = "sigmoid",
                .about = "activation of the second dense layer, whose outputs are the factors"),
    {0},
};

const clade_layer_record clade_squeeze_excite_record = {
    .key = "squeeze_excite",
    .name = "squeeze_excite",
    .about = "Multiplies each channel of an image by a factor that two dense layers compute from "
             "all channels' means. It stands for four layers: the global average NAME.avgpool, the "
             "dense ones NAME.fc1 and NAME.fc2, and the product NAME.",
    .main = "units",
    .field = fields,
};

clade_status clade_squeeze_excite_layers(const clade_graph *graph, int32_t from, const char *name,
                                         const clade_squeeze_excite_layer *settings,
                                         clade_layer out[CLADE_SQUEEZE_EXCITE_LAYERS])
{
    static const char *const parts[CLADE_SQUEEZE_EXCITE_LAYERS] = {".avgpool", ".fc1", ".fc2", ""};
    const clade_node *image = &graph->node[from];
    const int32_t first = graph->count;
    clade_status status = clade_expect_image(image);
    if (status) return status;
    if (strlen(name) + strlen(parts[0]) >= CLADE_NAME_SIZE)
        return clade_fail(CLADE_EINVAL, "the name '%.40s…' has more than %zu characters", name,
                          CLADE_NAME_SIZE - 1 - strlen(parts[0]));
    const int32_t channels = image->dim[2];
    const float ratio = settings->ratio == 0 ? 0.0625F : settings->ratio;
    int32_t units = settings->units;
    if (units == 0) units = (int32_t)roundf(fminf(ratio * (float)channels, 1 << 24));
    if (units < 1) units = 1;
    const clade_activation activation = settings->activation ? settings->activation : CLADE_RELU;
    const clade_activation gate = settings->gate ? settings->gate : CLADE_SIGMOID;
    out[0] = (clade_layer){.kind = CLADE_LAYER_GLOBAL_AVGPOOL2D, .input_count = 1, .input = {from}};
    out[1] = (clade_layer){.kind = CLADE_LAYER_DENSE,
                           .input_count = 1,
                           .input = {first},
                           .as.dense = {.units = units, .activation = activation}};
    out[2] = (clade_layer){.kind = CLADE_LAYER_DENSE,
                           .input_count = 1,
                           .input = {first + 1},
                           .as.dense = {.units = channels, .activation = gate}};
    out[3] =
        (clade_layer){.kind = CLADE_LAYER_MULTIPLY, .input_count = 2, .input = {from, first + 2}};
    for (int i = 0; i < CLADE_SQUEEZE_EXCITE_LAYERS; i++)
        snprintf(out[i].name, sizeof out[i].name, "%s%s", name, parts[i]);
    return CLADE_OK;
}
