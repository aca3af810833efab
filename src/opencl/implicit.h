/* Convolutions and dense layers as implicit matrix products, for GPUs. */
#ifndef CLADE_OPENCL_IMPLICIT_H
#define CLADE_OPENCL_IMPLICIT_H

#include "opencl/conv.h"

/* Can the op be done so? By its shapes alone. */
bool clade_opencl_implicit_can(const opencl_context *cl, clade_op op, const clade_args *args);
/* Bytes of workspace for that. */
size_t clade_opencl_implicit_workspace(const opencl_context *cl, clade_op op,
                                       const clade_args *args);

/* A convolution, one phase of an input gradient, or a dense layer, by what the direct kernels are
 * told of it; weights are read where they are. With `index` the results are those of 2 × 2 maxima,
 * which job's out_h and out_w count; it may be absent. */
clade_status clade_opencl_implicit(opencl_context *cl, const conv_job *job, const clade_tensor *x,
                                   const clade_tensor *w, const opencl_epilogue *epilogue,
                                   const clade_tensor *y, const clade_tensor *index);
/* With `index` a->dy has the shape of the full gradient but the memory of the pooled one. */
clade_status clade_opencl_implicit_dw(opencl_context *cl, const clade_conv2d_dw_args *a,
                                      const clade_tensor *index, void *workspace);
clade_status clade_opencl_implicit_dense_dw(opencl_context *cl, const clade_dense_dw_args *a);

#endif
