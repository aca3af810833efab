/* Stands in for src/opencl/gemm.c: matrix products by the plainest kernel, so that of fast mode's
 * kernels only our own are interpreted, not CLBlast's. */
#include "opencl/gemm.h"

#include <string.h>

bool clade_opencl_gemm_present(const char **why)
{
    (void)why;
    return true;
}

bool clade_opencl_gemm_use(opencl_context *cl, const char *name)
{
    (void)cl;
    return !strcmp(name, "gemm");
}

size_t clade_opencl_gemm_workspace(const opencl_context *cl, const opencl_gemm *gemm)
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

/* One work-item per element of c [m, n]; steps from row to row and from column to column. */
static const char source[] =
    "kernel void product(global const float *a, global const float *b, global float *c, ulong a0,\n"
    "                    ulong b0, ulong c0, ulong k, ulong a_row, ulong a_column, ulong b_row,\n"
    "                    ulong b_column, float beta)\n"
    "{\n"
    "    ulong i = get_global_id(0), j = get_global_id(1), at = c0 + i * get_global_size(1) + j;\n"
    "    float sum = beta == 0 ? 0 : beta * c[at];\n"
    "    for (ulong r = 0; r < k; r++)\n"
    "        sum = fma(a[a0 + i * a_row + r * a_column], b[b0 + r * b_row + j * b_column], sum);\n"
    "    c[at] = sum;\n"
    "}\n";

static cl_int launch(opencl_context *cl, const opencl_gemm *g, cl_kernel kernel)
{
    const cl_mem memory[] = {g->a, g->b, g->c};
    const cl_ulong numbers[] = {g->a_offset,
                                g->b_offset,
                                g->c_offset,
                                g->k,
                                g->a_transposed ? 1 : g->k,
                                g->a_transposed ? g->m : 1,
                                g->b_transposed ? 1 : g->n,
                                g->b_transposed ? g->k : 1};
    cl_int error = CL_SUCCESS;
    for (cl_uint i = 0; i < 3 && !error; i++)
        error = clade_icd.clSetKernelArg(kernel, i, sizeof memory[i], &memory[i]);
    for (cl_uint i = 0; i < 8 && !error; i++)
        error = clade_icd.clSetKernelArg(kernel, 3 + i, sizeof numbers[i], &numbers[i]);
    if (!error) error = clade_icd.clSetKernelArg(kernel, 11, sizeof g->beta, &g->beta);
    if (!error)
        error = clade_icd.clEnqueueNDRangeKernel(cl->queue, kernel, 2, NULL, (size_t[]){g->m, g->n},
                                                 NULL, 0, NULL, NULL);
    return error;
}

clade_status clade_opencl_gemm(opencl_context *cl, const opencl_gemm *gemm, cl_mem workspace)
{
    (void)workspace;
    const char *text = source;
    cl_kernel kernel = NULL;
    cl_int error;
    cl_program program = clade_icd.clCreateProgramWithSource(cl->context, 1, &text, NULL, &error);
    if (!error)
        error = clade_icd.clBuildProgram(program, 1, &cl->device, "-cl-std=CL1.2", NULL, NULL);
    if (!error) kernel = clade_icd.clCreateKernel(program, "product", &error);
    if (!error) error = launch(cl, gemm, kernel);
    if (!error) error = clade_icd.clFinish(cl->queue);
    if (kernel) clade_icd.clReleaseKernel(kernel);
    if (program) clade_icd.clReleaseProgram(program);
    return error ? clade_opencl_fail(cl, error, "the product of the test") : CLADE_OK;
}
