/* Launchers of kernels/norm.cl. */
#include "opencl/opencl.h"
#include "opencl/rows.h"
#include "op/norm.h"

#include <stdio.h>

size_t clade_opencl_norm_workspace(opencl_context *cl, clade_op op, const clade_args *args)
{
    (void)cl;
    return norm_workspace_bytes(op, args);
}

/* Vectors side by side that a work-item sums. */
static int32_t vectors_at_once(const opencl_context *cl, int32_t c)
{
    int32_t vectors = c / clade_opencl_lanes(cl, c);
    if (!cl->cpu_like) return 1;
    return vectors % 4 == 0 ? 4 : vectors % 2 == 0 ? 2 : 1;
}

static opencl_launch begin(opencl_context *cl, const char *kernel, int32_t c)
{
    char options[16];
    snprintf(options, sizeof options, "-DNV=%d", vectors_at_once(cl, c));
    return clade_opencl_begin_lanes(cl, "norm", kernel, c, options);
}

/* The arguments m, rows, chunks, c, and the launch: a row of vectors for each chunk. */
static clade_status run_sums(opencl_launch *l, const norm_layout *n)
{
    clade_opencl_u64(l, (uint64_t)n->m);
    clade_opencl_u64(l, (uint64_t)n->rows);
    clade_opencl_i32(l, n->chunks);
    clade_opencl_i32(l, n->c);
    int32_t at_once = clade_opencl_lanes(l->cl, n->c) * vectors_at_once(l->cl, n->c);
    return clade_opencl_run_rows(l, (uint64_t)(n->c / at_once), (uint64_t)n->chunks);
}

/* Vectors that one work-item does on few wide cores. */
enum { block = 1024 };

static uint64_t block_rows(const opencl_launch *l, const norm_layout *n)
{
    int32_t vectors = n->c / clade_opencl_lanes(l->cl, n->c);
    return vectors >= block ? 1 : (uint64_t)(block / vectors);
}

/* The arguments m, rows, c of kernels that work element by element. */
static void elements(opencl_launch *l, const norm_layout *n)
{
    clade_opencl_u64(l, (uint64_t)n->m);
    clade_opencl_u64(l, block_rows(l, n));
    clade_opencl_i32(l, n->c);
}

static clade_status run_elements(opencl_launch *l, const norm_layout *n)
{
    uint64_t rows = block_rows(l, n), vectors = (uint64_t)(n->c / clade_opencl_lanes(l->cl, n->c));
    return clade_opencl_run_rows(l, rows * vectors, ((uint64_t)n->m + rows - 1) / rows);
}

static clade_status apply(opencl_context *cl, const norm_layout *n, const clade_tensor *x,
                          const clade_tensor *mean, const clade_tensor *beta, const clade_tensor *y,
                          void *workspace)
{
    opencl_launch l = begin(cl, "norm_apply", n->c);
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, mean);
    clade_opencl_workspace(&l, workspace);
    clade_opencl_u64(&l, n->channel[0]);
    clade_opencl_tensor(&l, beta);
    clade_opencl_tensor(&l, y);
    elements(&l, n);
    return run_elements(&l, n);
}

static clade_status batchnorm(void *context, const clade_batchnorm_args *a, void *workspace)
{
    const norm_layout n = norm_layout_of(&a->x);
    opencl_launch l = begin(context, "norm_sum", n.c);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_workspace(&l, workspace);
    clade_status status = run_sums(&l, &n);
    if (status) return status;

    l = begin(context, "norm_mean", n.c);
    clade_opencl_workspace(&l, workspace);
    clade_opencl_tensor(&l, &a->mean);
    clade_opencl_u64(&l, (uint64_t)n.m);
    clade_opencl_i32(&l, n.chunks);
    clade_opencl_i32(&l, n.c);
    status = clade_opencl_run_elements(&l, (uint64_t)n.c);
    if (status) return status;

    l = begin(context, "norm_square", n.c);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->mean);
    clade_opencl_workspace(&l, workspace);
    status = run_sums(&l, &n);
    if (status) return status;

    l = begin(context, "norm_rstd", n.c);
    clade_opencl_workspace(&l, workspace);
    clade_opencl_tensor(&l, &a->gamma);
    clade_opencl_tensor(&l, &a->mean);
    clade_opencl_tensor(&l, &a->rstd);
    clade_opencl_tensor(&l, &a->running_mean);
    clade_opencl_tensor(&l, &a->running_var);
    clade_opencl_workspace(&l, workspace);
    clade_opencl_u64(&l, n.channel[0]);
    clade_opencl_u64(&l, (uint64_t)n.m);
    clade_opencl_i32(&l, n.chunks);
    clade_opencl_i32(&l, n.c);
    clade_opencl_f32(&l, a->eps);
    clade_opencl_f32(&l, a->momentum);
    clade_opencl_i32(&l, a->unbiased);
    status = clade_opencl_run_elements(&l, (uint64_t)n.c);
    return status ? status : apply(context, &n, &a->x, &a->mean, &a->beta, &a->y, workspace);
}

