/* Fuzz target: PyTorch's files of tensors. Every tensor of a file that opens is read. */
#include "weights/pytorch.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clade_pytorch *file;
    clade_blob blob = clade_blob_of(data, size, "fuzz");
    if (clade_pytorch_open(&blob, &file)) return 0;
    for (size_t i = 0; i < clade_pytorch_count(file); i++) {
        const clade_pytorch_tensor *t = clade_pytorch_at(file, i);
        if (t->count > size) abort(); /* no more elements than bytes */
        float *x = malloc(t->count * sizeof *x + 1);
        if (!x || !t->name) abort();
        clade_pytorch_floats(file, t, x);
        free(x);
    }
    clade_pytorch_destroy(&file);
    return 0;
}
