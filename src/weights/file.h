/* Arrays of weights in a file of any supported kind, recognised by its content: safetensors,
 * PyTorch's, Keras' HDF5. */
#ifndef CLADE_WEIGHTS_FILE_H
#define CLADE_WEIGHTS_FILE_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { clade_weight_max_rank = 8 };

typedef struct clade_weight_array {
    const char *name; /* belongs to the file */
    int32_t rank;
    int64_t shape[clade_weight_max_rank];
    size_t count; /* of elements */
    size_t index; /* in the file */
} clade_weight_array;

typedef struct clade_weight_file clade_weight_file;

/* Returns whether the file's name is that of a Keras file. Opens nothing. */
bool clade_weight_file_is_named_keras(const char *path);
/* Returns whether the file is Keras', by its content; if it cannot be read, by its name. */
bool clade_weight_file_is_keras(const char *path);

/* Errors: those of its kind's reader; EFORMAT if it is of no known kind. */
clade_status clade_weight_file_open(const char *path, clade_weight_file **out);
void clade_weight_file_close(clade_weight_file **file);

size_t clade_weight_file_count(const clade_weight_file *file);
clade_weight_array clade_weight_file_at(const clade_weight_file *file, size_t i);
/* Gives the array's `count` values, row-major. */
clade_status clade_weight_file_floats(const clade_weight_file *file,
                                      const clade_weight_array *array, float *out);

#endif