/* The sums of dy and dy (x − mean). */
static clade_status gradient_sums(opencl_context *cl, const norm_layout *n, const clade_tensor *x,
                                  const clade_tensor *dy, const clade_tensor *mean, void *workspace)
{
    opencl_launch l = begin(cl, "norm_dsum", n->c);
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, dy);
    clade_opencl_tensor(&l, mean);
    clade_opencl_workspace(&l, workspace);
    return run_sums(&l, n);
}

static clade_status batchnorm_dx(void *context, const clade_batchnorm_dx_args *a, void *workspace)
{
    const norm_layout n = norm_layout_of(&a->x);
    clade_status status = gradient_sums(context, &n, &a->x, &a->dy, &a->mean, workspace);
    if (status) return status;

    opencl_launch l = begin(context, "norm_slopes_train", n.c);
    clade_opencl_workspace(&l, workspace);
    clade_opencl_u64(&l, n.channel[0]);
    clade_opencl_tensor(&l, &a->gamma);
    clade_opencl_tensor(&l, &a->rstd);
    clade_opencl_tensor(&l, &a->dgamma);
    clade_opencl_tensor(&l, &a->dbeta);
    clade_opencl_u64(&l, (uint64_t)n.m);
    clade_opencl_i32(&l, n.chunks);
    clade_opencl_i32(&l, n.c);
    clade_opencl_i32(&l, a->accumulate);
    status = clade_opencl_run_elements(&l, (uint64_t)n.c);
    if (status) return status;

    l = begin(context, "norm_apply_dx", n.c);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->mean);
    clade_opencl_workspace(&l, workspace);
    clade_opencl_u64(&l, n.channel[0]);
    clade_opencl_tensor(&l, &a->dx);
    elements(&l, &n);
    clade_opencl_i32(&l, a->accumulate);
    return run_elements(&l, &n);
}

/* Each channel's scale into the workspace. */
clade_status clade_opencl_norm_scale(opencl_context *cl, const clade_tensor *gamma,
                                     const clade_tensor *var, float eps, void *workspace,
                                     uint64_t at)
{
    opencl_launch l = begin(cl, "norm_scale", var->dim[0]);
    clade_opencl_tensor(&l, gamma);
    clade_opencl_tensor(&l, var);
    clade_opencl_workspace(&l, workspace);
    clade_opencl_u64(&l, at);
    clade_opencl_i32(&l, var->dim[0]);
    clade_opencl_f32(&l, eps);
    return clade_opencl_run_elements(&l, (uint64_t)var->dim[0]);
}

static clade_status batchnorm_infer(void *context, const clade_batchnorm_infer_args *a,
                                    void *workspace)
{
    const norm_layout n = norm_layout_of(&a->x);
    clade_status status =
        clade_opencl_norm_scale(context, &a->gamma, &a->var, a->eps, workspace, n.channel[0]);
    return status ? status : apply(context, &n, &a->x, &a->mean, &a->beta, &a->y, workspace);
}

static clade_status batchnorm_infer_dx(void *context, const clade_batchnorm_infer_dx_args *a,
                                       void *workspace)
{
    const norm_layout n = norm_layout_of(&a->x);
    clade_status status = CLADE_OK;
    bool has_dgamma = clade_tensor_present(&a->dgamma), has_dbeta = clade_tensor_present(&a->dbeta);
    if (has_dgamma || has_dbeta) {
        status = gradient_sums(context, &n, &a->x, &a->dy, &a->mean, workspace);
        if (status) return status;
        opencl_launch l = begin(context, "norm_slopes_infer", n.c);
        clade_opencl_workspace(&l, workspace);
        clade_opencl_tensor(&l, &a->var);
        clade_opencl_tensor(&l, &a->dgamma);
        clade_opencl_tensor(&l, &a->dbeta);
        clade_opencl_i32(&l, has_dgamma);
        clade_opencl_i32(&l, has_dbeta);
        clade_opencl_i32(&l, n.chunks);
        clade_opencl_i32(&l, n.c);
        clade_opencl_f32(&l, a->eps);
        clade_opencl_i32(&l, a->accumulate);
        status = clade_opencl_run_elements(&l, (uint64_t)n.c);
        if (status) return status;
    }
    if (!clade_tensor_present(&a->dx)) return CLADE_OK;
    status = clade_opencl_norm_scale(context, &a->gamma, &a->var, a->eps, workspace, n.channel[0]);
    if (status) return status;
    opencl_launch l = begin(context, "norm_apply_infer_dx", n.c);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_workspace(&l, workspace);
    clade_opencl_u64(&l, n.channel[0]);
    clade_opencl_tensor(&l, &a->dx);
    elements(&l, &n);
    clade_opencl_i32(&l, a->accumulate);
    return run_elements(&l, &n);
}

void clade_opencl_norm(const opencl_context *cl, opencl_table *table)
{
    (void)cl;
    table->batchnorm = batchnorm;
    table->batchnorm_dx = batchnorm_dx;
    table->batchnorm_infer = batchnorm_infer;
    table->batchnorm_infer_dx = batchnorm_infer_dx;
}
