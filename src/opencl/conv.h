/* Middle floor: what the algorithms of convolutions and dense layers share, and where each is. */
#ifndef CLADE_OPENCL_CONV_H
#define CLADE_OPENCL_CONV_H

#include "op/conv.h"
#include "opencl/grid.h"
#include "opencl/ops.h"
#include "opencl/tile.h"

#include "../../kernels/conv_epilogue_job.clh"
#include "../../kernels/conv_job.clh"

/* The epilogue of a convolution (kernels/conv_epilogue.clh); absent tensors have no buffer. */
typedef struct opencl_epilogue {
    clade_tensor b, mean, scale, beta, z;
    int32_t act;
    float alpha;
} opencl_epilogue;

/* Each member may be NULL. */
struct opencl_fusion {
    const opencl_epilogue *epilogue; /* of conv2d, instead of its bias and activation */
    const clade_tensor *pooled; /* conv2d writes the maxima of its 2×2 windows here, not y … */
    const clade_tensor *index;  /* … and where they come from (may be absent). A gradient's dy
                                 * has the shape of the full one but the memory of the pooled
                                 * one, which this takes apart. */
};

/* Of one op by one algorithm; as in opencl_algorithm. */
typedef void opencl_planner(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion);
typedef bool opencl_predicate(const opencl_context *cl, const clade_args *args);

/* ---- shared, in conv_job.c ---- */

/* The epilogue of a convolution, whatever is fused with it. */
opencl_epilogue clade_opencl_epilogue_of(const clade_conv2d_args *a, const opencl_fusion *fusion);
/* The kernel's EPILOGUE_ARGUMENTS. */
void clade_opencl_epilogue(opencl_launch *l, const opencl_epilogue *epilogue);

/* Is the call's activation applied before results are stored, by kernels that leave the others for
 * afterwards? So they store no results of 16 bits that are rounded twice. */
opencl_predicate clade_opencl_acts_conv2d, clade_opencl_acts_dense;

/* What kernels are told of a convolution, pooled or (NULL) not. */
conv_job clade_opencl_conv_job(const clade_conv2d_args *a, const clade_tensor *pooled);
/* The same of an input gradient, and of each of its stride[0] × stride[1] phases. */
conv_job clade_opencl_conv_dx_job(const clade_conv2d_dx_args *a);
void clade_opencl_conv_dx_phase(const clade_conv2d_dx_args *a, int32_t i, int32_t k, conv_job *job);
/* A dense layer as a 1×1 convolution of n pixels. */
conv_job clade_opencl_dense_job(int32_t n, int32_t in, int32_t out);
/* The same of a weight gradient. */
conv_dw_job clade_opencl_dw_job(opencl_plan *plan, const clade_conv2d_dw_args *a);
/* dw from `parts`, its sums of all chunks, of `rows` rows of filters each, and db from `db_parts`;
 * either may be NULL. */
void clade_opencl_dw_add(opencl_plan *plan, const conv_dw_job *job, uint64_t rows,
                         const clade_tensor *parts, const clade_tensor *dw,
                         const clade_tensor *db_parts, const clade_tensor *db);

/* The weights, [taps, cg, k], packed for tiles of this size, and in the job how they lie. */
void clade_opencl_conv_packed(opencl_plan *plan, conv_job *job, const opencl_tile *tile);
clade_tensor clade_opencl_conv_pack(opencl_plan *plan, const clade_tensor *w, int32_t taps,
                                    int32_t cg, int32_t k, const conv_job *job);

/* ---- direct, in conv_direct.c ---- */

opencl_predicate clade_opencl_direct_can, clade_opencl_direct_dx_can;
opencl_planner clade_opencl_direct, clade_opencl_direct_dx;
/* A convolution by register tiles. */
void clade_opencl_conv_tiles(opencl_plan *plan, opencl_tile *tile, conv_job *job,
                             const clade_tensor *x, const clade_tensor *w,
                             const opencl_epilogue *epilogue, const clade_tensor *y);

/* ---- depthwise, in depthwise.c ---- */

opencl_predicate clade_opencl_depthwise_can, clade_opencl_depthwise_dx_can;
opencl_planner clade_opencl_depthwise, clade_opencl_depthwise_dx;

/* ---- implicit matrix products, for narrow cores or by matrix units; in implicit.c ---- */

#define IMPLICIT(id)                                                                               \
    opencl_predicate clade_opencl_implicit_##id##_can, clade_opencl_matrix_##id##_can;             \
    opencl_planner clade_opencl_implicit_##id, clade_opencl_matrix_##id;
IMPLICIT(conv2d)
IMPLICIT(conv2d_dx)
IMPLICIT(conv2d_dw)
IMPLICIT(dense)
IMPLICIT(dense_dx)
IMPLICIT(dense_dw)
#undef IMPLICIT

/* ---- dense layers in parts of the inner dimension, for narrow cores; in dense_split.c ---- */

opencl_predicate clade_opencl_split_dense_can;
opencl_planner clade_opencl_split_dense;

/* ---- Winograd's tiles, in winograd.c; for wide cores, and for narrow ones ---- */

opencl_predicate clade_opencl_winograd_can, clade_opencl_winograd_dx_can,
    clade_opencl_winograd_dw_can;
opencl_planner clade_opencl_winograd_wide, clade_opencl_winograd_wide_dx,
    clade_opencl_winograd_wide_dw, clade_opencl_winograd_narrow, clade_opencl_winograd_narrow_dx,
    clade_opencl_winograd_narrow_dw;

/* Do they take less time than implicit products, on narrow cores? In winograd_choice.c. */
opencl_predicate clade_opencl_winograd_suits, clade_opencl_winograd_dx_suits,
    clade_opencl_winograd_dw_suits;

/* ---- CLBlast's matrix products, in by_gemm.c ---- */

opencl_predicate clade_opencl_by_gemm_can, clade_opencl_by_gemm_dx_can, clade_opencl_by_gemm_dw_can,
    clade_opencl_by_gemm_dense_can;
opencl_planner clade_opencl_by_gemm, clade_opencl_by_gemm_dx, clade_opencl_by_gemm_dense,
    clade_opencl_by_gemm_dense_dx;
/* Without db. */
void clade_opencl_gemm_dw(opencl_plan *plan, const clade_conv2d_dw_args *a);
void clade_opencl_gemm_dense_dw(opencl_plan *plan, const clade_dense_dw_args *a);

#endif
