/* Activations in REAL, for the families whose ops apply one. */
#ifndef CLADE_OP_ACTIVATION_H
#define CLADE_OP_ACTIVATION_H

#include "op/op.h"

#include "../../kernels/activation.clh"

#ifdef CLADE_ORACLE
/* Clamps x to 0 … 1; a NaN stays NaN. */
static inline REAL real_clip(REAL x) { return x < 0 ? 0 : x > 1 ? 1 : x; }
/* The definitions themselves, through libm. */
static inline REAL real_act(int act, REAL alpha, REAL x)
{
    switch (act) {
    case CLADE_RELU: return x < 0 ? 0 : x;
    case CLADE_LEAKY_RELU: return x < 0 ? alpha * x : x;
    case CLADE_RELU6: return x < 0 ? 0 : x > 6 ? 6 : x;
    case CLADE_SIGMOID: return 1 / (1 + exp(-x));
    case CLADE_TANH: return tanh(x);
    case CLADE_HARD_SIGMOID: return real_clip(x / 6 + 0.5);
    case CLADE_SILU: return x / (1 + exp(-x));
    case CLADE_HARD_SWISH: return x * real_clip(x / 6 + 0.5);
    case CLADE_GELU: return x * (1 + erf(x * sqrt(0.5))) / 2;
    case CLADE_ELU: return x < 0 ? alpha * expm1(x) : x; /* torch.nn.ELU, ONNX's Elu */
    case CLADE_SOFTPLUS: /* torch.nn.Softplus with beta 1, ONNX's Softplus */
        return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
    case CLADE_MISH: /* torch.nn.Mish, ONNX's Mish */
        return x * tanh((x > 0 ? x : 0) + log1p(exp(-fabs(x))));
    default: return x;
    }
}
static inline REAL real_act_derivative(int act, REAL alpha, REAL s)
{
    switch (act) {
    case CLADE_RELU: return s > 0;
    case CLADE_LEAKY_RELU: return s > 0 ? 1 : alpha;
    case CLADE_RELU6: return s > 0 && s < 6;
    case CLADE_SIGMOID: return s * (1 - s);
    case CLADE_TANH: return 1 - s * s;
    case CLADE_HARD_SIGMOID: return s > 0 && s < 1 ? 1 / 6.0 : 0;
    case CLADE_SILU: return (1 + s / (1 + exp(s))) / (1 + exp(-s));
    case CLADE_HARD_SWISH: return s <= -3 ? 0 : s >= 3 ? 1 : s / 3 + 0.5;
    case CLADE_GELU:
        return (1 + erf(s * sqrt(0.5))) / 2 + s * exp(-s * s / 2) / sqrt(2 * acos(-1.0));
    case CLADE_ELU: return s > 0 ? 1 : s + alpha; /* alpha exp(x) = y + alpha */
    case CLADE_SOFTPLUS: return -expm1(-s);       /* sigmoid(x) = 1 - exp(-y) */
    case CLADE_MISH: {
        REAL t = tanh((s > 0 ? s : 0) + log1p(exp(-fabs(s))));
        return t + s * (1 - t * t) / (1 + exp(-s));
    }
    default: return 1;
    }
}
/* Where an activation is clipped the gradient is 0, even if dy is NaN. */
static inline REAL real_act_dx(int act, REAL alpha, REAL s, REAL dy)
{
    REAL slope = real_act_derivative(act, alpha, s);
    bool cut = act == CLADE_RELU || act == CLADE_RELU6 || act == CLADE_HARD_SIGMOID ||
               act == CLADE_HARD_SWISH;
    return cut && slope == 0 ? 0 : dy * slope;
}
#else
/* float32: the shared header defines the bits of these functions. */
static inline REAL real_act(int act, REAL alpha, REAL x) { return act_forward(act, alpha, x); }
static inline REAL real_act_dx(int act, REAL alpha, REAL s, REAL dy)
{
    return act_backward(act, alpha, s, dy);
}
#endif

/* Fails with EINVAL unless `act` is an activation. */
static inline clade_status check_act(clade_op op, int32_t act)
{
    if (act < 0 || act >= CLADE_ACTIVATIONS)
        return clade_fail(CLADE_EINVAL, "%s: there is no activation %d",
                          clade_op_describe(op)->name, act);
    return CLADE_OK;
}

/* An upper bound of |act'|, the factor on an error of the argument. */
static inline double act_slope(int act, double alpha)
{
    const clade_activation_info *info = clade_activation_describe(act);
    return info->alpha > 0 && alpha > info->slope ? alpha : info->slope;
}

/* The largest factor on |x| and on the derivative's terms: max(1, alpha). */
static inline double act_factor(int act, double alpha)
{
    return clade_activation_describe(act)->alpha > 0 && alpha > 1 ? alpha : 1;
}

/* How far float32 act(x) may be from the exact value for exact x. The functions of math.clh are
 * good to 4 ulp (8 units). Each activation adds at most four roundings of terms no larger than 1,
 * or than |act(0)| + max(1, alpha) |x|, which is never less than |act(x)|: gelu, silu, hard_swish
 * and mish multiply x by a factor of at most 1; elu multiplies exp(x) − 1, which is no larger than
 * |x| and has no error beyond its ulps, by alpha; softplus is off by its ulps alone. */
static inline double act_error(int act, double alpha, double x)
{
    switch (clade_activation_describe(act)->size) {
    case CLADE_ACTIVATION_EXACT: return 0;
    case CLADE_ACTIVATION_BOUNDED: return 12 * CLADE_UNIT;
    default:
        return 12 * CLADE_UNIT *
               (fabs((double)real_act(act, (REAL)alpha, 0)) + act_factor(act, alpha) * fabs(x));
    }
}

/* The same for x that is off by `error`. If x is infinite and act(x) is not, act is constant there,
 * whatever the error. */
static inline double act_bound(int act, double alpha, double x, double error)
{
    if (isinf(x)) return act_error(act, alpha, 0);
    return act_slope(act, alpha) * error + act_error(act, alpha, x);
}

#endif
