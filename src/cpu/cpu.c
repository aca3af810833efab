/* The CPU backend: memory, threads, and the choice of the instruction set. */
#define _GNU_SOURCE
#include "cpu/cpu.h"
#include "base/host.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static clade_status cpu_count(size_t *count, char note[256])
{
    (void)note;
    *count = 1;
    return CLADE_OK;
}

/* What the family files are for an instruction set. */
typedef struct cpu_isa {
    const char *name;
    int32_t vector_width; /* floats */
    void (*ops)(clade_op_slot *slot);
    clade_status (*peak)(void *context, double *flops, double *bytes);
} cpu_isa;

#define ISA(isa)                                                                                   \
    void clade_cpu_ops_##isa(clade_op_slot *slot);                                                 \
    clade_status clade_cpu_peak_##isa(void *context, double *flops, double *bytes);
ISA(avx512)
ISA(avx2)
ISA(baseline)
#undef ISA

/* The best one that the processor has, with vectors of at most so many floats. */
static const cpu_isa *best_isa(int32_t vector_width)
{
#if defined(__x86_64__) && !defined(CLADE_ONE_ISA)
    static const cpu_isa avx512 = {"AVX-512", 16, clade_cpu_ops_avx512, clade_cpu_peak_avx512};
    static const cpu_isa avx2 = {"AVX2", 8, clade_cpu_ops_avx2, clade_cpu_peak_avx2};
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("fma") && vector_width >= avx512.vector_width)
        return &avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        vector_width >= avx2.vector_width)
        return &avx2;
#endif
    (void)vector_width;
    static const cpu_isa baseline = {"baseline", 4, clade_cpu_ops_baseline,
                                     clade_cpu_peak_baseline};
    return &baseline;
}

static void processor_name(char *name, size_t size)
{
    snprintf(name, size, "CPU");
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (!f) return;
    char line[256];
    while (fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) || !colon) continue;
        colon[strcspn(colon, "\n")] = 0;
        snprintf(name, size, "%s", colon + 2);
        break;
    }
    fclose(f);
}

static clade_status cpu_describe(size_t index, clade_device_info *info)
{
    (void)index;
    const cpu_isa *isa = best_isa(INT32_MAX);
    snprintf(info->id, sizeof info->id, "cpu");
    processor_name(info->name, sizeof info->name);
    snprintf(info->driver, sizeof info->driver, "built in, %s", isa->name);
    info->compute_units = (uint32_t)clade_processors();
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (pages > 0 && size > 0) info->memory_bytes = (uint64_t)pages * (uint64_t)size;
#if defined(__aarch64__)
    info->fma = true;
#else
    info->fma = isa->ops != clade_cpu_ops_baseline;
#endif
    info->fp64 = info->host_memory = info->cpu_like = true;
    return CLADE_OK;
}

static clade_status cpu_open(size_t index, const clade_device_options *options, void **context)
{
    (void)index;
    cpu_context *cpu = calloc(1, sizeof *cpu);
    if (!cpu) return clade_fail(CLADE_ENOMEM, "cpu: out of memory");
    clade_status status = clade_cpu_limits_find(options->limits, &cpu->limits);
    if (!status) status = clade_pool_create(options->threads, &cpu->pool);
    if (status) {
        free(cpu);
        return status;
    }
    *context = cpu;
    return CLADE_OK;
}

static void cpu_close(void *context)
{
    cpu_context *cpu = context;
    clade_pool_destroy(&cpu->pool);
    free(cpu);
}

static clade_status cpu_alloc(void *context, size_t bytes, void **handle)
{
    (void)context;
    *handle = clade_memory(bytes);
    if (*handle) return CLADE_OK;
    return clade_fail(CLADE_ENOMEM, "cpu: out of memory: %zu bytes asked for", bytes);
}

static void cpu_free(void *context, void *handle)
{
    (void)context;
    free(handle);
}

static clade_status cpu_write(void *context, void *handle, size_t offset, const void *source,
                              size_t bytes)
{
    (void)context;
    memcpy((char *)handle + offset, source, bytes);
    return CLADE_OK;
}

static clade_status cpu_read(void *context, void *handle, size_t offset, void *target, size_t bytes)
{
    (void)context;
    memcpy(target, (const char *)handle + offset, bytes);
    return CLADE_OK;
}

static clade_status cpu_finish(void *context)
{
    (void)context;
    return CLADE_OK;
}

static void *cpu_shared(void *context, void *handle)
{
    (void)context;
    return handle;
}

static void cpu_ops(void *context, clade_op_slot *slot)
{
    const cpu_context *cpu = context;
    best_isa(cpu->limits.vector_width)->ops(slot);
}

static void cpu_discard(void *context, void *state)
{
    (void)context;
    free(state);
}

static clade_status cpu_peak(void *context, double *flops, double *bytes)
{
    return best_isa(INT32_MAX)->peak(context, flops, bytes);
}

const clade_backend *clade_cpu_backend(void)
{
    static const clade_backend backend = {
        .abi = CLADE_BACKEND_ABI,
        .size = sizeof(clade_backend),
        .name = "cpu",
        .count = cpu_count,
        .describe = cpu_describe,
        .open = cpu_open,
        .close = cpu_close,
        .alloc = cpu_alloc,
        .free = cpu_free,
        .write = cpu_write,
        .read = cpu_read,
        .finish = cpu_finish,
        .host = cpu_shared,
        .signatures = clade_op_signatures,
        .op_count = CLADE_OPS,
        .ops = cpu_ops,
        .discard = cpu_discard,
        .peak = cpu_peak,
    };
    return &backend;
}
