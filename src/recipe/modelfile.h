/* A trained model as one .safetensors file: weights, and in the metadata the recipe and the class
 * names. */
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

/* Tensors and pairs that a state has beyond a model. */
typedef struct clade_modelfile_extra {
    const clade_safetensors_tensor *tensors;
    size_t tensor_count;
    const clade_safetensors_pair *pairs;
    size_t pair_count;
} clade_modelfile_extra;

/* The pair that says a temperature, its value in `text`. */
clade_safetensors_pair clade_modelfile_temperature(double temperature, char text[32]);
/* Is it one that a model may have: 0.01 to 100? */
bool clade_temperature_is_valid(double temperature);

/* Numbers that a model has one of for each of its classes, or targets. */
typedef enum clade_modelfile_list {
    CLADE_MODELFILE_THRESHOLDS, /* probabilities above which a class is told */
    CLADE_MODELFILE_MEANS,      /* of targets, to which what the net gives is added, times: */
    CLADE_MODELFILE_DEVIATIONS,
    CLADE_MODELFILE_LISTS
} clade_modelfile_list;

/* The pair that says such numbers [count], its value in *list, to be freed. Errors: ENOMEM. */
clade_status clade_modelfile_numbers(clade_modelfile_list which, const float *numbers,
                                     int32_t count, char **list, clade_safetensors_pair *out);
/* Adds pairs of those that are not NULL to `extra`, whose pairs have room for them; `lists` are to
 * be freed. */
clade_status clade_modelfile_add_numbers(float *const numbers[CLADE_MODELFILE_LISTS], int32_t count,
                                         char *lists[CLADE_MODELFILE_LISTS],
                                         clade_safetensors_pair *pairs, size_t *pair_count);

/* Writes all parameters and statistics of the model, waiting for the device; replaces the file
 * atomically. `extra` may be NULL. */
clade_status clade_modelfile_write(const char *path, const clade_recipe *recipe,
                                   const clade_class_names *classes, const clade_model *model,
                                   const clade_modelfile_extra *extra);

/* The same with weights that are no model's. */
clade_status clade_modelfile_write_weights(const char *path, const clade_recipe *recipe,
                                           const clade_class_names *classes,
                                           const clade_network_weight *weights, size_t count,
                                           const clade_modelfile_extra *extra);

typedef struct clade_modelfile {
    char *path;
    clade_safetensors *file;
    clade_recipe *recipe;
    clade_class_names classes;
    double temperature;                    /* that logits are divided by; 1: as they are */
    float *numbers[CLADE_MODELFILE_LISTS]; /* [classes] each; NULL: none are said */
} clade_modelfile;

/* The file to open, to be freed: `path` itself, or in a run folder the one with the best weights
 * that there are. */
clade_status clade_modelfile_choose(const char *path, char **out);
/* Errors: EIO, EFORMAT (cut short, or not a model of ours), EUNSUPPORTED (made by a newer version).
 */
clade_status clade_modelfile_open(const char *path, clade_modelfile *out);
void clade_modelfile_close(clade_modelfile *file);
/* One weight, which must be there in this shape; to be freed. */
clade_status clade_modelfile_weight(const clade_modelfile *file, const char *name,
                                    const clade_tensor *shape, float **out);
/* Copies the weights into a model, which must have the same parameters. */
clade_status clade_modelfile_load(const clade_modelfile *file, clade_model *model);

#endif
