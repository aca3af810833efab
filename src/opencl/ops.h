/* Middle floor: the ops. A family's file lists its ops; each is planned by recording launches, and
 * one that can be done by several algorithms has a table of them, from which the roof chooses. */
#ifndef CLADE_OPENCL_OPS_H
#define CLADE_OPENCL_OPS_H

#include "opencl/plan.h"

/* What a convolution does besides, in the same kernels; NULL where it does nothing. */
typedef struct opencl_fusion opencl_fusion;

typedef enum opencl_algorithm_flags {
    OPENCL_PLAIN = 1,      /* for what another one that was asked for cannot do */
    OPENCL_EXACT = 2,      /* its arithmetic is exact mode's */
    OPENCL_EXACT_ONLY = 4, /* where it can, exact mode's is this one's */
    OPENCL_WIDE = 8,       /* for devices with few wide cores */
    OPENCL_NARROW = 16     /* for those with many narrow ones */
} opencl_algorithm_flags;

/* An algorithm for an op, chosen by name. Several may share a name where they suit different
 * devices or shapes. */
typedef struct opencl_algorithm {
    const char *name; /* NULL ends a table */
    int flags;
    /* By shapes, and what the device is able to: can it do the call? NULL: any. Is it mostly best
     * where nothing was measured, and nothing before it in the table is? NULL: yes. Can it do what
     * goes with a fused call? Does it take tensors of 16 bits? NULL: no. */
    bool (*can)(const opencl_context *cl, const clade_args *args);
    bool (*suits)(const opencl_context *cl, const clade_args *args);
    bool (*fuses)(const opencl_context *cl, const clade_args *args);
    bool (*halves)(const opencl_context *cl, const clade_args *args);
    void (*plan)(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion);
    bool factors; /* are weights rounded as they are read (FACTOR in ops.def), not before? */
} opencl_algorithm;

/* Does an op take tensors of 16 bits in its slots of dtype FLOAT? Not at all; where all that there
 * are have one format (kernels/stored.clh); where besides the algorithm fuses the call; where those
 * that are not float32 have one; each in its own. */
typedef enum opencl_halves {
    OPENCL_NONE,
    OPENCL_ALIKE,
    OPENCL_FUSED,
    OPENCL_MIXED,
    OPENCL_EACH
} opencl_halves;

typedef struct opencl_op {
    clade_op op;          /* CLADE_OP_none ends a family */
    opencl_halves halves; /* with several algorithms each says whether it does, too */
    /* An op with one algorithm. */
    void (*plan)(opencl_plan *plan, const clade_args *args);
    /* One with several, in the order in which they are preferred. */
    const opencl_algorithm *algorithms;
    /* One that is made of another op: that one's arguments, and all of it, where the other one is
     * done by an algorithm. */
    clade_op inner_op;
    void (*inner)(const clade_args *args, clade_args *inner);
    void (*around)(opencl_plan *plan, const clade_args *args, const clade_args *inner,
                   const opencl_algorithm *algorithm);
} opencl_op;

#define OPENCL_FAMILIES(FAMILY)                                                                    \
    FAMILY(activation)                                                                             \
    FAMILY(adjust)                                                                                 \
    FAMILY(attention)                                                                              \
    FAMILY(cast)                                                                                   \
    FAMILY(conv)                                                                                   \
    FAMILY(conv_dw)                                                                                \
    FAMILY(conv_pool)                                                                              \
    FAMILY(copy)                                                                                   \
    FAMILY(dense)                                                                                  \
    FAMILY(dropout)                                                                                \
    FAMILY(elementwise)                                                                            \
    FAMILY(group_norm)                                                                             \
    FAMILY(image)                                                                                  \
    FAMILY(index)                                                                                  \
    FAMILY(layer_norm)                                                                             \
    FAMILY(loss)                                                                                   \
    FAMILY(lrn)                                                                                    \
    FAMILY(norm)                                                                                   \
    FAMILY(optim)                                                                                  \
    FAMILY(pool)                                                                                   \
    FAMILY(reduce)                                                                                 \
    FAMILY(upsample)

#define FAMILY(name) extern const opencl_op clade_opencl_##name##_ops[];
OPENCL_FAMILIES(FAMILY)
#undef FAMILY

/* For `fuses` and `halves`. */
static inline bool opencl_always(const opencl_context *cl, const clade_args *args)
{
    (void)cl;
    (void)args;
    return true;
}

/* ---- parts of ops that others are made of ---- */

/* target = factor Σ x, or with b factor Σ x b, with `below` of b that are not above 0, or added to
 * it; b may be NULL. In reduce.c. */
void clade_opencl_sum(opencl_plan *plan, const clade_tensor *x, const clade_tensor *b, bool below,
                      const clade_tensor *target, float factor, int32_t accumulate);
/* gamma / sqrt(var + eps) of each channel. In norm.c. */
void clade_opencl_norm_scale(opencl_plan *plan, const clade_tensor *gamma, const clade_tensor *var,
                             float eps, const clade_tensor *scale);
/* maxpool2d_dx. In pool.c. */
void clade_opencl_unpool(opencl_plan *plan, const clade_args *args);

#endif
