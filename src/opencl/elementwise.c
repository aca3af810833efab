/* Launchers of kernels/elementwise.cl. */
#include "opencl/broadcast.h"
#include "opencl/ops.h"

static bool same_shapes(const clade_tensor *a, const clade_tensor *b)
{
    return clade_tensor_count(a) == clade_tensor_count(b);
}

/* A kernel of a, b and y: `plain`, if there is one, where neither is stretched, else `rows`. */
typedef struct pairs {
    opencl_launch l;
    const clade_tensor *y;
    bool same;
    broadcast_space space;
    int32_t lanes;
} pairs;

static pairs begin(opencl_plan *plan, const char *plain, const char *rows, const clade_tensor *a,
                   const clade_tensor *b, const clade_tensor *y)
{
    pairs p = {.y = y, .same = plain && same_shapes(a, y) && same_shapes(b, y)};
    clade_broadcast_space(y, a, b, &p.space);
    p.lanes = clade_opencl_lanes(plan->cl, p.space.size[3]);
    p.l = p.same ? clade_opencl_begin(plan, "elementwise", plain, NULL)
                 : clade_opencl_begin_broadcast(plan, "elementwise", rows, p.space.a, p.space.b,
                                                p.lanes);
    clade_opencl_tensor(&p.l, a);
    clade_opencl_tensor(&p.l, b);
    clade_opencl_tensor(&p.l, y);
    return p;
}

static void run(pairs *p)
{
    if (p->same)
        clade_opencl_run_each(&p->l, clade_tensor_count(p->y), 1);
    else
        clade_opencl_run_broadcast(&p->l, &p->space, p->lanes);
}

static void add(opencl_plan *plan, const clade_args *args)
{
    const clade_add_args *a = &args->add;
    pairs p = begin(plan, "add", "add_rows", &a->a, &a->b, &a->y);
    clade_opencl_f32(&p.l, a->alpha);
    clade_opencl_f32(&p.l, a->beta);
    run(&p);
}

static void mul(opencl_plan *plan, const clade_args *args)
{
    const clade_mul_args *a = &args->mul;
    pairs p = begin(plan, "mul", "mul_rows", &a->a, &a->b, &a->y);
    run(&p);
}

/* target = dy other, target of dy's shape. */
static void product(opencl_plan *plan, const clade_tensor *dy, const clade_tensor *other,
                    const clade_tensor *target, int32_t accumulate)
{
    pairs p = begin(plan, "product", "product_rows", dy, other, target);
    clade_opencl_i32(&p.l, accumulate);
    run(&p);
}

/* target = factor dy, of the same shape. */
static void scale(opencl_plan *plan, const clade_tensor *dy, float factor,
                  const clade_tensor *target, int32_t accumulate)
{
    opencl_launch l = clade_opencl_begin(plan, "elementwise", "scale", NULL);
    clade_opencl_tensor(&l, dy);
    clade_opencl_tensor(&l, target);
    clade_opencl_f32(&l, factor);
    clade_opencl_i32(&l, accumulate);
    clade_opencl_run_each(&l, clade_tensor_count(dy), 1);
}

/* target = factor Σ dy, or Σ dy other. */
static void gradient(opencl_plan *plan, const clade_tensor *dy, const clade_tensor *other,
                     float factor, const clade_tensor *target, int32_t accumulate)
{
    if (!clade_tensor_present(target)) return;
    if (!same_shapes(dy, target))
        clade_opencl_sum(plan, dy, other, false, target, factor, accumulate);
    else if (other)
        product(plan, dy, other, target, accumulate);
    else
        scale(plan, dy, factor, target, accumulate);
}

static void add_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_add_dx_args *p = &args->add_dx;
    gradient(plan, &p->dy, NULL, p->alpha, &p->da, p->accumulate);
    gradient(plan, &p->dy, NULL, p->beta, &p->db, p->accumulate);
}

static void mul_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_mul_dx_args *p = &args->mul_dx;
    gradient(plan, &p->dy, &p->b, 1, &p->da, p->accumulate);
    gradient(plan, &p->dy, &p->a, 1, &p->db, p->accumulate);
}

static void prelu(opencl_plan *plan, const clade_args *args)
{
    const clade_prelu_args *a = &args->prelu;
    pairs p = begin(plan, NULL, "prelu_rows", &a->x, &a->alpha, &a->y);
    run(&p);
}

static void prelu_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_prelu_dx_args *a = &args->prelu_dx;
    if (clade_tensor_present(&a->dx)) {
        pairs p = begin(plan, NULL, "prelu_dx_rows", &a->x, &a->alpha, &a->dx);
        clade_opencl_tensor(&p.l, &a->dy);
        clade_opencl_i32(&p.l, a->accumulate);
        run(&p);
    }
    if (clade_tensor_present(&a->dalpha))
        clade_opencl_sum(plan, &a->dy, &a->x, true, &a->dalpha, 1, a->accumulate);
}

const opencl_op clade_opencl_elementwise_ops[] = {
    {.op = CLADE_OP_add, .halves = OPENCL_ALIKE, .plan = add},
    {.op = CLADE_OP_add_dx, .halves = OPENCL_ALIKE, .plan = add_dx},
    {.op = CLADE_OP_mul, .halves = OPENCL_ALIKE, .plan = mul},
    {.op = CLADE_OP_mul_dx, .halves = OPENCL_ALIKE, .plan = mul_dx},
    {.op = CLADE_OP_prelu, .halves = OPENCL_ALIKE, .plan = prelu},
    {.op = CLADE_OP_prelu_dx, .halves = OPENCL_ALIKE, .plan = prelu_dx},
    {.op = CLADE_OP_none},
};
