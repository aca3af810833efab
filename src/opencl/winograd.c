/* Convolutions and their gradients by Winograd's tiles: launchers of kernels/winograd.cl. On wide
 * cores a launch or two do all; on narrow ones tiles, or chunks of them, go through several
 * kernels, as many at a time as keep the workspace small. */
#include "opencl/conv.h"
#include "opencl/product.h"
#include "op/winograd_plan.h"

#include <stdio.h>

static opencl_launch begin(opencl_plan *plan, const char *kernel)
{
    char options[16];
    snprintf(options, sizeof options, "-DVW=%u", plan->cl->lanes);
    return clade_opencl_begin(plan, "winograd", kernel, options);
}

/* One work-item per channel or vector of them, and tile or the like. */
static void run_plane(opencl_launch *l, const winograd_job *job, size_t channels, size_t rows)
{
    clade_opencl_struct(l, job, sizeof *job);
    clade_opencl_run_checked(l, channels, rows, 1);
}

static size_t vectors_of(const opencl_plan *plan, int32_t channels)
{
    return ((size_t)channels + plan->cl->lanes - 1) / plan->cl->lanes;
}

/* ---- convolution and its input gradient ---- */

/* What a convolution reads and writes; absent tensors have no buffer. */
typedef struct tensors {
    clade_tensor x, index; /* the source; its index where it is unpooled */
    clade_tensor w, y;
    opencl_epilogue epilogue;
    clade_tensor to; /* the results' index where they are pooled */
} tensors;

static void tiles_wide(opencl_plan *plan, winograd_job job, const tensors *t)
{
    const uint32_t workers = plan->cl->compute_units;
    winograd_plan(&job, (int32_t)plan->cl->vector_width, (int32_t)workers,
                  plan->cl->limits.winograd_cache);
    const clade_tensor filters = clade_opencl_part(plan, winograd_filter_floats(&job)),
                       blocks = clade_opencl_part(plan, workers * winograd_block_floats(&job));
    opencl_launch l = begin(plan, "conv_winograd_filters");
    clade_opencl_tensor(&l, &t->w);
    clade_opencl_tensor(&l, &filters);
    run_plane(&l, &job, vectors_of(plan, job.k), (size_t)job.c);

    l = begin(plan, "conv_winograd_blocks");
    clade_opencl_tensor(&l, &t->x);
    clade_opencl_tensor(&l, &t->index);
    clade_opencl_epilogue(&l, &t->epilogue);
    clade_opencl_tensor(&l, &t->y);
    clade_opencl_tensor(&l, &t->to);
    clade_opencl_tensor(&l, &filters);
    clade_opencl_tensor(&l, &blocks);
    run_plane(&l, &job, workers, 1);
}

/* Tiles first … first + count through three kernels: u, the sources, times the filters is m. The
 * filters are made with the first sources. */
