/* Models: a graph of layers, compiled for a device. */
#ifndef CLADE_MODEL_H
#define CLADE_MODEL_H

#include <clade/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- graphs: layers with Keras' words and defaults ---- */

typedef enum clade_layer_kind {
    CLADE_LAYER_INPUT, /* made by clade_graph_create */
#define CLADE_LAYER(ID, id) CLADE_LAYER_##ID,
#include <clade/layers.def>
    CLADE_LAYER_KINDS
} clade_layer_kind;

typedef enum clade_padding {
    CLADE_PADDING_VALID,
    CLADE_PADDING_SAME,    /* output = ceil(size / stride), the odd zero at the bottom and right */
    CLADE_PADDING_EXPLICIT /* as `pad` says */
} clade_padding;

typedef enum clade_initializer {
    CLADE_INIT_DEFAULT, /* glorot_uniform for kernels, zeros for biases, ones for gamma */
    CLADE_INIT_GLOROT_UNIFORM,
    CLADE_INIT_GLOROT_NORMAL, /* normals here are cut at two deviations, as Keras does */
    CLADE_INIT_HE_UNIFORM,
    CLADE_INIT_HE_NORMAL,
    CLADE_INIT_LECUN_UNIFORM,
    CLADE_INIT_LECUN_NORMAL,
    CLADE_INIT_ZEROS,
    CLADE_INIT_ONES,
    /* of conv2d alone: */
    CLADE_INIT_DIRAC,    /* the first filters pass a channel on each, the others are random */
    CLADE_INIT_WHITENING /* made of training images by clade_train, until then as DIRAC; never
                          * trained. The layer reads the graph's input and has two filters for
                          * each value of a patch */
} clade_initializer;

/* clade_conv2d_layer, …: settings of layers. Zero is the default, except where there is none. */
#define CLADE_SETTINGS(name, ...)                                                                  \
    typedef struct clade_##name##_layer {                                                          \
        __VA_ARGS__                                                                                \
    } clade_##name##_layer;
#include <clade/layers.def>

enum { CLADE_MAX_INPUTS = 8, CLADE_NAME_SIZE = 96 };

typedef struct clade_layer {
    clade_layer_kind kind;
    char name[CLADE_NAME_SIZE];      /* empty: Keras' name, "conv2d", "conv2d_1", … */
    int32_t input_count;             /* 0: the layer before */
    int32_t input[CLADE_MAX_INPUTS]; /* numbers of layers; 0 is the graph's input */
    bool frozen;                     /* its parameters are not trained */
    union {
#define CLADE_SETTINGS(name, ...) clade_##name##_layer name;
#include <clade/layers.def>
    } as;
} clade_layer;

typedef struct clade_graph clade_graph;

/* A graph whose input is an image of this size. Layer 0 is the input. */
CLADE_API clade_status clade_graph_create(int32_t height, int32_t width, int32_t channels,
                                          clade_graph **out);
CLADE_API void clade_graph_destroy(clade_graph **graph);
/* Adds a layer after those it reads; its shape is worked out at once. `number` (may be NULL) gets
 * the layer's number, for `input` of later ones. The last layer added is the output. Errors:
 * EINVAL, naming the layer and what does not fit. */
CLADE_API clade_status clade_graph_add(clade_graph *graph, const clade_layer *layer,
                                       int32_t *number);

CLADE_API int32_t clade_graph_layers(const clade_graph *graph);
/* A layer as it was added, but with its name and inputs filled in. */
CLADE_API const clade_layer *clade_graph_layer(const clade_graph *graph, int32_t number);
/* Keras' class of a kind of layer: "Conv2D", "MaxPooling2D", … */
CLADE_API const char *clade_layer_type(clade_layer_kind kind);
/* Does a layer of this kind compute features that belong to places of the image? Grad-CAM looks at
 * the last that does. */
