/* Launches over rows of vectors in blocks, and over broadcast index spaces. */
#include "opencl/broadcast.h"

#include "opencl/rows.h"

#include <stdio.h>

/* Elements that a work-item on a wide core takes; most work-groups along the rows elsewhere, which
 * is within what all devices accept. */
enum { block_work = 16384, most_groups = 32768 };

static uint64_t ceil_div(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

static uint64_t clamp(uint64_t v, uint64_t most) { return v < 1 ? 1 : v > most ? most : v; }

/* The group's size: as many vectors of a row as there are, then rows. */
static void group_of(const opencl_context *cl, const opencl_blocks *b, size_t local[2])
{
    local[0] = local[1] = 1;
    if (cl->cpu_like) return;
    while (local[0] < b->vectors && local[0] * 2 <= cl->group_size) local[0] *= 2;
    while (local[1] < b->rows && local[0] * local[1] * 2 <= cl->group_size) local[1] *= 2;
}

opencl_blocks clade_opencl_blocks(const opencl_context *cl, uint64_t rows, uint64_t width,
                                  int32_t lanes, uint64_t work)
{
    opencl_blocks b = {rows, 1, width / (uint64_t)lanes, 1};
    size_t local[2];
    if (cl->cpu_like) {
        uint64_t cost = work * (uint64_t)lanes;
        b.vector_block = clamp(block_work / cost, b.vectors);
        b.row_block = clamp(block_work / (cost * b.vector_block), rows);
    } else {
        group_of(cl, &b, local);
        b.row_block = ceil_div(rows, (uint64_t)most_groups * local[1]);
    }
    return b;
}

void clade_opencl_block_arguments(opencl_launch *launch, const opencl_blocks *b)
{
    clade_opencl_u64(launch, b->rows);
    clade_opencl_u64(launch, b->row_block);
    clade_opencl_u64(launch, b->vectors);
    clade_opencl_u64(launch, b->vector_block);
}

clade_status clade_opencl_run_blocks(opencl_launch *launch, const opencl_blocks *b)
{
    size_t local[2];
    group_of(launch->cl, b, local);
    const uint64_t items[2] = {ceil_div(b->vectors, b->vector_block),
                               ceil_div(b->rows, b->row_block)};
    const size_t global[2] = {(size_t)ceil_div(items[0], local[0]) * local[0],
                              (size_t)ceil_div(items[1], local[1]) * local[1]};
    return clade_opencl_run_grid(launch, 2, global, local);
}

int32_t clade_opencl_row_lanes(const opencl_context *cl, uint64_t width)
{
    /* lanes are at most 16, which divides 2^20 */
    return clade_opencl_lanes(cl, (int32_t)(width % (1 << 20)) + (1 << 20));
}

opencl_launch clade_opencl_begin_rows(opencl_context *cl, const char *family, const char *kernel,
                                      int32_t lanes)
{
    return clade_opencl_begin_lanes(cl, family, kernel, lanes, "");
}

opencl_launch clade_opencl_begin_broadcast(opencl_context *cl, const char *family,
                                           const char *kernel, const uint64_t *a, const uint64_t *b,
                                           int32_t lanes)
{
    char along[32];
    snprintf(along, sizeof along, "-DA_ALONG=%d -DB_ALONG=%d", a[3] != 0, b[3] != 0);
    return clade_opencl_begin_lanes(cl, family, kernel, lanes, along);
}

void clade_opencl_walk_arguments(opencl_launch *launch, const uint64_t *size, const uint64_t *a,
                                 const uint64_t *b)
{
    for (int i = 0; i < 3; i++) clade_opencl_u64(launch, size[i]);
    for (int i = 0; i < 3; i++) clade_opencl_u64(launch, a[i]);
    for (int i = 0; i < 3; i++) clade_opencl_u64(launch, b[i]);
}

clade_status clade_opencl_run_broadcast(opencl_launch *launch, const broadcast_space *s,
                                        int32_t lanes)
{
    opencl_blocks b =
        clade_opencl_blocks(launch->cl, s->size[0] * s->size[1] * s->size[2], s->size[3], lanes, 1);
    clade_opencl_block_arguments(launch, &b);
    clade_opencl_walk_arguments(launch, s->size, s->a, s->b);
    return clade_opencl_run_blocks(launch, &b);
}