static void run_passes(opencl_plan *plan, const winograd_job *w, const tensors *t,
                       const clade_tensor *filters, const clade_tensor *u, const clade_tensor *m,
                       int32_t first, int32_t count)
{
    const uint64_t n = (uint64_t)w->c * (uint64_t)(first ? count : count + w->k);
    opencl_launch l = begin(plan, "conv_winograd_sources");
    clade_opencl_tensor(&l, &t->x);
    clade_opencl_tensor(&l, &t->index);
    clade_opencl_tensor(&l, u);
    clade_opencl_tensor(&l, &t->w);
    clade_opencl_tensor(&l, filters);
    clade_opencl_u64(&l, n);
    clade_opencl_i32(&l, first);
    clade_opencl_i32(&l, count);
    clade_opencl_struct(&l, w, sizeof *w);
    clade_opencl_run_elements(&l, n);

    const opencl_product_batch p = {.points = winograd_points,
                                    .a = u,
                                    .b = filters,
                                    .c = m,
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
    clade_opencl_product_batch(plan, &p);

    l = begin(plan, "conv_winograd_results");
    clade_opencl_tensor(&l, m);
    clade_opencl_epilogue(&l, &t->epilogue);
    clade_opencl_tensor(&l, &t->y);
    clade_opencl_tensor(&l, &t->to);
    clade_opencl_i32(&l, first);
    clade_opencl_i32(&l, count);
    run_plane(&l, w, (size_t)w->k, (size_t)count);
}

static void tiles_narrow(opencl_plan *plan, winograd_job job, const tensors *t)
{
    job.cs = job.c;
    job.lanes = job.k;
    int64_t fit =
        plan->cl->limits.passes / ((int64_t)sizeof(float) * winograd_points * (job.c + job.k));
    job.block = fit < 1 ? 1 : fit > job.tiles ? job.tiles : (int32_t)fit;
    const uint64_t rows = winograd_points * (uint64_t)job.block;
    const clade_tensor filters = clade_opencl_part(plan, winograd_filter_floats(&job)),
                       u = clade_opencl_part(plan, rows * (uint64_t)job.cs),
                       m = clade_opencl_part(plan, rows * (uint64_t)job.lanes);
    for (int32_t first = 0; first < job.tiles && !plan->status; first += job.block) {
        int32_t left = job.tiles - first;
        run_passes(plan, &job, t, &filters, &u, &m, first, left < job.block ? left : job.block);
    }
}

static winograd_job forward(const clade_args *args, const opencl_fusion *fusion, tensors *t)
{
    const clade_conv2d_args *a = &args->conv2d;
    winograd_job job = winograd_forward(a);
    *t =
        (tensors){.x = a->x, .w = a->w, .y = a->y, .epilogue = clade_opencl_epilogue_of(a, fusion)};
    if (fusion && fusion->pooled) {
        job.pooled = 1;
        job.indexed = clade_tensor_present(fusion->index);
        t->y = *fusion->pooled;
        t->to = *fusion->index;
    }
    return job;
}

static winograd_job backward(const clade_args *args, const opencl_fusion *fusion, tensors *t)
{
    const clade_conv2d_dx_args *a = &args->conv2d_dx;
    winograd_job job = winograd_dx(a);
    *t = (tensors){.x = a->dy, .w = a->w, .y = a->dx};
    if (fusion) {
        job.unpool = 1;
        t->index = *fusion->index;
    }
    return job;
}

/* ---- the weight gradient ---- */

/* Begins dw and db from the sums of all chunks: of all channels, and the bias as one more. */
static opencl_launch begin_dw(opencl_plan *plan, const winograd_job *job,
                              const clade_conv2d_dw_args *a, const clade_tensor *sums,
                              const clade_tensor *db_sums, size_t *channels)
{
    const bool has_db = clade_tensor_present(&a->db);
    opencl_launch l = begin(plan, "conv_winograd_dw");
    clade_opencl_tensor(&l, sums);
    clade_opencl_tensor(&l, &a->dw);
    clade_opencl_tensor(&l, db_sums);
    clade_opencl_tensor(&l, &a->db);
    clade_opencl_i32(&l, has_db ? job->chunks : 0);
    *channels = (size_t)(job->c + has_db);
    return l;
}

static winograd_job weight_job(const clade_conv2d_dw_args *a, const opencl_fusion *fusion,
                               clade_tensor *index)
{
    winograd_job job = winograd_dw(a);
    *index = fusion ? *fusion->index : (clade_tensor){0};
    if (fusion) job.pooled = 1;
    return job;
}

void clade_opencl_winograd_wide_dw(opencl_plan *plan, const clade_args *args,
                                   const opencl_fusion *fusion)
{
    const clade_conv2d_dw_args *a = &args->conv2d_dw;
    clade_tensor index;
    winograd_job job = weight_job(a, fusion, &index);
    size_t workers = plan->cl->compute_units;
    winograd_plan_dw(&job, (int32_t)plan->cl->vector_width, plan->cl->limits.winograd_dw_cache);
    if (workers > (size_t)job.chunks) workers = (size_t)job.chunks;
    const clade_tensor sums = clade_opencl_part(plan, winograd_sum_floats(&job)),
                       db_sums = clade_opencl_part(plan, winograd_db_floats(&job)),
                       blocks = clade_opencl_part(plan, workers * winograd_dw_floats(&job));
    opencl_launch l = begin(plan, "conv_winograd_chunks");
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &index);
    clade_opencl_tensor(&l, &sums);
    clade_opencl_tensor(&l, &db_sums);
    clade_opencl_tensor(&l, &blocks);
    run_plane(&l, &job, workers, 1);
    size_t channels;
    l = begin_dw(plan, &job, a, &sums, &db_sums, &channels);
    run_plane(&l, &job, vectors_of(plan, job.k), channels);
}

/* Where the passes of a weight gradient keep u, of the sources, e, of dy, and the sums. */
typedef struct dw_memory {
    clade_tensor u, e, sums, db_sums;
} dw_memory;

