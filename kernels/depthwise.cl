/* Depthwise convolution (one filter per channel) and its input gradient.
 *
 * Grid: vector of VW channels, unit of a row (depthwise_units()), row of all images; VW divides
 * the channels. On a CPU a work-item is alone in its group and strides over all vectors and units
 * of its row. On a GPU there is one for each: neighbours have neighbouring channels, so that every
 * load and store is coalesced; each weight that it reads serves up to DEPTHWISE_PB results, and the
 * pixels that neighbouring units share come from the cache. */
#include "opencl.clh"
#include "depthwise.clh"

kernel void conv_depthwise(TENSOR(const stored, x), TENSOR(const stored, w), EPILOGUE_ARGUMENTS,
                           TENSOR(stored, y), depthwise_job job)
{
    const long line = get_global_id(2), step = (long)job.column.out_stride * job.c;
    const int units = depthwise_units(&job);
    const conv_epilogue all = FINISH;
    if (line >= (long)job.images * job.row.count) return;
    for (int unit = get_global_id(1); unit < units; unit += get_global_size(1)) {
        const depthwise_place place = depthwise_find(&job, x + x0, w + w0, line, unit);
        const conv_epilogue f = conv_epilogue_at(&all, 0, place.at);
        global stored *out = y + y0 + place.at;
        for (int o = get_global_id(0) * VW; o < job.c; o += get_global_size(0) * VW) {
            depthwise_channels(&place.taps, &f, place.count, o, VW, out, step, job.accumulate);
            for (int p = 0; conv_epilogue_leaves(f.act) && p < place.count; p++)
                conv_epilogue_rest(f.act, f.alpha, out + p * step + o, VW);
        }
    }
}
