/* Fuzz target: safetensors headers. Every tensor of a file that opens is read and converted. */
#include "weights/safetensors.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clade_safetensors *file;
    if (clade_safetensors_open_memory(data, size, "fuzz", &file)) return 0;
    for (size_t i = 0; i < clade_safetensors_count(file); i++) {
        const clade_safetensors_tensor *t = clade_safetensors_at(file, i);
        size_t count = t->bytes / clade_safetensors_dtype_size(t->dtype);
        float *x = malloc(count * sizeof *x + 1);
        if (!x || clade_safetensors_find(file, t->name) != t) abort();
        clade_safetensors_floats(file, t, count, x);
        free(x);
    }
    for (size_t i = 0; i < clade_safetensors_metadata_count(file); i++) {
        clade_safetensors_pair pair = clade_safetensors_metadata_at(file, i);
        if (clade_safetensors_metadata(file, pair.key) != pair.value) abort();
    }
    clade_safetensors_destroy(&file);
    return 0;
}
