/* Launchers of kernels/elementwise.cl. */
#include "opencl/broadcast.h"

size_t clade_opencl_elementwise_workspace(opencl_context *cl, clade_op op, const clade_args *args)
{
    (void)cl;
    return op == CLADE_OP_reduce ? 0 : clade_broadcast_call_workspace(op, args);
}

static bool same_shapes(const clade_tensor *a, const clade_tensor *b)
{
    return clade_tensor_count(a) == clade_tensor_count(b);
}

/* A kernel of a, b and y: NAME where neither is stretched, else NAME_rows. */
typedef struct pairs {
    opencl_launch l;
    const clade_tensor *y;
    bool same;
    broadcast_space space;
    int32_t lanes;
} pairs;

static pairs begin(opencl_context *cl, const char *plain, const char *rows, const clade_tensor *a,
                   const clade_tensor *b, const clade_tensor *y)
{
    pairs p = {.y = y, .same = same_shapes(a, y) && same_shapes(b, y)};
    clade_broadcast_space(y, a, b, &p.space);
    p.lanes = clade_opencl_row_lanes(cl, p.space.size[3]);
    p.l = p.same ? clade_opencl_begin(cl, "elementwise", plain, NULL)
                 : clade_opencl_begin_broadcast(cl, "elementwise", rows, p.space.a, p.space.b,
                                                p.lanes);
    clade_opencl_tensor(&p.l, a);
    clade_opencl_tensor(&p.l, b);
    clade_opencl_tensor(&p.l, y);
    return p;
}

static clade_status run(pairs *p)
{
    return p->same ? clade_opencl_run_each(&p->l, clade_tensor_count(p->y), 1)
                   : clade_opencl_run_broadcast(&p->l, &p->space, p->lanes);
}

static clade_status add(void *context, const clade_add_args *a, void *workspace)
{
    (void)workspace;
    pairs p = begin(context, "add", "add_rows", &a->a, &a->b, &a->y);
    clade_opencl_f32(&p.l, a->alpha);
    clade_opencl_f32(&p.l, a->beta);
    return run(&p);
}

static clade_status mul(void *context, const clade_mul_args *a, void *workspace)
{
    (void)workspace;
    pairs p = begin(context, "mul", "mul_rows", &a->a, &a->b, &a->y);
    return run(&p);
}

/* target = dy other, target of dy's shape. */
static clade_status product(opencl_context *cl, const clade_tensor *dy, const clade_tensor *other,
                            const clade_tensor *target, int32_t accumulate)
{
    pairs p = begin(cl, "product", "product_rows", dy, other, target);
    clade_opencl_i32(&p.l, accumulate);
    return run(&p);
}

/* target = factor dy, of the same shape. */
static clade_status scale(opencl_context *cl, const clade_tensor *dy, float factor,
                          const clade_tensor *target, int32_t accumulate)
{
    opencl_launch l = clade_opencl_begin(cl, "elementwise", "scale", NULL);
    clade_opencl_tensor(&l, dy);
    clade_opencl_tensor(&l, target);
    clade_opencl_f32(&l, factor);
    clade_opencl_i32(&l, accumulate);
    return clade_opencl_run_each(&l, clade_tensor_count(dy), 1);
}

/* target = factor Σ dy, or Σ dy other. */
static clade_status gradient(opencl_context *cl, const clade_tensor *dy, const clade_tensor *other,
                             float factor, const clade_tensor *target, int32_t accumulate,
                             void *workspace)
{
    if (!clade_tensor_present(target)) return CLADE_OK;
    if (!same_shapes(dy, target))
        return clade_opencl_sum(cl, dy, other, target, factor, accumulate, workspace);
    return other ? product(cl, dy, other, target, accumulate)
                 : scale(cl, dy, factor, target, accumulate);
}

static clade_status add_dx(void *context, const clade_add_dx_args *p, void *workspace)
{
    clade_status status =
        gradient(context, &p->dy, NULL, p->alpha, &p->da, p->accumulate, workspace);
    return status ? status
                  : gradient(context, &p->dy, NULL, p->beta, &p->db, p->accumulate, workspace);
}

static clade_status mul_dx(void *context, const clade_mul_dx_args *p, void *workspace)
{
    clade_status status = gradient(context, &p->dy, &p->b, 1, &p->da, p->accumulate, workspace);
    return status ? status : gradient(context, &p->dy, &p->a, 1, &p->db, p->accumulate, workspace);
}

void clade_opencl_elementwise(const opencl_context *cl, opencl_table *table)
{
    (void)cl;
    table->add = add;
    table->add_dx = add_dx;
    table->mul = mul;
    table->mul_dx = mul_dx;
}
