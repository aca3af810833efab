/* Writing ONNX: what its files share. */
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

const clade_node *clade_onnx_export_node(const clade_onnx_exporter *e, int32_t number);
/* A name for a value, or a constant, inside of a layer. */
char *clade_onnx_export_part(clade_onnx_exporter *e, int32_t number);
/* A node within the layer, y may be NULL; its output. */
char *clade_onnx_export_put(clade_onnx_exporter *e, int32_t number, const char *op, char *x,
                            char *y);
char *clade_onnx_export_transpose(clade_onnx_exporter *e, char *x, char *out, const int32_t *perm,
                                  size_t rank);

/* export_layer.c: the layer's nodes. EUNSUPPORTED in the writer's status where ONNX has no
 * words for it. */
void clade_onnx_export_layer(clade_onnx_exporter *e, int32_t number);

#endif
