/* Fuzz target: weights of backbones by name. The first byte chooses the backbone and the kind of
 * file, the rest is the file. */
#define _XOPEN_SOURCE 700
#include "weights/backbone.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    bool keras = data[0] & 1;
    char path[64];
    snprintf(path, sizeof path, "/tmp/clade-fuzz-%ld%s", (long)getpid(),
             keras ? ".h5" : ".safetensors");
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data + 1, 1, size - 1, file) != size - 1 || fclose(file)) abort();
    const clade_backbone_options options = {.channels = 3, .keras = keras};
    clade_backbone_weights weights;
    const char *const *names = clade_backbone_names();
    size_t count = 0;
    while (names[count]) count++;
    const char *name = names[(size_t)(data[0] >> 1) % count];
    if (!clade_backbone_read_weights(name, &options, path, &weights)) {
        if (!weights.count) abort();
        clade_backbone_weights_clear(&weights);
    }
    unlink(path);
    return 0;
}
