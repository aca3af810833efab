/* Launchers of kernels/optim.cl. */
#include "opencl/ops.h"
#include "opencl/tree.h"

static void norm_clip(opencl_plan *plan, const clade_args *args)
{
    const clade_norm_clip_args *a = &args->norm_clip;
    const opencl_tree t = clade_opencl_tree((int64_t)clade_tensor_count(&a->g), 1);
    const clade_tensor sums = clade_opencl_part(plan, (uint64_t)t.blocks * (uint64_t)t.width);
    opencl_launch l = clade_opencl_begin_sums(plan, "optim", "norm_clip_sums", &t);
    clade_opencl_tensor(&l, &a->g);
    clade_opencl_tensor(&l, &sums);
    clade_opencl_run_sums(&l, &t, 1);
    const opencl_sums left = clade_opencl_fold_tree(plan, &t, 1, &sums);
    l = clade_opencl_begin_sums(plan, "optim", "norm_clip_total", &t);
    clade_opencl_tensor(&l, &left.at);
    clade_opencl_tensor(&l, &a->scale);
    clade_opencl_tensor(&l, &a->norm);
    clade_opencl_i32(&l, left.n);
    clade_opencl_i32(&l, t.c);
    clade_opencl_i32(&l, t.width);
    clade_opencl_f32(&l, a->limit);
    clade_opencl_run_tree(&l, (uint64_t)t.width, 1);
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

const opencl_op clade_opencl_optim_ops[] = {
    {.op = CLADE_OP_norm_clip, .plan = norm_clip},
    {.op = CLADE_OP_sgd, .plan = sgd},
    {.op = CLADE_OP_rmsprop, .plan = rmsprop},
    {.op = CLADE_OP_adam, .plan = adam},
    {.op = CLADE_OP_none},
};
