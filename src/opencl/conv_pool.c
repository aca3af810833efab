/* conv2d_maxpool and its gradients. Where the algorithm of the convolution fuses it, its kernels
 * pool their results, or take pooled gradients apart. Else the ops that they are made of run one
 * after the other through workspace. The convolution's result, or its gradient, is there for a few
 * images at a time, so that it stays in a wide core's cache and is small on any device; conv2d_dw,
 * whose chunks go over all images, has it whole. */
#include "opencl/conv.h"
#include "op/conv_pool.h"

static bool fuses(const opencl_plan *plan, const clade_args *inner, const opencl_algorithm *by)
{
    return by->fuses && by->fuses(plan->cl, inner);
}

static void pool(opencl_plan *plan, const clade_tensor *full, const clade_tensor *y,
                 const clade_tensor *index, bool relu)
{
    const int32_t *dim = full->dim;
    const uint64_t c = (uint64_t)dim[3], vectors = c / (uint64_t)clade_opencl_lanes(plan->cl, c);
    opencl_launch l = clade_opencl_begin_lanes(plan, "conv_pool", "conv_pool", c, "");
    clade_opencl_tensor(&l, full);
    clade_opencl_tensor(&l, y);
    clade_opencl_tensor(&l, index);
    clade_opencl_i32(&l, clade_tensor_present(index));
    clade_opencl_i32(&l, relu);
    for (int i = 0; i < 4; i++) clade_opencl_i32(&l, dim[i]);
    clade_opencl_run_rows(&l, (uint64_t)y->dim[2] * vectors,
                          (uint64_t)y->dim[0] * (uint64_t)y->dim[1]);
}

/* ---- some images at a time ---- */

/* The convolution's result or its gradient, in the workspace, of as many images as are taken at
 * once. */
static clade_tensor part_of(opencl_plan *plan, clade_tensor full)
{
    size_t each = clade_tensor_count(&full) / (size_t)full.dim[0];
    size_t fit = clade_opencl_batch_floats(plan->cl) / each;
    if (fit < (size_t)full.dim[0]) full.dim[0] = fit < 1 ? 1 : (int32_t)fit;
    clade_opencl_place(plan, &full);
    return full;
}

/* Makes the n images after the first `done` ones of a tensor that has those now. */
static void advance(clade_tensor *t, int32_t done, int32_t n)
{
    if (!clade_tensor_present(t)) return;
    t->dim[0] = done;
    t->offset += clade_tensor_count(t);
    t->dim[0] = n;
}

/* Records `one` for all images: those of the convolution's x (or dx), of the pooled side and of its
 * index; `full` has those that are taken at once. What one part needs of the workspace the next may
 * use. */
static void in_parts(opencl_plan *plan, clade_args *inner, const opencl_algorithm *by,
                     clade_tensor *x, clade_tensor *full, clade_tensor *pooled, clade_tensor *index,
                     void (*one)(opencl_plan *plan, clade_args *inner, const opencl_algorithm *by,
                                 clade_tensor *pooled, clade_tensor *index))
{
    clade_tensor *const moving[] = {x, pooled, index};
    const int32_t images = pooled->dim[0];
    const uint64_t next = plan->next;
    for (int32_t first = 0, before = 0; first < images && !plan->status; first += before) {
        int32_t left = images - first;
        if (full->dim[0] > left) full->dim[0] = left;
        for (int i = 0; i < 3; i++) advance(moving[i], before, full->dim[0]);
        one(plan, inner, by, pooled, index);
        clade_opencl_release_parts(plan, next);
        before = full->dim[0];
    }
}

/* ---- the ops ---- */

static void maxpool_inner(const clade_args *args, clade_args *inner)
{
    const clade_conv2d_maxpool_args *a = &args->conv2d_maxpool;
    conv_geometry g = CONV_GEOMETRY(a);
    inner->conv2d = conv_pool_conv(a, conv_pool_full(&a->x, &a->w, &g));
}

/* Gradients' full tensors have the memory of the pooled ones, for who takes them apart, and their
 * format, in which they are exact. */
static clade_tensor full_gradient(clade_tensor full, const clade_tensor *pooled)
{
    full.dtype = pooled->dtype;
    full.buffer = pooled->buffer;
    full.offset = pooled->offset;
    return full;
}

