/* Stands in for gemm.c in a build without CLBlast. */
#include "opencl/gemm.h"

bool clade_opencl_gemm_present(const char **why)
{
    if (why) *why = "this build does without it";
    return false;
}

bool clade_opencl_gemm_use(opencl_context *cl, const char *name)
{
    (void)cl;
    (void)name;
    return false;
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
    return false;
}

clade_status clade_opencl_gemm(opencl_context *cl, const opencl_gemm *gemm, cl_mem workspace)
{
    (void)gemm;
    (void)workspace;
    return clade_fail(CLADE_EUNSUPPORTED, "%s: this build has no CLBlast", cl->label);
}
