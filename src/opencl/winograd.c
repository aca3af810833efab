/* Launchers of kernels/winograd.cl: convolutions and their gradients by Winograd's tiles. On a CPU
 * a launch or two do all; on a GPU tiles, or chunks of them, go through several kernels, as many at
 * a time as keep the workspace small. */
#include "opencl/conv.h"
#include "opencl/product.h"
#include "op/winograd_plan.h"

#include <stdio.h>

enum { gpu_bytes = 48 << 20 }; /* of what lies between a GPU's kernels */

/* How a call is done: the job and where its parts lie in workspace, in floats. */
typedef struct plan {
    winograd_job job;
    char options[48];
    size_t workers;  /* on a CPU, each with memory of its own */
    uint64_t second; /* after filters or sums: blocks' memory, u */
    uint64_t third;  /* m, or e */
    uint64_t db;     /* sums of db */
    uint64_t end;
} plan;

static plan plan_of(const opencl_context *cl, const winograd_job *job)
{
    plan p = {.job = *job, .workers = cl->compute_units};
    snprintf(p.options, sizeof p.options, "-DVW=%u", cl->cpu_like ? cl->vector_width : 1);
    return p;
}

static plan plan_tiles(const opencl_context *cl, const winograd_job *job)
{
    plan p = plan_of(cl, job);
    winograd_job *w = &p.job;
    if (cl->cpu_like) {
        winograd_plan(w, (int32_t)cl->vector_width, (int32_t)cl->compute_units);
    } else {
        w->cs = w->c;
        w->lanes = w->k;
        int64_t fit = gpu_bytes / ((int64_t)sizeof(float) * winograd_points * (w->c + w->k));
        w->block = fit < 1 ? 1 : fit > w->tiles ? w->tiles : (int32_t)fit;
    }
    p.second = winograd_filter_floats(w);
    p.third = p.second + (uint64_t)winograd_points * (uint64_t)w->block * (uint64_t)w->cs;
    p.end = p.second + (cl->cpu_like ? p.workers : 1) * winograd_block_floats(w);
    return p;
}

static plan plan_chunks(const opencl_context *cl, const winograd_job *job)
{
    plan p = plan_of(cl, job);
    winograd_job *w = &p.job;
    if (cl->cpu_like) {
        winograd_plan_dw(w, (int32_t)cl->vector_width);
        if (p.workers > (size_t)w->chunks) p.workers = (size_t)w->chunks;
    } else {
        w->cs = w->c;
        w->ks = w->k;
        int64_t each = (int64_t)sizeof(float) * winograd_points * (w->c + w->k) * w->per_chunk;
        int32_t fit = (int32_t)(gpu_bytes / each < 1 ? 1 : gpu_bytes / each);
        w->block = (fit > w->chunks ? w->chunks : fit) * w->per_chunk;
    }
    p.db = winograd_sum_floats(w);
    p.second = p.db + winograd_db_floats(w);
    p.third = p.second + (uint64_t)winograd_points * (uint64_t)w->block * (uint64_t)w->cs;
    p.end = p.second + (cl->cpu_like ? p.workers : 1) * winograd_dw_floats(w);
    return p;
}

static opencl_launch begin(opencl_context *cl, const plan *p, const char *kernel)
{
    return clade_opencl_begin(cl, "winograd", kernel, p->options);
}

/* Workspace memory from float `at` on, as a kernel's argument. */
static void part(opencl_launch *l, void *workspace, uint64_t at)
{
    clade_opencl_workspace(l, workspace);
    clade_opencl_u64(l, at);
}

/* One work-item per channel or vector of them, and tile or the like. */
static clade_status run_plane(opencl_launch *l, const plan *p, size_t channels, size_t rows)
{
    clade_opencl_struct(l, &p->job, sizeof p->job);
    return clade_opencl_run_checked(l, channels, rows, 1);
}

/* The products at all points of `chunks` chunks. */
typedef struct products {
    uint64_t a, b, c; /* where they lie */
    int32_t rows, columns, inner, inner_last, transposed;
    int32_t a_row, b_row, c_row;
    uint64_t a_point, b_point, c_point, a_chunk, b_chunk, c_chunk;
    int32_t chunks;
} products;

