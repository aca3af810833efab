/* Compiled programs: from source, or from the cache on disk. */
#include "opencl/program.h"

#include "opencl/cache.h"
#include "opencl/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is compiled, and how. */
typedef struct build {
    const char *family;
    const char *const *lines;
    cl_uint count;
    char flags[2048];
    bool own; /* the embedded source, not one from CLADE_KERNELS */
} build;

/* Joins the options of the compiler. */
static clade_status set_flags(build *r, const opencl_context *cl, const char *options,
                              const char *include)
{
    char lanes[24] = "";
    if (cl->cpu_like) snprintf(lanes, sizeof lanes, " -DCLADE_LANES=%u", cl->vector_width);
    int n = snprintf(r->flags, sizeof r->flags, "-cl-std=CL1.2 -w%s%s%s%s%s%s%s", lanes,
                     cl->math == CLADE_FAST ? " -DCLADE_FAST" : "",
                     cl->divides ? " -DCLADE_DIVIDES -cl-fp32-correctly-rounded-divide-sqrt" : "",
                     options && *options ? " " : "", options ? options : "", include ? " -I " : "",
                     include ? include : "");
    if (n < 0 || (size_t)n >= sizeof r->flags)
        return clade_fail(CLADE_EINVAL, "kernels/%s.cl: the options are too long: %.64s…",
                          r->family, include ? include : options);
    return CLADE_OK;
}

static clade_status find_embedded(build *r)
{
    for (const opencl_source *s = clade_opencl_sources; s->family; s++)
        if (!strcmp(s->family, r->family)) r->lines = s->lines;
    if (!r->lines) return clade_fail(CLADE_EDEVICE, "there is no kernels/%s.cl", r->family);
    while (r->lines[r->count]) r->count++;
    return CLADE_OK;
}

static char *build_log(const opencl_context *cl, cl_program program)
{
    size_t size = 0;
    if (clGetProgramBuildInfo(program, cl->device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) || !size)
        return NULL;
    char *log = calloc(1, size + 1);
    if (log && clGetProgramBuildInfo(program, cl->device, CL_PROGRAM_BUILD_LOG, size, log, NULL))
        log[0] = 0;
    return log;
}

static clade_status compile(opencl_context *cl, const build *r, cl_program *out)
{
    cl_int error;
    cl_program program =
        clCreateProgramWithSource(cl->context, r->count, (const char **)r->lines, NULL, &error);
    if (error) return clade_opencl_fail(cl, error, "clCreateProgramWithSource");
    error = clBuildProgram(program, 1, &cl->device, r->flags, NULL, NULL);
    if (error) {
        char *log = build_log(cl, program);
        clReleaseProgram(program);
        clade_status status =
            clade_fail(CLADE_EDEVICE, "%s: kernels/%s.cl does not build (%s): %s", cl->label,
                       r->family, clade_opencl_error_name(error), log && *log ? log : "no log");
        free(log);
        return status;
    }
    cl->compiled++;
    *out = program;
    return CLADE_OK;
}

/* ---- the cache ---- */

/* NULL where there is none, or the driver does not take it. */
static cl_program from_cache(opencl_context *cl, const build *r, const char *key)
{
    size_t size;
    unsigned char *binary = clade_opencl_cache_load(key, &size);
    if (!binary) return NULL;
    cl_int taken = CL_SUCCESS, error;
    cl_program program = clCreateProgramWithBinary(cl->context, 1, &cl->device, &size,
                                                   (const unsigned char **)&binary, &taken, &error);
    free(binary);
    if (error) return NULL;
    if (taken || clBuildProgram(program, 1, &cl->device, r->flags, NULL, NULL)) {
        clReleaseProgram(program);
        return NULL;
    }
    cl->cached++;
    return program;
}

static void to_cache(cl_program program, const char *key)
{
    size_t size = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) || !size)
        return;
    unsigned char *binary = malloc(size);
    if (binary && !clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL))
        clade_opencl_cache_store(key, binary, size, OPENCL_CACHE_BYTES);
    free(binary);
}

clade_status clade_opencl_program(opencl_context *cl, const char *family, const char *options,
                                  cl_program *out)
{
    char include_line[64], key[65];
    const char *lines[] = {include_line};
    const char *folder = getenv("CLADE_KERNELS");
    build r = {.family = family, .own = !folder || !*folder};
    clade_status status = CLADE_OK;
    if (r.own) {
        status = find_embedded(&r);
    } else {
        snprintf(include_line, sizeof include_line, "#include \"%s.cl\"\n", family);
        r.lines = lines;
        r.count = 1;
    }
    if (!status) status = set_flags(&r, cl, options, r.own ? NULL : folder);
    if (status) return status;
    /* of files that the compiler includes the key does not know */
    bool cached = r.own && clade_opencl_cache_wanted(cl);
    if (cached) {
        clade_opencl_cache_key(cl, r.count, r.lines, r.flags, key);
        *out = from_cache(cl, &r, key);
        if (*out) return CLADE_OK;
    }
    status = compile(cl, &r, out);
    if (!status && cached) to_cache(*out, key);
    return status;
}
