/* Dense layers of few results: products of parts of the inner dimension, so that there is work for
 * all of a device, added by kernels/dense.cl. For narrow cores, in fast math: exact math has one
 * chain for each result. */
#include "opencl/conv.h"
#include "opencl/product.h"

enum {
    lanes = 128,        /* of a compute unit, as product.c counts them */
    turns = 4,          /* chains that each should have: to wait for one while another goes on */
    least_steps = 128,  /* of a part, twice what lies between two barriers (product.clh) */
    step_multiple = 64, /* whole blocks, and rows of parts aligned as those of all */
    least_saved = 400,  /* steps of a chain that take as long as the launch that adds the parts:
                         * 13 ns each and 4.6 µs on an H200, and a little for the host */
};

/* Steps of each part but the last; all of them where it is not worth cutting. */
static int32_t steps_of(const opencl_context *cl, const clade_dense_args *a)
{
    const int64_t inner = a->x.dim[1], results = (int64_t)a->x.dim[0] * a->w.dim[1];
    const int64_t parts = (int64_t)cl->compute_units * lanes * turns / results;
    if (parts < 2) return (int32_t)inner;
    int64_t steps = (inner + parts - 1) / parts;
    if (steps < least_steps) steps = least_steps;
    return (int32_t)((steps + step_multiple - 1) / step_multiple * step_multiple);
}

bool clade_opencl_split_dense_can(const opencl_context *cl, const clade_args *args)
{
    const clade_dense_args *a = &args->dense;
    return clade_opencl_product_can(cl, CLADE_FACTORS_FLOAT32) &&
           a->x.dim[1] - steps_of(cl, a) >= least_saved;
}

void clade_opencl_split_dense(opencl_plan *plan, const clade_args *args,
                              const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_dense_args *a = &args->dense;
    const int32_t n = a->x.dim[0], inner = a->x.dim[1], out = a->w.dim[1];
    const int32_t steps = steps_of(plan->cl, a), parts = (inner + steps - 1) / steps;
    const uint64_t results = (uint64_t)n * (uint64_t)out;
    const clade_tensor sums = clade_opencl_part(plan, results * (uint64_t)parts);
    const opencl_product_batch products = {
        .a = &a->x,
        .b = &a->w,
        .c = &sums,
        .rows = n,
        .columns = out,
        .inner = steps,
        .inner_last = inner - (parts - 1) * steps,
        .points = 1,
        .chunks = parts,
        .a_row = inner,
        .b_row = out,
        .c_row = out,
        .a_chunk = (uint64_t)steps,
        .b_chunk = (uint64_t)steps * (uint64_t)out,
        .c_chunk = results,
    };
    clade_opencl_product_batch(plan, &products);
    const opencl_epilogue epilogue = {.b = a->b, .act = a->act, .alpha = a->alpha};
    opencl_launch l = clade_opencl_begin_stored(plan, a->y.dtype, "dense", "dense_add", NULL);
    clade_opencl_tensor(&l, &sums);
    clade_opencl_epilogue(&l, &epilogue);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_u64(&l, results);
    clade_opencl_i32(&l, out);
    clade_opencl_i32(&l, parts);
    clade_opencl_run_elements(&l, results);
}
