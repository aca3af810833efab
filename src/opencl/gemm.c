/* Matrix products by CLBlast, each shape tried before it is trusted. */
#include "opencl/gemm.h"

#include "opencl/profile.h"

#include <clblast_c.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CLBLAST_FUNCTIONS(FUNCTION)                                                                \
    FUNCTION(CLBlastOverrideParameters)                                                            \
    FUNCTION(CLBlastSGemmTempBufferSize)                                                           \
    FUNCTION(CLBlastSgemmWithTempBuffer)

static struct clblast_functions {
#define MEMBER(name) __typeof__(name) *name;
    CLBLAST_FUNCTIONS(MEMBER)
} clblast;

enum { functions = sizeof clblast / sizeof(void (*)(void)) };

static char absence[256];
static bool present;

static void load(void)
{
#define NAME(name) #name,
    static const char *const names[functions] = {CLBLAST_FUNCTIONS(NAME)};
    void (*found[functions])(void);
    const opencl_library library = {"libclblast.so.1", "libclblast1", functions, names, found};
    present = clade_opencl_library_open(&library, absence, sizeof absence);
    if (present) memcpy(&clblast, found, sizeof clblast);
}

bool clade_opencl_gemm_present(const char **why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (why) *why = absence;
    return present;
}

static CLBlastTranspose transpose(bool t) { return t ? CLBlastTransposeYes : CLBlastTransposeNo; }
static size_t a_ld(const opencl_gemm *g) { return g->a_transposed ? g->m : g->k; }
static size_t b_ld(const opencl_gemm *g) { return g->b_transposed ? g->k : g->n; }

size_t clade_opencl_gemm_workspace(const opencl_context *cl, const opencl_gemm *g)
{
    size_t bytes = 0;
    cl_command_queue queue = cl->queue;
    if (clblast.CLBlastSGemmTempBufferSize(CLBlastLayoutRowMajor, transpose(g->a_transposed),
                                           transpose(g->b_transposed), g->m, g->n, g->k,
                                           g->a_offset, a_ld(g), g->b_offset, b_ld(g), g->c_offset,
                                           g->n, &queue, &bytes))
        return 0;
    return bytes;
}

clade_status clade_opencl_gemm(opencl_context *cl, const opencl_gemm *g, cl_mem workspace)
{
    CLBlastStatusCode code = clblast.CLBlastSgemmWithTempBuffer(
        CLBlastLayoutRowMajor, transpose(g->a_transposed), transpose(g->b_transposed), g->m, g->n,
        g->k, 1, g->a, g->a_offset, a_ld(g), g->b, g->b_offset, b_ld(g), g->beta, g->c, g->c_offset,
        g->n, &cl->queue, clade_opencl_last_event(cl), workspace);
    if (code == CLBlastSuccess) return CLADE_OK;
    return clade_fail(CLADE_EDEVICE, "%s: CLBlast GEMM %zu × %zu × %zu failed with %d", cl->label,
                      g->m, g->n, g->k, (int)code);
}

/* ---- parameters ---- */

enum { parameters = 16 };

static const char *parameter_names[parameters] = {
    "GEMMK", "KREG", "KWG", "KWI", "MDIMA", "MDIMC", "MWG", "NDIMB",
    "NDIMC", "NWG",  "SA",  "SB",  "STRM",  "STRN",  "VWM", "VWN"};

/* Of CLBlast's kernel Xgemm, in the order of the names: tiles of 32 to 128, with and without local
 * memory, vectors of 2 to 8, and work-groups of 4 to 256. */
static const size_t sets[CLADE_GEMM_SETS][parameters] = {
    {0, 1, 16, 2, 8, 8, 32, 8, 8, 32, 0, 0, 0, 0, 4, 4},
    {0, 1, 32, 2, 8, 8, 64, 8, 8, 64, 0, 0, 0, 0, 4, 4},
    {0, 1, 32, 2, 16, 16, 64, 16, 16, 64, 1, 1, 0, 0, 2, 2},
    {0, 1, 16, 2, 16, 16, 128, 16, 16, 128, 1, 1, 0, 0, 4, 4},
    {0, 1, 16, 2, 4, 4, 64, 4, 4, 64, 0, 0, 0, 0, 8, 8},
    {0, 1, 16, 2, 2, 2, 32, 2, 2, 32, 0, 0, 0, 0, 8, 8},
};

bool clade_opencl_gemm_use(opencl_context *cl, const char *name)
{
    if (!strcmp(name, "gemm")) return true;
    if (strncmp(name, "gemm:", 5) != 0 || name[5] < '1' || name[5] >= '1' + CLADE_GEMM_SETS ||
        name[6])
        return false;
    const char *why;
    if (!clade_opencl_gemm_present(&why)) return true; /* nothing is done by it */
    return clblast.CLBlastOverrideParameters(cl->device, "Xgemm", CLBlastPrecisionSingle,
                                             parameters, parameter_names,
                                             sets[name[5] - '1']) == CLBlastSuccess;
}

