/* A trained model as one .safetensors file: its weights and, in the metadata, the recipe and the
 * class names. */
#ifndef CLADE_RECIPE_MODELFILE_H
#define CLADE_RECIPE_MODELFILE_H

#include <clade/interchange.h>

#include "weights/safetensors.h"

/* The names of the classes, owned. */
typedef struct clade_class_names {
    char **name;
    int32_t count;
} clade_class_names;

clade_status clade_class_names_copy(const clade_dataset *dataset, clade_class_names *out);
void clade_class_names_clear(clade_class_names *names);

/* Tensors and metadata pairs that a training state has beyond a model. */
typedef struct clade_modelfile_extra {
    const clade_safetensors_tensor *tensors;
    size_t tensor_count;
    const clade_safetensors_pair *pairs;
    size_t pair_count;
} clade_modelfile_extra;

/* Returns the metadata pair of a temperature; its value is in `text`. */
clade_safetensors_pair clade_modelfile_temperature(double temperature, char text[32]);
/* Returns whether a temperature is valid: 0.01 to 100. */
bool clade_temperature_is_valid(double temperature);

/* Lists with one number for each of a model's classes or targets. */
typedef enum clade_modelfile_list {
    CLADE_MODELFILE_THRESHOLDS, /* probabilities above which a class is predicted */
    CLADE_MODELFILE_MEANS,      /* of targets; added to the net's output times: */
    CLADE_MODELFILE_DEVIATIONS,
    CLADE_MODELFILE_LISTS
} clade_modelfile_list;

/* Makes the metadata pair of such numbers [count]; its value is in *list, which the caller frees.
 * Errors: ENOMEM. */
clade_status clade_modelfile_numbers(clade_modelfile_list which, const float *numbers,
                                     int32_t count, char **list, clade_safetensors_pair *out);
/* Adds pairs for those that are not NULL to `extra`, whose pairs have room for them; the caller
 * frees `lists`. */
clade_status clade_modelfile_add_numbers(float *const numbers[CLADE_MODELFILE_LISTS], int32_t count,
                                         char *lists[CLADE_MODELFILE_LISTS],
                                         clade_safetensors_pair *pairs, size_t *pair_count);

/* Writes all parameters and statistics of the model, waiting for the device; replaces the file
 * atomically. `extra` may be NULL. */
clade_status clade_modelfile_write(const char *path, const clade_recipe *recipe,
                                   const clade_class_names *classes, const clade_model *model,
                                   const clade_modelfile_extra *extra);

/* Does the same with weights that do not belong to a model. */
clade_status clade_modelfile_write_weights(const char *path, const clade_recipe *recipe,
                                           const clade_class_names *classes,
                                           const clade_network_weight *weights, size_t count,
                                           const clade_modelfile_extra *extra);

typedef struct clade_modelfile {
    char *path;
    clade_safetensors *file;
    clade_recipe *recipe;
    clade_class_names classes;
    double temperature;                    /* divisor of logits; 1: none */
    float *numbers[CLADE_MODELFILE_LISTS]; /* [classes] each; NULL: not in the file */
} clade_modelfile;

/* Gives the file to open, which the caller frees: `path` itself, or in a run folder the file with
 * the best weights available. */
clade_status clade_modelfile_choose(const char *path, char **out);
/* Opens the file. Errors: EIO, EFORMAT (truncated, or not a Clade model), EUNSUPPORTED (made by a
 * newer version). */
clade_status clade_modelfile_open(const char *path, clade_modelfile *out);
void clade_modelfile_close(clade_modelfile *file);
/* Gives a weight, which must exist with this shape; the caller frees it. */
clade_status clade_modelfile_weight(const clade_modelfile *file, const char *name,
                                    const clade_tensor *shape, float **out);
/* Copies the weights into a model, which must have the same parameters. */
clade_status clade_modelfile_load(const clade_modelfile *file, clade_model *model);

#endif
