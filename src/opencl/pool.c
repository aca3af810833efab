/* Launchers of kernels/pool.cl. */
#include "opencl/opencl.h"
#include "opencl/rows.h"

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

static opencl_launch begin(opencl_context *cl, const char *kernel, const geometry *g)
{
    const int32_t *pad = g->pad;
    bool two = !(pad[0] | pad[1] | pad[2] | pad[3]) && g->window[0] == 2 && g->window[1] == 2 &&
               stride_of(g, 0) == 2 && stride_of(g, 1) == 2;
    return clade_opencl_begin_lanes(cl, "pool", kernel, g->x->dim[3], two ? "-DPOOL_TWO" : "");
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
static clade_status run(opencl_launch *l, const geometry *g, int32_t height, int32_t width)
{
    int32_t c = g->x->dim[3];
    uint64_t vectors = (uint64_t)(c / clade_opencl_lanes(l->cl, c));
    return clade_opencl_run_rows(l, (uint64_t)width * vectors,
                                 (uint64_t)g->x->dim[0] * (uint64_t)height);
}

static clade_status maxpool2d(void *context, const clade_maxpool2d_args *a, void *workspace)
{
    (void)workspace;
    geometry g = {&a->x, &a->y, a->window, a->stride, a->pad};
    opencl_launch l = begin(context, "maxpool2d", &g);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_tensor(&l, &a->index);
    clade_opencl_i32(&l, clade_tensor_present(&a->index));
    shape(&l, &g);
    return run(&l, &g, a->y.dim[1], a->y.dim[2]);
}

static clade_status maxpool2d_dx(void *context, const clade_maxpool2d_dx_args *a, void *workspace)
{
    (void)workspace;
    geometry g = {&a->dx, &a->dy, a->window, a->stride, a->pad};
    const int32_t *window = a->window;
    bool tiled = stride_of(&g, 0) == window[0] && stride_of(&g, 1) == window[1];
    opencl_launch l = begin(context, tiled ? "maxpool2d_unpool" : "maxpool2d_gather", &g);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->index);
    clade_opencl_tensor(&l, &a->dx);
    shape(&l, &g);
    clade_opencl_i32(&l, a->accumulate);
    int32_t h = a->dx.dim[1], w = a->dx.dim[2];
    if (!tiled) return run(&l, &g, h, w);
    return run(&l, &g, (h + a->pad[0] + window[0] - 1) / window[0],
               (w + a->pad[1] + window[1] - 1) / window[1]);
}

static clade_status avgpool2d(void *context, const clade_avgpool2d_args *a, void *workspace)
{
    (void)workspace;
    geometry g = {&a->x, &a->y, a->window, a->stride, a->pad};
    opencl_launch l = begin(context, "avgpool2d", &g);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    shape(&l, &g);
    clade_opencl_i32(&l, a->count_pad);
    return run(&l, &g, a->y.dim[1], a->y.dim[2]);
}

static clade_status avgpool2d_dx(void *context, const clade_avgpool2d_dx_args *a, void *workspace)
{
    (void)workspace;
    geometry g = {&a->dx, &a->dy, a->window, a->stride, a->pad};
    opencl_launch l = begin(context, "avgpool2d_dx", &g);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->dx);
    shape(&l, &g);
    clade_opencl_i32(&l, a->count_pad);
    clade_opencl_i32(&l, a->accumulate);
    return run(&l, &g, a->dx.dim[1], a->dx.dim[2]);
}

static clade_status global_avgpool(void *context, const clade_global_avgpool_args *a,
                                   void *workspace)
{
    (void)workspace;
    int32_t n = a->x.dim[0], c = a->x.dim[3];
    opencl_launch l = clade_opencl_begin_lanes(context, "pool", "global_avgpool", c, "");
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_i32(&l, n);
    clade_opencl_u64(&l, (uint64_t)a->x.dim[1] * (uint64_t)a->x.dim[2]);
    clade_opencl_i32(&l, c);
    return clade_opencl_run_rows(&l, (uint64_t)(c / clade_opencl_lanes(context, c)), (uint64_t)n);
}

static clade_status global_avgpool_dx(void *context, const clade_global_avgpool_dx_args *a,
                                      void *workspace)
{
    (void)workspace;
    const int32_t *dim = a->dx.dim;
    opencl_launch l = clade_opencl_begin_lanes(context, "pool", "global_avgpool_dx", dim[3], "");
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->dx);
    for (int i = 0; i < 4; i++) clade_opencl_i32(&l, dim[i]);
    clade_opencl_i32(&l, a->accumulate);
    uint64_t vectors = (uint64_t)(dim[3] / clade_opencl_lanes(context, dim[3]));
    return clade_opencl_run_rows(&l, (uint64_t)dim[2] * vectors,
                                 (uint64_t)dim[0] * (uint64_t)dim[1]);
}

void clade_opencl_pool(const opencl_context *cl, opencl_table *table)
{
    (void)cl;
    table->maxpool2d = maxpool2d;
    table->maxpool2d_dx = maxpool2d_dx;
    table->avgpool2d = avgpool2d;
    table->avgpool2d_dx = avgpool2d_dx;
    table->global_avgpool = global_avgpool;
    table->global_avgpool_dx = global_avgpool_dx;
}
