/* Launchers of kernels/pool.cl. */
#include "opencl/ops.h"
#include "opencl/tree.h"

#include "../../kernels/portable.clh"
#include "../../kernels/math.clh"

typedef struct geometry {
    const clade_tensor *x, *y; /* the larger and the pooled tensor */
    const int32_t *window, *stride, *pad;
} geometry;

static int32_t stride_of(const geometry *g, int axis)
{
    return g->stride[axis] ? g->stride[axis] : g->window[axis];
}

static opencl_launch begin(opencl_plan *plan, const char *kernel, const geometry *g)
{
    const int32_t *pad = g->pad;
    bool two = !(pad[0] | pad[1] | pad[2] | pad[3]) && g->window[0] == 2 && g->window[1] == 2 &&
               stride_of(g, 0) == 2 && stride_of(g, 1) == 2;
    return clade_opencl_begin_lanes(plan, "pool", kernel, g->x->dim[3], two ? "-DPOOL_TWO" : "");
}

/* The kernels' POOL_ARGUMENTS. */
static void shape(opencl_launch *l, const geometry *g)
{
    for (int i = 0; i < 4; i++) clade_opencl_i32(l, g->x->dim[i]);
    for (int i = 1; i < 3; i++) clade_opencl_i32(l, g->y->dim[i]);
    for (int i = 0; i < 2; i++) clade_opencl_i32(l, g->window[i]);
    for (int i = 0; i < 2; i++) clade_opencl_i32(l, stride_of(g, i));
    for (int i = 0; i < 2; i++) clade_opencl_i32(l, g->pad[i]);
    clade_opencl_f32(l, math_rcp((float)(g->window[0] * g->window[1])));
}

/* n images of `height` rows of `width` columns. */
static void run(opencl_launch *l, const geometry *g, int32_t height, int32_t width)
{
    int32_t c = g->x->dim[3];
    uint64_t vectors = (uint64_t)(c / clade_opencl_lanes(l->plan->cl, c));
    clade_opencl_run_rows(l, (uint64_t)width * vectors, (uint64_t)g->x->dim[0] * (uint64_t)height);
}

static void maxpool2d(opencl_plan *plan, const clade_args *args)
{
    const clade_maxpool2d_args *a = &args->maxpool2d;
    geometry g = {&a->x, &a->y, a->window, a->stride, a->pad};
    opencl_launch l = begin(plan, "maxpool2d", &g);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_tensor(&l, &a->index);
    clade_opencl_i32(&l, clade_tensor_present(&a->index));
    shape(&l, &g);
    run(&l, &g, a->y.dim[1], a->y.dim[2]);
}

void clade_opencl_unpool(opencl_plan *plan, const clade_args *args)
{
    const clade_maxpool2d_dx_args *a = &args->maxpool2d_dx;
    geometry g = {&a->dx, &a->dy, a->window, a->stride, a->pad};
    const int32_t *window = a->window;
    bool tiled = stride_of(&g, 0) == window[0] && stride_of(&g, 1) == window[1];
    opencl_launch l = begin(plan, tiled ? "maxpool2d_unpool" : "maxpool2d_gather", &g);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->index);
    clade_opencl_tensor(&l, &a->dx);
    shape(&l, &g);
    clade_opencl_i32(&l, a->accumulate);
    int32_t h = a->dx.dim[1], w = a->dx.dim[2];
    if (tiled) {
        h = (h + a->pad[0] + window[0] - 1) / window[0];
        w = (w + a->pad[1] + window[1] - 1) / window[1];
    }
    run(&l, &g, h, w);
}

static void avgpool2d(opencl_plan *plan, const clade_args *args)
{
    const clade_avgpool2d_args *a = &args->avgpool2d;
    geometry g = {&a->x, &a->y, a->window, a->stride, a->pad};
    opencl_launch l = begin(plan, "avgpool2d", &g);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    shape(&l, &g);
    clade_opencl_i32(&l, a->count_pad);
    run(&l, &g, a->y.dim[1], a->y.dim[2]);
}