static clade_status run_products(opencl_context *cl, const products *m, void *workspace)
{
    opencl_product p = {
        .rows = m->rows,
        .columns = m->columns,
        .count = winograd_points * (int64_t)m->chunks,
        .a_aligned = opencl_aligned(m->a_row, m->a),
        .b_aligned = opencl_aligned(m->b_row, m->b),
        .c_aligned = opencl_aligned(m->columns, m->c),
    };
    opencl_launch l = clade_opencl_product_begin(cl, &p, "product", "product_batch",
                                                 m->transposed ? "-DA_TURNED=0" : "-DA_TURNED=1");
    part(&l, workspace, m->a);
    part(&l, workspace, m->b);
    part(&l, workspace, m->c);
    const int32_t sizes[] = {m->rows,         m->columns, m->inner, m->inner_last,
                             winograd_points, m->a_row,   m->b_row, m->c_row};
    const uint64_t steps[] = {m->a_point, m->b_point, m->c_point,
                              m->a_chunk, m->b_chunk, m->c_chunk};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) clade_opencl_i32(&l, sizes[i]);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) clade_opencl_u64(&l, steps[i]);
    return clade_opencl_product_run(&l, &p);
}

/* ---- convolution and its input gradient ---- */

/* What a convolution reads and writes; absent tensors have no buffer. */
typedef struct tensors {
    clade_tensor x, index; /* the source; its index where it is unpooled */
    clade_tensor w, y;
    opencl_epilogue epilogue;
    clade_tensor to; /* the results' index where they are pooled */
} tensors;

static clade_status run_blocks(opencl_context *cl, const plan *p, const tensors *t, void *workspace)
{
    opencl_launch l = begin(cl, p, "conv_winograd_blocks");
    clade_opencl_tensor(&l, &t->x);
    clade_opencl_tensor(&l, &t->index);
    clade_opencl_epilogue(&l, &t->epilogue);
    clade_opencl_tensor(&l, &t->y);
    clade_opencl_tensor(&l, &t->to);
    part(&l, workspace, 0);
    part(&l, workspace, p->second);
    return run_plane(&l, p, p->workers, 1);
}

/* Tiles first … first + count through a GPU's three kernels. */
static clade_status run_passes(opencl_context *cl, const plan *p, const tensors *t, int32_t first,
                               int32_t count, void *workspace)
{
    const winograd_job *w = &p->job;
    opencl_launch l = begin(cl, p, "conv_winograd_sources");
    clade_opencl_tensor(&l, &t->x);
    clade_opencl_tensor(&l, &t->index);
    part(&l, workspace, p->second);
    clade_opencl_i32(&l, first);
    clade_opencl_i32(&l, count);
    clade_status status = run_plane(&l, p, (size_t)w->c, (size_t)count);
    if (status) return status;
    products m = {.a = p->second,
                  .b = 0,
                  .c = p->third,
                  .rows = count,
                  .columns = w->k,
                  .inner = w->c,
                  .inner_last = w->c,
                  .a_row = w->cs,
                  .b_row = w->lanes,
                  .c_row = w->lanes,
                  .a_point = (uint64_t)w->block * (uint64_t)w->cs,
                  .b_point = (uint64_t)w->c * (uint64_t)w->lanes,
                  .c_point = (uint64_t)w->block * (uint64_t)w->lanes,
                  .chunks = 1};
    status = run_products(cl, &m, workspace);
    if (status) return status;
    l = begin(cl, p, "conv_winograd_results");
    part(&l, workspace, p->third);
    clade_opencl_epilogue(&l, &t->epilogue);
    clade_opencl_tensor(&l, &t->y);
    clade_opencl_tensor(&l, &t->to);
    clade_opencl_i32(&l, first);
    clade_opencl_i32(&l, count);
    return run_plane(&l, p, (size_t)w->k, (size_t)count);
}

static clade_status run_tiles(opencl_context *cl, const winograd_job *job, const tensors *t,
                              void *workspace)
{
    plan p = plan_tiles(cl, job);
    int32_t vw = cl->cpu_like ? (int32_t)cl->vector_width : 1;
    opencl_launch l = begin(cl, &p, "conv_winograd_filters");
    clade_opencl_tensor(&l, &t->w);
    part(&l, workspace, 0);
    clade_status status = run_plane(&l, &p, (size_t)((job->k + vw - 1) / vw), (size_t)job->c);
    if (status) return status;
    if (cl->cpu_like) return run_blocks(cl, &p, t, workspace);
    for (int32_t first = 0; !status && first < job->tiles; first += p.job.block) {
        int32_t left = job->tiles - first;
        status = run_passes(cl, &p, t, first, left < p.job.block ? left : p.job.block, workspace);
    }
    return status;
}