/* ---- qualification ---- */

/* Small integers that differ from place to place: their products are exact in float32 up to k =
 * 2^17. */
static float number(size_t i, size_t j)
{
    return (float)((int)((i * 7 + j * 13 + i * j % 5) % 17) - 8);
}

static float element(const float *x, bool transposed, size_t row, size_t column, size_t rows,
                     size_t columns)
{
    return transposed ? x[column * rows + row] : x[row * columns + column];
}

/* Checks corners and a scatter of other elements of c against their definition. */
static bool right(const opencl_gemm *g, const float *a, const float *b, const float *c,
                  const float *before)
{
    enum { places = 97 };
    for (size_t t = 0; t < places; t++) {
        size_t i = t < 4 ? (t & 1 ? g->m - 1 : 0) : t * 7919 % g->m;
        size_t j = t < 4 ? (t & 2 ? g->n - 1 : 0) : t * 104729 % g->n;
        double sum = g->beta != 0 ? before[i * g->n + j] : 0;
        for (size_t k = 0; k < g->k; k++)
            sum += (double)element(a, g->a_transposed, i, k, g->m, g->k) *
                   element(b, g->b_transposed, k, j, g->k, g->n);
        if (!(c[i * g->n + j] == sum)) return false; /* NaN is not right either */
    }
    return true;
}

static cl_mem filled(opencl_context *cl, const float *x, size_t count)
{
    cl_int error;
    cl_mem memory = clade_icd.clCreateBuffer(cl->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                             count * sizeof *x, (void *)(uintptr_t)x, &error);
    return error ? NULL : memory;
}

static bool try_shape(opencl_context *cl, const opencl_gemm *shape)
{
    opencl_gemm g = *shape;
    g.a_offset = g.b_offset = g.c_offset = 0;
    size_t na = g.m * g.k, nb = g.k * g.n, nc = g.m * g.n;
    float *a = malloc(na * sizeof *a), *b = malloc(nb * sizeof *b), *c = malloc(nc * sizeof *c);
    float *before = malloc(nc * sizeof *before);
    bool good = false;
    size_t temp = clade_opencl_gemm_workspace(cl, &g);
    cl_mem workspace = NULL;
    g.a = g.b = g.c = NULL;
    if (a && b && c && before) {
        for (size_t i = 0; i < na; i++) a[i] = number(i / 64, i % 64);
        for (size_t i = 0; i < nb; i++) b[i] = number(i % 61, i / 61);
        for (size_t i = 0; i < nc; i++) before[i] = number(i % 53, i / 53);
        g.a = filled(cl, a, na);
        g.b = filled(cl, b, nb);
        g.c = filled(cl, before, nc);
        cl_int error = 0;
        if (temp)
            workspace =
                clade_icd.clCreateBuffer(cl->context, CL_MEM_READ_WRITE, temp, NULL, &error);
        good = g.a && g.b && g.c && !error && !clade_opencl_gemm(cl, &g, workspace) &&
               !clade_icd.clEnqueueReadBuffer(cl->queue, g.c, CL_TRUE, 0, nc * sizeof *c, c, 0,
                                              NULL, NULL) &&
               right(&g, a, b, c, before);
    }
    cl_mem all[] = {g.a, g.b, g.c, workspace};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]) clade_icd.clReleaseMemObject(all[i]);
    free(before);
    free(c);
    free(b);
    free(a);
    return good;
}

bool clade_opencl_gemm_qualified(opencl_context *cl, const opencl_gemm *g)
{
    for (size_t i = 0; i < cl->gemm_count; i++) {
        const opencl_gemm_verdict *v = &cl->gemms[i];
        if (v->m == g->m && v->n == g->n && v->k == g->k && v->a_transposed == g->a_transposed &&
            v->b_transposed == g->b_transposed && v->adds == (g->beta != 0))
            return v->good;
    }
    opencl_gemm_verdict *grown = realloc(cl->gemms, (cl->gemm_count + 1) * sizeof *grown);
    if (!grown) return false;
    cl->gemms = grown;
    const bool profile = cl->profile;
    cl->profile = false; /* it is no call's time */
    const bool good = try_shape(cl, g);
    cl->profile = profile;
    cl->gemms[cl->gemm_count++] = (opencl_gemm_verdict){
        g->m, g->n, g->k, g->a_transposed, g->b_transposed, g->beta != 0, good};
    return good;
}
