/* Launchers of kernels/layer_norm.cl. */
#include "opencl/ops.h"
#include "opencl/tree.h"

#include "../../kernels/layer_norm.clh"

#include <stdio.h>

/* x as [m, d]. */
typedef struct row_layout {
    uint64_t m;
    int32_t d;
} row_layout;

static row_layout layout_of(const clade_tensor *x, const clade_tensor *gamma)
{
    row_layout l = {.d = (int32_t)clade_tensor_count(gamma)};
    l.m = clade_tensor_count(x) / (uint64_t)l.d;
    return l;
}

/* ---- teams ---- */

/* Work-items enough for a team? */
static bool teams_can(const opencl_context *cl, const clade_args *args)
{
    (void)args;
    return cl->group_size >= LAYER_NORM_CHAINS;
}

/* Teams for each of a work-group's rows: several for several chunks, else several rows. */
typedef struct team_layout {
    int32_t teams, rows;
} team_layout;

static team_layout teams_of(const opencl_context *cl, const row_layout *r)
{
    const opencl_limits *limits = &cl->limits;
    int32_t most = (int32_t)cl->group_size / LAYER_NORM_CHAINS;
    team_layout t = {1, 1};
    if (r->d > LAYER_NORM_CHUNK)
        t.teams = most < limits->teams ? most : limits->teams;
    else
        t.rows = most < limits->rows ? most : limits->rows;
    return t;
}

static opencl_launch begin_teams(opencl_plan *plan, const char *kernel, const row_layout *r)
{
    const team_layout t = teams_of(plan->cl, r);
    char options[48];
    snprintf(options, sizeof options, "-DTEAMS=%d -DROWS=%d", t.teams, t.rows);
    return clade_opencl_begin(plan, "layer_norm", kernel, options);
}

static void run_teams(opencl_launch *l, const row_layout *r)
{
    const uint64_t most = l->plan->cl->limits.groups;
    const team_layout t = teams_of(l->plan->cl, r);
    const uint64_t groups = (r->m + (uint64_t)t.rows - 1) / (uint64_t)t.rows;
    const size_t local = (size_t)(t.rows * t.teams * LAYER_NORM_CHAINS);
    const size_t global = local * (size_t)(groups < most ? groups : most);
    clade_opencl_run_grid(l, 1, &global, &local);
}

/* ---- forward ---- */

/* The arguments x, gamma, beta, y, mean, rstd. */
static void forward(opencl_launch *l, const clade_layer_norm_args *a)
{
    clade_opencl_tensor(l, &a->x);
    clade_opencl_tensor(l, &a->gamma);
    clade_opencl_tensor(l, &a->beta);
    clade_opencl_tensor(l, &a->y);
    clade_opencl_tensor(l, &a->mean);
    clade_opencl_tensor(l, &a->rstd);
}

static void layer_norm_teams(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_layer_norm_args *a = &args->layer_norm;
    const row_layout r = layout_of(&a->x, &a->gamma);
    opencl_launch l = begin_teams(plan, "layer_norm_teams", &r);
    forward(&l, a);
    clade_opencl_u64(&l, r.m);
    clade_opencl_i32(&l, r.d);
    clade_opencl_f32(&l, a->eps);
    run_teams(&l, &r);
}

static void layer_norm_rows(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_layer_norm_args *a = &args->layer_norm;
    const row_layout r = layout_of(&a->x, &a->gamma);
    opencl_launch l =
        clade_opencl_begin_lanes(plan, "layer_norm", "layer_norm_rows", (uint64_t)r.d, "");
    forward(&l, a);
    clade_opencl_i32(&l, r.d);
    clade_opencl_f32(&l, a->eps);
    clade_opencl_run_each(&l, r.m, (uint64_t)r.d);
}

/* ---- gradients ---- */

/* The arguments x, dy, gamma, mean, rstd, dx. */
static void backward(opencl_launch *l, const clade_layer_norm_dx_args *a)
{
    clade_opencl_tensor(l, &a->x);
    clade_opencl_tensor(l, &a->dy);
    clade_opencl_tensor(l, &a->gamma);
    clade_opencl_tensor(l, &a->mean);
    clade_opencl_tensor(l, &a->rstd);
    clade_opencl_tensor(l, &a->dx);
}

