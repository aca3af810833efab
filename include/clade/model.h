/* Models: a graph of layers, compiled for a device. */
#ifndef CLADE_MODEL_H
#define CLADE_MODEL_H

#include <clade/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- graphs: layers with Keras' words and defaults ---- */

typedef enum clade_layer_kind {
    CLADE_LAYER_INPUT, /* added by clade_graph_create */
#define CLADE_LAYER(ID, id) CLADE_LAYER_##ID,
#include <clade/layers.def>
    CLADE_LAYER_KINDS
} clade_layer_kind;

typedef enum clade_padding {
    CLADE_PADDING_VALID,
    CLADE_PADDING_SAME,    /* output = ceil(size / stride); an odd zero goes to the bottom and
                            * right */
    CLADE_PADDING_EXPLICIT /* given by `pad` */
} clade_padding;

typedef enum clade_initializer {
    CLADE_INIT_DEFAULT, /* glorot_uniform for kernels, zeros for biases, ones for gamma */
    CLADE_INIT_GLOROT_UNIFORM,
    CLADE_INIT_GLOROT_NORMAL, /* normals here are truncated at two deviations, as in Keras */
    CLADE_INIT_HE_UNIFORM,
    CLADE_INIT_HE_NORMAL,
    CLADE_INIT_LECUN_UNIFORM,
    CLADE_INIT_LECUN_NORMAL,
    CLADE_INIT_ZEROS,
    CLADE_INIT_ONES,
    /* conv2d only: */
    CLADE_INIT_DIRAC,    /* the first filters copy a channel each, the others are random */
    CLADE_INIT_WHITENING /* computed from training images by clade_train, until then as DIRAC; never
                          * trained. The layer must read the graph's input and have two filters for
                          * each value of a patch */
} clade_initializer;

/* clade_conv2d_layer, …: the settings of layers. Zero is the default, if there is one. */
#define CLADE_SETTINGS(name, ...)                                                                  \
    typedef struct clade_##name##_layer {                                                          \
        __VA_ARGS__                                                                                \
    } clade_##name##_layer;
#include <clade/layers.def>

enum { CLADE_MAX_INPUTS = 8, CLADE_NAME_SIZE = 96 };

typedef struct clade_layer {
    clade_layer_kind kind;
    char name[CLADE_NAME_SIZE];      /* empty: Keras' name, "conv2d", "conv2d_1", … */
    int32_t input_count;             /* 0: the previous layer */
    int32_t input[CLADE_MAX_INPUTS]; /* layer numbers; 0 is the graph's input */
    bool frozen;                     /* its parameters are not trained */
    union {
#define CLADE_SETTINGS(name, ...) clade_##name##_layer name;
#include <clade/layers.def>
    } as;
} clade_layer;

typedef struct clade_graph clade_graph;

/* Creates a graph whose input is an image of this size. Layer 0 is the input. */
CLADE_API clade_status clade_graph_create(int32_t height, int32_t width, int32_t channels,
                                          clade_graph **out);
CLADE_API void clade_graph_destroy(clade_graph **graph);
/* Adds a layer after those that it reads, and computes its shape. `number` (may be NULL) receives
 * the layer's number, for `input` of later layers. The last layer added is the output. Errors:
 * EINVAL, naming the layer and what does not fit. */
CLADE_API clade_status clade_graph_add(clade_graph *graph, const clade_layer *layer,
                                       int32_t *number);

CLADE_API int32_t clade_graph_layers(const clade_graph *graph);
/* Returns a layer as it was added, with its name and inputs filled in. */
CLADE_API const clade_layer *clade_graph_layer(const clade_graph *graph, int32_t number);
/* Returns Keras' class for a kind of layer: "Conv2D", "MaxPooling2D", … */
CLADE_API const char *clade_layer_type(clade_layer_kind kind);
/* Returns whether a layer of this kind computes features at positions of the image. Grad-CAM uses
 * the last such layer. */
CLADE_API bool clade_layer_has_features(clade_layer_kind kind);
/* Gives the output's shape without the batch: returns its rank, 1 to 3, and sets its sizes,
 * followed by zeros. */
