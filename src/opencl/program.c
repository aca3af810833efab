/* Compiled programs: from source, or from the cache on disk. */
#include "opencl/program.h"
#include "opencl/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "-I DIR" and a source that includes the family's file, when CLADE_KERNELS names a directory. */
static bool override_source(const char *family, char source[64], char *include, size_t size)
{
    const char *dir = getenv("CLADE_KERNELS");
    if (!dir || !*dir) return false;
    snprintf(source, 64, "#include \"%s.cl\"\n", family);
    snprintf(include, size, "-I %s", dir);
    return true;
}

static clade_status build_log(const opencl_context *cl, cl_program program, const char *family,
                              cl_int error)
{
    size_t size = 0;
    char *log = NULL;
    if (!clGetProgramBuildInfo(program, cl->device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) && size)
        log = malloc(size + 1);
    if (log && !clGetProgramBuildInfo(program, cl->device, CL_PROGRAM_BUILD_LOG, size, log, NULL))
        log[size] = 0;
    else if (log)
        *log = 0;
    clade_fail(CLADE_EDEVICE, "%s: kernels/%s.cl does not build (%s): %s", cl->label, family,
               clade_opencl_error_name(error), log ? log : "no log");
    free(log);
    return CLADE_EDEVICE;
}

clade_status clade_opencl_program(opencl_context *cl, const char *family, const char *options,
                                  cl_program *out)
{
    char source[64], include[1024] = "", flags[1400];
    const char *const *lines = NULL;
    const char *override[] = {source};
    size_t count = 0;
    if (override_source(family, source, include, sizeof include)) {
        lines = override;
        count = 1;
    } else {
        for (const opencl_source *s = clade_opencl_sources; s->family; s++)
            if (!strcmp(s->family, family)) lines = s->lines;
        if (!lines) return clade_fail(CLADE_EDEVICE, "there is no kernels/%s.cl", family);
        while (lines[count]) count++;
    }
    snprintf(flags, sizeof flags, "-cl-std=CL1.2 %s %s %s",
             cl->math == CLADE_FAST ? "-DCLADE_FAST" : "", options ? options : "", include);
    cl_int error;
    cl_program program =
        clCreateProgramWithSource(cl->context, (cl_uint)count, (const char **)lines, NULL, &error);
    if (error) return clade_opencl_fail(cl, error, "clCreateProgramWithSource");
    error = clBuildProgram(program, 1, &cl->device, flags, NULL, NULL);
    if (error) {
        clade_status status = build_log(cl, program, family, error);
        clReleaseProgram(program);
        return status;
    }
    *out = program;
    return CLADE_OK;
}
