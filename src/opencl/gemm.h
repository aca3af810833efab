/* Middle floor: matrix products by CLBlast, for fast mode. gemm.c alone sees CLBlast, and finds it
 * at run time; gemm_none.c stands in for it in a build without its header. */
#ifndef CLADE_OPENCL_GEMM_H
#define CLADE_OPENCL_GEMM_H

#include "opencl/context.h"

/* c = op(a) op(b) + beta c, row-major: op(a) is m × k, op(b) k × n, c m × n, all dense. Offsets in
 * elements. */
typedef struct opencl_gemm {
    bool a_transposed, b_transposed;
    size_t m, n, k;
    cl_mem a, b, c;
    size_t a_offset, b_offset, c_offset;
    float beta;
} opencl_gemm;

/* Is CLBlast here? False: `why` (may be NULL) says why not. From any thread. */
bool clade_opencl_gemm_present(const char **why);
/* Bytes that a product needs at the start of the workspace. */
size_t clade_opencl_gemm_workspace(const opencl_context *cl, const opencl_gemm *gemm);
/* Whether a product of a shape was right when it was tried; the context has a list of them. */
typedef struct opencl_gemm_verdict {
    size_t m, n, k;
    bool a_transposed, b_transposed, adds, good;
} opencl_gemm_verdict;

/* Has a product of this shape given the right result on this device? Tried once per shape, on small
 * integers, whose product is exact in any order; a device that fails is not trusted with the shape.
 */
bool clade_opencl_gemm_qualified(opencl_context *cl, const opencl_gemm *gemm);
/* Queues a product. */
clade_status clade_opencl_gemm(opencl_context *cl, const opencl_gemm *gemm, cl_mem workspace);

/* Uses one of our sets of CLBlast's parameters on this device: "gemm:1", …; "gemm": its own. False:
 * there is no such set. */
bool clade_opencl_gemm_use(opencl_context *cl, const char *name);

#endif
