/* conv2d_norm: shape rule, reference that runs its ops one after the other, bound and cases. */
#include "op/conv_norm.h"
#include "op/activation.h"

#include <stdlib.h>

/* Returns the batch normalisation of the convolution's output. */
static clade_batchnorm_infer_args norm_of(const clade_conv2d_norm_args *a, clade_tensor x)
{
    return (clade_batchnorm_infer_args){.x = x,
                                        .gamma = a->gamma,
                                        .beta = a->beta,
                                        .mean = a->mean,
                                        .var = a->var,
                                        .y = a->y,
                                        .eps = a->eps};
}

static clade_status shape_conv2d_norm(clade_args *args)
{
    clade_conv2d_norm_args *a = &args->conv2d_norm;
    const clade_op op = CLADE_OP_conv2d_norm;
    clade_args conv = {.conv2d = conv_norm_conv(a)};
    clade_status status = check_act(op, a->act);
    if (!status) status = clade_context(clade_op_shape(CLADE_OP_conv2d, &conv), "conv2d_norm");
    if (status) return status;
    a->y = conv.conv2d.y;
    clade_args norm = {.batchnorm_infer = norm_of(a, a->y)};
    status = clade_context(clade_op_shape(CLADE_OP_batchnorm_infer, &norm), "conv2d_norm");
    if (!status && clade_tensor_present(&a->z))
        status = clade_expect_shape(op, "z", &a->z, CLADE_F32, 4, a->y.dim);
    return status;
}

/* ---- reference ---- */

static void run_conv2d_norm(const clade_args *args)
{
    const clade_conv2d_norm_args *a = &args->conv2d_norm;
    REAL *y = real_of(&a->y);
    const REAL *z = clade_tensor_present(&a->z) ? real_of(&a->z) : NULL;
    impl_of(CLADE_OP_conv2d)->run(&(clade_args){.conv2d = conv_norm_conv(a)});
    impl_of(CLADE_OP_batchnorm_infer)->run(&(clade_args){.batchnorm_infer = norm_of(a, a->y)});
    size_t n = clade_tensor_count(&a->y);
    for (size_t i = 0; i < n; i++) y[i] = real_act(a->act, a->alpha, z ? y[i] + z[i] : y[i]);
}

/* ---- ---- bound: the convolution's error times the scale, plus those of the normalisation and the
 * addition, all times the activation's slope ---- ---- */

#ifdef CLADE_ORACLE

static double *room_for(size_t n) { return malloc(n * sizeof(double)); }

static void bound_conv2d_norm(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    clade_conv2d_norm_args a = args->conv2d_norm;
    size_t n = clade_tensor_count(&a.y), c = (size_t)a.y.dim[3];
    const double *z = clade_tensor_present(&a.z) ? real_of(&a.z) : NULL;
    const double *gamma = real_of(&a.gamma), *var = real_of(&a.var);
    double *sums = room_for(n), *y = room_for(n), *each = room_for(n);
    if (!sums || !y || !each) {
        for (size_t i = 0; i < n; i++) bound[i] = 0; /* out of memory: no difference is allowed */
        goto done;
    }
    clade_buffer of_sums = {.host = sums}, of_y = {.host = y};
    a.y.offset = 0;
    a.y.buffer = &of_sums;
    const clade_args conv = {.conv2d = conv_norm_conv(&a)};
    impl_of(CLADE_OP_conv2d)->run(&conv);
    impl_of(CLADE_OP_conv2d)->bound(&conv, 3, each);
    clade_args norm = {.batchnorm_infer = norm_of(&a, a.y)};
    norm.batchnorm_infer.y.buffer = &of_y;
    impl_of(CLADE_OP_batchnorm_infer)->run(&norm);
    impl_of(CLADE_OP_batchnorm_infer)->bound(&norm, 5, bound);
    for (size_t i = 0; i < n; i++) {
        double scale = fabs(gamma[i % c]) / sqrt(var[i % c] + a.eps);
        /* the scale, the difference and the fma each add a few units */
        double error = bound[i] + scale * each[i] * (1 + 10 * CLADE_UNIT);
        double sum = fabs(z ? y[i] + z[i] : y[i]);
        if (z) error += CLADE_UNIT * (sum + error);
        bound[i] = isinf(each[i]) ? each[i] : act_bound(a.act, a.alpha, sum + error, error);
    }
done:
    free(sums);
    free(y);
    free(each);
}

