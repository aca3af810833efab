/* Fuzz target: reading ONNX. Of a net that is read all weights are touched, and a recipe is made.
 */
#include "weights/network.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clade_network *network;
    /* there is no such folder: external data are never found */
    if (clade_onnx_read("/nowhere/fuzz.onnx", data, size, NULL, &network)) return 0;
    size_t count;
    volatile float touched = 0;
    const clade_network_weight *w = clade_network_weights(network, &count);
    for (size_t i = 0; i < count; i++) {
        size_t n = 1;
        for (int32_t d = 0; d < w[i].rank; d++) n *= (size_t)w[i].dim[d];
        for (size_t k = 0; k < n; k++) touched = w[i].data[k];
        if (!strchr(w[i].name, '/')) abort();
    }
    clade_recipe *recipe = NULL;
    clade_recipe_parts parts = {.name = clade_network_name(network),
                                .graph = clade_network_graph(network),
                                .preprocessing = clade_network_preprocessing(network)};
    (void)clade_recipe_create(&parts, &recipe);
    clade_recipe_destroy(&recipe);
    (void)touched;
    clade_network_destroy(&network);
    return 0;
}
