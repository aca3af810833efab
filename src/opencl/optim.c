/* Launchers of kernels/optim.cl. */
#include "opencl/ops.h"
#include "opencl/tree.h"

#include <math.h>

/* The norm of g, and what brings it to the limit. */
static void plan_norm(opencl_plan *plan, const clade_tensor *g, const clade_tensor *scale,
                      const clade_tensor *norm, float limit)
{
    const opencl_tree t = clade_opencl_tree((int64_t)clade_tensor_count(g), 1);
    const clade_tensor sums = clade_opencl_part(plan, (uint64_t)t.blocks * t.width);
    opencl_launch l = clade_opencl_begin_sums(plan, "optim", "norm_clip_sums", &t);
    clade_opencl_tensor(&l, g);
    clade_opencl_tensor(&l, &sums);
    clade_opencl_run_sums(&l, &t, 1);
    const opencl_sums left = clade_opencl_fold_tree(plan, &t, 1, &sums);
    l = clade_opencl_begin_sums(plan, "optim", "norm_clip_total", &t);
    clade_opencl_tensor(&l, &left.at);
    clade_opencl_tensor(&l, scale);
    clade_opencl_tensor(&l, norm);
    clade_opencl_i32(&l, left.n);
    clade_opencl_i32(&l, 1);
    clade_opencl_i32(&l, (int32_t)t.width);
    clade_opencl_f32(&l, limit);
    clade_opencl_run_tree(&l, t.width, 1);
}

static void norm_clip(opencl_plan *plan, const clade_args *args)
{
    const clade_norm_clip_args *a = &args->norm_clip;
    plan_norm(plan, &a->g, &a->scale, &a->norm, a->limit);
}

static void sgd(opencl_plan *plan, const clade_args *args)
{
    const clade_sgd_args *a = &args->sgd;
    const bool velocity = clade_tensor_present(&a->v);
    opencl_launch l = clade_opencl_begin(plan, "optim", velocity ? "sgd_velocity" : "sgd", NULL);
    clade_opencl_tensor(&l, &a->w);
    clade_opencl_tensor(&l, &a->g);
    if (velocity) clade_opencl_tensor(&l, &a->v);
    clade_opencl_tensor(&l, &a->scale);
    clade_opencl_step_param(&l, &a->lr, sizeof a->lr);
    if (velocity) clade_opencl_f32(&l, a->momentum);
    if (velocity) clade_opencl_i32(&l, a->nesterov);
    if (velocity) clade_opencl_i32(&l, a->of_gradients);
    clade_opencl_step_param(&l, &a->decay, sizeof a->decay);
    clade_opencl_run_each(&l, clade_tensor_count(&a->w), 1);
}

static void rmsprop(opencl_plan *plan, const clade_args *args)
{
    const clade_rmsprop_args *a = &args->rmsprop;
    const bool velocity = clade_tensor_present(&a->v);
    opencl_launch l =
        clade_opencl_begin(plan, "optim", velocity ? "rmsprop_velocity" : "rmsprop", NULL);
    clade_opencl_tensor(&l, &a->w);
    clade_opencl_tensor(&l, &a->g);
    clade_opencl_tensor(&l, &a->s);
    if (velocity) clade_opencl_tensor(&l, &a->v);
    clade_opencl_tensor(&l, &a->scale);
    clade_opencl_step_param(&l, &a->lr, sizeof a->lr);
    clade_opencl_f32(&l, a->rho);
    if (velocity) clade_opencl_f32(&l, a->momentum);
    clade_opencl_f32(&l, a->eps);
    clade_opencl_step_param(&l, &a->decay, sizeof a->decay);
    clade_opencl_run_each(&l, clade_tensor_count(&a->w), 1);
}

