/* conv2d_norm: shape rule, reference that runs the ops it is made of one after the other, bound and
 * cases. */
#include "op/conv_norm.h"
#include "op/activation.h"

#include <stdlib.h>

/* Batch normalisation of what the convolution gave. */
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

/* ---- bound: the convolution's, times the scale; then the normalisation's own and that of the
 * addition, times the activation's slope ---- */

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
        for (size_t i = 0; i < n; i++) bound[i] = 0; /* without memory nothing may differ */
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
    double slope = act_slope(a.act, a.alpha);
    for (size_t i = 0; i < n; i++) {
        double scale = fabs(gamma[i % c]) / sqrt(var[i % c] + a.eps);
        /* the scale, the difference and the fma are each off by a few units on top */
        double error = bound[i] + scale * each[i] * (1 + 10 * CLADE_UNIT);
        double sum = fabs(z ? y[i] + z[i] : y[i]);
        if (z) error += CLADE_UNIT * (sum + error);
        bound[i] = slope * error + act_error(a.act, sum + error);
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

#define CASE(name, full, k, ...)                                                                   \
    {                                                                                              \
        name, full,                                                                                \
        {                                                                                          \
            .conv2d_norm = {                                                                       \
                .gamma = F32_1(k),                                                                 \
                .beta = F32_1(k),                                                                  \
                .mean = F32_1(k),                                                                  \
                .var = F32_1(k),                                                                   \
                .eps = 1e-3f,                                                                      \
                __VA_ARGS__                                                                        \
            }                                                                                      \
        }                                                                                          \
    }
#define SAME .pad = {1, 1, 1, 1}

static const clade_case conv2d_norm_cases[] = {
    CASE("one", false, 1, .x = F32_4(1, 1, 1, 1), .w = F32_4(1, 1, 1, 1), .b = F32_1(1),
         .z = F32_4(1, 1, 1, 1)),
    CASE("3x3", false, 7, .x = F32_4(2, 7, 9, 3), .w = F32_4(3, 3, 3, 7), .b = F32_1(7), SAME,
         .act = CLADE_RELU),
    CASE("3x3-add", false, 20, .x = F32_4(2, 9, 8, 4), .w = F32_4(3, 3, 4, 20), .stride = {2, 2},
         .pad = {1, 0, 1, 1}, .z = F32_4(2, 5, 4, 20), .act = CLADE_RELU6),
    CASE("1x1", false, 24, .x = F32_4(3, 5, 5, 37), .w = F32_4(1, 1, 37, 24), .b = F32_1(24),
         .act = CLADE_HARD_SWISH),
    CASE("1x1-add", false, 33, .x = F32_4(2, 6, 7, 16), .w = F32_4(1, 1, 16, 33),
         .z = F32_4(2, 6, 7, 33)),
    CASE("1x1-wide", true, 48, .x = F32_4(2, 9, 13, 1024), .w = F32_4(1, 1, 1024, 48),
         .z = F32_4(2, 9, 13, 48), .act = CLADE_RELU),
    CASE("1x1-stride-2", true, 48, .x = F32_4(2, 7, 6, 16), .w = F32_4(1, 1, 16, 48),
         .stride = {2, 2}),
    CASE("groups", true, 10, .x = F32_4(2, 6, 7, 6), .w = F32_4(3, 3, 3, 10), SAME, .groups = 2,
         .z = F32_4(2, 6, 7, 10), .act = CLADE_LEAKY_RELU, .alpha = 0.25f),
    CASE("depthwise", false, 48, .x = F32_4(2, 8, 19, 48), .w = F32_4(3, 3, 1, 48), SAME,
         .groups = 48, .act = CLADE_RELU6),
    CASE("depthwise-add", false, 19, .x = F32_4(2, 9, 9, 19), .w = F32_4(3, 3, 1, 19),
         .b = F32_1(19), .stride = {2, 2}, .pad = {0, 0, 1, 1}, .groups = 19,
         .z = F32_4(2, 4, 4, 19), .act = CLADE_TANH),
    CASE("depthwise-5x5", true, 24, .x = F32_4(1, 9, 20, 24), .w = F32_4(5, 5, 1, 24),
         .pad = {2, 2, 2, 2}, .groups = 24, .act = CLADE_SILU),
    CASE("winograd", false, 35, .x = F32_4(4, 9, 11, 17), .w = F32_4(3, 3, 17, 35), SAME,
         .act = CLADE_RELU),
    CASE("winograd-add", false, 16, .x = F32_4(2, 10, 8, 16), .w = F32_4(3, 3, 16, 16),
         .b = F32_1(16), SAME, .z = F32_4(2, 10, 8, 16), .act = CLADE_RELU),
    CASE("winograd-silu", true, 48, .x = F32_4(3, 14, 9, 24), .w = F32_4(3, 3, 24, 48),
         .pad = {0, 2, 1, 0}, .z = F32_4(3, 13, 9, 48), .act = CLADE_SILU),
};

OP_IMPL(conv2d_norm, OP_CASES(conv2d_norm_cases), .bound = bound_conv2d_norm,
        .transforms = transforms_conv2d_norm, .flops = flops_conv2d_norm,
        .domain = {[6] = CLADE_DOMAIN_POSITIVE});