static void avgpool2d_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_avgpool2d_dx_args *a = &args->avgpool2d_dx;
    geometry g = {&a->dx, &a->dy, a->window, a->stride, a->pad};
    opencl_launch l = begin(plan, "avgpool2d_dx", &g);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->dx);
    shape(&l, &g);
    clade_opencl_i32(&l, a->count_pad);
    clade_opencl_i32(&l, a->accumulate);
    run(&l, &g, a->dx.dim[1], a->dx.dim[2]);
}

static void global_avgpool(opencl_plan *plan, const clade_args *args)
{
    const clade_global_avgpool_args *a = &args->global_avgpool;
    const int64_t area = (int64_t)a->x.dim[1] * a->x.dim[2];
    clade_opencl_sum_rows(plan, (opencl_terms){.x = &a->x}, (uint64_t)a->x.dim[0], area,
                          a->x.dim[3], &a->y, math_rcp((float)area), 0);
}

static void global_avgpool_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_global_avgpool_dx_args *a = &args->global_avgpool_dx;
    const int32_t *dim = a->dx.dim;
    opencl_launch l = clade_opencl_begin_lanes(plan, "pool", "global_avgpool_dx", dim[3], "");
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->dx);
    for (int i = 0; i < 4; i++) clade_opencl_i32(&l, dim[i]);
    clade_opencl_i32(&l, a->accumulate);
    uint64_t vectors = (uint64_t)(dim[3] / clade_opencl_lanes(plan->cl, dim[3]));
    clade_opencl_run_rows(&l, (uint64_t)dim[2] * vectors, (uint64_t)dim[0] * (uint64_t)dim[1]);
}

static void global_maxpool(opencl_plan *plan, const clade_args *args)
{
    const clade_global_maxpool_args *a = &args->global_maxpool;
    int32_t n = a->x.dim[0], c = a->x.dim[3];
    opencl_launch l = clade_opencl_begin_lanes(plan, "pool", "global_maxpool", c, "");
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_tensor(&l, &a->index);
    clade_opencl_i32(&l, clade_tensor_present(&a->index));
    clade_opencl_i32(&l, n);
    clade_opencl_i32(&l, a->x.dim[1] * a->x.dim[2]);
    clade_opencl_i32(&l, c);
    clade_opencl_run_rows(&l, (uint64_t)(c / clade_opencl_lanes(plan->cl, c)), (uint64_t)n);
}

static void global_maxpool_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_global_maxpool_dx_args *a = &args->global_maxpool_dx;
    const int32_t *dim = a->dx.dim;
    opencl_launch l = clade_opencl_begin_lanes(plan, "pool", "global_maxpool_dx", dim[3], "");
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->index);
    clade_opencl_tensor(&l, &a->dx);
    for (int i = 0; i < 4; i++) clade_opencl_i32(&l, dim[i]);
    clade_opencl_i32(&l, a->accumulate);
    uint64_t vectors = (uint64_t)(dim[3] / clade_opencl_lanes(plan->cl, dim[3]));
    clade_opencl_run_rows(&l, (uint64_t)dim[2] * vectors, (uint64_t)dim[0] * (uint64_t)dim[1]);
}

const opencl_op clade_opencl_pool_ops[] = {
    {.op = CLADE_OP_maxpool2d, .halves = OPENCL_ALIKE, .plan = maxpool2d},
    {.op = CLADE_OP_maxpool2d_dx, .halves = OPENCL_ALIKE, .plan = clade_opencl_unpool},
    {.op = CLADE_OP_avgpool2d, .halves = OPENCL_ALIKE, .plan = avgpool2d},
    {.op = CLADE_OP_avgpool2d_dx, .halves = OPENCL_ALIKE, .plan = avgpool2d_dx},
    {.op = CLADE_OP_global_avgpool, .halves = OPENCL_ALIKE, .plan = global_avgpool},
    {.op = CLADE_OP_global_avgpool_dx, .halves = OPENCL_ALIKE, .plan = global_avgpool_dx},
    {.op = CLADE_OP_global_maxpool, .halves = OPENCL_ALIKE, .plan = global_maxpool},
    {.op = CLADE_OP_global_maxpool_dx, .halves = OPENCL_ALIKE, .plan = global_maxpool_dx},
    {.op = CLADE_OP_none},
};
