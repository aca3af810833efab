/* Which tile a matrix product by a matrix unit is computed by. */
#include "opencl/matrix_units.h"
#include "opencl/product.h"

#include <stdio.h>

/* A group's results, and a sub-group's (kernels/matrix_tile.clh). */
typedef struct opencl_matrix_tile {
    int32_t bm, bn, wm, wn;
} opencl_matrix_tile;

static const opencl_matrix_tile tiles[] = {
    {128, 128, 64, 32}, {128, 64, 64, 32}, {128, 64, 32, 32}, {64, 64, 32, 32},
    {128, 32, 32, 32},  {64, 32, 32, 16},  {32, 64, 16, 32},  {128, 16, 32, 16},
    {32, 32, 16, 16},   {32, 32, 16, 32},  {16, 16, 16, 16},  {32, 16, 8, 8},
};

static uint32_t items_of(const opencl_matrix_tile *t, const opencl_matrix_unit *unit)
{
    return (uint32_t)(t->bm / t->wm * (t->bn / t->wn) * unit->lanes);
}

/* Bytes of local memory, of 32-bit factors, and of where rows lie. */
static uint64_t local_bytes(const opencl_matrix_tile *t)
{
    return (uint64_t)(2 * (t->bm + t->bn) * 20 * 4 + t->bm * 16 + 64);
}

/* Groups load a block's 16 steps side by side; a lane has room for 64 results. */
static bool fits(const opencl_context *cl, const opencl_matrix_tile *t,
                 const opencl_matrix_unit *unit)
{
    const uint32_t items = items_of(t, unit);
    const cl_ulong local = clade_opencl_device_number(cl->device, CL_DEVICE_LOCAL_MEM_SIZE);
    return items <= cl->group_size && items % 16 == 0 && local_bytes(t) <= local &&
           t->wm % unit->m == 0 && t->wn % unit->n == 0 && t->wm * t->wn / unit->lanes <= 64;
}

/* Cycles for a step of all sums. A compute unit does 1024 products in one, and gets 16 floats from
 * its caches; a group that is alone waits some 500 cycles for each block of 16 steps. So tiles are
 * the largest where those fill the device, as large ones read least, and smaller where they do not,
 * or where rows or columns end soon. These are an H100's numbers, but what is chosen depends little
 * on them. */
static double cost_of(const opencl_context *cl, const opencl_matrix_tile *t,
                      const opencl_product *p)
{
    double groups = (double)opencl_product_groups(p, t->bm, t->bn) * (double)p->count;
    double multiply = t->bm * t->bn / 1024.0, load = (t->bm + t->bn) / 16.0;
    double work = multiply > load ? multiply : load, turns = groups / cl->compute_units * work;
    double alone = work + 500.0 / 16;
    return turns > alone ? turns : alone;
}

static const opencl_matrix_tile *choose(const opencl_context *cl, const opencl_matrix_unit *unit,
                                        const opencl_product *p)
{
    const opencl_matrix_tile *best = NULL;
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++)
        if (fits(cl, &tiles[i], unit) &&
            (!best || cost_of(cl, &tiles[i], p) < cost_of(cl, best, p)))
            best = &tiles[i];
    return best;
}

bool clade_opencl_matrix_can(const opencl_context *cl, clade_products products)
{
    const opencl_matrix_unit *unit = clade_opencl_matrix_unit_for(cl, products);
    return unit && choose(cl, unit, &(opencl_product){.rows = 1, .columns = 1, .count = 1});
}

void clade_opencl_matrix_choose(const opencl_context *cl, opencl_product *p, char *options,
                                size_t size)
{
    const opencl_matrix_unit *unit = clade_opencl_matrix_unit_for(cl, p->products);
    const opencl_matrix_tile *t = choose(cl, unit, p);
    p->bm = t->bm;
    p->bn = t->bn;
    p->items = items_of(t, unit);
    snprintf(options, size, "-DBM=%d -DBN=%d -DWM=%d -DWN=%d -DMATRIX_UNIT=%d -DMATRIX_FORMAT=%d%s",
             t->bm, t->bn, t->wm, t->wn, unit->number, p->products,
             clade_opencl_matrix_emulated(cl) ? " -DMATRIX_EMULATED" : "");
}
