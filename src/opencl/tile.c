/* Vector and tile sizes of the convolution kernels. */
#include "opencl/tile.h"

#include <stdio.h>

opencl_tile clade_opencl_tile(const opencl_context *cl, int32_t across)
{
    opencl_tile s = {.vw = (int32_t)cl->vector_width, .nv = 1, .pb = 1};
    if (cl->cpu_like && across > s.vw) s.nv = 2;
    return s;
}

/* Results side by side in registers. */
static int32_t most_results(const opencl_context *cl)
{
    return !cl->cpu_like ? 8 : cl->vector_width < 16 ? 6 : 14;
}

void clade_opencl_tile_row(const opencl_context *cl, opencl_tile *s, int32_t results)
{
    static const int32_t sizes[] = {14, 12, 8, 6, 4, 1};
    int64_t best = INT64_MAX;
    int32_t most = most_results(cl);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int32_t pb = sizes[i];
        if (pb > most || pb > results) continue;
        /* a tile of 1 takes as long as one of 4 */
        int64_t cost = (results + pb - 1) / pb * (int64_t)(pb < 4 ? 4 : pb);
        if (cost >= best) continue;
        best = cost;
        s->pb = pb;
    }
}

void clade_opencl_tile_divisor(const opencl_context *cl, opencl_tile *s, int32_t n)
{
    for (s->pb = most_results(cl); n % s->pb; s->pb--) {}
}

const char *clade_opencl_tile_options(opencl_tile *s)
{
    snprintf(s->options, sizeof s->options, "-DVW=%d -DNV=%d -DPB=%d", s->vw, s->nv, s->pb);
    return s->options;
}
