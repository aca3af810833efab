/* What the launchers of convolution kernels share: vector and tile sizes, grids, workspace. */
#ifndef CLADE_OPENCL_CONV_H
#define CLADE_OPENCL_CONV_H

#include "opencl/algorithm.h"
#include "opencl/gemm.h"
#include "op/conv.h"

#include "../../kernels/conv_epilogue_job.clh"
#include "../../kernels/conv_job.clh"

/* Vector and tile sizes for a device; results do not depend on them. */
typedef struct opencl_tile {
    int32_t vw, nv, pb;
    char options[64];
} opencl_tile;

/* For `across` results side by side. */
opencl_tile clade_opencl_tile(const opencl_context *cl, int32_t across);
/* Chooses pb for a row of results: the size that leaves the least to do twice. */
void clade_opencl_tile_row(const opencl_context *cl, opencl_tile *tile, int32_t results);
/* Chooses the largest pb that divides n. */
void clade_opencl_tile_divisor(const opencl_context *cl, opencl_tile *tile, int32_t n);
/* "-DVW=16 -DNV=2 -DPB=14" */
const char *clade_opencl_tile_options(opencl_tile *tile);
/* The epilogue of a convolution (kernels/conv_epilogue.clh); absent tensors have no buffer. */
typedef struct opencl_epilogue {
    clade_tensor b, mean, scale, beta, z;
    int32_t act;
    float alpha;
} opencl_epilogue;
/* The kernel's EPILOGUE_ARGUMENTS. */
void clade_opencl_epilogue(opencl_launch *launch, const opencl_epilogue *epilogue);

/* A grid of work-items that check their place: single ones on a CPU, groups of about 64 on a GPU.
 */
clade_status clade_opencl_run_checked(opencl_launch *launch, size_t x, size_t y, size_t z);
/* Workspace memory from float `offset` on, as a tensor; `memory` is where its buffer is described.
 */
clade_tensor clade_opencl_workspace_tensor(clade_buffer *memory, void *workspace, uint64_t offset);

static inline int32_t opencl_round_up(int32_t n, int32_t to) { return (n + to - 1) / to * to; }

/* In conv.c. What kernels are told of a direct convolution; how its weights lie when they are
 * packed for a tile size; packing weights [taps, cg, k] into the front of workspace. */
conv_job clade_opencl_conv_job(const clade_conv2d_args *a);
void clade_opencl_conv_packed(conv_job *job, const opencl_tile *s);
clade_status clade_opencl_conv_pack(opencl_context *cl, const clade_tensor *w, int32_t taps,
                                    int32_t cg, int32_t k, const conv_job *job, void *workspace);

/* In by_gemm.c */
clade_status clade_opencl_conv_by_gemm(opencl_context *cl, const clade_conv2d_args *a,
                                       const opencl_epilogue *epilogue, void *workspace);

/* In depthwise.c; an op's arguments, with the epilogue of the convolution itself. */
clade_status clade_opencl_depthwise(opencl_context *cl, const clade_conv2d_args *a,
                                    const opencl_epilogue *epilogue);
clade_status clade_opencl_depthwise_dx(opencl_context *cl, const clade_conv2d_dx_args *a);

/* In conv_dw.c */
clade_status clade_opencl_conv2d_dw(void *context, const clade_conv2d_dw_args *a, void *workspace);
clade_status clade_opencl_dense_dw(void *context, const clade_dense_dw_args *a, void *workspace);
size_t clade_opencl_dw_workspace(const opencl_context *cl, clade_op op, const clade_args *args);
/* What kernels are told of it; the sums of all chunks from float `at` of workspace on, rows of
 * them, added to `out`. */
conv_dw_job clade_opencl_dw_job(const opencl_context *cl, const clade_conv2d_dw_args *a);
clade_status clade_opencl_dw_add(opencl_context *cl, const conv_dw_job *job, void *workspace,
                                 uint64_t at, uint64_t rows, const clade_tensor *out);
/* conv2d_dw of a pooled gradient, not by Winograd's tiles: a->dy has the shape of the full one but
 * the memory of the pooled one. can_unpool: can it be done so? */
bool clade_opencl_dw_can_unpool(opencl_context *cl, const clade_conv2d_dw_args *a);
clade_status clade_opencl_conv2d_dw_pooled(opencl_context *cl, const clade_conv2d_dw_args *a,
                                           const clade_tensor *index, void *workspace);
size_t clade_opencl_dw_pooled_workspace(opencl_context *cl, const clade_conv2d_dw_args *a);

/* Those that are computed by Winograd's tiles, in winograd.c. With `pooled`, results are those of
 * its 2×2 windows, and `index` says where they come from (absent: nowhere); with `index`, a
 * gradient a->dy has the shape of the full one but the memory of the pooled one. */
clade_status clade_opencl_winograd(opencl_context *cl, const clade_conv2d_args *a,
                                   const opencl_epilogue *epilogue, const clade_tensor *pooled,
                                   const clade_tensor *index, void *workspace);
clade_status clade_opencl_winograd_dx(opencl_context *cl, const clade_conv2d_dx_args *a,
                                      const clade_tensor *index, void *workspace);
clade_status clade_opencl_winograd_dw(opencl_context *cl, const clade_conv2d_dw_args *a,
                                      const clade_tensor *index, void *workspace);
/* Is a call one that suits it? By its shapes alone. */
bool clade_opencl_winograd_can(clade_op op, const clade_args *args);
/* Bytes of such a call; 0 of others. */
size_t clade_opencl_winograd_workspace(const opencl_context *cl, clade_op op,
                                       const clade_args *args);

#endif
