/* Programs: built from source, or taken from the cache on disk, several at once. */
#include "opencl/program.h"

#include "base/file.h"
#include "base/host.h"
#include "base/thread.h"

#include "opencl/cache.h"
#include "opencl/source.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is compiled, and how. */
typedef struct build {
    const char *family;
    const char *const *lines;
    cl_uint count;
    char flags[OPENCL_OPTIONS_SIZE];
    bool own; /* the embedded source, not one from CLADE_KERNELS */
} build;

/* Joins the options of the compiler. */
static clade_status set_flags(build *r, const opencl_context *cl, const char *options,
                              const char *include)
{
    char lanes[32] = "";
    if (cl->lanes > 1) snprintf(lanes, sizeof lanes, " -DCLADE_LANES=%u", cl->lanes);
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
    if (clade_icd.clGetProgramBuildInfo(program, cl->device, CL_PROGRAM_BUILD_LOG, 0, NULL,
                                        &size) ||
        !size)
        return NULL;
    char *log = calloc(1, size + 1);
    if (log &&
        clade_icd.clGetProgramBuildInfo(program, cl->device, CL_PROGRAM_BUILD_LOG, size, log, NULL))
        log[0] = 0;
    return log;
}

static clade_status compile(const opencl_context *cl, const build *r, cl_program *out)
{
    cl_int error;
    cl_program program = clade_icd.clCreateProgramWithSource(cl->context, r->count,
                                                             (const char **)r->lines, NULL, &error);
    if (error) return clade_opencl_fail(cl, error, "clCreateProgramWithSource");
    error = clade_icd.clBuildProgram(program, 1, &cl->device, r->flags, NULL, NULL);
    if (error) {
        char *log = build_log(cl, program);
        clade_icd.clReleaseProgram(program);
        clade_status status =
            clade_fail(CLADE_EDEVICE, "%s: kernels/%s.cl does not build (%s): %s", cl->label,
                       r->family, clade_opencl_error_name(error), log && *log ? log : "no log");
        free(log);
        return status;
    }
    *out = program;
    return CLADE_OK;
}

/* ---- the cache ---- */

/* NULL where there is none, or the driver does not take it. */
static cl_program from_cache(const opencl_context *cl, const build *r, const char *key)
{
    size_t size;
    unsigned char *binary = clade_opencl_cache_load(key, &size);
    if (!binary) return NULL;
    cl_int taken = CL_SUCCESS, error;
    cl_program program = clade_icd.clCreateProgramWithBinary(
        cl->context, 1, &cl->device, &size, (const unsigned char **)&binary, &taken, &error);
    free(binary);
    if (error) return NULL;
    if (taken || clade_icd.clBuildProgram(program, 1, &cl->device, r->flags, NULL, NULL)) {
        clade_icd.clReleaseProgram(program);
        return NULL;
    }
    return program;
}

static void to_cache(cl_program program, const char *key)
{
    size_t size = 0;
    if (clade_icd.clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) ||
        !size)
        return;
    unsigned char *binary = malloc(size);
    if (binary &&
        !clade_icd.clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL))
        clade_opencl_cache_store(key, binary, size, OPENCL_CACHE_BYTES);
    free(binary);
}

/* ---- building ---- */

static clade_status build_program(const opencl_context *cl, opencl_program *p)
{
    char include_line[64], key[65];
    const char *lines[] = {include_line};
    const char *folder = getenv("CLADE_KERNELS");
    build r = {.family = p->family, .own = !folder || !*folder};
    clade_status status = CLADE_OK;
    if (r.own) {
        status = find_embedded(&r);
    } else {
        snprintf(include_line, sizeof include_line, "#include \"%s.cl\"\n", p->family);
        r.lines = lines;
        r.count = 1;
    }
    if (!status) status = set_flags(&r, cl, p->options, r.own ? NULL : folder);
    if (status) return status;
    /* of files that the compiler includes the key does not know */
    bool cached = r.own && clade_opencl_cache_wanted(cl);
    if (cached) {
        clade_opencl_cache_key(cl, r.count, r.lines, r.flags, key);
        p->program = from_cache(cl, &r, key);
        p->cached = p->program != NULL;
        if (p->cached) return CLADE_OK;
    }
    status = compile(cl, &r, &p->program);
    if (!status && cached) to_cache(p->program, key);
    return status;
}

