/* Importing nets from other programs and exporting nets to them: a graph, its weights, and what is
 * known about images and classes. */
#ifndef CLADE_INTERCHANGE_H
#define CLADE_INTERCHANGE_H

#include <clade/recipe.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The values of one parameter or running statistic, in the form of clade_parameter: the same names
 * ("conv2d/kernel", "batch_normalization/moving_mean"), convolutions HWIO, depthwise convolutions
 * [h, w, channels, multiplier], dense [in, out]. */
typedef struct clade_network_weight {
    const char *name;
    int32_t rank, dim[CLADE_MAX_RANK];
    const float *data;
} clade_network_weight;

/* A net independent of any device. It owns everything that the functions below return. */
typedef struct clade_network clade_network;

/* Zero means: use what the file says. A Clade model says everything; only ONNX files take
 * options. */
typedef struct clade_network_options {
    int32_t height, width;      /* of the images; required if the file leaves them open. They may
                                 * differ from the file's if the whole net works at another size */
    const char *preprocessing;  /* how pixels become the net's input: "imagenet" (torchvision's mean
                                 * and deviation), "tf" (-1 to 1), "caffe" (0 to 255 minus means),
                                 * "unit" (0 to 1), "none" (0 to 255) */
    const char *interpolation;  /* for the resize: "nearest" or "bilinear" */
    const char *const *classes; /* [class_count] names of the outputs */
    int32_t class_count;
} clade_network_options;

/* Reads an ONNX file (opsets 7 to 17, with external data beside it) or a Clade model: a run folder,
 * or a .safetensors file that contains its recipe. `options` may be NULL. Layers of an ONNX file
 * are named after its nodes or weights if those have unique names, else as Keras would name them.
 * Errors: EIO; EFORMAT (damaged; the text names node and tensor); EUNSUPPORTED (lists all
 * unsupported operators, with the names of their nodes; or this build has no ONNX); ENOMEM; EINVAL
 * (an image size is missing or does not fit). */
CLADE_API clade_status clade_network_read(const char *path, const clade_network_options *options,
                                          clade_network **out);

typedef struct clade_network_parts {
    const char *name; /* NULL: "model" */
    const clade_graph *graph;
    const clade_network_weight *weights; /* for the whole graph, in any order */
    size_t weight_count;
    const clade_preprocessing *preprocessing; /* NULL: unknown */
    const char *const *classes;               /* NULL: unknown */
    int32_t class_count;                      /* 0, or 2 or more */
} clade_network_parts;

/* Creates a net from these parts, which are copied. Errors: EINVAL (a weight that the graph does
 * not have, that is missing, has another shape, or is given twice; inconsistent sizes), ENOMEM. */
CLADE_API clade_status clade_network_create(const clade_network_parts *parts, clade_network **out);
CLADE_API void clade_network_destroy(clade_network **network);

CLADE_API const char *clade_network_name(const clade_network *network);
CLADE_API const clade_graph *clade_network_graph(const clade_network *network);
/* Returns all weights, in the order of clade_model_parameter. */
CLADE_API const clade_network_weight *clade_network_weights(const clade_network *network,
                                                            size_t *count);
/* Returns how pixels become the net's input; NULL: unknown. */
CLADE_API const clade_preprocessing *clade_network_preprocessing(const clade_network *network);
CLADE_API clade_task clade_network_task(const clade_network *network);
CLADE_API int32_t clade_network_classes(const clade_network *network); /* 0: unknown */
CLADE_API const char *clade_network_class_name(const clade_network *network, int32_t i);
/* Returns the recipe's text of a Clade model; NULL if the net came from elsewhere. */
CLADE_API const char *clade_network_recipe(const clade_network *network);
/* What reading changed in the file's graph, one line each ("12 nodes of shape arithmetic
 * folded"). */
CLADE_API size_t clade_network_notes(const clade_network *network);
CLADE_API const char *clade_network_note(const clade_network *network, size_t i);

/* Writes values into the model's parameters of the same names. Parameters that are not listed keep
 * their values, unless `all` makes that an error. Errors: EINVAL (naming the weight: no such
 * parameter, another shape; with `all`: the first that is missing), EDEVICE. */
CLADE_API clade_status clade_model_load(clade_model *model, const clade_network_weight *weights,
                                        size_t count, bool all);

/* Writes a Clade model: a .safetensors file with recipe and class names ("class 0", … if unknown),
 * replaced atomically. Errors: EIO, ENOMEM, EINVAL. */
CLADE_API clade_status clade_network_write(const clade_network *network, const char *path);

typedef struct clade_onnx_options {
    /* The graph takes pixels, uint8 [n, h, w, c], 0 to 255, and applies the net's preprocessing.
     * False: its input is float32 [n, c, h, w], already preprocessed. */
    bool preprocessing;
} clade_onnx_options;

/* Writes ONNX, opset 13, for any batch size, replaced atomically. The metadata has the class names
 * (key "classes", a JSON list) and the preprocessing. `options` may be NULL. Errors: EIO, ENOMEM,
 * EINVAL (unknown preprocessing), EUNSUPPORTED (this build has no ONNX). */
CLADE_API clade_status clade_network_write_onnx(const clade_network *network,
                                                const clade_onnx_options *options,
                                                const char *path);

/* Quantizes a net to 8 bits, for inference only. Batch normalisation is folded into the convolution
 * before it. Kernels become -127 … 127 with a scale per output channel, values between layers 0 …
 * 255 with one scale and zero point per layer, and biases 32-bit integers. The scales of values
 * minimise the mean squared error on `images`, float32 [count, h, w, c], preprocessed; use many
 * images, similar to those to come. Errors: EINVAL (no images, a net that is already quantized),
 * ENOMEM, EDEVICE. */
CLADE_API clade_status clade_network_quantize(const clade_network *network, clade_device *device,
                                              const float *images, size_t count,
                                              clade_network **out);
/* Returns whether the net is quantized, by clade_network_quantize or because the ONNX file that it
 * was read from says so (QuantizeLinear). If so, clade_network_predict rounds values and
 * clade_network_write_onnx writes them as integers; a Clade model, and what is loaded into a model,
 * keeps real numbers. */
CLADE_API bool clade_network_is_quantized(const clade_network *network);
/* Computes the net's outputs [count, outputs] for preprocessed images [count, h, w, c]. */
CLADE_API clade_status clade_network_predict(const clade_network *network, clade_device *device,
                                             const float *images, size_t count, float *outputs);

/* Writes C99 code that uses no heap: `path`, NAME.c, and NAME.h beside it, each replaced
 * atomically; if the second fails, the first is removed. The function NAME_predict takes an image
 * [h, w, c] of preprocessed float32. Batch normalisation is folded into the convolutions. Errors:
 * EIO, ENOMEM, EINVAL (NAME is not a C identifier), EUNSUPPORTED (naming the layer). */
CLADE_API clade_status clade_network_write_c(const clade_network *network, const char *path);

#ifdef __cplusplus
}
#endif
#endif
