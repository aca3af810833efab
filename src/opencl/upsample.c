/* Launchers of kernels/upsample.cl. */
#include "opencl/grid.h"
#include "opencl/ops.h"

#include <stdio.h>

typedef struct upsample_geometry {
    const clade_tensor *x; /* the smaller tensor */
    const int32_t *size;
    int32_t bilinear, align_corners;
} upsample_geometry;

/* The vectors of a pixel. */
static int32_t vectors_of(const opencl_plan *plan, const clade_tensor *t)
{
    return t->dim[3] / clade_opencl_lanes(plan->cl, (uint64_t)t->dim[3]);
}

/* A kernel whose work-items do `vectors` of them at once. */
static opencl_launch begin(opencl_plan *plan, const char *kernel, const upsample_geometry *g,
                           int32_t vectors)
{
    char options[32];
    snprintf(options, sizeof options, "-DBILINEAR=%d -DNV=%d", g->bilinear != 0, vectors);
    return clade_opencl_begin_lanes(plan, "upsample", kernel, (uint64_t)g->x->dim[3], options);
}

/* The kernels' UPSAMPLE_ARGUMENTS. */
static void shape(opencl_launch *l, const upsample_geometry *g)
{
    for (int i = 0; i < 4; i++) clade_opencl_i32(l, g->x->dim[i]);
    for (int i = 0; i < 2; i++) clade_opencl_i32(l, g->size[i]);
    clade_opencl_i32(l, g->align_corners != 0);
}

static void run(opencl_launch *l, const clade_tensor *to, int32_t vectors)
{
    clade_opencl_run_rows(l, (uint64_t)to->dim[2] * (uint64_t)(vectors_of(l->plan, to) / vectors),
                          (uint64_t)to->dim[0] * (uint64_t)to->dim[1]);
}

static void upsample2d(opencl_plan *plan, const clade_args *args)
{
    const clade_upsample2d_args *a = &args->upsample2d;
    const upsample_geometry g = {&a->x, a->size, a->bilinear, a->align_corners};
    opencl_launch l = begin(plan, "upsample2d", &g, 1);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    shape(&l, &g);
    run(&l, &a->y, 1);
}

static void upsample2d_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_upsample2d_dx_args *a = &args->upsample2d_dx;
    const upsample_geometry g = {&a->dx, a->size, a->bilinear, a->align_corners};
    int32_t vectors = clade_opencl_sum_vectors(plan->cl, vectors_of(plan, &a->dx));
    opencl_launch l = begin(plan, "upsample2d_dx", &g, vectors);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->dx);
    shape(&l, &g);
    clade_opencl_i32(&l, a->accumulate);
    run(&l, &a->dx, vectors);
}

const opencl_op clade_opencl_upsample_ops[] = {
    {.op = CLADE_OP_upsample2d, .halves = OPENCL_ALIKE, .plan = upsample2d},
    {.op = CLADE_OP_upsample2d_dx, .halves = OPENCL_ALIKE, .plan = upsample2d_dx},
    {.op = CLADE_OP_none},
};
