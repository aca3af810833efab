/* Nets that come from other programs and go to them: a graph, its weights, and what is known about
 * images and classes. */
#ifndef CLADE_INTERCHANGE_H
#define CLADE_INTERCHANGE_H

#include <clade/recipe.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The values of one parameter or running statistic, as clade_parameter has them: the same names
 * ("conv2d/kernel", "batch_normalization/moving_mean"), convolutions HWIO, depthwise convolutions
 * [h, w, channels, multiplier], dense [in, out]. */
typedef struct clade_network_weight {
    const char *name;
    int32_t rank, dim[CLADE_MAX_RANK];
    const float *data;
} clade_network_weight;

/* A net outside of any device. Everything that the functions below give out belongs to it. */
typedef struct clade_network clade_network;

/* Zero means: as the file says. A model of ours says all of it; only an ONNX file takes others. */
typedef struct clade_network_options {
    int32_t height, width;     /* of the images; needed where the file leaves them open, and allowed
                                * where all of the net can follow another size than the file's */
    const char *preprocessing; /* how pixels become the net's input: "imagenet" (torchvision's mean
                                * and deviation), "tf" (-1 to 1), "caffe" (0 to 255 less means),
                                * "unit" (0 to 1), "none" (0 to 255) */
    const char *interpolation; /* of the resize: "nearest" or "bilinear" */
    const char *const *classes; /* [class_count] names of the outputs */
    int32_t class_count;
} clade_network_options;

/* Reads an ONNX file (opsets 7 to 17; external data beside it), or a model of ours: a run folder or
 * a .safetensors file that carries its recipe. `options` may be NULL. Layers of an ONNX file are
 * named after its nodes or weights where those have names that are unique, else as Keras would.
 * Errors: EIO; EFORMAT (damaged; the text names node and tensor); EUNSUPPORTED (every operator that
 * cannot be read, with the names of its nodes; no ONNX in this build); ENOMEM; EINVAL (a size of
 * images is missing or does not fit). */
CLADE_API clade_status clade_network_read(const char *path, const clade_network_options *options,
                                          clade_network **out);

typedef struct clade_network_parts {
    const char *name; /* NULL: "model" */
    const clade_graph *graph;
    const clade_network_weight *weights; /* all of the graph's, in any order */
    size_t weight_count;
    const clade_preprocessing *preprocessing; /* NULL: unknown */
    const char *const *classes;               /* NULL: unknown */
    int32_t class_count;                      /* 0, or 2 or more */
} clade_network_parts;

/* A net of these parts, which are copied. Errors: EINVAL (a weight that the graph does not have,
 * that is missing, of another shape, or given twice; sizes that do not agree), ENOMEM. */
CLADE_API clade_status clade_network_create(const clade_network_parts *parts, clade_network **out);
CLADE_API void clade_network_destroy(clade_network **network);

CLADE_API const char *clade_network_name(const clade_network *network);
CLADE_API const clade_graph *clade_network_graph(const clade_network *network);
/* All weights, in the order of clade_model_parameter. */
CLADE_API const clade_network_weight *clade_network_weights(const clade_network *network,
                                                            size_t *count);
/* How pixels become the net's input; NULL: unknown. */
CLADE_API const clade_preprocessing *clade_network_preprocessing(const clade_network *network);
CLADE_API clade_task clade_network_task(const clade_network *network);
CLADE_API int32_t clade_network_classes(const clade_network *network); /* 0: unknown */
CLADE_API const char *clade_network_class_name(const clade_network *network, int32_t i);
/* The text of the recipe of a model of ours; NULL: it came from elsewhere. */
CLADE_API const char *clade_network_recipe(const clade_network *network);
/* What reading did to the file's graph, one line each ("12 nodes of shape arithmetic folded"). */
CLADE_API size_t clade_network_notes(const clade_network *network);
CLADE_API const char *clade_network_note(const clade_network *network, size_t i);

/* Writes values into a model's parameters of the same names. Parameters that are not named keep
 * their values, or with `all` are an error. Errors: EINVAL (naming the weight: no such parameter,
 * another shape; with `all`: the first that is missing), EDEVICE. */
CLADE_API clade_status clade_model_load(clade_model *model, const clade_network_weight *weights,
                                        size_t count, bool all);

/* Writes a model of ours: a .safetensors file with recipe and class names ("class 0", … where they
 * are unknown), replaced atomically. Errors: EIO, ENOMEM, EINVAL. */
CLADE_API clade_status clade_network_write(const clade_network *network, const char *path);

typedef struct clade_onnx_options {
    /* The graph takes pixels, uint8 [n, h, w, c], 0 to 255, and applies the net's preprocessing;
     * else its input is float32 [n, c, h, w], already preprocessed. */
    bool preprocessing;
} clade_onnx_options;

/* Writes ONNX, opset 13, for any number of images at once, replaced atomically. The class names
 * (key "classes", a JSON list) and the preprocessing are in the metadata. `options` may be NULL.
 * Errors: EIO, ENOMEM, EINVAL (preprocessing that is unknown), EUNSUPPORTED (no ONNX in this
 * build). */
CLADE_API clade_status clade_network_write_onnx(const clade_network *network,
                                                const clade_onnx_options *options,
                                                const char *path);

/* The same net for inference alone: batch normalisation is part of the convolution before it, and
 * kernels and the values between layers are rounded to 8 bits: kernels to -127 … 127 with a scale
 * for each channel of the output, values to 0 … 255 with one scale and zero point for each layer,
 * biases to 32 bits. The scales of values are those with the least mean squared error on `images`,
 * float32 [count, h, w, c], preprocessed; the larger and the more like those to come, the better.
 * Errors: EINVAL (no images, a net that is rounded already), ENOMEM, EDEVICE. */
CLADE_API clade_status clade_network_quantize(const clade_network *network, clade_device *device,
                                              const float *images, size_t count,
                                              clade_network **out);
/* Are its values rounded, by clade_network_quantize or because the ONNX file that it was read from
 * says so (QuantizeLinear)? Then clade_network_predict rounds them and clade_network_write_onnx
 * writes them as integers; a model of ours, and what is loaded into a model, keeps real numbers. */
CLADE_API bool clade_network_is_quantized(const clade_network *network);
/* The net's outputs [count, outputs] for images [count, h, w, c], preprocessed. */
CLADE_API clade_status clade_network_predict(const clade_network *network, clade_device *device,
                                             const float *images, size_t count, float *outputs);

/* Writes C99 without heap: `path`, NAME.c, and NAME.h beside it, each replaced atomically; where
 * the second fails, the first is removed. The function NAME_predict takes an image [h, w, c] of
 * preprocessed float32; batch normalisation is part of the convolutions. Errors: EIO, ENOMEM,
 * EINVAL (a name that is none in C), EUNSUPPORTED (naming the layer that cannot be written). */
CLADE_API clade_status clade_network_write_c(const clade_network *network, const char *path);

#ifdef __cplusplus
}
#endif
#endif
