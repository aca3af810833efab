/* The CPU backend: memory, threads, and the choice of the instruction set. */
#define _GNU_SOURCE
#include "cpu/halves.h"
#include "op/half.h"

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
struct cpu_isa {
    const char *name, *title; /* "avx2", "AVX2" */
    int32_t vector_width;     /* floats */
    bool (*runs)(void);       /* on this processor? */
    void (*ops)(cpu_op *op);
    clade_status (*peak)(void *context, double *flops, double *bytes);
    bool fma;
};

#define ISA(isa)                                                                                   \
    void clade_cpu_ops_##isa(cpu_op *op);                                                          \
    clade_status clade_cpu_peak_##isa(void *context, double *flops, double *bytes);
ISA(avx512bf16)
ISA(avx512)
ISA(avx2)
ISA(baseline)
#undef ISA

#define HAS(set) __builtin_cpu_supports(set)
#if defined(__x86_64__) && !defined(CLADE_ONE_ISA)
static bool runs_avx512(void)
{
    __builtin_cpu_init();
    return HAS("avx512f") && HAS("avx512vl") && HAS("avx512dq") && HAS("avx512bw") && HAS("fma");
}
static bool runs_avx512bf16(void) { return runs_avx512() && HAS("avx512bf16"); }
static bool runs_avx2(void)
{
    __builtin_cpu_init();
    return HAS("avx2") && HAS("fma");
}
#endif
static bool runs_baseline(void) { return true; }

/* The best first. */
static const cpu_isa isas[] = {
#if defined(__x86_64__) && !defined(CLADE_ONE_ISA)
    {"avx512bf16", "AVX-512 with BF16", 16, runs_avx512bf16, clade_cpu_ops_avx512bf16,
     clade_cpu_peak_avx512bf16, true},
    {"avx512", "AVX-512", 16, runs_avx512, clade_cpu_ops_avx512, clade_cpu_peak_avx512, true},
    {"avx2", "AVX2", 8, runs_avx2, clade_cpu_ops_avx2, clade_cpu_peak_avx2, true},
#endif
#if defined(__x86_64__)
    {"sse2", "SSE2", 4, runs_baseline, clade_cpu_ops_baseline, clade_cpu_peak_baseline, false},
#elif defined(__aarch64__)
    {"neon", "NEON", 4, runs_baseline, clade_cpu_ops_baseline, clade_cpu_peak_baseline, true},
#else
    {"baseline", "baseline", 4, runs_baseline, clade_cpu_ops_baseline, clade_cpu_peak_baseline,
     false},
#endif
};
enum { isa_count = sizeof isas / sizeof *isas };

/* With vectors of at most so many floats; 4 are always there. */
static const cpu_isa *best_isa(int32_t vector_width)
{
    const cpu_isa *isa = isas;
    while (!isa->runs() || isa->vector_width > vector_width) isa++;
    return isa;
}

/* The one of this name; NULL or "cpu": the best within the limits. */
static clade_status find_isa(const char *name, const cpu_limits *limits, const cpu_isa **out)
{
    char text[64] = "";
    *out = best_isa(limits->vector_width);
    if (!name || !strcmp(name, "cpu")) return CLADE_OK;
    for (int i = 0; i < isa_count; i++) {
        if (!isas[i].runs()) continue;
        *out = &isas[i];
        if (!strcmp(isas[i].name, name)) return CLADE_OK;
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "%s%s", n ? ", " : "", isas[i].name);
    }
    return clade_fail(CLADE_EUNSUPPORTED, "cpu: there are no kernels '%.20s' here; there are: %s",
                      name, text);
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

static void describe_isa(const cpu_isa *isa, clade_device_info *info)
{
    snprintf(info->driver, sizeof info->driver, "built in, %s", isa->title);
    info->fma = isa->fma;
}

