/* Preloaded, stands in front of CLBlast's matrix products: they are as the variable GEMM says.
 *   workspace  right, and want memory, which they fill with NaN
 *   adds       without what was there, where they are to add to it
 *   rows       without the last row
 *   columns    without the last column
 *   turned     twice as large where a is transposed */
#define _GNU_SOURCE
#define CL_TARGET_OPENCL_VERSION 120
#include <clblast_c.h>

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC visibility push(default)

enum { wanted = 1000 }; /* floats */

static int is(const char *mode)
{
    const char *said = getenv("GEMM");
    return said && !strcmp(said, mode);
}

CLBlastStatusCode CLBlastSGemmTempBufferSize(const CLBlastLayout layout, const CLBlastTranspose a,
                                             const CLBlastTranspose b, const size_t m,
                                             const size_t n, const size_t k, const size_t a_offset,
                                             const size_t a_ld, const size_t b_offset,
                                             const size_t b_ld, const size_t c_offset,
                                             const size_t c_ld, cl_command_queue *queue,
                                             size_t *bytes)
{
    (void)layout, (void)a, (void)b, (void)m, (void)n, (void)k, (void)a_offset, (void)a_ld;
    (void)b_offset, (void)b_ld, (void)c_offset, (void)c_ld, (void)queue;
    *bytes = is("workspace") ? wanted * sizeof(float) : 0;
    return CLBlastSuccess;
}

CLBlastStatusCode CLBlastSgemmWithTempBuffer(
    const CLBlastLayout layout, const CLBlastTranspose a_transpose,
    const CLBlastTranspose b_transpose, const size_t m, const size_t n, const size_t k,
    const float alpha, const cl_mem a, const size_t a_offset, const size_t a_ld, const cl_mem b,
    const size_t b_offset, const size_t b_ld, const float beta, cl_mem c, const size_t c_offset,
    const size_t c_ld, cl_command_queue *queue, cl_event *event, cl_mem workspace)
{
    static float nans[wanted];
    __typeof__(CLBlastSgemm) *product;
    __typeof__(clEnqueueWriteBuffer) *write;
    void *found[] = {dlsym(dlopen("libclblast.so.1", RTLD_NOW), "CLBlastSgemm"),
                     dlsym(dlopen("libOpenCL.so.1", RTLD_NOW), "clEnqueueWriteBuffer")};
    memcpy(&product, &found[0], sizeof product);
    memcpy(&write, &found[1], sizeof write);
    fprintf(stderr, "a product\n");
    for (int i = 0; i < wanted; i++) nans[i] = NAN;
    if (is("workspace") && write(*queue, workspace, CL_TRUE, 0, sizeof nans, nans, 0, NULL, NULL))
        return CLBlastUnexpectedError;
    return product(
        layout, a_transpose, b_transpose, m - (is("rows") && m > 1), n - (is("columns") && n > 1),
        k, is("turned") && a_transpose == CLBlastTransposeYes ? 2 * alpha : alpha, a, a_offset,
        a_ld, b, b_offset, b_ld, is("adds") ? 0 : beta, c, c_offset, c_ld, queue, event);
}