CLADE_API bool clade_layer_has_features(clade_layer_kind kind);
/* The output's shape without the batch: its rank, 1 to 3, and its sizes, then zeros. */
CLADE_API int32_t clade_graph_shape(const clade_graph *graph, int32_t number, int32_t dim[3]);
/* Parameters of one layer: trained and not trained (statistics; frozen layers). */
CLADE_API void clade_graph_parameters(const clade_graph *graph, int32_t number, uint64_t *trained,
                                      uint64_t *fixed);

/* ---- models ---- */

typedef enum clade_loss {
    CLADE_LOSS_NONE,                     /* inference only */
    CLADE_LOSS_BINARY_CROSSENTROPY,      /* one sigmoid output; label 0 or 1; with soft labels any
                                          * number of them, the mean of their losses */
    CLADE_LOSS_CATEGORICAL_CROSSENTROPY, /* softmax outputs; label a class number (sparse or not:
                                          * the same arithmetic on labels that are classes) */
    CLADE_LOSS_MSE, /* outputs as they are against one-hot labels (one output: 0
                     * and 1), made on the device from class numbers */
    CLADE_LOSS_MAE, /* likewise, as is: */
    CLADE_LOSS_HUBER,
    CLADE_LOSS_BINARY_FOCAL,      /* outputs and labels as of BINARY_CROSSENTROPY, */
    CLADE_LOSS_CATEGORICAL_FOCAL, /* and of CATEGORICAL_CROSSENTROPY */
    CLADE_LOSS_ORDINAL, /* a sigmoid output for each step from a class to the next; soft labels: 1
                         * for the steps that are taken; the mean of their binary losses */
    CLADE_LOSSES
} clade_loss;

/* Numbers of losses, as Keras has them. */
typedef struct clade_loss_numbers {
    float gamma; /* of focal losses */
    float alpha; /* of CATEGORICAL_FOCAL a factor, above 0; of BINARY_FOCAL the weight of label 1,
                  * 1 less it that of label 0; 0: none */
    float delta; /* of HUBER, above 0 */
} clade_loss_numbers;

/* What activations and their gradients are stored in, Keras' dtype policies. MIXED: in 16 bits, to
 * which weights of products (convolutions, dense) are rounded as well; all arithmetic, parameters
 * and losses are float32. TF32: in float32, but in fast math a device with matrix units for it
 * rounds the factors of products to 11 digits. See docs/training.md. */
typedef enum clade_precision {
    CLADE_PRECISION_FLOAT32,
    CLADE_PRECISION_MIXED_BFLOAT16,
    CLADE_PRECISION_MIXED_FLOAT16,
    CLADE_PRECISION_TF32,
    CLADE_PRECISIONS
} clade_precision;

/* "float32", "mixed_bfloat16", "mixed_float16", "tf32" and NULL. */
CLADE_API const char *const *clade_precision_words(void);
/* What a model's calls say of the factors of their products. */
CLADE_API clade_factors clade_precision_factors(clade_precision precision);

typedef struct clade_model_options {
    int32_t batch;   /* most images at once, up to 2^20; 0: 32 */
    uint64_t seed;   /* initial weights and dropout */
    clade_loss loss; /* NONE: no gradients, no labels: memory for inference only */
    float label_smoothing;
    clade_loss_numbers numbers; /* those that the loss has */
    bool soft_labels;   /* labels are probabilities of all outputs, or with MSE, MAE and HUBER any
                         * numbers, instead of classes */
    bool label_weights; /* in training, labels 0 and 1 of each output have weights of their own; for
                         * binary losses of soft labels */
    int32_t watch; /* > 0: the number of a layer. The gradient is then not that of the loss, but
                    * that of a score: of the labelled class's output before the loss's own
                    * activation (of a single output: its own, for label 1), and clade_model_watched
                    * gives what it is for the layer's output. Needs a loss; nothing is trained
                    * or dropped out. */
    clade_precision precision;
} clade_model_options;

typedef struct clade_model clade_model;

/* Plans memory, allocates it and initialises the weights (Philox, by seed and parameter name: the
 * same on every device). The graph is copied. The loss's own activation is taken off the last layer
 * and computed together with the loss. Labels are 0 and weights 1/batch until they are written.
 * Errors: EINVAL (the last layer does not fit the loss; a layer that nobody reads; no such layer to
 * watch), ENOMEM (how much was needed and how much there is), EUNSUPPORTED, EDEVICE. */
