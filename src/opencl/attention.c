/* Launchers of kernels/attention.cl. */
#include "opencl/grid.h"
#include "opencl/ops.h"

#include "../../kernels/attention.clh"

#include <math.h>
#include <stdio.h>

typedef struct attention_shape {
    uint64_t n;
    int32_t t, heads, d;
} attention_shape;

static attention_shape shape_of(const clade_tensor *qkv, int32_t heads)
{
    attention_shape s = {.n = (uint64_t)qkv->dim[0], .t = 1, .heads = heads ? heads : 1};
    for (int32_t k = 1; k < qkv->rank - 1; k++) s.t *= qkv->dim[k];
    s.d = qkv->dim[qkv->rank - 1] / 3 / s.heads;
    return s;
}

/* A work-group: work-items, rows, and channels of a row that a work-item sums. */
typedef struct attention_group {
    int32_t items, rows, columns;
} attention_group;

static attention_group group_of(const opencl_context *cl, const attention_shape *s)
{
    enum { most_rows = 16, most_sums = 128 }; /* of a work-item, where they are that few */
    attention_group g = {ATTENTION_BLOCK, most_rows, 1};
    while ((uint32_t)g.items > cl->group_size) g.items /= 2;
    g.columns = (s->d + g.items - 1) / g.items;
    const int32_t share = ATTENTION_BLOCK / g.items;
    while (g.rows > 1 && (g.rows * g.columns > most_sums || g.rows * share > most_sums))
        g.rows /= 2;
    return g;
}

static opencl_launch begin(opencl_plan *plan, const char *kernel, const attention_shape *s)
{
    const attention_group g = group_of(plan->cl, s);
    char options[64];
    snprintf(options, sizeof options, "-DITEMS=%d -DROWS=%d -DCOLUMNS=%d", g.items, g.rows,
             g.columns);
    return clade_opencl_begin(plan, "attention", kernel, options);
}

/* The arguments n, t, heads, d, scale. */
static void shape_arguments(opencl_launch *l, const attention_shape *s)
{
    clade_opencl_u64(l, s->n);
    clade_opencl_i32(l, s->t);
    clade_opencl_i32(l, s->heads);
    clade_opencl_i32(l, s->d);
    clade_opencl_f32(l, 1.0F / sqrtf((float)s->d));
}

static void run_groups(opencl_launch *l, const attention_shape *s)
{
    const attention_group g = group_of(l->plan->cl, s);
    const uint64_t blocks = ((uint64_t)s->t + (uint64_t)g.rows - 1) / (uint64_t)g.rows;
    const uint64_t groups = s->n * (uint64_t)s->heads * blocks, most = l->plan->cl->limits.groups;
    const size_t local = (size_t)g.items, global = local * (size_t)(groups < most ? groups : most);
    clade_opencl_run_grid(l, 1, &global, &local);
}

static void attention(opencl_plan *plan, const clade_args *args)
{
    const clade_attention_args *a = &args->attention;
    const attention_shape s = shape_of(&a->qkv, a->heads);
    opencl_launch l = begin(plan, "attention", &s);
    clade_opencl_tensor(&l, &a->qkv);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_tensor(&l, &a->lse);
    shape_arguments(&l, &s);
    run_groups(&l, &s);
}

static void attention_dqkv(opencl_plan *plan, const clade_args *args)
{
    static const char *const kernels[] = {"attention_dq", "attention_dkv"};
    const clade_attention_dqkv_args *a = &args->attention_dqkv;
    const attention_shape s = shape_of(&a->qkv, a->heads);
    for (int k = 0; k < 2; k++) {
        opencl_launch l = begin(plan, kernels[k], &s);
        clade_opencl_tensor(&l, &a->qkv);
        clade_opencl_tensor(&l, &a->y);
        clade_opencl_tensor(&l, &a->lse);
        clade_opencl_tensor(&l, &a->dy);
        clade_opencl_tensor(&l, &a->dqkv);
        shape_arguments(&l, &s);
        clade_opencl_i32(&l, a->accumulate);
        run_groups(&l, &s);
    }
}

const opencl_op clade_opencl_attention_ops[] = {
    {.op = CLADE_OP_attention, .halves = OPENCL_ALIKE, .plan = attention},
    {.op = CLADE_OP_attention_dqkv, .halves = OPENCL_ALIKE, .plan = attention_dqkv},
    {.op = CLADE_OP_none},
};
