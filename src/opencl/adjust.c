/* Launchers of kernels/adjust.cl. */
#include "opencl/grid.h"
#include "opencl/ops.h"

enum {
    group_most = 256,     /* sums of an image's mean: more work-items would have none */
    work_floats = 1 << 24 /* of the images that a launch does, if that is not one alone */
};

static void image_adjust(opencl_plan *plan, const clade_args *args)
{
    const clade_image_adjust_args *a = &args->image_adjust;
    const size_t n = (size_t)a->x.dim[0], size = clade_tensor_count(&a->x) / n;
    size_t most = size < work_floats ? work_floats / size : 1;
    if (most > plan->cl->limits.images) most = plan->cl->limits.images;
    if (most > n) most = n;
    const clade_tensor work = clade_opencl_part(plan, most * size);
    size_t group = plan->cl->group_size < group_most ? plan->cl->group_size : group_most;
    if (plan->cl->cpu_like) group = 1;
    for (size_t first = 0; first < n; first += most) {
        const size_t left = n - first, images = left < most ? left : most;
        opencl_launch l = clade_opencl_begin(plan, "adjust", "image_adjust", NULL);
        clade_opencl_tensor(&l, &a->x);
        clade_opencl_tensor(&l, &a->steps);
        clade_opencl_tensor(&l, &a->erase);
        clade_opencl_tensor(&l, &a->y);
        clade_opencl_tensor(&l, &work);
        clade_opencl_u64(&l, first);
        for (int d = 1; d < 4; d++) clade_opencl_i32(&l, a->x.dim[d]);
        clade_opencl_i32(&l, a->steps.dim[1]);
        clade_opencl_i32(&l, clade_tensor_present(&a->erase) ? a->erase.dim[1] : 0);
        clade_opencl_f32(&l, a->value);
        clade_opencl_struct(&l, a->scale, sizeof a->scale);
        clade_opencl_struct(&l, a->shift, sizeof a->shift);
        clade_opencl_run_grid(&l, 2, (size_t[]){group, images}, (size_t[]){group, 1});
    }
}

static void image_mix(opencl_plan *plan, const clade_args *args)
{
    const clade_image_mix_args *a = &args->image_mix;
    opencl_launch l = clade_opencl_begin(plan, "adjust", "image_mix", NULL);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->z);
    clade_opencl_tensor(&l, &a->y);
    for (int d = 1; d < 4; d++) clade_opencl_i32(&l, a->x.dim[d]);
    clade_opencl_step_param(&l, &a->share, sizeof a->share);
    clade_opencl_step_param(&l, &a->top, sizeof a->top);
    clade_opencl_step_param(&l, &a->left, sizeof a->left);
    clade_opencl_step_param(&l, &a->bottom, sizeof a->bottom);
    clade_opencl_step_param(&l, &a->right, sizeof a->right);
    const uint64_t c = (uint64_t)a->x.dim[3];
    clade_opencl_run_each(&l, clade_tensor_count(&a->x) / c, c);
}

const opencl_op clade_opencl_adjust_ops[] = {
    {.op = CLADE_OP_image_adjust, .plan = image_adjust},
    {.op = CLADE_OP_image_mix, .plan = image_mix},
    {.op = CLADE_OP_none},
};
