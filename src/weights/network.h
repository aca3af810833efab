/* The inside of a network, for those who read one from a file. */
#ifndef CLADE_WEIGHTS_NETWORK_H
#define CLADE_WEIGHTS_NETWORK_H

#include <clade/interchange.h>

/* How a layer's output is rounded: it is scale (q − zero) for a whole number q from 0 to 255. */
typedef struct clade_quantization {
    float scale; /* 0: it is not */
    int32_t zero;
} clade_quantization;

struct clade_network {
    char *name;
    clade_graph *graph;
    clade_network_weight *weights; /* names and data are owned; data may be NULL while it is made */
    size_t weight_count;
    size_t *first; /* [layers]: the first weight of each layer */
    bool has_preprocessing;
    clade_preprocessing preprocessing;
    char **classes;
    int32_t class_count;
    double temperature; /* that logits are divided by; 1: as they are */
    float *thresholds;  /* [classes]: probabilities above which one is told; NULL: none are said */
    float *means, *deviations; /* [classes] of targets: numbers are what the net gives times the
                                * latter, and the former; NULL: what it gives */
    clade_task task;
    char *recipe; /* its text; NULL: not a model of ours */
    char **notes;
    size_t note_count;
    clade_quantization *quantization; /* [layers], or NULL: nothing is rounded */
};

/* A net whose weights are named and shaped, but without data. Takes the graph over when it succeeds
 * (then it is NULL). */
clade_status clade_network_start(const char *name, clade_graph **graph, clade_network **out);
clade_status clade_network_set_classes(clade_network *network, const char *const *names,
                                       int32_t count);
/* The same without a look at the outputs. */
clade_status clade_network_name_classes(clade_network *network, const char *const *names,
                                        int32_t count);
clade_status clade_network_set_preprocessing(clade_network *network,
                                             const clade_preprocessing *preprocessing);
clade_status clade_network_add_note(clade_network *network, const char *format, ...)
    CLADE_PRINTF(2, 3);

/* Makes room for how layers are rounded; none is yet. */
clade_status clade_network_start_quantization(clade_network *network);

/* The net without what only training needs: a convolution or dense layer takes in the batch
 * normalisation that alone reads it, and its own activation is a layer after it; dropout,
 * stochastic depth and linear activations are left out. */
clade_status clade_network_fold(const clade_network *network, clade_network **out);

/* The scale of channel c, one of `channels` that vary fastest, of the kernel of layer `number`,
 * whose input is rounded: no value is more than 63 of it, nor the bias more than 2^30 of it times
 * the input's. */
float clade_quantize_kernel_scale(const clade_network *network, int32_t number, size_t channels,
                                  size_t c);
/* Is it a convolution or dense layer whose kernel is rounded? */
bool clade_quantize_has_kernel(const clade_network *network, int32_t number);
/* How many channels vary fastest in the kernel of such a layer. */
size_t clade_quantize_channels(const clade_network *network, int32_t number);

/* Reads ONNX from memory. External data are looked for in the folder of `path`; `name` is the
 * net's. `options` may be NULL. */
clade_status clade_onnx_read(const char *path, const void *bytes, size_t size,
                             const clade_network_options *options, clade_network **out);

#endif
