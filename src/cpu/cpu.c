/* The CPU backend: memory, threads, and the choice of the instruction set. */
#define _GNU_SOURCE
#include "cpu/cpu.h"

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

/* The instruction sets that family files were compiled for, best first. */
typedef enum isa { isa_avx512, isa_avx2, isa_baseline } isa;

static isa best_isa(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("fma"))
        return isa_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return isa_avx2;
#endif
    return isa_baseline;
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
    static const char *const isas[] = {"AVX-512", "AVX2", "baseline"};
    snprintf(info->id, sizeof info->id, "cpu");
    processor_name(info->name, sizeof info->name);
    snprintf(info->driver, sizeof info->driver, "built in, %s", isas[best_isa()]);
    info->compute_units = (uint32_t)clade_processors();
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (pages > 0 && size > 0) info->memory_bytes = (uint64_t)pages * (uint64_t)size;
#if defined(__aarch64__)
    info->fma = true;
#else
    info->fma = best_isa() != isa_baseline;
#endif
    info->fp64 = info->host_memory = info->cpu_like = true;
    return CLADE_OK;
}

static clade_status cpu_open(size_t index, const clade_device_options *options, void **context)
{
    (void)index;
    cpu_context *cpu = calloc(1, sizeof *cpu);
    if (!cpu) return clade_fail(CLADE_ENOMEM, "cpu: out of memory");
    cpu->math = options->math;
    clade_status status = clade_pool_create(options->threads, &cpu->pool);
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

static void *cpu_host(void *context, void *handle)
{
    (void)context;
    return handle;
}

static size_t workspace_of(void *context, clade_op op, const clade_args *args)
{
    size_t bytes = 0;
#define FAMILY(name)                                                                               \
    if (!bytes) bytes = clade_cpu_##name##_workspace(context, op, args);
    CPU_WORKSPACE_FAMILIES(FAMILY)
#undef FAMILY
    return bytes;
}

#define CLADE_OP(id, family, forward, flags, doc)                                                  \
    static clade_status plan_##id(void *context, const clade_args *args, clade_plan *plan)         \
    {                                                                                              \
        plan->workspace = workspace_of(context, CLADE_OP_##id, args);                              \
        return CLADE_OK;                                                                           \
    }                                                                                              \
    static clade_status run_##id(void *context, const clade_args *args, const clade_plan *plan,    \
                                 void *workspace)                                                  \
    {                                                                                              \
        (void)plan;                                                                                \
        const cpu_context *cpu = context;                                                          \
        return cpu->table.id(context, &args->id, workspace);                                       \
    }
#include <clade/ops.def>

#define FAMILY(name)                                                                               \
    void clade_cpu_##name##_baseline(cpu_table *table);                                            \
    void clade_cpu_##name##_avx2(cpu_table *table);                                                \
    void clade_cpu_##name##_avx512(cpu_table *table);
CPU_FAMILIES(FAMILY)
#undef FAMILY

static void find_ops(cpu_table *table)
{
    switch (best_isa()) {
#if defined(__x86_64__)
#define FAMILY(name) clade_cpu_##name##_avx512(table);
    case isa_avx512: CPU_FAMILIES(FAMILY) break;
#undef FAMILY
#define FAMILY(name) clade_cpu_##name##_avx2(table);
    case isa_avx2: CPU_FAMILIES(FAMILY) break;
#undef FAMILY
#endif
#define FAMILY(name) clade_cpu_##name##_baseline(table);
    default: CPU_FAMILIES(FAMILY) break;
#undef FAMILY
    }
}

static void cpu_ops(void *context, clade_op_slot *slot)
{
    cpu_context *cpu = context;
    find_ops(&cpu->table);
#define CLADE_OP(id, family, forward, flags, doc)                                                  \
    if (cpu->table.id) slot[CLADE_OP_##id] = (clade_op_slot){plan_##id, run_##id};
#include <clade/ops.def>
}

static clade_status cpu_peak(void *context, double *flops, double *bytes)
{
    const cpu_context *cpu = context;
    return cpu->table.peak(context, flops, bytes);
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
        .host = cpu_host,
        .signatures = clade_op_signatures,
        .op_count = CLADE_OPS,
        .ops = cpu_ops,
        .peak = cpu_peak,
    };
    return &backend;
}

static void run_block(void *user, size_t i, int thread)
{
    (void)thread;
    const cpu_range *range = user;
    size_t first = i * range->grain, end = first + range->grain;
    range->body(range->user, first, end < range->n ? end : range->n);
}

void clade_cpu_range(cpu_context *cpu, cpu_range range)
{
    clade_pool_for(cpu->pool, (range.n + range.grain - 1) / range.grain, run_block, &range);
}
