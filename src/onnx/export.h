/* Writing ONNX: what its files share. Layers are written as nodes of opset 13. Values are NCHW:
 * what a layer gives as [h, w, c] is [n, c, h, w] here; vectors and [a, b] are as they are. */
#ifndef CLADE_ONNX_EXPORT_H
#define CLADE_ONNX_EXPORT_H

#include "weights/network.h"
#include "onnx/write.h"
#include "nn/layer.h"

typedef struct clade_onnx_exporter {
    clade_onnx_writer w;
    const clade_network *network;
    char **value;  /* [layers]: the name of each output */
    int32_t parts; /* of the layer under way: nodes with names of their own */
} clade_onnx_exporter;

/* Each puts a layer's nodes; the file that reads what they are made of has it. */
#define CLADE_LAYER(ID, id) void clade_onnx_write_##id(clade_onnx_exporter *e, int32_t number);
#include <clade/layers.def>

const clade_node *clade_onnx_export_node(const clade_onnx_exporter *e, int32_t number);
const clade_network_weight *clade_onnx_export_find_weight(const clade_onnx_exporter *e,
                                                          int32_t number, int k);
/* The name of the layer's first input. */
char *clade_onnx_export_input(const clade_onnx_exporter *e, int32_t number);
/* A name for a value, or a constant, inside of a layer. */
char *clade_onnx_export_part(clade_onnx_exporter *e, int32_t number);
/* A node within the layer, y may be NULL; its output. */
char *clade_onnx_export_put(clade_onnx_exporter *e, int32_t number, const char *op, char *x,
                            char *y);
char *clade_onnx_export_transpose(clade_onnx_exporter *e, char *x, char *out, const int32_t *perm,
                                  size_t rank);
/* The node that is the layer, or ends it. */
Onnx__Node *clade_onnx_export_last(clade_onnx_exporter *e, int32_t number, const char *op,
                                   size_t inputs, char *const *input);
/* Constants: a scalar, a vector of whole numbers, weight k. */
char *clade_onnx_export_number(clade_onnx_exporter *e, int32_t number, float value);
char *clade_onnx_export_numbers(clade_onnx_exporter *e, int32_t number, size_t count,
                                const int64_t *values);
char *clade_onnx_export_weight(clade_onnx_exporter *e, int32_t number, int k);
/* A kernel of the layer with its output channels along `axis`, `data` as ONNX has it, and its bias:
 * where the layer's input is rounded, as integers. `data` must live as long as the writer. */
char *clade_onnx_export_kernel(clade_onnx_exporter *e, int32_t number, int32_t rank,
                               const int64_t *dim, const float *data, int32_t axis);
char *clade_onnx_export_bias(clade_onnx_exporter *e, int32_t number);
/* Is what the layer gives rounded? */
bool clade_onnx_export_rounds(const clade_onnx_exporter *e, int32_t number);
/* x, what the layer gives, rounded to integers and back: `out`. */
void clade_onnx_export_round(clade_onnx_exporter *e, int32_t number, char *x, char *out);
void clade_onnx_export_window(clade_onnx_exporter *e, Onnx__Node *node, const clade_window *v);
/* What a softmax or sigmoid takes: x, divided by the network's temperature where the layer is the
 * last. */
char *clade_onnx_export_logits(clade_onnx_exporter *e, int32_t number, char *x);
/* act(x) as the layer's output; its last node has the layer's name where `named`. */
void clade_onnx_export_activation(clade_onnx_exporter *e, int32_t number, clade_activation act,
                                  float alpha, char *x, bool named);
/* Makes the writer's status EUNSUPPORTED: ONNX has no words for such a layer of this shape. */
void clade_onnx_export_refuse(clade_onnx_exporter *e, int32_t number);

#endif