/* All programs that nobody has tried. */
typedef struct building {
    const opencl_context *cl;
    pthread_mutex_t lock; /* of: */
    size_t done, total;
} building;

static void tell(building *b, size_t more)
{
    pthread_mutex_lock(&b->lock);
    b->done += more;
    if (b->cl->building) b->cl->building(b->cl->user, b->done, b->total);
    pthread_mutex_unlock(&b->lock);
}

/* One after another: each thread's errors are its own. */
static void build_next(void *user, size_t i, int thread)
{
    building *b = user;
    opencl_program *p = b->cl->programs[i];
    (void)thread;
    if (p->tried) return;
    p->status = build_program(b->cl, p);
    if (p->status) p->error = clade_string_join(clade_error(), "");
    p->tried = true;
    tell(b, 1);
}

clade_status clade_opencl_programs_build(opencl_context *cl)
{
    building b = {.cl = cl, .lock = PTHREAD_MUTEX_INITIALIZER};
    for (size_t i = 0; i < cl->program_count; i++) b.total += !cl->programs[i]->tried;
    if (!b.total) return CLADE_OK;
    clade_pool *pool;
    size_t threads = (size_t)clade_processors();
    clade_status status = clade_pool_create(threads < b.total ? (int)threads : (int)b.total, &pool);
    if (status) return status;
    tell(&b, 0);
    clade_pool_for(pool, cl->program_count, build_next, &b);
    clade_pool_destroy(&pool);
    cl->compiled = cl->cached = 0;
    for (size_t i = 0; i < cl->program_count; i++) {
        cl->cached += cl->programs[i]->cached;
        cl->compiled += cl->programs[i]->program && !cl->programs[i]->cached;
    }
    return CLADE_OK;
}

clade_status clade_opencl_program_status(const opencl_program *p)
{
    return p->status ? clade_fail(p->status, "%s", p->error ? p->error : "out of memory")
                     : CLADE_OK;
}

clade_status clade_opencl_program_text(const opencl_context *cl, const opencl_program *program,
                                       char options[OPENCL_OPTIONS_SIZE], char **source)
{
    const char *folder = getenv("CLADE_KERNELS");
    build r = {.family = program->family};
    clade_status status = set_flags(&r, cl, program->options, NULL);
    memcpy(options, r.flags, sizeof r.flags);
    if (status) return status;
    if (folder && *folder) return clade_opencl_source_expand(folder, program->family, source);
    status = find_embedded(&r);
    return status ? status : clade_opencl_source_join(r.lines, source);
}

/* ---- the list ---- */

opencl_program *clade_opencl_program(opencl_context *cl, const char *family, const char *options)
{
    for (size_t i = 0; i < cl->program_count; i++) {
        opencl_program *p = cl->programs[i];
        if (!strcmp(p->family, family) && !strcmp(p->options, options)) return p;
    }
    opencl_program **grown = realloc(cl->programs, (cl->program_count + 1) * sizeof *grown);
    if (!grown) return NULL;
    cl->programs = grown;
    opencl_program *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    snprintf(p->family, sizeof p->family, "%s", family);
    snprintf(p->options, sizeof p->options, "%s", options);
    return cl->programs[cl->program_count++] = p;
}

void clade_opencl_programs_release(opencl_context *cl)
{
    for (size_t i = 0; i < cl->program_count; i++) {
        opencl_program *p = cl->programs[i];
        if (p->program) clade_icd.clReleaseProgram(p->program);
        free(p->error);
        free(p);
    }
    free(cl->programs);
}
