/* Internals of a network, for the code that reads one from a file. */
#ifndef CLADE_WEIGHTS_NETWORK_H
#define CLADE_WEIGHTS_NETWORK_H

#include <clade/interchange.h>

/* How a layer's output is quantized: it is scale (q − zero) for an integer q from 0 to 255. */
typedef struct clade_quantization {
    float scale; /* 0: it is not */
    int32_t zero;
} clade_quantization;

struct clade_network {
    char *name;
    clade_graph *graph;
    clade_network_weight *weights; /* names and data are owned; data may be NULL during
                                    * construction */
    size_t weight_count;
    size_t *first; /* [layers]: the first weight of each layer */
    bool has_preprocessing;
    clade_preprocessing preprocessing;
    char **classes;
    int32_t class_count;
    double temperature; /* divisor of logits; 1: none */
    float *thresholds;  /* [classes]: probabilities above which a class is predicted; NULL: none
                         * given */
    float *means, *deviations; /* [classes], for targets: a number is the net's output times the
                                * deviation, plus the mean; NULL: the output itself */
    clade_task task;
    char *recipe; /* its text; NULL: not a Clade model */
    char **notes;
    size_t note_count;
    clade_quantization *quantization; /* [layers], or NULL: not quantized */
};

/* Creates a net whose weights have names and shapes, but no data. On success it takes over the
 * graph (which is then NULL). */
clade_status clade_network_start(const char *name, clade_graph **graph, clade_network **out);
clade_status clade_network_set_classes(clade_network *network, const char *const *names,
                                       int32_t count);
/* Does the same without checking the outputs. */
clade_status clade_network_name_classes(clade_network *network, const char *const *names,
                                        int32_t count);
clade_status clade_network_set_preprocessing(clade_network *network,
                                             const clade_preprocessing *preprocessing);
clade_status clade_network_add_note(clade_network *network, const char *format, ...)
    CLADE_PRINTF(2, 3);

/* Allocates the layers' quantization; none is set yet. */
clade_status clade_network_start_quantization(clade_network *network);

/* Creates the net without what only training needs. Batch normalisation is folded into the
 * convolution or dense layer before it, if it is that layer's only reader, and the layer's own
 * activation becomes a layer after it. Dropout, stochastic depth and linear activations are
 * removed. */
clade_status clade_network_fold(const clade_network *network, clade_network **out);

/* Returns the scale of channel c, one of `channels` that vary fastest, of the kernel of layer
 * `number`, whose input is quantized: no value exceeds 63 times the scale, and the bias does not
 * exceed 2^30 times the scale times the input's. */
float clade_quantize_kernel_scale(const clade_network *network, int32_t number, size_t channels,
                                  size_t c);
/* Returns whether it is a convolution or dense layer with a quantized kernel. */
bool clade_quantize_has_kernel(const clade_network *network, int32_t number);
/* Returns how many channels vary fastest in the kernel of such a layer. */
size_t clade_quantize_channels(const clade_network *network, int32_t number);

/* Reads ONNX from memory. External data is expected in the folder of `path`; `name` is the net's.
 * `options` may be NULL. */
clade_status clade_onnx_read(const char *path, const void *bytes, size_t size,
                             const clade_network_options *options, clade_network **out);

#endif