static void adam(opencl_plan *plan, const clade_args *args)
{
    const clade_adam_args *a = &args->adam;
    opencl_launch l = clade_opencl_begin(plan, "optim", "adam", NULL);
    clade_opencl_tensor(&l, &a->w);
    clade_opencl_tensor(&l, &a->g);
    clade_opencl_tensor(&l, &a->m);
    clade_opencl_tensor(&l, &a->v);
    clade_opencl_tensor(&l, &a->scale);
    clade_opencl_step_param(&l, &a->lr, sizeof a->lr);
    clade_opencl_f32(&l, a->beta1);
    clade_opencl_f32(&l, a->beta2);
    clade_opencl_f32(&l, a->eps);
    clade_opencl_step_param(&l, &a->decay, sizeof a->decay);
    clade_opencl_run_each(&l, clade_tensor_count(&a->w), 1);
}

static void lion(opencl_plan *plan, const clade_args *args)
{
    const clade_lion_args *a = &args->lion;
    opencl_launch l = clade_opencl_begin(plan, "optim", "lion", NULL);
    clade_opencl_tensor(&l, &a->w);
    clade_opencl_tensor(&l, &a->g);
    clade_opencl_tensor(&l, &a->m);
    clade_opencl_tensor(&l, &a->scale);
    clade_opencl_step_param(&l, &a->lr, sizeof a->lr);
    clade_opencl_f32(&l, a->beta1);
    clade_opencl_f32(&l, a->beta2);
    clade_opencl_step_param(&l, &a->decay, sizeof a->decay);
    clade_opencl_run_each(&l, clade_tensor_count(&a->w), 1);
}

/* Workspace: the direction r [n], the norms of w and r, what norm_clip would scale by. */
static void lamb(opencl_plan *plan, const clade_args *args)
{
    const clade_lamb_args *a = &args->lamb;
    const uint64_t n = clade_tensor_count(&a->w);
    const clade_tensor part = clade_opencl_part(plan, n), norms = clade_opencl_part(plan, 2),
                       scale = clade_opencl_part(plan, 1);
    clade_tensor r = a->w;
    r.buffer = part.buffer;
    r.offset = part.offset;
    opencl_launch l = clade_opencl_begin(plan, "optim", "lamb_directions", NULL);
    clade_opencl_tensor(&l, &a->w);
    clade_opencl_tensor(&l, &a->g);
    clade_opencl_tensor(&l, &a->m);
    clade_opencl_tensor(&l, &a->v);
    clade_opencl_tensor(&l, &a->scale);
    clade_opencl_tensor(&l, &r);
    clade_opencl_f32(&l, a->beta1);
    clade_opencl_f32(&l, a->beta2);
    clade_opencl_f32(&l, a->eps);
    clade_opencl_step_param(&l, &a->m1, sizeof a->m1);
    clade_opencl_step_param(&l, &a->v1, sizeof a->v1);
    clade_opencl_f32(&l, a->decay);
    clade_opencl_run_each(&l, n, 1);
    clade_tensor norm = norms;
    plan_norm(plan, &a->w, &scale, &norm, INFINITY);
    norm.offset++;
    plan_norm(plan, &r, &scale, &norm, INFINITY);
    l = clade_opencl_begin(plan, "optim", "lamb", NULL);
    clade_opencl_tensor(&l, &a->w);
    clade_opencl_tensor(&l, &r);
    clade_opencl_tensor(&l, &norms);
    clade_opencl_tensor(&l, &a->ratio);
    clade_opencl_step_param(&l, &a->lr, sizeof a->lr);
    clade_opencl_run_each(&l, n, 1);
}

const opencl_op clade_opencl_optim_ops[] = {
    {.op = CLADE_OP_norm_clip, .plan = norm_clip},
    {.op = CLADE_OP_sgd, .plan = sgd},
    {.op = CLADE_OP_rmsprop, .plan = rmsprop},
    {.op = CLADE_OP_adam, .plan = adam},
    {.op = CLADE_OP_lion, .plan = lion},
    {.op = CLADE_OP_lamb, .plan = lamb},
    {.op = CLADE_OP_none},
};
