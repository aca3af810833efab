/* Building a schedule. Layers add calls whose activations are numbered values; values get memory
 * once all their uses are known. */
#ifndef CLADE_NN_BUILD_H
#define CLADE_NN_BUILD_H

#include "nn/graph.h"
#include "nn/sync.h"

/* What a schedule computes. */
typedef enum clade_pass {
    CLADE_PASS_INFER, /* outputs */
    CLADE_PASS_LOSS,  /* outputs and losses */
    CLADE_PASS_TRAIN, /* outputs, losses and gradients */
    CLADE_PASSES
} clade_pass;

/* The inputs of every schedule of a model, owned by the model. */
typedef struct clade_blueprint {
    const clade_graph *graph;
    const clade_device *device;
    const clade_parameter *parameter;
    const int32_t *first_parameter; /* index, for each layer */
    const bool *trained;            /* whether the layer's output depends on trained parameters */
    clade_loss loss;
    float label_smoothing;
    clade_loss_numbers numbers;
    bool soft_labels, label_weights;
    clade_precision precision;
    uint64_t seed;
    bool pools;     /* whether the device can fuse a convolution with the pooling after it */
    bool norms;     /* the same for the normalisation after it */
    bool synced;    /* whether several models compute one batch */
    bool tapped;    /* whether the output of each layer is observed */
    uint64_t cache; /* bytes that a call should not exceed; 0: no limit */
    int32_t watch;  /* a layer, or 0 */
    /* Whether the device takes each call of a pass in 16 bits, before the pass is narrowed. Decided
     * for the full batch, so that passes over fewer images give the same values; NULL: not decided
     * yet. */
    bool *halves[CLADE_PASSES];
    /* For the full batch. zeros and minus_ones, [batch, outputs] and [batch], exist only for losses
     * of numbers and for a watched layer, whose y and dy likewise; loss_scale for MIXED_FLOAT16.
     * label_weight is [2, outputs], or absent. */
    clade_tensor input, label, weight, output, losses, label_weight, zeros, minus_ones, watched_y,
        watched_dy, loss_scale;
} clade_blueprint;

/* A call, its layer, and the first of the images that it processes. */
typedef struct clade_layer_call {
    clade_call call;
    int32_t layer, first;
} clade_layer_call;

/* Returns the calls of a pass over a model's full batch, in order; none if it has no such pass. */
const clade_layer_call *clade_model_calls(const clade_model *model, clade_pass pass, size_t *count);

/* A block of memory, live from the first call that uses it to the last. */
typedef struct clade_value {
    uint64_t bytes;
    bool sliced; /* its first row belongs to the first image of the calls that use it */
    bool shared; /* the same for all images, like a weight */
    bool narrow; /* stored in 16 bits if the precision says so */
} clade_value;

/* What a convolution's op computes besides: the layers fused into it, 0 for none, and the last of
 * them or the convolution itself. */
typedef struct clade_fusion {
    int32_t norm, add, activation, pool, last;
} clade_fusion;

typedef struct clade_build_node {
    clade_tensor y, dy;                   /* dy is absent until something is written to it */
    clade_tensor saved[CLADE_MAX_INPUTS]; /* values that forward keeps for backward */
    clade_fusion fused;                   /* for a convolution */
    int32_t runs;  /* the layer whose forward runs at this layer's position: usually itself; 0:
                    * none */
    bool absorbed; /* an earlier convolution computes this layer */
} clade_build_node;

/* A schedule under construction. A tensor with a buffer lies in fixed memory; one without is the
 * value whose number is its offset. */
typedef struct clade_build {
    const clade_blueprint *blueprint;
    clade_pass pass;
    int32_t n;
    int32_t bare;        /* the layer whose activation the loss computes, or -1 */
    clade_status status; /* the first failure; later additions do nothing */
    clade_build_node *node;
    clade_tensor target; /* for losses of numbers: the labels themselves */
    clade_layer_call *call;
    size_t call_count, call_capacity;
    clade_value *value;
    size_t value_count, value_capacity;
    clade_sync *sync;
    size_t sync_count, sync_capacity;
    bool *halves; /* decisions to store in the blueprint */
} clade_build;

/* Builds all calls of a pass over n images. The caller destroys the build, also after a failure. */
clade_status clade_build_pass(clade_build *build, const clade_blueprint *blueprint, clade_pass pass,
                              int32_t n);
void clade_build_destroy(clade_build *build);

/* Assigns each value its place in an arena: offset[value_count], in bytes. If an op may work in
 * place on an input that nothing reads later, both share one place. `total` is the arena's size,
 * `unshared` the sum of all values' sizes. */
clade_status clade_build_plan(const clade_build *build, uint64_t *offset, uint64_t *total,
                              uint64_t *unshared);

/* ---- for layers ---- */

#define CLADE_BUILD_CALL(build, layer, id, ...)                                                    \
    clade_build_add(build, layer, CLADE_OP_##id, &(clade_args){.id = {__VA_ARGS__}})

void clade_build_add(clade_build *build, int32_t layer, clade_op op, const clade_args *args);

/* Ends a part of the pass here, for sums and means that are values or parameters' gradients. */
void clade_build_sync(clade_build *build, const clade_sync *sync);

/* Adds a value of a tensor's shape: an activation or its gradient. It is float32 in every precision
 * only if it has the shape of the model's output. */
clade_tensor clade_build_like(clade_build *build, const clade_tensor *shape);
/* Adds a value that is float32 in every precision: statistics and sums. */
clade_tensor clade_build_float(clade_build *build, const clade_tensor *shape);
/* Returns where layer `number` is to write its y: a new value, or the model's output. */
clade_tensor clade_build_output(clade_build *build, int32_t number);
/* Returns the first n rows of a tensor for the full batch. */
clade_tensor clade_build_rows(const clade_build *build, const clade_tensor *full);

/* Makes a layer's y its input in another shape, without moving elements. */
void clade_build_view(clade_build *build, int32_t number);
/* Does the reverse: dy becomes the gradient of layer `to`, or is added to it. Nothing may read dy
 * afterwards. */
void clade_build_pass_back(clade_build *build, int32_t number, int32_t to);

/* Returns whether training needs the gradient of this layer's output; false in other passes. */
bool clade_build_needs(const clade_build *build, int32_t number);
/* Returns where to write the gradient of layer `number`'s y, and whether to add to it. */
clade_tensor clade_build_gradient(clade_build *build, int32_t number, int32_t *accumulate);

static inline const clade_layer *clade_build_layer(const clade_build *build, int32_t number)
{
    return &build->blueprint->graph->node[number].layer;
}

/* Returns y of the layer that input i of layer `number` reads. */
static inline clade_tensor clade_build_input(const clade_build *build, int32_t number, int32_t i)
{
    return build->node[clade_build_layer(build, number)->input[i]].y;
}

/* Returns weight i of a layer; its gradient is absent if it is not trained. */
static inline const clade_parameter *clade_build_weight(const clade_build *build, int32_t number,
                                                        int32_t i)
{
    return &build->blueprint->parameter[build->blueprint->first_parameter[number] + i];
}

#endif