/* Chunks from tile `first` on, `count` tiles. */
static void run_dw_passes(opencl_plan *plan, const winograd_job *w, const clade_conv2d_dw_args *a,
                          const clade_tensor *index, const dw_memory *memory, int32_t first,
                          int32_t count)
{
    const int32_t chunk = first / w->per_chunk, chunks = (count - 1) / w->per_chunk + 1;
    const uint64_t each = winograd_points * (uint64_t)w->cs * (uint64_t)w->ks;
    clade_tensor sums = memory->sums, db_sums = memory->db_sums;
    sums.offset += (uint64_t)chunk * each;
    db_sums.offset += (uint64_t)chunk * (uint64_t)w->ks;
    opencl_launch l = begin(plan, "conv_winograd_gradients");
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &memory->u);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, index);
    clade_opencl_tensor(&l, &memory->e);
    clade_opencl_i32(&l, first);
    clade_opencl_i32(&l, count);
    clade_opencl_struct(&l, w, sizeof *w);
    clade_opencl_run_elements(&l, (uint64_t)(w->c + w->k) * (uint64_t)count);

    const opencl_product_batch p = {.points = winograd_points,
                                    .a = &memory->u,
                                    .b = &memory->e,
                                    .c = &sums,
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
                                    .c_chunk = each,
                                    .chunks = chunks};
    clade_opencl_product_batch(plan, &p);
    if (!clade_tensor_present(&a->db)) return;
    l = begin(plan, "conv_winograd_db");
    clade_opencl_tensor(&l, &memory->e);
    clade_opencl_tensor(&l, &db_sums);
    clade_opencl_i32(&l, chunks);
    clade_opencl_i32(&l, count);
    run_plane(&l, w, (size_t)w->k, (size_t)chunks);
}

void clade_opencl_winograd_narrow_dw(opencl_plan *plan, const clade_args *args,
                                     const opencl_fusion *fusion)
{
    const clade_conv2d_dw_args *a = &args->conv2d_dw;
    clade_tensor index;
    winograd_job job = weight_job(a, fusion, &index);
    job.cs = job.c;
    job.ks = job.k;
    int64_t each = (int64_t)sizeof(float) * winograd_points * (job.c + job.k) * job.per_chunk;
    int64_t fit = plan->cl->limits.passes / each;
    job.block = (fit < 1 ? 1 : fit > job.chunks ? job.chunks : (int32_t)fit) * job.per_chunk;
    const uint64_t rows = winograd_points * (uint64_t)job.block;
    const dw_memory memory = {.u = clade_opencl_part(plan, rows * (uint64_t)job.cs),
                              .e = clade_opencl_part(plan, rows * (uint64_t)job.ks),
                              .sums = clade_opencl_part(plan, winograd_sum_floats(&job)),
                              .db_sums = clade_opencl_part(plan, winograd_db_floats(&job))};
    for (int32_t first = 0; first < job.tiles && !plan->status; first += job.block) {
        int32_t left = job.tiles - first;
        run_dw_passes(plan, &job, a, &index, &memory, first, left < job.block ? left : job.block);
    }
    size_t channels, items = 3 * 32; /* a third of a group's points */
    if (items > plan->cl->group_size) items = plan->cl->group_size;
    opencl_launch l = begin_dw(plan, &job, a, &memory.sums, &memory.db_sums, &channels);
    clade_opencl_struct(&l, &job, sizeof job);
    const size_t groups = (size_t)(job.k - 1) / WINOGRAD_DW_FILTERS + 1;
    clade_opencl_run_grid(&l, 2, (const size_t[]){groups * items, channels},
                          (const size_t[]){items, 1});
}

/* ---- for the tables ---- */

void clade_opencl_winograd_wide(opencl_plan *plan, const clade_args *args,
                                const opencl_fusion *fusion)
{
    tensors t;
    tiles_wide(plan, forward(args, fusion, &t), &t);
}

void clade_opencl_winograd_narrow(opencl_plan *plan, const clade_args *args,
                                  const opencl_fusion *fusion)
{
    tensors t;
    tiles_narrow(plan, forward(args, fusion, &t), &t);
}

void clade_opencl_winograd_wide_dx(opencl_plan *plan, const clade_args *args,
                                   const opencl_fusion *fusion)
{
    tensors t;
    tiles_wide(plan, backward(args, fusion, &t), &t);
}

void clade_opencl_winograd_narrow_dx(opencl_plan *plan, const clade_args *args,
                                     const opencl_fusion *fusion)
{
    tensors t;
    tiles_narrow(plan, backward(args, fusion, &t), &t);
}

bool clade_opencl_winograd_can(const opencl_context *cl, const clade_args *args)
{
    (void)cl;
    const clade_conv2d_args *a = &args->conv2d;
    conv_geometry g = CONV_GEOMETRY(a);
    return conv_is_winograd(&g, &a->w, &a->y);
}

bool clade_opencl_winograd_dx_can(const opencl_context *cl, const clade_args *args)
{
    (void)cl;
    const clade_conv2d_dx_args *a = &args->conv2d_dx;
    conv_geometry g = CONV_GEOMETRY(a);
    return conv_is_winograd(&g, &a->w, &a->dx);
}

bool clade_opencl_winograd_dw_can(const opencl_context *cl, const clade_args *args)
{
    (void)cl;
    const clade_conv2d_dw_args *a = &args->conv2d_dw;
    conv_geometry g = CONV_GEOMETRY(a);
    return conv_is_winograd_dw(&g, &a->dw, &a->dy);
}