CLADE_API int32_t clade_graph_shape(const clade_graph *graph, int32_t number, int32_t dim[3]);
/* Counts the parameters of one layer: trained, and fixed (statistics; frozen layers). */
CLADE_API void clade_graph_parameters(const clade_graph *graph, int32_t number, uint64_t *trained,
                                      uint64_t *fixed);

/* ---- models ---- */

typedef enum clade_loss {
    CLADE_LOSS_NONE,                     /* inference only */
    CLADE_LOSS_BINARY_CROSSENTROPY,      /* one sigmoid output; label 0 or 1. With soft labels any
                                          * number of outputs, and the mean of their losses */
    CLADE_LOSS_CATEGORICAL_CROSSENTROPY, /* softmax outputs; the label is a class number (Keras'
                                          * sparse form has the same arithmetic) */
    CLADE_LOSS_MSE, /* MSE, MAE, HUBER: outputs against one-hot labels (one output: 0 and 1), which
                     * the device makes from class numbers */
    CLADE_LOSS_MAE,
    CLADE_LOSS_HUBER,
    CLADE_LOSS_BINARY_FOCAL,      /* outputs and labels of BINARY_CROSSENTROPY */
    CLADE_LOSS_CATEGORICAL_FOCAL, /* those of CATEGORICAL_CROSSENTROPY */
    CLADE_LOSS_ORDINAL, /* a sigmoid output for each step from one class to the next; soft labels, 1
                         * for each step that is reached; the mean of the binary losses */
    CLADE_LOSSES
} clade_loss;

/* Parameters of losses, as in Keras. */
typedef struct clade_loss_numbers {
    float gamma; /* of focal losses */
    float alpha; /* CATEGORICAL_FOCAL: a factor, above 0; BINARY_FOCAL: the weight of label 1, where
                  * label 0 weighs 1 − alpha; 0: none */
    float delta; /* of HUBER, above 0 */
} clade_loss_numbers;

/* The format in which activations and their gradients are stored, as in Keras' dtype policies.
 * MIXED: 16 bits; the weights of products (convolutions, dense) are rounded to it too, while all
 * arithmetic, parameters and losses are float32. TF32: float32, but in fast math a device with
 * suitable matrix units rounds the factors of products to 11 digits. See docs/training.md. */
typedef enum clade_precision {
    CLADE_PRECISION_FLOAT32,
    CLADE_PRECISION_MIXED_BFLOAT16,
    CLADE_PRECISION_MIXED_FLOAT16,
    CLADE_PRECISION_TF32,
    CLADE_PRECISIONS
} clade_precision;

/* Returns "float32", "mixed_bfloat16", "mixed_float16", "tf32" and NULL. */
CLADE_API const char *const *clade_precision_words(void);
/* Returns the parameter `products` of a model's calls. */
CLADE_API clade_factors clade_precision_factors(clade_precision precision);

typedef struct clade_model_options {
    int32_t batch;   /* maximum batch size, up to 2^20; 0: 32 */
    uint64_t seed;   /* for initial weights and dropout */
    clade_loss loss; /* NONE: no gradients, no labels, memory for inference only */
    float label_smoothing;
    clade_loss_numbers numbers; /* those that the loss has */
    bool soft_labels;   /* labels are probabilities for all outputs, or with MSE, MAE and HUBER any
                         * numbers, instead of classes */
    bool label_weights; /* in training, labels 0 and 1 of each output have separate weights; for
                         * binary losses of soft labels */
    int32_t watch; /* > 0: the number of a layer. clade_model_gradient then differentiates a score
                    * instead of the loss, and clade_model_watched gives the gradient at this
                    * layer's output. The score is the labelled class's output before the loss's own
                    * activation; a single output is itself the score of label 1. Needs a loss;
                    * nothing is trained or dropped out. */
    clade_precision precision;
} clade_model_options;

typedef struct clade_model clade_model;

/* Plans and allocates memory and initialises the weights by Philox from seed and parameter name,
 * the same on every device. The graph is copied. An activation that belongs to the loss is removed
 * from the last layer and computed together with the loss. Labels are 0 and weights 1/batch until
 * they are written. Errors: EINVAL (the last layer does not fit the loss; a layer that nothing
 * reads; no such layer to watch), ENOMEM (with the sizes needed and available), EUNSUPPORTED,
 * EDEVICE. */
