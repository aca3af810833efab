/* The CPU backend's inside: its context and its families of fast ops. Family files are compiled
 * once per instruction set, CLADE_ISA being its name; an op without a fast version runs the
 * reference. */
#ifndef CLADE_CPU_CPU_H
#define CLADE_CPU_CPU_H

#include "base/thread.h"

#include <clade/backend.h>

/* The fast ops of an instruction set. */
typedef struct cpu_table {
#define CLADE_OP(id, family, forward, flags, doc)                                                  \
    clade_status (*id)(void *context, const clade_##id##_args *args, void *workspace);
#include <clade/ops.def>
    clade_status (*peak)(void *context, double *flops, double *bytes);
} cpu_table;

typedef struct cpu_context {
    clade_pool *pool;
    clade_math math;
    cpu_table table;
} cpu_context;

const clade_backend *clade_cpu_backend(void);

/* clade_cpu_conv_avx2, … */
#define CPU_PASTE2(a, b) a##_##b
#define CPU_PASTE(a, b) CPU_PASTE2(a, b)
#define CPU_NAME(name) CPU_PASTE(clade_cpu_##name, CLADE_ISA)

/* Families; each sets its ops' slots in a table. */
#define CPU_FAMILIES(FAMILY)                                                                       \
    FAMILY(activation)                                                                             \
    FAMILY(conv)                                                                                   \
    FAMILY(conv_pool)                                                                              \
    FAMILY(dense)                                                                                  \
    FAMILY(pool)                                                                                   \
    FAMILY(norm)                                                                                   \
    FAMILY(lrn)                                                                                    \
    FAMILY(dropout)                                                                                \
    FAMILY(optim)                                                                                  \
    FAMILY(image)                                                                                  \
    FAMILY(elementwise)                                                                            \
    FAMILY(reduce)                                                                                 \
    FAMILY(copy)                                                                                   \
    FAMILY(loss)                                                                                   \
    FAMILY(peak)

/* Those whose ops need workspace say how many bytes a call needs; 0 for ops that are not theirs. */
#define CPU_WORKSPACE_FAMILIES(FAMILY)                                                             \
    FAMILY(conv)                                                                                   \
    FAMILY(conv_pool)                                                                              \
    FAMILY(dense)                                                                                  \
    FAMILY(norm)                                                                                   \
    FAMILY(optim)                                                                                  \
    FAMILY(elementwise)                                                                            \
    FAMILY(reduce)

#define FAMILY(name)                                                                               \
    size_t clade_cpu_##name##_workspace(const cpu_context *cpu, clade_op op,                       \
                                        const clade_args *args);
CPU_WORKSPACE_FAMILIES(FAMILY)
#undef FAMILY

/* Threads share [0, n) in blocks of `grain` elements: body(user, first, end). */
typedef struct cpu_range {
    void (*body)(const void *user, size_t first, size_t end);
    const void *user;
    size_t n, grain;
} cpu_range;
void clade_cpu_range(cpu_context *cpu, cpu_range range);

#endif
