/* Launcher of kernels/image.cl. */
#include "opencl/grid.h"
#include "opencl/ops.h"

#include <stdio.h>

/* The smallest power of two that covers a row, at most the context's size. */
static size_t group_for(const opencl_context *cl, size_t row)
{
    size_t group = 1;
    while (group < row && group * 2 <= cl->group_size) group *= 2;
    return group;
}

static void affine_sample(opencl_plan *plan, const clade_args *args)
{
    const clade_affine_sample_args *a = &args->affine_sample;
    const size_t n = (size_t)a->y.dim[0], ow = (size_t)a->y.dim[2];
    const size_t row = clade_opencl_shares(plan->cl, ow, ow + 1); /* work-items */
    const size_t columns = ow / row, group = group_for(plan->cl, row);
    char options[16];
    snprintf(options, sizeof options, "-DC=%d", a->x.dim[3]);
    const size_t most = plan->cl->limits.images; /* in one launch */
    for (size_t first = 0; first < n; first += most) {
        opencl_launch l = clade_opencl_begin(plan, "image", "affine_sample", options);
        clade_opencl_tensor(&l, &a->x);
        clade_opencl_tensor(&l, &a->index);
        clade_opencl_tensor(&l, &a->matrix);
        clade_opencl_tensor(&l, &a->y);
        clade_opencl_u64(&l, first);
        clade_opencl_i32(&l, a->x.dim[0]);
        clade_opencl_i32(&l, a->x.dim[1]);
        clade_opencl_i32(&l, a->x.dim[2]);
        clade_opencl_i32(&l, a->y.dim[2]);
        clade_opencl_u64(&l, columns);
        clade_opencl_i32(&l, a->nearest);
        clade_opencl_i32(&l, a->fill);
        clade_opencl_f32(&l, a->value);
        clade_opencl_struct(&l, a->scale, sizeof a->scale);
        clade_opencl_struct(&l, a->shift, sizeof a->shift);
        const size_t left = n - first, images = left < most ? left : most;
        const size_t global[] = {(row + group - 1) / group * group, (size_t)a->y.dim[1], images};
        clade_opencl_run_grid(&l, 3, global, (size_t[]){group, 1, 1});
    }
}

const opencl_op clade_opencl_image_ops[] = {
    {.op = CLADE_OP_affine_sample, .plan = affine_sample},
    {.op = CLADE_OP_none},
};
