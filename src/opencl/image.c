/* Launcher of kernels/image.cl. */
#include "opencl/opencl.h"

#include <stdio.h>

/* Images in one launch: some devices allow no more than 65535 work-groups in a dimension. */
enum { images_at_once = 32768 };

/* The smallest power of two that covers a row, at most the context's size. */
static size_t group_for(const opencl_context *cl, size_t row)
{
    size_t group = 1;
    while (group < row && group * 2 <= cl->group_size) group *= 2;
    return group;
}

static clade_status affine_sample(void *context, const clade_affine_sample_args *a, void *workspace)
{
    (void)workspace;
    const opencl_context *cl = context;
    const size_t n = (size_t)a->y.dim[0], ow = (size_t)a->y.dim[2];
    const size_t columns = cl->cpu_like ? ow : 1, row = ow / columns; /* of a work-item; items */
    const size_t group = group_for(cl, row);
    char options[16];
    snprintf(options, sizeof options, "-DC=%d", a->x.dim[3]);
    clade_status status = CLADE_OK;
    for (size_t first = 0; !status && first < n; first += images_at_once) {
        opencl_launch l = clade_opencl_begin(context, "image", "affine_sample", options);
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
        const size_t left = n - first, images = left < images_at_once ? left : images_at_once;
        const size_t global[] = {(row + group - 1) / group * group, (size_t)a->y.dim[1], images};
        status = clade_opencl_run_grid(&l, 3, global, (size_t[]){group, 1, 1});
    }
    return status;
}

void clade_opencl_image(const opencl_context *cl, opencl_table *table)
{
    (void)cl;
    table->affine_sample = affine_sample;
}
