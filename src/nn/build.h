/* Building a schedule: layers add calls to it whose activations are numbered values; memory is
 * given to the values once all their uses are known. */
#ifndef CLADE_NN_BUILD_H
#define CLADE_NN_BUILD_H

#include "nn/graph.h"
#include "nn/sync.h"

/* What a schedule is for. */
typedef enum clade_pass {
    CLADE_PASS_INFER, /* outputs */
    CLADE_PASS_LOSS,  /* outputs and losses */
    CLADE_PASS_TRAIN, /* outputs, losses and gradients */
    CLADE_PASSES
} clade_pass;

/* What every schedule of a model is built from; belongs to the model. */
typedef struct clade_blueprint {
    const clade_graph *graph;
    const clade_device *device;
    const clade_parameter *parameter;
    const int32_t *first_parameter; /* of each layer */
    const bool *trained;            /* does the layer's output depend on what is trained? */
    clade_loss loss;
    float label_smoothing;
    clade_loss_numbers numbers;
    bool soft_labels, label_weights;
    clade_precision precision;
    uint64_t seed;
    bool pools;     /* does the device pool what it convolves at once? */
    bool norms;     /* does it normalise it at once? */
    bool synced;    /* is a batch computed by several models? */
    bool tapped;    /* is the output of each layer looked at? */
    uint64_t cache; /* bytes that calls had better not exceed; 0: it does not matter */
    int32_t watch;  /* a layer, or 0 */
    /* Of each call of a pass before it is narrowed: does the device take it in 16 bits? Decided for
     * the full batch, so that passes over fewer images have the same values; NULL: not yet. */
    bool *halves[CLADE_PASSES];
    /* For the full batch. zeros and minus_ones, [batch, outputs] and [batch], are there for losses
     * of numbers and for a watched layer only; its y and dy likewise; loss_scale for MIXED_FLOAT16.
     * label_weight is [2, outputs], or absent. */
    clade_tensor input, label, weight, output, losses, label_weight, zeros, minus_ones, watched_y,
        watched_dy, loss_scale;
} clade_blueprint;

/* A call, the layer it belongs to, and the first of the images that it takes. */
typedef struct clade_layer_call {
    clade_call call;
    int32_t layer, first;
} clade_layer_call;

/* The calls of a pass over a model's full batch, in order; none if it has no such pass. */
const clade_layer_call *clade_model_calls(const clade_model *model, clade_pass pass, size_t *count);

/* A block of memory that lives from the first call that mentions it to the last. */
typedef struct clade_value {
    uint64_t bytes;
    bool sliced; /* its first row is that of the first image of the calls that mention it */
    bool shared; /* the same for all images, as a weight is */
    bool narrow; /* stored in 16 bits where the precision says so */
} clade_value;

/* What a convolution's op does besides: the layers that it takes in, 0 where there is none, and the
 * last of them or the convolution itself. */
typedef struct clade_fusion {
    int32_t norm, add, activation, pool, last;
} clade_fusion;

typedef struct clade_build_node {
    clade_tensor y, dy;                   /* dy is absent until something has been written to it */
    clade_tensor saved[CLADE_MAX_INPUTS]; /* what forward keeps for backward */
    clade_fusion fused;                   /* of a convolution */
    int32_t runs;  /* the layer whose forward is run at this one's turn: mostly itself; 0: none */
    bool absorbed; /* a convolution before it does what it does */
} clade_build_node;

/* In the tensors of a schedule being built, one with a buffer lies in fixed memory, and one without
 * is the value whose number is its offset. */
typedef struct clade_build {
    const clade_blueprint *blueprint;
    clade_pass pass;
    int32_t n;
    int32_t bare;        /* the layer whose activation the loss computes, or -1 */
    clade_status status; /* the first failure; later additions do nothing */
    clade_build_node *node;
    clade_tensor target; /* of losses of numbers: the labels as such */
    clade_layer_call *call;
    size_t call_count, call_capacity;
    clade_value *value;
    size_t value_count, value_capacity;
    clade_sync *sync;
    size_t sync_count, sync_capacity;
    bool *halves; /* what was decided, for the blueprint */
} clade_build;

/* All calls of a pass over n images. The caller destroys it, also after a failure. */
clade_status clade_build_pass(clade_build *build, const clade_blueprint *blueprint, clade_pass pass,
                              int32_t n);
void clade_build_destroy(clade_build *build);

/* Gives each value its place in an arena: in bytes, in offset[value_count]. Where an op may work in
 * place on an input that nothing reads later, both get the same. `total` is the arena's size,
 * `unshared` what the values would take side by side. */
clade_status clade_build_plan(const clade_build *build, uint64_t *offset, uint64_t *total,
                              uint64_t *unshared);

/* ---- for layers ---- */

#define CLADE_BUILD_CALL(build, layer, id, ...)                                                    \
    clade_build_add(build, layer, CLADE_OP_##id, &(clade_args){.id = {__VA_ARGS__}})

void clade_build_add(clade_build *build, int32_t layer, clade_op op, const clade_args *args);

/* The pass stops here, for sums and means that are values or parameters' gradients. */
void clade_build_sync(clade_build *build, const clade_sync *sync);

/* A new value of a tensor's shape: an activation or its gradient, which is float32 in each
 * precision only if it has the model's output for a shape. */
clade_tensor clade_build_like(clade_build *build, const clade_tensor *shape);
/* One that is float32 in each precision: statistics and sums. */
clade_tensor clade_build_float(clade_build *build, const clade_tensor *shape);
/* Where layer `number` is to write its y: a new value, or the model's output. */
clade_tensor clade_build_output(clade_build *build, int32_t number);
/* The first n rows of a tensor for the full batch. */
clade_tensor clade_build_rows(const clade_build *build, const clade_tensor *full);

/* A layer that only renames its input's elements: y is the input in another shape. */
void clade_build_view(clade_build *build, int32_t number);
/* The way back: dy becomes the gradient of layer `to`, or is added to it. The last thing that reads
 * dy. */
void clade_build_pass_back(clade_build *build, int32_t number, int32_t to);

/* Does training need the gradient of this layer's output? False in other passes. */
bool clade_build_needs(const clade_build *build, int32_t number);
/* Where to write the gradient of layer `number`'s y, and whether to add to what is there. */
clade_tensor clade_build_gradient(clade_build *build, int32_t number, int32_t *accumulate);

static inline const clade_layer *clade_build_layer(const clade_build *build, int32_t number)
{
    return &build->blueprint->graph->node[number].layer;
}

/* y of the layer that input i of layer `number` comes from. */
static inline clade_tensor clade_build_input(const clade_build *build, int32_t number, int32_t i)
{
    return build->node[clade_build_layer(build, number)->input[i]].y;
}

/* Weight i of a layer; the gradient is absent where it is not trained. */
static inline const clade_parameter *clade_build_weight(const clade_build *build, int32_t number,
                                                        int32_t i)
{
    return &build->blueprint->parameter[build->blueprint->first_parameter[number] + i];
}

#endif
