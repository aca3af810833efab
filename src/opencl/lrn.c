/* Launchers of kernels/lrn.cl. */
#include "opencl/grid.h"
#include "opencl/ops.h"

#include "../../kernels/math.clh"

/* The arguments c, size, bias, scale, beta. */
static void parameters(opencl_launch *l, const clade_tensor *x, int32_t size, float k, float alpha,
                       float beta)
{
    clade_opencl_i32(l, x->dim[x->rank - 1]);
    clade_opencl_i32(l, size);
    clade_opencl_f32(l, k);
    clade_opencl_f32(l, math_div(alpha, (float)size));
    clade_opencl_f32(l, beta);
}

/* The last arguments, ELEMENTS, and the launch: single elements, or places with all channels. */
static void run(opencl_launch *l, const clade_tensor *x, bool places)
{
    const uint64_t n = clade_tensor_count(x), c = (uint64_t)x->dim[x->rank - 1];
    clade_opencl_run_each(l, places ? n / c : n, places ? c : 1);
}

static void forward(opencl_plan *plan, const clade_lrn_args *a, bool places)
{
    opencl_launch l = clade_opencl_begin(plan, "lrn", places ? "lrn_places" : "lrn", NULL);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    parameters(&l, &a->x, a->size, a->k, a->alpha, a->beta);
    run(&l, &a->x, places);
}

static void lrn_places(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    forward(plan, &args->lrn, true);
}

static void lrn_elements(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    forward(plan, &args->lrn, false);
}

static void lrn_dx_places(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_lrn_dx_args *a = &args->lrn_dx;
    opencl_launch l = clade_opencl_begin(plan, "lrn", "lrn_dx_places", NULL);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->dx);
    parameters(&l, &a->x, a->size, a->k, a->alpha, a->beta);
    clade_opencl_i32(&l, a->accumulate);
    run(&l, &a->x, true);
}

/* With one float per element that all of its neighbours need. */
static void lrn_dx_elements(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_lrn_dx_args *a = &args->lrn_dx;
    const clade_tensor terms = clade_opencl_part(plan, clade_tensor_count(&a->x));
    opencl_launch l = clade_opencl_begin(plan, "lrn", "lrn_terms", NULL);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_memory(&l, &terms);
    parameters(&l, &a->x, a->size, a->k, a->alpha, a->beta);
    run(&l, &a->x, false);

    l = clade_opencl_begin(plan, "lrn", "lrn_dx", NULL);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_memory(&l, &terms);
    clade_opencl_tensor(&l, &a->dx);
    parameters(&l, &a->x, a->size, a->k, a->alpha, a->beta);
    clade_opencl_i32(&l, a->accumulate);
    run(&l, &a->x, false);
}

static const opencl_algorithm lrn[] = {
    {"places", OPENCL_EXACT | OPENCL_WIDE, .halves = opencl_always, .plan = lrn_places},
    {"elements", OPENCL_EXACT | OPENCL_NARROW, .halves = opencl_always, .plan = lrn_elements},
    {.name = NULL}};
static const opencl_algorithm lrn_dx[] = {
    {"places", OPENCL_EXACT | OPENCL_WIDE, .halves = opencl_always, .plan = lrn_dx_places},
    {"elements", OPENCL_EXACT | OPENCL_NARROW, .halves = opencl_always, .plan = lrn_dx_elements},
    {.name = NULL}};

const opencl_op clade_opencl_lrn_ops[] = {
    {.op = CLADE_OP_lrn, .halves = OPENCL_ALIKE, .algorithms = lrn},
    {.op = CLADE_OP_lrn_dx, .halves = OPENCL_ALIKE, .algorithms = lrn_dx},
    {.op = CLADE_OP_none},
};
