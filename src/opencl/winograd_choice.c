/* Winograd's tiles or implicit products, on narrow cores in fast math: what either takes. */
#include "opencl/conv.h"
#include "opencl/product.h"
#include "op/winograd_plan.h"

/* Cycles of a product with `steps` steps a result, of `floats` that one kernel writes and the next
 * reads, and of launches that wait for each other. The numbers are an H200's, 132 units at 1.75
 * GHz, where convolutions of 1 × 1 took 1.66 times what the choice of their tile counts. With 4.6
 * TB/s of its caches and 4.6 µs a launch this gives what Winograd's tiles took in 11 layers, 60 to
 * 331 µs, within an eighth; for 7 smaller ones, which had a launch more then, it gives 8 to 43 %
 * too little, and for 9 weight gradients 9 to 47 %. */
static double cycles(const opencl_context *cl, const opencl_product *p, double steps, double floats,
                     int launches)
{
    return 1.66 * clade_opencl_product_cycles(cl, p, steps) +
           floats * 2 * sizeof(float) / (20.0 * cl->compute_units) + 8000.0 * launches;
}

/* Floats of transformed sources and results or gradients, and in how many parts they are done. */
static double transformed(const winograd_job *job)
{
    return winograd_points * (double)job->tiles * (job->c + job->k);
}
static int parts_of(const opencl_context *cl, const winograd_job *job)
{
    return 1 + (int)(sizeof(float) * transformed(job) / (double)cl->limits.passes);
}

/* Three launches for each part of the tiles, or one. A tenth goes to taps, as launches take time
 * of the host too. */
static bool suits(const opencl_context *cl, const winograd_job *job, int32_t images)
{
    const opencl_product tiles = {.rows = job->tiles, .columns = job->k, .count = winograd_points},
                         taps = {.rows = (int64_t)images * job->oh * job->ow,
                                 .columns = job->k,
                                 .count = 1};
    return 1.1 * cycles(cl, &tiles, job->c, transformed(job), 3 * parts_of(cl, job)) <
           cycles(cl, &taps, 9.0 * job->c, 0, 1);
}

bool clade_opencl_winograd_suits(const opencl_context *cl, const clade_args *args)
{
    const winograd_job job = winograd_forward(&args->conv2d);
    return suits(cl, &job, args->conv2d.x.dim[0]);
}

bool clade_opencl_winograd_dx_suits(const opencl_context *cl, const clade_args *args)
{
    const winograd_job job = winograd_dx(&args->conv2d_dx);
    return suits(cl, &job, args->conv2d_dx.dx.dim[0]);
}

/* Three launches for each part of the chunks and two for their sums, or two in all. A quarter is
 * what the measured ones took more. */
bool clade_opencl_winograd_dw_suits(const opencl_context *cl, const clade_args *args)
{
    const clade_conv2d_dw_args *a = &args->conv2d_dw;
    const winograd_job job = winograd_dw(a);
    const double filters = (double)job.c * job.k;
    int64_t lines;
    const int32_t chunks = clade_conv_chunks((int64_t)a->dy.dim[0] * job.oh,
                                             (int64_t)clade_tensor_count(&a->dw), &lines);
    const opencl_product tiles = {.rows = job.c,
                                  .columns = job.k,
                                  .count = winograd_points * (int64_t)job.chunks},
                         taps = {.rows = 9 * (int64_t)job.c, .columns = job.k, .count = chunks};
    return 1.25 * cycles(cl, &tiles, job.per_chunk,
                         transformed(&job) + winograd_points * job.chunks * filters,
                         3 * parts_of(cl, &job) + 2) <
           cycles(cl, &taps, (double)lines * job.ow, 9 * chunks * filters, 2);
}
