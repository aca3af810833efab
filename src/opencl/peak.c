/* Launchers of kernels/peak.cl: what the device can do at most. */
#include "opencl/conv.h"

#include "base/clock.h"

#include "../../kernels/peak.clh"

/* What is timed: launches one after the other. */
typedef struct peak_job {
    opencl_context *cl;
    opencl_tile tile;
    cl_mem memory[3];
    size_t items;
    int32_t steps;
} peak_job;

/* Single work-items on a CPU for the chains, else whole groups. */
static clade_status run_items(peak_job *job, opencl_launch *l, bool alone)
{
    size_t group = alone ? 1 : job->cl->group_size, n = (job->items + group - 1) / group * group;
    return clade_opencl_run_grid(l, 1, &n, &group);
}

static clade_status launch_fma(peak_job *job)
{
    opencl_launch l =
        clade_opencl_begin(job->cl, "peak", "peak_fma", clade_opencl_tile_options(&job->tile));
    clade_opencl_workspace(&l, job->memory[0]);
    clade_opencl_f32(&l, 0.5f);
    clade_opencl_i32(&l, job->steps);
    return run_items(job, &l, job->cl->cpu_like);
}

static clade_status launch_triad(peak_job *job)
{
    opencl_launch l =
        clade_opencl_begin(job->cl, "peak", "peak_triad", clade_opencl_tile_options(&job->tile));
    for (int i = 0; i < 3; i++) clade_opencl_workspace(&l, job->memory[i]);
    clade_opencl_f32(&l, 0.5f);
    return run_items(job, &l, false);
}

/* Seconds of a launch: the best of a few, each of as many as take long enough. */
static clade_status best_time(peak_job *job, clade_status (*launch)(peak_job *job), double *best)
{
    enum { runs = 6 };
    static const double enough = 0.02;
    int launches = 1;
    *best = 0;
    for (int run = 0; run < runs;) {
        double begun = clade_clock();
        clade_status status = CLADE_OK;
        for (int i = 0; i < launches && !status; i++) status = launch(job);
        cl_int error = status ? CL_SUCCESS : clFinish(job->cl->queue);
        if (error) status = clade_opencl_fail(job->cl, error, "clFinish");
        if (status) return status;
        double took = clade_clock() - begun;
        if (took < enough && launches < 1 << 20) {
            launches *= 2;
            continue;
        }
        if (!run++ || took / launches < *best) *best = took / launches;
    }
    return CLADE_OK;
}

static clade_status measure(peak_job *job, size_t bytes, double *flops, double *rate)
{
    opencl_context *cl = job->cl;
    size_t floats = bytes / sizeof(float), vw = (size_t)job->tile.vw;
    double seconds;
    job->steps = cl->cpu_like ? 100000 : 1000;
    job->items = cl->cpu_like ? 256 : 1 << 20;
    clade_status status = best_time(job, launch_fma, &seconds);
    if (status) return status;
    *flops = 2.0 * PEAK_CHAINS * (double)vw * job->steps * (double)job->items / seconds;
    job->items = floats / vw;
    status = best_time(job, launch_triad, &seconds);
    *rate = 3.0 * (double)bytes / seconds;
    return status;
}

clade_status clade_opencl_peak(void *context, double *flops, double *bytes)
{
    opencl_context *cl = context;
    peak_job job = {.cl = cl, .tile = clade_opencl_tile(cl, 1)};
    size_t size = 64 << 20; /* of each operand: more than caches hold */
    clade_status status = CLADE_OK;
    for (int i = 0; i < 3 && !status; i++) {
        cl_int error;
        job.memory[i] = clCreateBuffer(cl->context, CL_MEM_READ_WRITE, size, NULL, &error);
        if (!error) {
            cl_float one = 1;
            error = clEnqueueFillBuffer(cl->queue, job.memory[i], &one, sizeof one, 0, size, 0,
                                        NULL, NULL);
        }
        if (error) status = clade_opencl_fail(cl, error, "memory to measure the device");
    }
    if (!status) status = measure(&job, size, flops, bytes);
    for (int i = 0; i < 3; i++)
        if (job.memory[i]) clReleaseMemObject(job.memory[i]);
    return status;
}