clade_status clade_opencl_winograd(opencl_context *cl, const clade_conv2d_args *a,
                                   const opencl_epilogue *epilogue, const clade_tensor *pooled,
                                   const clade_tensor *index, void *workspace)
{
    winograd_job job = winograd_forward(a);
    tensors t = {.x = a->x, .w = a->w, .y = a->y, .epilogue = *epilogue};
    if (pooled) {
        job.pooled = 1;
        job.indexed = clade_tensor_present(index);
        t.y = *pooled;
        t.to = *index;
    }
    return run_tiles(cl, &job, &t, workspace);
}

clade_status clade_opencl_winograd_dx(opencl_context *cl, const clade_conv2d_dx_args *a,
                                      const clade_tensor *index, void *workspace)
{
    winograd_job job = winograd_dx(a);
    tensors t = {.x = a->dy, .w = a->w, .y = a->dx};
    if (index) {
        job.unpool = 1;
        t.index = *index;
    }
    return run_tiles(cl, &job, &t, workspace);
}

/* ---- the weight gradient ---- */

static clade_status run_chunks(opencl_context *cl, const plan *p, const clade_conv2d_dw_args *a,
                               const clade_tensor *index, void *workspace)
{
    opencl_launch l = begin(cl, p, "conv_winograd_chunks");
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, index);
    part(&l, workspace, 0);
    part(&l, workspace, p->db);
    part(&l, workspace, p->second);
    return run_plane(&l, p, p->workers, 1);
}

/* Chunks from tile `first` on, `count` tiles, through a GPU's kernels. */
static clade_status run_dw_passes(opencl_context *cl, const plan *p, const clade_conv2d_dw_args *a,
                                  const clade_tensor *index, int32_t first, int32_t count,
                                  void *workspace)
{
    const winograd_job *w = &p->job;
    int32_t chunk = first / w->per_chunk, chunks = (count - 1) / w->per_chunk + 1;
    const clade_tensor no_index = {0};
    opencl_launch l = begin(cl, p, "conv_winograd_sources");
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &no_index);
    part(&l, workspace, p->second);
    clade_opencl_i32(&l, first);
    clade_opencl_i32(&l, count);
    clade_status status = run_plane(&l, p, (size_t)w->c, (size_t)count);
    if (status) return status;
    l = begin(cl, p, "conv_winograd_gradients");
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, index);
    part(&l, workspace, p->third);
    clade_opencl_i32(&l, first);
    clade_opencl_i32(&l, count);
    status = run_plane(&l, p, (size_t)w->k, (size_t)count);
    if (status) return status;
    uint64_t sums = winograd_points * (uint64_t)w->cs * (uint64_t)w->ks;
    products m = {.a = p->second,
                  .b = p->third,
                  .c = (uint64_t)chunk * sums,
                  .rows = w->c,
                  .columns = w->k,
                  .inner = w->per_chunk,
                  .inner_last = count - (chunks - 1) * w->per_chunk,
                  .transposed = 1,
                  .a_row = w->cs,
                  .b_row = w->ks,
                  .c_row = winograd_points * w->ks,
                  .a_point = (uint64_t)w->block * (uint64_t)w->cs,
                  .b_point = (uint64_t)w->block * (uint64_t)w->ks,
                  .c_point = (uint64_t)w->ks,
                  .a_chunk = (uint64_t)w->per_chunk * (uint64_t)w->cs,
                  .b_chunk = (uint64_t)w->per_chunk * (uint64_t)w->ks,
                  .c_chunk = sums,
                  .chunks = chunks};
    status = run_products(cl, &m, workspace);
    if (status || !clade_tensor_present(&a->db)) return status;
    l = begin(cl, p, "conv_winograd_db");
    part(&l, workspace, p->third);
    part(&l, workspace, p->db + (uint64_t)chunk * (uint64_t)w->ks);
    clade_opencl_i32(&l, chunks);
    clade_opencl_i32(&l, count);
    return run_plane(&l, p, (size_t)w->k, (size_t)chunks);
}

