/* How work is cut for few wide cores and for many narrow ones. */
#include "opencl/grid.h"

#include "opencl/program.h"

#include <stdio.h>

static uint64_t ceil_div(uint64_t a, uint64_t b) { return (a + b - 1) / b; }
static uint64_t clamp(uint64_t v, uint64_t most) { return v < 1 ? 1 : v > most ? most : v; }

/* ---- vectors ---- */

int32_t clade_opencl_lanes(const opencl_context *cl, uint64_t width)
{
    for (int32_t lanes = cl->cpu_like ? 16 : 4; lanes >= 4; lanes /= 2)
        if (width % (uint64_t)lanes == 0) return lanes;
    return 1;
}

int32_t clade_opencl_sum_lanes(const opencl_context *cl, uint64_t width)
{
    return cl->cpu_like ? clade_opencl_lanes(cl, width) : 1;
}

int32_t clade_opencl_sum_vectors(const opencl_context *cl, uint64_t n)
{
    return !cl->cpu_like ? 1 : n % 4 == 0 ? 4 : n % 2 == 0 ? 2 : 1;
}

opencl_launch clade_opencl_begin_lanes(opencl_plan *plan, const char *family, const char *kernel,
                                       uint64_t width, const char *more)
{
    char options[sizeof((opencl_program *)0)->options];
    snprintf(options, sizeof options, "-DVW=%d %s", clade_opencl_lanes(plan->cl, width), more);
    return clade_opencl_begin(plan, family, kernel, options);
}

/* ---- sizes ---- */

size_t clade_opencl_shares(const opencl_context *cl, size_t n, size_t each)
{
    return cl->cpu_like ? n / each + 1 : n;
}

size_t clade_opencl_batch_floats(const opencl_context *cl)
{
    return cl->cpu_like ? cl->limits.wide_batch : cl->limits.narrow_batch;
}

/* ---- launches ---- */

void clade_opencl_run_elements(opencl_launch *l, uint64_t n)
{
    size_t group = l->plan->cl->group_size;
    size_t global = (size_t)ceil_div(n, group) * group;
    clade_opencl_run_grid(l, 1, &global, &group);
}

void clade_opencl_run_long(opencl_launch *l, uint64_t n)
{
    if (!l->plan->cl->cpu_like)
        clade_opencl_run_elements(l, n);
    else
        clade_opencl_run_grid(l, 1, (const size_t[]){(size_t)n}, (const size_t[]){1});
}

/* Elements, each of `work` floats, that a work-item on a wide core takes: few enough for all cores
 * to have some, else as many as make a launch of little cost. */
static uint64_t block_of(const opencl_context *cl, uint64_t n, uint64_t work)
{
    enum { lanes = 16 };
    const uint64_t least = cl->limits.block_least, most = cl->limits.block;
    if (!cl->cpu_like) return 1;
    uint64_t even = n / (4 * cl->compute_units) / lanes * lanes, block = even;
    if (even * work < least) block = least / work;
    if (even * work > most) block = most / work;
    return block ? block : 1;
}

void clade_opencl_run_each(opencl_launch *l, uint64_t n, uint64_t work)
{
    const uint64_t block = block_of(l->plan->cl, n, work);
    clade_opencl_u64(l, n);
    clade_opencl_u64(l, block);
    clade_opencl_run_long(l, ceil_div(n, block));
}

static size_t whole_groups(const opencl_context *cl, uint64_t n, size_t group)
{
    return (size_t)clamp(ceil_div(n, group), cl->limits.groups) * group;
}

/* A group's size: as many items of a row as there are, then rows; single ones on wide cores. */
static void group_of(const opencl_context *cl, uint64_t items, uint64_t rows, size_t local[2])
{
    local[0] = local[1] = 1;
    if (cl->cpu_like) return;
    while (local[0] < items && local[0] * 2 <= cl->group_size) local[0] *= 2;
    while (local[1] < rows && local[0] * local[1] * 2 <= cl->group_size) local[1] *= 2;
}

void clade_opencl_run_rows(opencl_launch *l, uint64_t items, uint64_t rows)
{
    const opencl_context *cl = l->plan->cl;
    size_t local[2];
    group_of(cl, items, rows, local);
    if (cl->cpu_like) items = 1;
    const size_t global[2] = {whole_groups(cl, items, local[0]), whole_groups(cl, rows, local[1])};
    clade_opencl_run_grid(l, 2, global, local);
}

void clade_opencl_run_checked(opencl_launch *l, size_t x, size_t y, size_t z)
{
    size_t local[3] = {1, 1, 1}, global[3] = {x, y, z};
    if (!l->plan->cl->cpu_like) {
        while (local[0] < x && local[0] < 32) local[0] *= 2;
        while (local[1] < y && local[0] * local[1] < 64) local[1] *= 2;
    }
    for (int i = 0; i < 3; i++) global[i] = (size_t)ceil_div(global[i], local[i]) * local[i];
    clade_opencl_run_grid(l, 3, global, local);
}

void clade_opencl_run_lines(opencl_launch *l, size_t x, size_t y, size_t z)
{
    if (l->plan->cl->cpu_like) x = y = 1;
    clade_opencl_run_checked(l, x, y, z);
}

/* ---- blocks ---- */

opencl_blocks clade_opencl_blocks(const opencl_context *cl, uint64_t rows, uint64_t width,
                                  int32_t lanes, uint64_t work)
{
    const uint64_t block = cl->limits.block;
    opencl_blocks b = {rows, 1, width / (uint64_t)lanes, 1};
    size_t local[2];
    if (cl->cpu_like) {
        uint64_t cost = work * (uint64_t)lanes;
        b.vector_block = clamp(block / cost, b.vectors);
        b.row_block = clamp(block / (cost * b.vector_block), rows);
    } else {
        group_of(cl, b.vectors, rows, local);
        b.row_block = ceil_div(rows, cl->limits.groups * local[1]);
    }
    return b;
}

void clade_opencl_block_arguments(opencl_launch *l, const opencl_blocks *b)
{
    clade_opencl_u64(l, b->rows);
    clade_opencl_u64(l, b->row_block);
    clade_opencl_u64(l, b->vectors);
    clade_opencl_u64(l, b->vector_block);
}

void clade_opencl_run_blocks(opencl_launch *l, const opencl_blocks *b)
{
    size_t local[2];
    group_of(l->plan->cl, b->vectors, b->rows, local);
    const uint64_t items[2] = {ceil_div(b->vectors, b->vector_block),
                               ceil_div(b->rows, b->row_block)};
    const size_t global[2] = {(size_t)ceil_div(items[0], local[0]) * local[0],
                              (size_t)ceil_div(items[1], local[1]) * local[1]};
    clade_opencl_run_grid(l, 2, global, local);
}
