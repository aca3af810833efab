/* Launchers of kernels/optim.cl. */
#include "opencl/opencl.h"

#include "op/optim.h"

#include <stdio.h>

enum { chains = 64 }; /* OPTIM_CHAINS */

size_t clade_opencl_optim_workspace(opencl_context *cl, clade_op op, const clade_args *args)
{
    (void)cl;
    if (op != CLADE_OP_norm_clip) return 0;
    return norm_clip_chunks(&args->norm_clip.g) * (chains + 1) * sizeof(float);
}

/* Each chunk's sum of squares, into the workspace: by work-items that have whole chunks on few
 * wide cores, elsewhere a chain each. */
static clade_status norm_chunks(opencl_context *cl, const clade_norm_clip_args *a,
                                const char *options, void *workspace)
{
    const uint64_t n = clade_tensor_count(&a->g), chunks = norm_clip_chunks(&a->g);
    opencl_launch l = clade_opencl_begin(cl, "optim", "norm_clip_chains", options);
    clade_opencl_tensor(&l, &a->g);
    clade_opencl_workspace(&l, workspace);
    clade_opencl_u64(&l, n);
    if (cl->cpu_like)
        return clade_opencl_run_grid(&l, 1, (const size_t[]){(size_t)chunks}, (const size_t[]){1});
    clade_status status = clade_opencl_run_elements(&l, chunks * chains);
    if (status) return status;

    l = clade_opencl_begin(cl, "optim", "norm_clip_chunks", options);
    clade_opencl_workspace(&l, workspace);
    clade_opencl_u64(&l, chunks);
    return clade_opencl_run_elements(&l, chunks);
}

static clade_status norm_clip(void *context, const clade_norm_clip_args *a, void *workspace)
{
    opencl_context *cl = context;
    const uint32_t width = cl->cpu_like ? cl->vector_width : 1;
    char options[32];
    snprintf(options, sizeof options, "-DVW=%u -DNV=%u", width, cl->cpu_like ? chains / width : 1);
    clade_status status = norm_chunks(cl, a, options, workspace);
    if (status) return status;
    opencl_launch l = clade_opencl_begin(cl, "optim", "norm_clip_total", options);
    clade_opencl_workspace(&l, workspace);
    clade_opencl_tensor(&l, &a->scale);
    clade_opencl_tensor(&l, &a->norm);
    clade_opencl_u64(&l, norm_clip_chunks(&a->g));
    clade_opencl_f32(&l, a->limit);
    return clade_opencl_run_grid(&l, 1, (size_t[]){64}, (size_t[]){64});
}

static clade_status sgd(void *context, const clade_sgd_args *a, void *workspace)
{
    (void)workspace;
    const bool velocity = clade_tensor_present(&a->v);
    opencl_launch l = clade_opencl_begin(context, "optim", velocity ? "sgd_velocity" : "sgd", NULL);
    clade_opencl_tensor(&l, &a->w);
    clade_opencl_tensor(&l, &a->g);
    if (velocity) clade_opencl_tensor(&l, &a->v);
    clade_opencl_tensor(&l, &a->scale);
    clade_opencl_f32(&l, a->lr);
    if (velocity) clade_opencl_f32(&l, a->momentum);
    if (velocity) clade_opencl_i32(&l, a->nesterov);
    clade_opencl_f32(&l, a->decay);
    return clade_opencl_run_each(&l, clade_tensor_count(&a->w), 1);
}

static clade_status rmsprop(void *context, const clade_rmsprop_args *a, void *workspace)
{
    (void)workspace;
    const bool velocity = clade_tensor_present(&a->v);
    opencl_launch l =
        clade_opencl_begin(context, "optim", velocity ? "rmsprop_velocity" : "rmsprop", NULL);
    clade_opencl_tensor(&l, &a->w);
    clade_opencl_tensor(&l, &a->g);
    clade_opencl_tensor(&l, &a->s);
    if (velocity) clade_opencl_tensor(&l, &a->v);
    clade_opencl_tensor(&l, &a->scale);
    clade_opencl_f32(&l, a->lr);
    clade_opencl_f32(&l, a->rho);
    if (velocity) clade_opencl_f32(&l, a->momentum);
    clade_opencl_f32(&l, a->eps);
    clade_opencl_f32(&l, a->decay);
    return clade_opencl_run_each(&l, clade_tensor_count(&a->w), 1);
}

static clade_status adam(void *context, const clade_adam_args *a, void *workspace)
{
    (void)workspace;
    opencl_launch l = clade_opencl_begin(context, "optim", "adam", NULL);
    clade_opencl_tensor(&l, &a->w);
    clade_opencl_tensor(&l, &a->g);
    clade_opencl_tensor(&l, &a->m);
    clade_opencl_tensor(&l, &a->v);
    clade_opencl_tensor(&l, &a->scale);
    clade_opencl_f32(&l, a->lr);
    clade_opencl_f32(&l, a->beta1);
    clade_opencl_f32(&l, a->beta2);
    clade_opencl_f32(&l, a->eps);
    clade_opencl_f32(&l, a->decay);
    return clade_opencl_run_each(&l, clade_tensor_count(&a->w), 1);
}

void clade_opencl_optim(const opencl_context *cl, opencl_table *table)
{
    (void)cl;
    table->norm_clip = norm_clip;
    table->sgd = sgd;
    table->rmsprop = rmsprop;
    table->adam = adam;
}
