/* Constant folding: what its files share. */
#ifndef CLADE_ONNX_FOLD_H
#define CLADE_ONNX_FOLD_H

#include "onnx/onnx.h"

/* Computes the node's output y from its `count` inputs. */
typedef clade_status clade_onnx_folder(clade_onnx_reader *r, const Onnx__Node *node,
                                       const clade_onnx_constant *const *x, size_t count,
                                       clade_onnx_constant *y);

/* Fails with EUNSUPPORTED and this text unless `right`. */
clade_status clade_onnx_fold_expect(bool right, const char *what);
/* Sets element k of either type; NaN becomes 0, and values out of range the nearest limit. */
void clade_onnx_fold_put(clade_onnx_constant *y, size_t k, double value);

/* fold_values.c; the last one also works on a layer's output: Shape and Size */
clade_onnx_folder clade_onnx_fold_constant, clade_onnx_fold_fill, clade_onnx_fold_cast;
clade_status clade_onnx_fold_shape(clade_onnx_reader *r, const Onnx__Node *node,
                                   clade_onnx_constant *y);
/* fold_elements.c */
clade_onnx_folder clade_onnx_fold_elements, clade_onnx_fold_product;
/* fold_moves.c */
clade_onnx_folder clade_onnx_fold_same, clade_onnx_fold_reshape, clade_onnx_fold_squeeze,
    clade_onnx_fold_transpose, clade_onnx_fold_gather, clade_onnx_fold_slice,
    clade_onnx_fold_concat;
/* quantize.c */
clade_onnx_folder clade_onnx_fold_dequantize, clade_onnx_fold_quantize;

#endif
