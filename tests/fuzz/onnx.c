/* Fuzz target: reading ONNX, beside which there is a file "w" of external data. Of a net that is
 * read all weights are touched, and a recipe is made. */
#define _XOPEN_SOURCE 700
#include "base/file.h"
#include "weights/network.h"

#include "temporary.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];

static void remove_folder(void)
{
    if (clade_folder_remove(folder)) abort();
}

static void make_folder(void)
{
    char path[80];
    const float values[512] = {1, -1};
    fuzz_temporary("onnx", folder);
    snprintf(path, sizeof path, "%s/w", folder);
    if (clade_folder_create(folder) || clade_file_write(path, values, sizeof values)) abort();
    atexit(remove_folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clade_network *network;
    char path[80];
    if (!*folder) make_folder();
    snprintf(path, sizeof path, "%s/fuzz.onnx", folder);
    if (clade_onnx_read(path, data, size, NULL, &network)) return 0;
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
