/* Fuzz target: HDF5 files of weights. Every array of a file that opens is read. */
#include "weights/hdf5.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clade_hdf5 *file;
    if (clade_hdf5_open_memory(data, size, "fuzz", &file)) return 0;
    for (size_t i = 0; i < clade_hdf5_count(file); i++) {
        const clade_hdf5_array *a = clade_hdf5_at(file, i);
        if (a->count > size) abort(); /* there is no compression: as many bytes as elements */
        float *x = malloc(a->count * sizeof *x + 1);
        if (!x || !a->name) abort();
        clade_hdf5_floats(a, x);
        free(x);
    }
    clade_hdf5_destroy(&file);
    return 0;
}
