/* Which tile a matrix product is computed by. */
#include "opencl/product.h"

#include "opencl/program.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

/* A group's results, a work-item's, and the steps at a time (kernels/product.clh). */
typedef struct opencl_product_tile {
    int32_t bm, bn, wm, wn, ks;
} opencl_product_tile;

static const opencl_product_tile tiles[] = {
    {128, 64, 8, 8, 8},  {64, 64, 8, 4, 16}, {128, 32, 8, 4, 16},
    {128, 16, 4, 4, 16}, {64, 32, 4, 4, 16}, {32, 32, 2, 4, 32},
    {16, 16, 2, 2, 32},  {16, 16, 1, 2, 64}, {16, 16, 4, 4, 16},
};

static uint32_t items_of(const opencl_product_tile *t)
{
    return (uint32_t)(t->bm / t->wm * (t->bn / t->wn));
}

/* Cycles for a step of all sums: what a work-item does for it, multiply and read, by how many of
 * them take turns on a lane of the device; 128 lanes to a compute unit, and a group takes 32 at
 * once. One that is alone on its lane also waits for local memory, some 32 cycles for the steps
 * that it reads at once (PRODUCT_STEPS). So tiles are the largest where those fill the device, as
 * large ones read least, and smaller where they do not, or where rows or columns end soon. */
static double cost_of(const opencl_context *cl, const opencl_product_tile *t,
                      const opencl_product *p)
{
    double lanes = 128.0 * cl->compute_units;
    double items = (double)opencl_product_groups(p, t->bm, t->bn) * (double)p->count *
                   ((items_of(t) + 31) / 32 * 32);
    double work = t->wm * t->wn + t->wm + t->wn, turns = items / lanes * work;
    double alone = work + 32.0 / (t->wm * t->wn < 16 ? 8 : 64 / (t->wm * t->wn));
    return turns > alone ? turns : alone;
}

static const opencl_product_tile *choose(const opencl_context *cl, const opencl_product *p)
{
    const opencl_product_tile *best = NULL;
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
        const opencl_product_tile *t = &tiles[i];
        if (items_of(t) > cl->group_size || (p->windows && t->wm < 4)) continue;
        if (!best || cost_of(cl, t, p) < cost_of(cl, best, p)) best = t;
    }
    return best;
}

bool clade_opencl_product_can(const opencl_context *cl, clade_products products)
{
    return products ? clade_opencl_matrix_can(cl, products)
                    : choose(cl, &(opencl_product){.windows = true}) != NULL;
}

double clade_opencl_product_cycles(const opencl_context *cl, const opencl_product *p, double steps)
{
    const opencl_product_tile *t = choose(cl, p);
    return t ? steps * cost_of(cl, t, p) : HUGE_VAL;
}

static void choose_tile(const opencl_context *cl, opencl_product *p, char *options, size_t size)
{
    const opencl_product_tile *t = choose(cl, p);
    p->bm = t->bm;
    p->bn = t->bn;
    p->items = items_of(t);
    snprintf(options, size, "-DBM=%d -DBN=%d -DWM=%d -DWN=%d -DKS=%d", t->bm, t->bn, t->wm, t->wn,
             t->ks);
}

opencl_launch clade_opencl_product_begin(opencl_plan *plan, opencl_product *p, const char *family,
                                         const char *kernel, const char *more)
{
    char tile[128], options[sizeof((opencl_program *)0)->options];
    if (p->products)
        clade_opencl_matrix_choose(plan->cl, p, tile, sizeof tile);
    else
        choose_tile(plan->cl, p, tile, sizeof tile);
    int n = snprintf(options, sizeof options, "%s -DAV=%d -DBV=%d -DCV=%d %s", tile,
                     p->a_aligned ? 4 : 1, p->b_aligned ? 4 : 1, p->c_aligned ? 4 : 1, more);
    assert(n > 0 && (size_t)n < sizeof options);
    (void)n;
    return clade_opencl_begin_stored(plan, p->stored, family, kernel, options);
}

void clade_opencl_product_run(opencl_launch *launch, const opencl_product *p)
{
    clade_opencl_run_grid(
        launch, 2,
        (const size_t[]){(size_t)opencl_product_groups(p, p->bm, p->bn) * p->items,
                         (size_t)p->count},
        (const size_t[]){p->items, 1});
}

void clade_opencl_product_batch(opencl_plan *plan, const opencl_product_batch *m)
{
    if (!plan->status && !clade_opencl_product_can(plan->cl, CLADE_FACTORS_FLOAT32))
        plan->status =
            clade_fail(CLADE_EUNSUPPORTED,
                       "%s: work-groups of %u items are too small for a product of matrices",
                       plan->cl->label, (unsigned)plan->cl->group_size);
    if (plan->status) return;
    opencl_product p = {
        .rows = m->rows,
        .columns = m->columns,
        .count = (int64_t)m->points * m->chunks,
        .a_aligned = opencl_aligned(m->a_row, m->a->offset),
        .b_aligned = opencl_aligned(m->b_row, m->b->offset),
        .c_aligned = opencl_aligned(m->columns, m->c->offset),
        .stored = m->a->dtype,
    };
    opencl_launch l = clade_opencl_product_begin(plan, &p, "product", "product_batch",
                                                 m->transposed ? "-DA_TURNED=0" : "-DA_TURNED=1");
    clade_opencl_tensor(&l, m->a);
    clade_opencl_tensor(&l, m->b);
    clade_opencl_tensor(&l, m->c);
    const int32_t sizes[] = {m->rows,   m->columns, m->inner, m->inner_last,
                             m->points, m->a_row,   m->b_row, m->c_row};
    const uint64_t steps[] = {m->a_point, m->b_point, m->c_point,
                              m->a_chunk, m->b_chunk, m->c_chunk};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) clade_opencl_i32(&l, sizes[i]);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) clade_opencl_u64(&l, steps[i]);
    clade_opencl_product_run(&l, &p);
}
