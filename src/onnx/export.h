/* Writing ONNX: what its files share. Layers become nodes of opset 13. Values are NCHW: a layer's
 * [h, w, c] is [n, c, h, w] here; vectors and [a, b] are unchanged. */
#ifndef CLADE_ONNX_EXPORT_H
#define CLADE_ONNX_EXPORT_H

#include "weights/network.h"
#include "onnx/write.h"
#include "nn/layer.h"

typedef struct clade_onnx_exporter {
    clade_onnx_writer w;
    const clade_network *network;
    char **value;  /* [layers]: the name of each output */
    int32_t parts; /* of the current layer: number of nodes with names of their own */
} clade_onnx_exporter;

/* Each writes a layer's nodes; it is defined in the file that reads such nodes. */
#define CLADE_LAYER(ID, id) void clade_onnx_write_##id(clade_onnx_exporter *e, int32_t number);
#include <clade/layers.def>

const clade_node *clade_onnx_export_node(const clade_onnx_exporter *e, int32_t number);
const clade_network_weight *clade_onnx_export_find_weight(const clade_onnx_exporter *e,
                                                          int32_t number, int k);
/* Returns the name of the layer's first input. */
char *clade_onnx_export_input(const clade_onnx_exporter *e, int32_t number);
/* Returns a name for a value or a constant inside a layer. */
char *clade_onnx_export_part(clade_onnx_exporter *e, int32_t number);
/* Adds a node within the layer, y may be NULL; returns its output. */
char *clade_onnx_export_put(clade_onnx_exporter *e, int32_t number, const char *op, char *x,
                            char *y);
char *clade_onnx_export_transpose(clade_onnx_exporter *e, char *x, char *out, const int32_t *perm,
                                  size_t rank);
/* Adds the node that is the layer, or its last one. */
Onnx__Node *clade_onnx_export_last(clade_onnx_exporter *e, int32_t number, const char *op,
                                   size_t inputs, char *const *input);
/* Add constants: a scalar, a vector of integers, weight k. */
char *clade_onnx_export_number(clade_onnx_exporter *e, int32_t number, float value);
char *clade_onnx_export_numbers(clade_onnx_exporter *e, int32_t number, size_t count,
                                const int64_t *values);
char *clade_onnx_export_weight(clade_onnx_exporter *e, int32_t number, int k);
/* Adds a kernel of the layer with its output channels along `axis`, `data` in ONNX's layout, and
 * its bias; as integers if the layer's input is quantized. `data` must live as long as the
 * writer. */
char *clade_onnx_export_kernel(clade_onnx_exporter *e, int32_t number, int32_t rank,
                               const int64_t *dim, const float *data, int32_t axis);
char *clade_onnx_export_bias(clade_onnx_exporter *e, int32_t number);
/* Returns whether the layer's output is quantized. */
bool clade_onnx_export_rounds(const clade_onnx_exporter *e, int32_t number);
/* Rounds x, the layer's output, to integers and back: `out`. */
void clade_onnx_export_round(clade_onnx_exporter *e, int32_t number, char *x, char *out);
void clade_onnx_export_window(clade_onnx_exporter *e, Onnx__Node *node, const clade_window *v);
/* Returns the input of a softmax or sigmoid: x, divided by the network's temperature if the layer
 * is the last. */
char *clade_onnx_export_logits(clade_onnx_exporter *e, int32_t number, char *x);
/* Adds act(x) as the layer's output; with `named`, its last node has the layer's name. */
void clade_onnx_export_activation(clade_onnx_exporter *e, int32_t number, clade_activation act,
                                  float alpha, char *x, bool named);
/* Sets the writer's status to EUNSUPPORTED: ONNX cannot express such a layer of this shape. */
void clade_onnx_export_refuse(clade_onnx_exporter *e, int32_t number);

#endif
