/* Vector and tile sizes, grids and workspace of the convolution kernels. */
#include "opencl/conv.h"

#include <stdio.h>

opencl_tile clade_opencl_tile(const opencl_context *cl, int32_t across)
{
    opencl_tile s = {.vw = (int32_t)cl->vector_width, .nv = 1, .pb = 1};
    if (cl->cpu_like && across > s.vw) s.nv = 2;
    return s;
}

/* The tile size that leaves the least to do twice. */
void clade_opencl_tile_row(const opencl_context *cl, opencl_tile *s, int32_t results)
{
    static const int32_t sizes[] = {14, 12, 8, 6, 4, 1};
    int32_t most = !cl->cpu_like ? 8 : cl->vector_width < 16 ? 6 : 14, best = INT32_MAX;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int32_t pb = sizes[i];
        if (pb > most || pb > results) continue;
        /* a tile of 1 takes as long as one of 4 */
        int32_t cost = (results + pb - 1) / pb * (pb < 4 ? 4 : pb);
        if (cost >= best) continue;
        best = cost;
        s->pb = pb;
    }
}

/* The largest tile size that divides n. */
void clade_opencl_tile_divisor(const opencl_context *cl, opencl_tile *s, int32_t n)
{
    int32_t most = !cl->cpu_like ? 8 : cl->vector_width < 16 ? 6 : 14;
    for (s->pb = most; n % s->pb; s->pb--) {}
}

const char *clade_opencl_tile_options(opencl_tile *s)
{
    snprintf(s->options, sizeof s->options, "-DVW=%d -DNV=%d -DPB=%d", s->vw, s->nv, s->pb);
    return s->options;
}

void clade_opencl_epilogue(opencl_launch *l, const opencl_epilogue *f)
{
    const conv_epilogue_job job = {.has_bias = clade_tensor_present(&f->b),
                                   .has_norm = clade_tensor_present(&f->mean),
                                   .has_z = clade_tensor_present(&f->z),
                                   .act = f->act,
                                   .alpha = f->alpha};
    clade_opencl_tensor(l, &f->b);
    clade_opencl_tensor(l, &f->mean);
    clade_opencl_tensor(l, &f->scale);
    clade_opencl_tensor(l, &f->beta);
    clade_opencl_tensor(l, &f->z);
    clade_opencl_struct(l, &job, sizeof job);
}

/* A grid of work-items that check their place: single ones on a CPU, groups of about 64 on a GPU.
 */
clade_status clade_opencl_run_checked(opencl_launch *l, size_t x, size_t y, size_t z)
{
    size_t local[3] = {1, 1, 1}, global[3] = {x, y, z};
    if (!l->cl->cpu_like) {
        while (local[0] < x && local[0] < 32) local[0] *= 2;
        while (local[1] < y && local[0] * local[1] < 64) local[1] *= 2;
    }
    for (int i = 0; i < 3; i++) global[i] = (global[i] + local[i] - 1) / local[i] * local[i];
    return clade_opencl_run_grid(l, 3, global, local);
}

clade_tensor clade_opencl_workspace_tensor(clade_buffer *memory, void *workspace, uint64_t offset)
{
    memory->handle = workspace;
    return (clade_tensor){.buffer = memory, .offset = offset, .dtype = CLADE_F32};
}