CLADE_API clade_status clade_model_create(const clade_graph *graph, clade_device *device,
                                          const clade_model_options *options, clade_model **out);
CLADE_API void clade_model_destroy(clade_model **model);
CLADE_API const clade_graph *clade_model_graph(const clade_model *model);
CLADE_API clade_device *clade_model_device(const clade_model *model);

/* What the caller writes and reads, all for the full batch; the first n rows count. */
CLADE_API const clade_tensor *
clade_model_input(const clade_model *model); /* F32 [batch, h, w, c] */
/* I32 [batch]: class numbers; with soft labels F32 [batch, outputs]. Like weights and losses,
 * absent from a model without a loss. */
CLADE_API const clade_tensor *clade_model_label(const clade_model *model);
/* F32 [2, outputs]: weights of labels 0 and of labels 1, 1 until they are written; absent without
 * `label_weights`. */
CLADE_API const clade_tensor *clade_model_label_weight(const clade_model *model);
/* F32 [batch]: weight of each image's loss in the gradient: 1/n for a mean over n */
CLADE_API const clade_tensor *clade_model_weight(const clade_model *model);
CLADE_API const clade_tensor *
clade_model_output(const clade_model *model); /* F32 [batch, outputs], with a loss probabilities */
CLADE_API const clade_tensor *clade_model_losses(const clade_model *model); /* F32 [batch] */
/* F32 [1], of a model with a loss in MIXED_FLOAT16; else absent. What the loss is multiplied by
 * before its gradient is taken, so that small gradients are not lost: 1 until it is written.
 * Gradients are then as many times too large, or not finite where 16 bits do not hold them. */
CLADE_API const clade_tensor *clade_model_loss_scale(const clade_model *model);

/* Queues inference on the first n images, 1 to batch: dropout off, running statistics. With
 * `loss`, the losses too. The first use of another n than the batch, or than the three others used
 * last, allocates host memory for its calls. Errors: EINVAL (n; no loss), EDEVICE. */
CLADE_API clade_status clade_model_infer(clade_model *model, int32_t n, bool loss);
/* Queues forward and backward of a training step on the first n images: gradients, losses and
 * outputs are there when the queue has come that far. Gradients are overwritten, not added to.
 * Dropout goes by `step`, which numbers the step, and by the image's place in the step's batch, of
 * which these are the n after the first `first`. Errors: those of infer; EINVAL when all layers are
 * frozen. */
CLADE_API clade_status clade_model_gradient(clade_model *model, int32_t n, uint32_t step,
                                            int32_t first);

/* Of a model made with `watch`: the layer's output and the score's gradient by it, after
 * clade_model_gradient; F32 [batch, h, w, c] or [batch, c]. Absent from other models. */
CLADE_API void clade_model_watched(const clade_model *model, clade_tensor *y, clade_tensor *dy);

/* All trained parameters in layer order without gaps, and their gradients, as one flat tensor each.
 * Absent when there are none. */
CLADE_API const clade_tensor *clade_model_trained(const clade_model *model);
CLADE_API const clade_tensor *clade_model_gradients(const clade_model *model);

/* Every parameter and running statistic by name ("conv2d/kernel",
 * "batch_normalization/moving_mean"), in layer order. `gradient` is absent where nothing is
 * trained. */
typedef struct clade_parameter {
    const char *name;
    clade_tensor value, gradient;
    int32_t layer;
} clade_parameter;
CLADE_API size_t clade_model_parameters(const clade_model *model);
CLADE_API const clade_parameter *clade_model_parameter(const clade_model *model, size_t i);

/* Bytes of the arena in which activations and their gradients lie, and what they would take side by
 * side. Ops' own workspace is the device's (see clade_device_memory). */
CLADE_API void clade_model_memory(const clade_model *model, uint64_t *arena, uint64_t *unshared);

#ifdef __cplusplus
}
#endif
#endif
