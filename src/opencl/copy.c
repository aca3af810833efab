/* Launchers of kernels/copy.cl. */
#include "opencl/grid.h"
#include "opencl/ops.h"

static void fill(opencl_plan *plan, const clade_args *args)
{
    const clade_fill_args *a = &args->fill;
    opencl_launch l = clade_opencl_begin(plan, "copy", "fill", NULL);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_f32(&l, a->value);
    clade_opencl_run_each(&l, clade_tensor_count(&a->y), 1);
}

static void copy(opencl_plan *plan, const clade_args *args)
{
    const clade_copy_args *a = &args->copy;
    opencl_launch l = clade_opencl_begin(plan, "copy", "copy", NULL);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_i32(&l, a->accumulate);
    clade_opencl_run_each(&l, clade_tensor_count(&a->x), 1);
}

/* Elements from one index of dimension `axis` to the next. */
static uint64_t inner_of(const clade_tensor *t, int32_t axis)
{
    uint64_t n = 1;
    for (int i = axis + 1; i < t->rank; i++) n *= (uint64_t)t->dim[i];
    return n;
}

/* Copies a part's rows, which lie `from` and `to` elements apart in x and y, or adds them. */
static void copy_rows(opencl_plan *plan, const clade_tensor *x, uint64_t from,
                      const clade_tensor *y, uint64_t to, int32_t accumulate)
{
    uint64_t width = from < to ? from : to;
    uint64_t rows = clade_tensor_count(from < to ? x : y) / width;
    int32_t lanes = clade_opencl_lanes(plan->cl, width);
    opencl_blocks blocks = clade_opencl_blocks(plan->cl, rows, width, lanes, 1);
    opencl_launch l = clade_opencl_begin_lanes(plan, "copy", "copy_rows", width, "");
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, y);
    clade_opencl_u64(&l, from);
    clade_opencl_u64(&l, to);
    clade_opencl_i32(&l, accumulate);
    clade_opencl_block_arguments(&l, &blocks);
    clade_opencl_run_blocks(&l, &blocks);
}

static void concat(opencl_plan *plan, const clade_args *args)
{
    const clade_concat_args *a = &args->concat;
    uint64_t inner = inner_of(&a->x, a->axis);
    clade_tensor y = a->y;
    y.offset += (uint64_t)a->start * inner;
    copy_rows(plan, &a->x, (uint64_t)a->x.dim[a->axis] * inner, &y,
              (uint64_t)a->y.dim[a->axis] * inner, 0);
}

static void concat_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_concat_dx_args *a = &args->concat_dx;
    uint64_t inner = inner_of(&a->dx, a->axis);
    clade_tensor dy = a->dy;
    dy.offset += (uint64_t)a->start * inner;
    copy_rows(plan, &dy, (uint64_t)a->dy.dim[a->axis] * inner, &a->dx,
              (uint64_t)a->dx.dim[a->axis] * inner, a->accumulate);
}

static void split(opencl_plan *plan, const clade_args *args)
{
    const clade_split_args *a = &args->split;
    uint64_t inner = inner_of(&a->y, a->axis);
    clade_tensor x = a->x;
    x.offset += (uint64_t)a->start * inner;
    copy_rows(plan, &x, (uint64_t)a->x.dim[a->axis] * inner, &a->y,
              (uint64_t)a->y.dim[a->axis] * inner, 0);
}

/* Rows of x, `width` elements, from `start` on in rows of y, `whole` elements, of which the others
 * become 0. */
static void place_rows(opencl_plan *plan, const clade_tensor *x, uint64_t width, uint64_t start,
                       const clade_tensor *y, uint64_t whole)
{
    /* a power of two divides all three if it divides this */
    const uint64_t all = width | start | whole;
    opencl_blocks blocks = clade_opencl_blocks(plan->cl, clade_tensor_count(y) / whole, whole,
                                               clade_opencl_lanes(plan->cl, all), 1);
    opencl_launch l = clade_opencl_begin_lanes(plan, "copy", "place_rows", all, "");
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, y);
    clade_opencl_u64(&l, start);
    clade_opencl_u64(&l, width);
    clade_opencl_block_arguments(&l, &blocks);
    clade_opencl_run_blocks(&l, &blocks);
}

static void split_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_split_dx_args *a = &args->split_dx;
    uint64_t inner = inner_of(&a->dy, a->axis), start = (uint64_t)a->start * inner;
    uint64_t width = (uint64_t)a->dy.dim[a->axis] * inner;
    uint64_t whole = (uint64_t)a->dx.dim[a->axis] * inner;
    clade_tensor dx = a->dx;
    if (!a->accumulate) {
        place_rows(plan, &a->dy, width, start, &dx, whole);
        return;
    }
    dx.offset += start;
    copy_rows(plan, &a->dy, width, &dx, whole, 1);
}

/* y from x, moved by top and left. */
static void move_rows(opencl_plan *plan, const clade_tensor *x, const clade_tensor *y, int64_t top,
                      int64_t left, float value, int32_t accumulate)
{
    int32_t c = y->dim[3], lanes = clade_opencl_lanes(plan->cl, (uint64_t)c);
    opencl_blocks blocks = clade_opencl_blocks(plan->cl, (uint64_t)y->dim[0] * (uint64_t)y->dim[1],
                                               (uint64_t)y->dim[2] * (uint64_t)c, lanes, 1);
    opencl_launch l = clade_opencl_begin_lanes(plan, "copy", "move_rows", (uint64_t)c, "");
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, y);
    clade_opencl_i32(&l, y->dim[1]);
    clade_opencl_i32(&l, c);
    clade_opencl_i32(&l, x->dim[1]);
    clade_opencl_i32(&l, x->dim[2]);
    clade_opencl_u64(&l, (uint64_t)top);
    clade_opencl_u64(&l, (uint64_t)left);
    clade_opencl_f32(&l, value);
    clade_opencl_i32(&l, accumulate);
    clade_opencl_block_arguments(&l, &blocks);
    clade_opencl_run_blocks(&l, &blocks);
}

static void pad(opencl_plan *plan, const clade_args *args)
{
    const clade_pad_args *a = &args->pad;
    move_rows(plan, &a->x, &a->y, -(int64_t)a->pad[0], -(int64_t)a->pad[1], a->value, 0);
}

static void pad_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_pad_dx_args *a = &args->pad_dx;
    move_rows(plan, &a->dy, &a->dx, a->pad[0], a->pad[1], 0, a->accumulate);
}

const opencl_op clade_opencl_copy_ops[] = {
    {.op = CLADE_OP_fill, .halves = OPENCL_ALIKE, .plan = fill},
    {.op = CLADE_OP_copy, .halves = OPENCL_ALIKE, .plan = copy},
    {.op = CLADE_OP_concat, .halves = OPENCL_ALIKE, .plan = concat},
    {.op = CLADE_OP_concat_dx, .halves = OPENCL_ALIKE, .plan = concat_dx},
    {.op = CLADE_OP_split, .halves = OPENCL_ALIKE, .plan = split},
    {.op = CLADE_OP_split_dx, .halves = OPENCL_ALIKE, .plan = split_dx},
    {.op = CLADE_OP_pad, .halves = OPENCL_ALIKE, .plan = pad},
    {.op = CLADE_OP_pad_dx, .halves = OPENCL_ALIKE, .plan = pad_dx},
    {.op = CLADE_OP_none},
};