CLADE_API clade_status clade_model_create(const clade_graph *graph, clade_device *device,
                                          const clade_model_options *options, clade_model **out);
CLADE_API void clade_model_destroy(clade_model **model);
CLADE_API const clade_graph *clade_model_graph(const clade_model *model);
CLADE_API clade_device *clade_model_device(const clade_model *model);

/* Tensors that the caller writes and reads, all for the full batch; the first n rows are used. */
CLADE_API const clade_tensor *
clade_model_input(const clade_model *model); /* F32 [batch, h, w, c] */
/* I32 [batch]: class numbers; with soft labels F32 [batch, outputs]. Like weights and losses,
 * absent from a model without a loss. */
CLADE_API const clade_tensor *clade_model_label(const clade_model *model);
/* F32 [2, outputs]: weights of labels 0 and of labels 1, 1 until written; absent without
 * `label_weights`. */
CLADE_API const clade_tensor *clade_model_label_weight(const clade_model *model);
/* F32 [batch]: weight of each image's loss in the gradient: 1/n for a mean over n */
CLADE_API const clade_tensor *clade_model_weight(const clade_model *model);
CLADE_API const clade_tensor *
clade_model_output(const clade_model *model); /* F32 [batch, outputs]; with a loss, probabilities */
CLADE_API const clade_tensor *clade_model_losses(const clade_model *model); /* F32 [batch] */
/* F32 [1]: the factor on the loss before its gradient is taken, which keeps small gradients from
 * being lost; 1 until written. Gradients are multiplied by it too, or not finite if 16 bits cannot
 * hold them. Only in models with a loss in MIXED_FLOAT16; else absent. */
CLADE_API const clade_tensor *clade_model_loss_scale(const clade_model *model);

/* Queues inference on the first n images, 1 to batch: dropout off, running statistics. With `loss`,
 * also computes the losses. Host memory for the calls of an n is allocated at its first use, unless
 * it is the batch or one of the three others used last. Errors: EINVAL (n; no loss), EDEVICE. */
CLADE_API clade_status clade_model_infer(clade_model *model, int32_t n, bool loss);
/* Queues the forward and backward pass of a training step on the first n images. Gradients, losses
 * and outputs are valid when the queue has reached this point. Gradients are overwritten, not
 * accumulated. Dropout depends on `step`, the number of the step, and on the image's position in
 * the step's batch, where these are the n images after the first `first`. Errors: those of infer;
 * EINVAL when all layers are frozen. */
CLADE_API clade_status clade_model_gradient(clade_model *model, int32_t n, uint32_t step,
                                            int32_t first);

/* Gives, for a model made with `watch`, the layer's output and, after clade_model_gradient, the
 * score's gradient with respect to it; F32 [batch, h, w, c] or [batch, c]. Absent for other
 * models. */
CLADE_API void clade_model_watched(const clade_model *model, clade_tensor *y, clade_tensor *dy);

/* All trained parameters in layer order, contiguous, and their gradients, as one flat tensor each.
 * Absent if there are none. */
CLADE_API const clade_tensor *clade_model_trained(const clade_model *model);
CLADE_API const clade_tensor *clade_model_gradients(const clade_model *model);

/* Each parameter and running statistic by name ("conv2d/kernel",
 * "batch_normalization/moving_mean"), in layer order. `gradient` is absent if the parameter is not
 * trained. */
typedef struct clade_parameter {
    const char *name;
    clade_tensor value, gradient;
    int32_t layer;
} clade_parameter;
CLADE_API size_t clade_model_parameters(const clade_model *model);
CLADE_API const clade_parameter *clade_model_parameter(const clade_model *model, size_t i);

/* Gives the bytes of the arena that holds activations and their gradients, and the bytes that they
 * would need without sharing memory. The workspace of ops belongs to the device (see
 * clade_device_memory). */
CLADE_API void clade_model_memory(const clade_model *model, uint64_t *arena, uint64_t *unshared);

#ifdef __cplusplus
}
#endif
#endif
