/* The contents of a model, and its memory: parameters, gradients, inputs and results. */
#ifndef CLADE_NN_MODEL_MEMORY_H
#define CLADE_NN_MODEL_MEMORY_H

#include "nn/schedule.h"

/* The blocks of device memory that a model holds. */
typedef enum model_block {
    TRAINED,   /* all trained parameters, in layer order */
    GRADIENTS, /* their gradients, at the same offsets */
    FIXED,     /* all other parameters */
    ARENA,
    INPUT,
    LABEL,
    WEIGHT,
    OUTPUT,
    LOSSES,
    LABEL_WEIGHT,
    SCALE,
    ZEROS,
    MINUS_ONES,
    WATCHED_Y,
    WATCHED_DY,
    BLOCKS
} model_block;

enum { SIZES = 4 };

struct clade_model {
    clade_graph *graph;
    clade_device *device;
    int32_t batch;
    clade_buffer *buffer[BLOCKS];
    bool sibling; /* it uses another model's parameters, and has only the training pass */
    clade_tensor trained, gradients;
    clade_blueprint blueprint; /* its pointers point to what follows */
    clade_parameter *parameter;
    size_t parameters;
    int32_t *first_parameter;
    bool *layer_trained;
    char *names;                    /* of the parameters, one after the other */
    uint64_t *offset[CLADE_PASSES]; /* of each value in the arena, in bytes */
    uint64_t arena_bytes, unshared_bytes;
    /* For each pass: the full batch first, then other numbers of images, in order of first use. */
    clade_schedule *schedule[CLADE_PASSES][SIZES];
    int next[CLADE_PASSES]; /* which of the others to replace next */
};

/* Allocates a block of a model; if memory is short, the error calls it `what`. */
clade_status clade_model_allocate(clade_model *model, model_block which, const char *what,
                                  uint64_t bytes);
/* Names the parameters and assigns their places in the flat blocks; gives the blocks' sizes in
 * elements. */
clade_status clade_model_list_parameters(clade_model *model, uint64_t *trained, uint64_t *fixed);
/* Allocates this many parameters and their gradients. */
clade_status clade_model_allocate_parameters(clade_model *model, uint64_t trained, uint64_t fixed);
/* Allocates and initialises the inputs and results of passes. */
clade_status clade_model_allocate_inputs(clade_model *model);
clade_status clade_model_initialise(clade_model *model, uint64_t seed);

#endif
