/* Labels, and what losses with labels share: checks, references and error bounds. */
#ifndef CLADE_OP_LABELS_H
#define CLADE_OP_LABELS_H

#include "op/softmax.h"

/* ---- shapes ---- */

/* Checks common to losses with labels. Scores are [n, c]; labels are classes [n] or probabilities
 * [n, c]; a binary loss takes a class only with one score. */
static inline clade_status check_labels(clade_op op, const char *scores_name,
                                        const clade_tensor *scores, const clade_tensor *label,
                                        float smoothing, bool binary)
{
    const char *name = clade_op_describe(op)->name;
    const bool classes = label->dtype == CLADE_I32;
    clade_status status = clade_expect_rank(op, scores_name, scores, 2);
    if (status) return status;
    if (!(smoothing >= 0 && smoothing <= 1))
        return clade_fail(CLADE_EINVAL, "%s: smoothing is %g, expected 0 to 1", name,
                          (double)smoothing);
    if (binary && classes && scores->dim[1] != 1)
        return clade_fail(CLADE_EINVAL, "%s: label holds classes, so %s has 1 column, not %d", name,
                          scores_name, scores->dim[1]);
    return clade_expect_shape(op, "label", label, label->dtype, classes ? 1 : 2, scores->dim);
}

/* ---- references ---- */

#ifdef CLADE_ORACLE
static inline REAL real_sigmoid(REAL x) { return 1 / (1 + exp(-x)); }
static inline REAL softplus(REAL x) { return log1p(exp(x)); }
#else
static inline REAL real_sigmoid(REAL x) { return math_sigmoid(x); }
/* log(1 + exp(x)), x ≤ 0: adds back the part of e that the sum 1 + e loses, times the derivative */
static inline REAL softplus(REAL x)
{
    REAL e = math_exp(x), sum = 1 + e, lost = e - (sum - 1);
    return REAL_FMA(lost, math_rcp(sum), math_log(sum));
}
#endif

/* Labels and their smoothing: t becomes keep t + rest. */
typedef struct labels {
    const int32_t *class; /* [n], or NULL */
    const REAL *dense;    /* [n, c], or NULL */
    REAL keep, rest;
} labels;

static inline labels labels_of(const clade_tensor *t, REAL smoothing, REAL rest)
{
    labels l = {.keep = 1 - smoothing, .rest = rest};
    if (t->dtype == CLADE_I32)
        l.class = i32_of(t);
    else
        l.dense = real_of(t);
    return l;
}

/* The label's probability for class j in row i of c scores. */
static inline REAL label_at(const labels *l, size_t i, size_t j, size_t c)
{
    REAL t = l->dense ? l->dense[i * c + j] : (REAL)(l->class[i] == (int32_t)j);
    return REAL_FMA(l->keep, t, l->rest);
}

static inline bool is_wrong_class(const labels *l, size_t i, size_t c)
{
    return l->class && (l->class[i] < 0 || l->class[i] >= (int32_t)c);
}

/* The label's probability of 1. */
static inline REAL binary_at(const labels *l, size_t i, size_t j, size_t c)
{
    if (is_wrong_class(l, i, 2)) return (REAL)NAN;
    REAL t = l->dense ? l->dense[i * c + j] : (REAL)l->class[i];
    return REAL_FMA(l->keep, t, l->rest);
}

/* ---- bounds ---- */

#define SIGMOID_UNITS 6 /* math.clh: good to three units in the last place */

/* A label in double, whether class or probability; smoothed as given. */
static inline double label_value(const clade_tensor *label, size_t i, size_t j, size_t c)
{
    if (label->dtype == CLADE_I32) return i32_of(label)[i] == (int32_t)j;
    return doubles_of(label)[i * c + j];
}
/* Roundings when a label is smoothed: 1 − s, s / c and the sum. In units of its value. */
#define LABEL_UNITS 4

static inline double binary_value(const clade_tensor *label, size_t i, size_t j, size_t c)
{
    if (label->dtype == CLADE_I32) return i32_of(label)[i];
    return doubles_of(label)[i * c + j];
}
/* Roundings when a binary label is smoothed: 1 − s and the fma. */
#define BINARY_UNITS 2

#endif
