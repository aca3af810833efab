/* Stands in for src/opencl/gemm.c: matrix products on the host, so that of fast mode's kernels only
 * our own are interpreted, not CLBlast's. */
#include "opencl/gemm.h"

#include <stdlib.h>

bool clade_opencl_gemm_present(void) { return true; }

size_t clade_opencl_gemm_scratch(const opencl_context *cl, const opencl_gemm *gemm)
{
    (void)cl;
    (void)gemm;
    return 0;
}

bool clade_opencl_gemm_qualified(opencl_context *cl, const opencl_gemm *gemm)
{
    (void)cl;
    (void)gemm;
    return true;
}

/* A matrix in memory that the caller frees; NULL when that fails. */
static float *fetch(opencl_context *cl, cl_mem memory, size_t offset, size_t count)
{
    float *x = malloc(count * sizeof *x);
    if (x && clEnqueueReadBuffer(cl->queue, memory, CL_TRUE, offset * sizeof *x, count * sizeof *x,
                                 x, 0, NULL, NULL)) {
        free(x);
        x = NULL;
    }
    return x;
}

clade_status clade_opencl_gemm(opencl_context *cl, const opencl_gemm *g, cl_mem scratch)
{
    (void)scratch;
    clade_status status = CLADE_OK;
    float *a = fetch(cl, g->a, g->a_offset, g->m * g->k);
    float *b = fetch(cl, g->b, g->b_offset, g->k * g->n);
    float *c = fetch(cl, g->c, g->c_offset, g->m * g->n);
    if (!a || !b || !c) {
        status = clade_fail(CLADE_EDEVICE, "a product's operands cannot be read");
        goto fail;
    }
    for (size_t i = 0; i < g->m; i++)
        for (size_t j = 0; j < g->n; j++) {
            double sum = 0;
            for (size_t r = 0; r < g->k; r++)
                sum += (double)a[g->a_transposed ? r * g->m + i : i * g->k + r] *
                       (double)b[g->b_transposed ? j * g->k + r : r * g->n + j];
            float *to = &c[i * g->n + j];
            *to = (float)(g->beta == 0 ? sum : sum + (double)(g->beta * *to));
        }
    if (clEnqueueWriteBuffer(cl->queue, g->c, CL_TRUE, g->c_offset * sizeof *c,
                             g->m * g->n * sizeof *c, c, 0, NULL, NULL))
        status = clade_fail(CLADE_EDEVICE, "a product cannot be written");
fail:
    free(a);
    free(b);
    free(c);
    return status;
}
