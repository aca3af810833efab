/* What a model consists of, and its memory: parameters, gradients, inputs and results. */
#ifndef CLADE_NN_MODEL_MEMORY_H
#define CLADE_NN_MODEL_MEMORY_H

#include "nn/schedule.h"

/* The blocks of device memory that a model holds. */
typedef enum model_block {
    TRAINED,   /* all trained parameters, in layer order */
    GRADIENTS, /* theirs, at the same places */
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
    bool sibling; /* parameters are another model's, and there is only the training pass */
    clade_tensor trained, gradients;
    clade_blueprint blueprint; /* what it points to follows */
    clade_parameter *parameter;
    size_t parameters;
    int32_t *first_parameter;
    bool *layer_trained;
    char *names;                    /* of the parameters, one after the other */
    uint64_t *offset[CLADE_PASSES]; /* of each value in the arena, in bytes */
    uint64_t arena_bytes, unshared_bytes;
    /* Of each pass: for the full batch first, then for other numbers of images as they came. */
    clade_schedule *schedule[CLADE_PASSES][SIZES];
    int next[CLADE_PASSES]; /* which of the others is replaced next */
};

/* Memory for a block of a model, told as `what` where it is more than there is. */
clade_status clade_model_allocate(clade_model *model, model_block which, const char *what,
                                  uint64_t bytes);
/* Names the parameters and finds their places in the flat blocks; gives the blocks' sizes in
 * elements. */
clade_status clade_model_list_parameters(clade_model *model, uint64_t *trained, uint64_t *fixed);
/* Memory for so many parameters and their gradients. */
clade_status clade_model_allocate_parameters(clade_model *model, uint64_t trained, uint64_t fixed);
/* Memory for what a pass reads and gives, with what it holds until it is written to. */
clade_status clade_model_allocate_inputs(clade_model *model);
clade_status clade_model_initialise(clade_model *model, uint64_t seed);

#endif
