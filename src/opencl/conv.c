/* Convolution and its input gradient: the tables of their algorithms. */
#include "opencl/conv.h"

#include "op/conv_norm.h"

/* ---- convolution ---- */

/* Groups make products with few columns, most of a tile for nothing. */
static bool no_groups(const opencl_context *cl, const clade_args *args)
{
    (void)cl;
    return args->conv2d.groups <= 1;
}

/* Matrix units come first, where the call may use them: they multiply ten times as fast as what
 * comes next. Then Winograd's tiles, as a result then takes 2.25 multiplications for each channel,
 * not 9; on narrow cores, where they take several launches, if that saves time. Then, on narrow
 * cores, implicit products: what im2col writes and reads again, 9 times the images for 3×3, they
 * read from caches, so that a layer has as many times the flops for each byte of memory. On wide
 * cores a barrier costs a loop. */
static const opencl_algorithm conv2d[] = {
    {"matrix", 0, .can = clade_opencl_matrix_conv2d_can, .suits = no_groups, .fuses = opencl_always,
     .halves = opencl_always, .plan = clade_opencl_matrix_conv2d, .factors = true},
    {"winograd", OPENCL_EXACT | OPENCL_EXACT_ONLY | OPENCL_WIDE, .can = clade_opencl_winograd_can,
     .fuses = opencl_always, .halves = clade_opencl_acts_conv2d, .plan = clade_opencl_winograd_wide,
     .factors = true},
    {"winograd", OPENCL_EXACT | OPENCL_EXACT_ONLY | OPENCL_NARROW, .can = clade_opencl_winograd_can,
     .suits = clade_opencl_winograd_suits, .fuses = opencl_always,
     .halves = clade_opencl_acts_conv2d, .plan = clade_opencl_winograd_narrow, .factors = true},
    {"implicit", OPENCL_EXACT | OPENCL_NARROW, .can = clade_opencl_implicit_conv2d_can,
     .suits = no_groups, .fuses = opencl_always, .halves = opencl_always,
     .plan = clade_opencl_implicit_conv2d, .factors = true},
    {"depthwise", OPENCL_EXACT | OPENCL_PLAIN, .can = clade_opencl_depthwise_can,
     .halves = clade_opencl_acts_conv2d, .plan = clade_opencl_depthwise},
    {"direct", OPENCL_EXACT | OPENCL_PLAIN, .can = clade_opencl_direct_can, .fuses = opencl_always,
     .plan = clade_opencl_direct},
    {"gemm", 0, .can = clade_opencl_by_gemm_can, .plan = clade_opencl_by_gemm},
    {.name = NULL}};

/* ---- the input gradient ---- */

static bool no_groups_dx(const opencl_context *cl, const clade_args *args)
{
    (void)cl;
    return args->conv2d_dx.groups <= 1;
}

static const opencl_algorithm conv2d_dx[] = {
    {"matrix", 0, .can = clade_opencl_matrix_conv2d_dx_can, .suits = no_groups_dx,
     .fuses = opencl_always, .halves = opencl_always, .plan = clade_opencl_matrix_conv2d_dx,
     .factors = true},
    {"winograd", OPENCL_EXACT | OPENCL_EXACT_ONLY | OPENCL_WIDE,
     .can = clade_opencl_winograd_dx_can, .fuses = opencl_always, .halves = opencl_always,
     .plan = clade_opencl_winograd_wide_dx, .factors = true},
    {"winograd", OPENCL_EXACT | OPENCL_EXACT_ONLY | OPENCL_NARROW,
     .can = clade_opencl_winograd_dx_can, .suits = clade_opencl_winograd_dx_suits,
     .fuses = opencl_always, .halves = opencl_always, .plan = clade_opencl_winograd_narrow_dx,
     .factors = true},
    {"implicit", OPENCL_EXACT | OPENCL_NARROW, .can = clade_opencl_implicit_conv2d_dx_can,
     .suits = no_groups_dx, .fuses = opencl_always, .halves = opencl_always,
     .plan = clade_opencl_implicit_conv2d_dx, .factors = true},
    {"depthwise", OPENCL_EXACT | OPENCL_PLAIN, .can = clade_opencl_depthwise_dx_can,
     .halves = opencl_always, .plan = clade_opencl_depthwise_dx},
    {"direct", OPENCL_EXACT | OPENCL_PLAIN, .can = clade_opencl_direct_dx_can,
     .plan = clade_opencl_direct_dx},
    {"gemm", 0, .can = clade_opencl_by_gemm_dx_can, .plan = clade_opencl_by_gemm_dx},
    {.name = NULL}};

/* ---- with batch normalisation ---- */

static void norm_inner(const clade_args *args, clade_args *inner)
{
    inner->conv2d = conv_norm_conv(&args->conv2d_norm);
}

static void norm_around(opencl_plan *plan, const clade_args *args, const clade_args *inner,
                        const opencl_algorithm *algorithm)
{
    const clade_conv2d_norm_args *a = &args->conv2d_norm;
    const clade_tensor scale = clade_opencl_part(plan, (uint64_t)a->w.dim[3]);
    const opencl_epilogue epilogue = {.b = a->b,
                                      .mean = a->mean,
                                      .scale = scale,
                                      .beta = a->beta,
                                      .z = a->z,
                                      .act = a->act,
                                      .alpha = a->alpha};
    clade_opencl_norm_scale(plan, &a->gamma, &a->var, a->eps, &scale);
    algorithm->plan(plan, inner, &(opencl_fusion){.epilogue = &epilogue});
}

const opencl_op clade_opencl_conv_ops[] = {
    {.op = CLADE_OP_conv2d, .halves = OPENCL_ALIKE, .algorithms = conv2d},
    {.op = CLADE_OP_conv2d_dx, .halves = OPENCL_ALIKE, .algorithms = conv2d_dx},
    {.op = CLADE_OP_conv2d_norm,
     .halves = OPENCL_ALIKE,
     .inner_op = CLADE_OP_conv2d,
     .inner = norm_inner,
     .around = norm_around},
    {.op = CLADE_OP_none},
};