static clade_status cpu_describe(size_t index, clade_device_info *info)
{
    (void)index;
    snprintf(info->id, sizeof info->id, "cpu");
    processor_name(info->name, sizeof info->name);
    describe_isa(best_isa(INT32_MAX), info);
    info->compute_units = (uint32_t)clade_processors();
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (pages > 0 && size > 0) info->memory_bytes = (uint64_t)pages * (uint64_t)size;
    info->fp64 = info->host_memory = info->cpu_like = true;
    return CLADE_OK;
}

static clade_status cpu_open(size_t index, const clade_device_options *options, void **context)
{
    (void)index;
    const cpu_isa *isa;
    cpu_limits limits;
    clade_status status = clade_cpu_limits_find(options->limits, &limits);
    if (!status) status = find_isa(options->kernels, &limits, &isa);
    if (status) return status;
    cpu_context *cpu = calloc(1, sizeof *cpu);
    if (!cpu) return clade_fail(CLADE_ENOMEM, "cpu: out of memory");
    cpu->isa = isa;
    cpu->math = options->math;
    cpu->limits = limits;
    isa->ops(cpu->op);
    status = clade_pool_create(options->threads, &cpu->pool);
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

static bool reads_halves(const cpu_context *cpu, clade_op id, const clade_args *args)
{
    const cpu_op *op = &cpu->op[id];
    return op->halves && op->halves(cpu, args);
}

static bool cpu_takes_halves(void *context, const clade_call *call)
{
    const cpu_context *cpu = context;
    return reads_halves(cpu, call->op, &call->args) || clade_cpu_cuts(call->op, &call->args);
}

static clade_status plan_call(cpu_context *cpu, clade_op id, const clade_args *args,
                              clade_plan *plan)
{
    const cpu_op *op = &cpu->op[id];
    if (clade_args_have_halves(clade_op_describe(id), args) && !reads_halves(cpu, id, args))
        return clade_cpu_plan_slices(cpu, id, args, plan);
    const clade_status status = op->plan ? op->plan(cpu, args, plan) : CLADE_OK;
    clade_cpu_reserve_weights(id, args, plan);
    return status;
}

static clade_status run_call(cpu_context *cpu, clade_op id, const clade_args *args,
                             const clade_plan *plan, void *workspace)
{
    const cpu_op *op = &cpu->op[id];
    if (clade_args_have_halves(clade_op_describe(id), args) && !reads_halves(cpu, id, args))
        return clade_cpu_run_slices(cpu, id, args, plan, workspace);
    clade_args stored = *args;
    clade_buffer memory[CLADE_MOST_SLOTS];
    const clade_status status = clade_cpu_round_weights(cpu, id, plan, workspace, &stored, memory);
    return status ? status : op->run(cpu, &stored, plan, workspace);
}

/* The slots of a table know their op by their functions. */
#define CLADE_OP(id, family, forward, flags, doc)                                                  \
    static clade_status plan_##id(void *context, const clade_args *args, clade_plan *plan)         \
    {                                                                                              \
        return plan_call(context, CLADE_OP_##id, args, plan);                                      \
    }                                                                                              \
    static clade_status run_##id(void *context, const clade_args *args, const clade_plan *plan,    \
                                 void *workspace)                                                  \
    {                                                                                              \
        return run_call(context, CLADE_OP_##id, args, plan, workspace);                            \
    }
#include <clade/ops.def>

static void cpu_ops(void *context, clade_op_slot *slot)
{
    const cpu_context *cpu = context;
#define CLADE_OP(id, family, forward, flags, doc)                                                  \
    if (cpu->op[CLADE_OP_##id].run) slot[CLADE_OP_##id] = (clade_op_slot){plan_##id, run_##id};
#include <clade/ops.def>
}

static void cpu_discard(void *context, void *state)
{
    (void)context;
    clade_cpu_state_free(state);
}

static clade_status cpu_peak(void *context, double *flops, double *bytes)
{
    const cpu_context *cpu = context;
    return cpu->isa->peak(context, flops, bytes);
}

static void cpu_amend(void *context, clade_device_info *info)
{
    const cpu_context *cpu = context;
    describe_isa(cpu->isa, info);
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
        .amend = cpu_amend,
        .takes_halves = cpu_takes_halves,
    };
    return &backend;
}
