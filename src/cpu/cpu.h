/* The CPU backend's inside: its context, and what its families of fast ops have in common. Family
 * files are compiled once per instruction set, CLADE_ISA being its name; an op without a fast
 * version runs the reference. */
#ifndef CLADE_CPU_CPU_H
#define CLADE_CPU_CPU_H

#include "base/thread.h"
#include "cpu/limits.h"

#include <clade/backend.h>

typedef struct cpu_isa cpu_isa;
typedef struct cpu_context cpu_context;

/* How an op is done. Where `halves` is not set, a call with tensors of 16 bits is cut into slices
 * (halves.h). */
typedef struct cpu_op {
    clade_status (*plan)(void *context, const clade_args *args, clade_plan *plan);
    clade_status (*run)(void *context, const clade_args *args, const clade_plan *plan,
                        void *workspace);
    /* Does it read and write the call's tensors of 16 bits itself? NULL: of none. */
    bool (*halves)(const cpu_context *cpu, const clade_args *args);
} cpu_op;

struct cpu_context {
    clade_math math;
    const cpu_isa *isa;
    clade_pool *pool;
    cpu_limits limits;
    cpu_op op[CLADE_OPS];
};

const clade_backend *clade_cpu_backend(void);

/* For `halves`. */
static inline bool cpu_always(const cpu_context *cpu, const clade_args *args)
{
    (void)cpu, (void)args;
    return true;
}

/* ---- families ---- */

/* clade_cpu_conv_avx2, … */
#define CPU_PASTE2(a, b) a##_##b
#define CPU_PASTE(a, b) CPU_PASTE2(a, b)
#define CPU_NAME(name) CPU_PASTE(clade_cpu_##name, CLADE_ISA)

#define CPU_FAMILIES(FAMILY)                                                                       \
    FAMILY(activation)                                                                             \
    FAMILY(conv)                                                                                   \
    FAMILY(dense)                                                                                  \
    FAMILY(pool)                                                                                   \
    FAMILY(upsample)                                                                               \
    FAMILY(norm)                                                                                   \
    FAMILY(group_norm)                                                                             \
    FAMILY(layer_norm)                                                                             \
    FAMILY(lrn)                                                                                    \
    FAMILY(attention)                                                                              \
    FAMILY(cast)                                                                                   \
    FAMILY(dropout)                                                                                \
    FAMILY(optim)                                                                                  \
    FAMILY(adjust)                                                                                 \
    FAMILY(image)                                                                                  \
    FAMILY(index)                                                                                  \
    FAMILY(elementwise)                                                                            \
    FAMILY(reduce)                                                                                 \
    FAMILY(copy)                                                                                   \
    FAMILY(loss)

#ifdef CLADE_ISA
/* Each family sets the slots of its ops. */
#define FAMILY(name) void CPU_NAME(name)(cpu_op * op);
CPU_FAMILIES(FAMILY)
#undef FAMILY
/* All families' slots, in families.c. */
void CPU_NAME(ops)(cpu_op *op);
/* n numbers of 16 bits as float32, and the way back; in cast.c. */
void CPU_NAME(widen)(clade_dtype dtype, const void *from, size_t n, float *to);
void CPU_NAME(narrow)(const float *from, size_t n, clade_dtype dtype, void *to);
/* The backend's `peak`, in peak.c. */
clade_status CPU_NAME(peak)(void *context, double *flops, double *bytes);
#endif

/* ---- plans ---- */

/* Memory for a plan's state, zeros; NULL with the failure's text. It is freed with the plan. */
void *clade_cpu_state(clade_plan *plan, size_t bytes);
/* Has a plan's state freed with that of another one. */
void clade_cpu_state_join(clade_plan *plan, const clade_plan *inner);
void clade_cpu_state_free(void *state);

/* a b, or SIZE_MAX where that is more. */
static inline size_t cpu_product(size_t a, size_t b)
{
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}
/* Takes `floats` more floats of workspace for a plan, and gives the place at which run finds them,
 * in floats from the workspace's begin. What is more than a size can hold becomes SIZE_MAX bytes,
 * which nobody gets. */
static inline size_t cpu_reserve(clade_plan *plan, size_t floats)
{
    size_t at = plan->workspace / sizeof(float);
    if (__builtin_add_overflow(plan->workspace, cpu_product(floats, sizeof(float)),
                               &plan->workspace))
        plan->workspace = SIZE_MAX;
    return at;
}

/* ---- running ---- */

/* A tensor's first element; NULL where it is absent. */
static inline void *cpu_host(const clade_tensor *t)
{
    return clade_tensor_present(t) ? clade_tensor_host(t) : NULL;
}

/* Threads share [0, n) in blocks of `grain` elements, or what the limits allow: body(user, first,
 * end). */
typedef struct cpu_range {
    void (*body)(const void *user, size_t first, size_t end);
    const void *user;
    size_t n, grain;
} cpu_range;
void clade_cpu_range(cpu_context *cpu, cpu_range range);

#endif
