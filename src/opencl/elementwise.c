/* Launchers of kernels/elementwise.cl. */
#include "opencl/broadcast.h"

size_t clade_opencl_elementwise_scratch(opencl_context *cl, clade_op op, const clade_args *args)
{
    (void)cl;
    return op == CLADE_OP_reduce ? 0 : clade_broadcast_call_scratch(op, args);
}

static bool same_shapes(const clade_tensor *a, const clade_tensor *b)
{
    return clade_tensor_count(a) == clade_tensor_count(b);
}

static clade_status add(void *context, const clade_add_args *p, void *scratch)
{
    (void)scratch;
    bool same = same_shapes(&p->a, &p->y) && same_shapes(&p->b, &p->y);
    size_t n = clade_tensor_count(&p->y);
    broadcast_space space;
    clade_broadcast_space(&p->y, &p->a, &p->b, &space);
    int32_t lanes = clade_opencl_row_lanes(context, space.size[3]);
    opencl_launch l = same ? clade_opencl_begin(context, "elementwise", "add", NULL)
                           : clade_opencl_begin_rows(context, "elementwise", "add_rows", lanes);
    clade_opencl_tensor(&l, &p->a);
    clade_opencl_tensor(&l, &p->b);
    clade_opencl_tensor(&l, &p->y);
    if (same) clade_opencl_u64(&l, n);
    clade_opencl_f32(&l, p->alpha);
    clade_opencl_f32(&l, p->beta);
    return same ? clade_opencl_run_elements(&l, n) : clade_opencl_run_broadcast(&l, &space, lanes);
}

static clade_status mul(void *context, const clade_mul_args *p, void *scratch)
{
    (void)scratch;
    bool same = same_shapes(&p->a, &p->y) && same_shapes(&p->b, &p->y);
    size_t n = clade_tensor_count(&p->y);
    broadcast_space space;
    clade_broadcast_space(&p->y, &p->a, &p->b, &space);
    int32_t lanes = clade_opencl_row_lanes(context, space.size[3]);
    opencl_launch l = same ? clade_opencl_begin(context, "elementwise", "mul", NULL)
                           : clade_opencl_begin_rows(context, "elementwise", "mul_rows", lanes);
    clade_opencl_tensor(&l, &p->a);
    clade_opencl_tensor(&l, &p->b);
    clade_opencl_tensor(&l, &p->y);
    if (same) clade_opencl_u64(&l, n);
    return same ? clade_opencl_run_elements(&l, n) : clade_opencl_run_broadcast(&l, &space, lanes);
}

/* target = factor dy, of the same shape. */
static clade_status scale(opencl_context *cl, const clade_tensor *dy, float factor,
                          const clade_tensor *target, int32_t accumulate)
{
    opencl_launch l = clade_opencl_begin(cl, "elementwise", "scale", NULL);
    size_t n = clade_tensor_count(dy);
    clade_opencl_tensor(&l, dy);
    clade_opencl_tensor(&l, target);
    clade_opencl_u64(&l, n);
    clade_opencl_f32(&l, factor);
    clade_opencl_i32(&l, accumulate);
    return clade_opencl_run_elements(&l, n);
}

/* target = dy other, target of dy's shape. */
static clade_status product(opencl_context *cl, const clade_tensor *dy, const clade_tensor *other,
                            const clade_tensor *target, int32_t accumulate)
{
    bool same = same_shapes(other, dy);
    size_t n = clade_tensor_count(dy);
    broadcast_space space;
    clade_broadcast_space(dy, dy, other, &space);
    int32_t lanes = clade_opencl_row_lanes(cl, space.size[3]);
    opencl_launch l = same ? clade_opencl_begin(cl, "elementwise", "product", NULL)
                           : clade_opencl_begin_rows(cl, "elementwise", "product_rows", lanes);
    clade_opencl_tensor(&l, dy);
    clade_opencl_tensor(&l, other);
    clade_opencl_tensor(&l, target);
    if (same) clade_opencl_u64(&l, n);
    clade_opencl_i32(&l, accumulate);
    return same ? clade_opencl_run_elements(&l, n) : clade_opencl_run_broadcast(&l, &space, lanes);
}

/* target = factor Σ dy, or Σ dy other. */
static clade_status gradient(opencl_context *cl, const clade_tensor *dy, const clade_tensor *other,
                             float factor, const clade_tensor *target, int32_t accumulate,
                             void *scratch)
{
    if (!clade_tensor_present(target)) return CLADE_OK;
    if (!same_shapes(dy, target))
        return clade_opencl_sum(cl, dy, other, target, factor, accumulate, scratch);
    return other ? product(cl, dy, other, target, accumulate)
                 : scale(cl, dy, factor, target, accumulate);
}

static clade_status add_dx(void *context, const clade_add_dx_args *p, void *scratch)
{
    clade_status status = gradient(context, &p->dy, NULL, p->alpha, &p->da, p->accumulate, scratch);
    return status ? status
                  : gradient(context, &p->dy, NULL, p->beta, &p->db, p->accumulate, scratch);
}

static clade_status mul_dx(void *context, const clade_mul_dx_args *p, void *scratch)
{
    clade_status status = gradient(context, &p->dy, &p->b, 1, &p->da, p->accumulate, scratch);
    return status ? status : gradient(context, &p->dy, &p->a, 1, &p->db, p->accumulate, scratch);
}

void clade_opencl_elementwise(const opencl_context *cl, clade_backend *table)
{
    (void)cl;
    table->add = add;
    table->add_dx = add_dx;
    table->mul = mul;
    table->mul_dx = mul_dx;
}