/* The sums of all chunks of n numbers, which begin at float `at` of workspace, to `out`. */
static clade_status add_chunks(opencl_context *cl, const plan *p, uint64_t at, uint64_t n,
                               const clade_tensor *out, int32_t k, int32_t accumulate,
                               void *workspace)
{
    opencl_launch l = clade_opencl_begin(cl, "conv_dw", "conv_add_parts", NULL);
    part(&l, workspace, at);
    clade_opencl_tensor(&l, out);
    clade_opencl_u64(&l, n);
    clade_opencl_u64(&l, n / (uint64_t)k * (uint64_t)p->job.ks);
    clade_opencl_i32(&l, p->job.chunks);
    clade_opencl_i32(&l, k);
    clade_opencl_i32(&l, k);
    clade_opencl_i32(&l, p->job.ks);
    clade_opencl_i32(&l, accumulate);
    return clade_opencl_run_elements(&l, n);
}

/* dw from the sums of all chunks. A GPU has more work-items for adding these than for the rest, 36
 * to one, and adds them first. */
static clade_status finish_dw(opencl_context *cl, const plan *p, const clade_tensor *dw,
                              void *workspace)
{
    plan left = *p;
    int32_t vw = cl->cpu_like ? (int32_t)cl->vector_width : 1;
    if (!cl->cpu_like && p->job.chunks > 1) {
        clade_buffer memory;
        clade_tensor first = clade_opencl_workspace_tensor(&memory, workspace, 0);
        uint64_t n = winograd_sum_floats(&p->job) / (uint64_t)p->job.chunks;
        clade_status status = add_chunks(cl, p, 0, n, &first, p->job.ks, 0, workspace);
        if (status) return status;
        left.job.chunks = 1;
    }
    opencl_launch l = begin(cl, p, "conv_winograd_dw");
    part(&l, workspace, 0);
    clade_opencl_tensor(&l, dw);
    return run_plane(&l, &left, (size_t)((p->job.k + vw - 1) / vw), (size_t)p->job.c);
}

clade_status clade_opencl_winograd_dw(opencl_context *cl, const clade_conv2d_dw_args *a,
                                      const clade_tensor *index, void *workspace)
{
    const clade_tensor none = {0};
    winograd_job job = winograd_dw(a);
    if (index)
        job.pooled = 1;
    else
        index = &none;
    plan p = plan_chunks(cl, &job);
    const winograd_job *w = &p.job;
    clade_status status = CLADE_OK;
    if (cl->cpu_like) status = run_chunks(cl, &p, a, index, workspace);
    for (int32_t first = 0; !cl->cpu_like && !status && first < w->tiles; first += w->block) {
        int32_t left = w->tiles - first;
        status =
            run_dw_passes(cl, &p, a, index, first, left < w->block ? left : w->block, workspace);
    }
    if (!status) status = finish_dw(cl, &p, &a->dw, workspace);
    if (status || !clade_tensor_present(&a->db)) return status;
    return add_chunks(cl, &p, p.db, (uint64_t)w->k, &a->db, w->k, w->accumulate, workspace);
}

/* ---- workspace ---- */

bool clade_opencl_winograd_can(clade_op op, const clade_args *args)
{
    if (op == CLADE_OP_conv2d) {
        const clade_conv2d_args *a = &args->conv2d;
        conv_geometry g = CONV_GEOMETRY(a);
        return conv_is_winograd(&g, &a->w, &a->y);
    }
    if (op == CLADE_OP_conv2d_dx) {
        const clade_conv2d_dx_args *a = &args->conv2d_dx;
        conv_geometry g = CONV_GEOMETRY(a);
        return conv_is_winograd(&g, &a->w, &a->dx);
    }
    if (op == CLADE_OP_conv2d_dw) {
        const clade_conv2d_dw_args *a = &args->conv2d_dw;
        conv_geometry g = CONV_GEOMETRY(a);
        return conv_is_winograd_dw(&g, &a->dw, &a->dy);
    }
    return false;
}

size_t clade_opencl_winograd_workspace(const opencl_context *cl, clade_op op,
                                       const clade_args *args)
{
    winograd_job job;
    uint64_t floats;
    if (!clade_opencl_winograd_can(op, args)) return 0;
    if (op == CLADE_OP_conv2d_dw) {
        job = winograd_dw(&args->conv2d_dw);
        floats = plan_chunks(cl, &job).end;
    } else {
        job =
            op == CLADE_OP_conv2d ? winograd_forward(&args->conv2d) : winograd_dx(&args->conv2d_dx);
        floats = plan_tiles(cl, &job).end;
    }
    return (size_t)floats * sizeof(float);
}