static void maxpool_dx_inner(const clade_args *args, clade_args *inner)
{
    const clade_conv2d_maxpool_dx_args *a = &args->conv2d_maxpool_dx;
    conv_geometry g = CONV_GEOMETRY(a);
    clade_tensor full = full_gradient(conv_pool_full(&a->dx, &a->w, &g), &a->dy);
    inner->conv2d_dx = conv_pool_conv_dx(a, full);
}

static void maxpool_dw_inner(const clade_args *args, clade_args *inner)
{
    const clade_conv2d_maxpool_dw_args *a = &args->conv2d_maxpool_dw;
    conv_geometry g = CONV_GEOMETRY(a);
    clade_tensor full = full_gradient(conv_pool_full(&a->x, &a->dw, &g), &a->dy);
    inner->conv2d_dw = conv_pool_conv_dw(a, full);
}

/* relu is done by then; the index says where it took the gradient away. */
static void convolve_and_pool(opencl_plan *plan, clade_args *inner, const opencl_algorithm *by,
                              clade_tensor *pooled, clade_tensor *index)
{
    by->plan(plan, inner, NULL);
    pool(plan, &inner->conv2d.y, pooled, index, inner->conv2d.act == CLADE_RELU);
}

static void maxpool(opencl_plan *plan, const clade_args *args, const clade_args *inner,
                    const opencl_algorithm *by)
{
    const clade_conv2d_maxpool_args *a = &args->conv2d_maxpool;
    if (fuses(plan, inner, by)) {
        by->plan(plan, inner, &(opencl_fusion){.pooled = &a->y, .index = &a->index});
        return;
    }
    clade_args part = *inner;
    clade_tensor pooled = a->y, index = a->index;
    part.conv2d.y = part_of(plan, inner->conv2d.y);
    in_parts(plan, &part, by, &part.conv2d.x, &part.conv2d.y, &pooled, &index, convolve_and_pool);
}

static void unpool(opencl_plan *plan, const clade_tensor *dy, const clade_tensor *index,
                   const clade_tensor *full)
{
    const clade_args args = {.maxpool2d_dx = conv_pool_unpool(dy, index, *full)};
    clade_opencl_unpool(plan, &args);
}

static void unpool_and_convolve(opencl_plan *plan, clade_args *inner, const opencl_algorithm *by,
                                clade_tensor *pooled, clade_tensor *index)
{
    unpool(plan, pooled, index, &inner->conv2d_dx.dy);
    by->plan(plan, inner, NULL);
}

static void maxpool_dx(opencl_plan *plan, const clade_args *args, const clade_args *inner,
                       const opencl_algorithm *by)
{
    const clade_conv2d_maxpool_dx_args *a = &args->conv2d_maxpool_dx;
    if (fuses(plan, inner, by)) {
        by->plan(plan, inner, &(opencl_fusion){.index = &a->index});
        return;
    }
    clade_args part = *inner;
    clade_tensor pooled = a->dy, index = a->index;
    part.conv2d_dx.dy = part_of(plan, inner->conv2d_dx.dy);
    in_parts(plan, &part, by, &part.conv2d_dx.dx, &part.conv2d_dx.dy, &pooled, &index,
             unpool_and_convolve);
}

static void maxpool_dw(opencl_plan *plan, const clade_args *args, const clade_args *inner,
                       const opencl_algorithm *by)
{
    const clade_conv2d_maxpool_dw_args *a = &args->conv2d_maxpool_dw;
    if (fuses(plan, inner, by)) {
        by->plan(plan, inner, &(opencl_fusion){.index = &a->index});
        return;
    }
    clade_args apart = *inner;
    clade_tensor *dy = &apart.conv2d_dw.dy;
    clade_opencl_place(plan, dy);
    unpool(plan, &a->dy, &a->index, dy);
    by->plan(plan, &apart, NULL);
}

const opencl_op clade_opencl_conv_pool_ops[] = {
    {.op = CLADE_OP_conv2d_maxpool,
     .halves = OPENCL_FUSED,
     .inner_op = CLADE_OP_conv2d,
     .inner = maxpool_inner,
     .around = maxpool},
    {.op = CLADE_OP_conv2d_maxpool_dx,
     .halves = OPENCL_ALIKE,
     .inner_op = CLADE_OP_conv2d_dx,
     .inner = maxpool_dx_inner,
     .around = maxpool_dx},
    {.op = CLADE_OP_conv2d_maxpool_dw,
     .halves = OPENCL_ALIKE,
     .inner_op = CLADE_OP_conv2d_dw,
     .inner = maxpool_dw_inner,
     .around = maxpool_dw},
    {.op = CLADE_OP_none},
};