/* dgamma and dbeta. */
static void weights(opencl_plan *plan, const clade_layer_norm_dx_args *a, const row_layout *r)
{
    const bool has_dgamma = clade_tensor_present(&a->dgamma);
    const bool has_dbeta = clade_tensor_present(&a->dbeta);
    if (!has_dgamma && !has_dbeta) return;
    const opencl_tree t = clade_opencl_tree((int64_t)r->m, r->d);
    const clade_tensor part = clade_opencl_part(plan, 2 * (uint64_t)t.blocks * t.width);
    const int32_t lanes = clade_opencl_sum_lanes(plan->cl, t.c);
    opencl_launch l = clade_opencl_begin_tree(plan, "layer_norm", "layer_norm_columns", t.c, lanes);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->mean);
    clade_opencl_tensor(&l, &a->rstd);
    clade_opencl_tensor(&l, &part);
    clade_opencl_u64(&l, r->m);
    clade_opencl_i32(&l, r->d);
    clade_opencl_i32(&l, t.blocks);
    clade_opencl_i32(&l, (int32_t)(t.width / t.c));
    clade_opencl_run_rows(&l, t.width / (uint64_t)lanes, (uint64_t)t.blocks);

    const opencl_sums left = clade_opencl_fold_tree(plan, &t, 2, &part);
    l = clade_opencl_begin_tree(plan, "layer_norm", "layer_norm_weights", t.c, lanes);
    clade_opencl_tensor(&l, &left.at);
    clade_opencl_tensor(&l, &a->dgamma);
    clade_opencl_tensor(&l, &a->dbeta);
    clade_opencl_i32(&l, has_dgamma);
    clade_opencl_i32(&l, has_dbeta);
    clade_opencl_i32(&l, r->d);
    clade_opencl_i32(&l, left.n);
    clade_opencl_u64(&l, t.width);
    clade_opencl_i32(&l, a->accumulate);
    clade_opencl_run_tree(&l, t.width, 1);
}

static void layer_norm_dx_teams(opencl_plan *plan, const clade_args *args,
                                const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_layer_norm_dx_args *a = &args->layer_norm_dx;
    const row_layout r = layout_of(&a->x, &a->gamma);
    weights(plan, a, &r);
    if (!clade_tensor_present(&a->dx)) return;
    opencl_launch l = begin_teams(plan, "layer_norm_dx_teams", &r);
    backward(&l, a);
    clade_opencl_u64(&l, r.m);
    clade_opencl_i32(&l, r.d);
    clade_opencl_i32(&l, a->accumulate);
    run_teams(&l, &r);
}

static void layer_norm_dx_rows(opencl_plan *plan, const clade_args *args,
                               const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_layer_norm_dx_args *a = &args->layer_norm_dx;
    const row_layout r = layout_of(&a->x, &a->gamma);
    weights(plan, a, &r);
    if (!clade_tensor_present(&a->dx)) return;
    opencl_launch l =
        clade_opencl_begin_lanes(plan, "layer_norm", "layer_norm_dx_rows", (uint64_t)r.d, "");
    backward(&l, a);
    clade_opencl_i32(&l, r.d);
    clade_opencl_i32(&l, a->accumulate);
    clade_opencl_run_each(&l, r.m, (uint64_t)r.d);
}

static const opencl_algorithm layer_norm[] = {
    {"teams", OPENCL_EXACT | OPENCL_NARROW, .can = teams_can, .halves = opencl_always,
     .plan = layer_norm_teams},
    {"rows", OPENCL_EXACT, .halves = opencl_always, .plan = layer_norm_rows},
    {.name = NULL}};
static const opencl_algorithm layer_norm_dx[] = {
    {"teams", OPENCL_EXACT | OPENCL_NARROW, .can = teams_can, .halves = opencl_always,
     .plan = layer_norm_dx_teams},
    {"rows", OPENCL_EXACT, .halves = opencl_always, .plan = layer_norm_dx_rows},
    {.name = NULL}};

const opencl_op clade_opencl_layer_norm_ops[] = {
    {.op = CLADE_OP_layer_norm, .halves = OPENCL_ALIKE, .algorithms = layer_norm},
    {.op = CLADE_OP_layer_norm_dx, .halves = OPENCL_ALIKE, .algorithms = layer_norm_dx},
    {.op = CLADE_OP_none},
};