#else
#define bound_conv2d_norm NULL
#endif

static bool transforms_conv2d_norm(const clade_args *args)
{
    const clade_conv2d_norm_args *a = &args->conv2d_norm;
    conv_geometry g = CONV_GEOMETRY(a);
    return conv_is_winograd(&g, &a->w, &a->y);
}

static double flops_conv2d_norm(const clade_args *args)
{
    return product_flops(&args->conv2d_norm.w, &args->conv2d_norm.y);
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case conv2d_norm_cases[] = {
    {CASE_QUICK, "one", "x=1x1x1x1 w=1x1x1x1 b=1 gamma=1 beta=1 mean=1 var=1 z=1x1x1x1 eps=0.001"},
    {CASE_QUICK, "3x3",
     "x=2x7x9x3 w=3x3x3x7 b=7 gamma=7 beta=7 mean=7 var=7 pad=1,1,1,1 eps=0.001 act=relu"},
    {CASE_QUICK, "3x3-add",
     "x=2x9x8x4 w=3x3x4x20 gamma=20 beta=20 mean=20 var=20 z=2x5x4x20 stride=2,2 pad=1,0,1,1 "
     "eps=0.001 act=relu6"},
    {CASE_QUICK, "1x1",
     "x=3x5x5x37 w=1x1x37x24 b=24 gamma=24 beta=24 mean=24 var=24 eps=0.001 act=hard_swish"},
    {CASE_QUICK, "1x1-add",
     "x=2x6x7x16 w=1x1x16x33 gamma=33 beta=33 mean=33 var=33 z=2x6x7x33 eps=0.001"},
    {CASE_FULL, "1x1-wide",
     "x=2x9x13x1024 w=1x1x1024x48 gamma=48 beta=48 mean=48 var=48 z=2x9x13x48 eps=0.001 act=relu"},
    {CASE_FULL, "1x1-stride-2",
     "x=2x7x6x16 w=1x1x16x48 gamma=48 beta=48 mean=48 var=48 stride=2,2 eps=0.001"},
    {CASE_FULL, "groups",
     "x=2x6x7x6 w=3x3x3x10 gamma=10 beta=10 mean=10 var=10 z=2x6x7x10 pad=1,1,1,1 groups=2 "
     "eps=0.001 act=leaky_relu alpha=0.25"},
    {CASE_QUICK, "depthwise",
     "x=2x8x19x48 w=3x3x1x48 gamma=48 beta=48 mean=48 var=48 pad=1,1,1,1 groups=48 eps=0.001 "
     "act=relu6"},
    {CASE_QUICK, "depthwise-add",
     "x=2x9x9x19 w=3x3x1x19 b=19 gamma=19 beta=19 mean=19 var=19 z=2x4x4x19 stride=2,2 pad=0,0,1,1 "
     "groups=19 eps=0.001 act=tanh"},
    {CASE_FULL, "depthwise-5x5",
     "x=1x9x20x24 w=5x5x1x24 gamma=24 beta=24 mean=24 var=24 pad=2,2,2,2 groups=24 eps=0.001 "
     "act=silu"},
    {CASE_QUICK, "winograd",
     "x=4x9x11x17 w=3x3x17x35 gamma=35 beta=35 mean=35 var=35 pad=1,1,1,1 eps=0.001 act=relu"},
    {CASE_QUICK, "winograd-add",
     "x=2x10x8x16 w=3x3x16x16 b=16 gamma=16 beta=16 mean=16 var=16 z=2x10x8x16 pad=1,1,1,1 "
     "eps=0.001 act=relu"},
    {CASE_FULL, "winograd-silu",
     "x=3x14x9x24 w=3x3x24x48 gamma=48 beta=48 mean=48 var=48 z=3x13x9x48 pad=0,2,1,0 eps=0.001 "
     "act=silu"},
    {CASE_TIMED, "training",
     "x=16x28x28x128 w=1x1x128x512 gamma=512 beta=512 mean=512 var=512 z=16x28x28x512 eps=0.001 "
     "act=relu"},
};
#endif

OP_IMPL(conv2d_norm, OP_CASES(conv2d_norm_cases), .bound = bound_conv2d_norm,
        .transforms = transforms_conv2d_norm, .flops = flops_conv2d_norm,
        .domain = {[6] = CLADE_DOMAIN_POSITIVE});
