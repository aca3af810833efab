/* Launchers of kernels/peak.cl: what the device can do at most. */
#include "opencl/opencl.h"

#include "base/clock.h"
#include "opencl/grid.h"
#include "opencl/tile.h"

#include "../../kernels/peak.clh"

static void add_memory(opencl_launch *l, cl_mem memory)
{
    clade_opencl_struct(l, &memory, sizeof memory);
}

/* Seconds of a launch: the best of a few, each of as many as take long enough. */
static clade_status best_time(opencl_plan *plan, double *best)
{
    enum { runs = 6 };
    static const double enough = 0.02;
    int launches = 1;
    clade_status status = clade_opencl_plan_end(plan);
    *best = 0;
    for (int run = 0; run < runs && !status;) {
        double begun = clade_clock();
        for (int i = 0; i < launches && !status; i++)
            status = clade_opencl_plan_run(plan, NULL, NULL);
        cl_int error = status ? CL_SUCCESS : clade_icd.clFinish(plan->cl->queue);
        if (error) status = clade_opencl_fail(plan->cl, error, "clFinish");
        double took = clade_clock() - begun;
        if (took < enough && launches < 1 << 20) {
            launches *= 2;
            continue;
        }
        if (!run++ || took / launches < *best) *best = took / launches;
    }
    return status;
}

/* Chains of fused multiply-adds in registers: about as many on any device, by few work-items or by
 * many. */
static clade_status time_fma(opencl_context *cl, opencl_tile *tile, cl_mem memory, double *flops)
{
    enum { many = 1 << 20, few_each = 4096, steps_least = 1000, steps_in_all = 25600000 };
    const size_t items = clade_opencl_shares(cl, many, few_each);
    const int32_t fit = (int32_t)(steps_in_all / items);
    const int32_t steps = fit < steps_least ? steps_least : fit;
    double seconds;
    opencl_plan *plan;
    clade_status status = clade_opencl_plan_create(cl, NULL, &plan);
    if (status) return status;
    opencl_launch l = clade_opencl_begin(plan, "peak", "peak_fma", clade_opencl_tile_options(tile));
    add_memory(&l, memory);
    clade_opencl_f32(&l, 0.5f);
    clade_opencl_i32(&l, steps);
    clade_opencl_run_long(&l, items);
    status = best_time(plan, &seconds);
    *flops = 2.0 * PEAK_CHAINS * tile->vw * steps * (double)items / seconds;
    clade_opencl_plan_destroy(plan);
    return status;
}

static clade_status time_triad(opencl_context *cl, opencl_tile *tile, cl_mem memory[3],
                               size_t bytes, double *rate)
{
    double seconds;
    opencl_plan *plan;
    clade_status status = clade_opencl_plan_create(cl, NULL, &plan);
    if (status) return status;
    opencl_launch l =
        clade_opencl_begin(plan, "peak", "peak_triad", clade_opencl_tile_options(tile));
    for (int i = 0; i < 3; i++) add_memory(&l, memory[i]);
    clade_opencl_f32(&l, 0.5f);
    clade_opencl_run_elements(&l, bytes / sizeof(float) / (size_t)tile->vw);
    status = best_time(plan, &seconds);
    *rate = 3.0 * (double)bytes / seconds;
    clade_opencl_plan_destroy(plan);
    return status;
}

clade_status clade_opencl_peak(void *context, double *flops, double *bytes)
{
    opencl_context *cl = context;
    opencl_tile tile = clade_opencl_tile(cl, 1);
    cl_mem memory[3] = {0};
    const size_t size = 64 << 20; /* of each operand: more than caches hold */
    clade_status status = CLADE_OK;
    for (int i = 0; i < 3 && !status; i++) {
        cl_int error;
        memory[i] = clade_icd.clCreateBuffer(cl->context, CL_MEM_READ_WRITE, size, NULL, &error);
        if (!error) {
            cl_float one = 1;
            error = clade_icd.clEnqueueFillBuffer(cl->queue, memory[i], &one, sizeof one, 0, size,
                                                  0, NULL, NULL);
        }
        if (error) status = clade_opencl_fail(cl, error, "memory to measure the device");
    }
    if (!status) status = time_fma(cl, &tile, memory[0], flops);
    if (!status) status = time_triad(cl, &tile, memory, size, bytes);
    for (int i = 0; i < 3; i++)
        if (memory[i]) clade_icd.clReleaseMemObject(memory[i]);
    return status;
}
