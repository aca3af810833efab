/* Depthwise convolution (one filter per channel) and its gradients; VW divides the channels. */
#include "opencl.clh"
#include "conv_job.clh"
#include "depthwise.clh"

/* The convolution, or its input gradient.
 *
 * Grid: vector of VW channels, unit of a row (depthwise_units()), row of all images. On a CPU a
 * work-item is alone in its group and strides over all vectors and units of its row. On a GPU there
 * is one for each: neighbours have neighbouring channels, so that every load and store is
 * coalesced; each weight that it reads serves up to DEPTHWISE_PB results, and the pixels that
 * neighbouring units share come from the cache. */
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

/* Partial sums of the weight gradient, of one tap and one chunk: [chunk][tap][job.lanes]. Grid:
 * vector of channels, tap, chunk. Reads x and dy once for each tap, mostly from a cache. */
kernel void conv_dw_depthwise(TENSOR(const stored, x), TENSOR(const stored, dy),
                              TENSOR(float, parts), conv_dw_job job)
{
    const int o = get_global_id(0) * VW, tap = get_global_id(1);
    const long chunk = get_global_id(2);
    if (o >= job.c || tap >= job.kh * job.kw || chunk >= job.chunks) return;
    const int r = tap / job.kw, s = tap % job.kw;
    const long first = chunk * job.lines_per_chunk, lines = (long)job.images * job.oh;
    V sum = V_SPLAT(0.0f);
    for (long line = first; line < min(first + job.lines_per_chunk, lines); line++) {
        const int ih = (int)(line % job.oh) * job.stride_h - job.pad_h + r * job.dilation_h;
        if (ih < 0 || ih >= job.h) continue;
        for (int ow = 0; ow < job.ow; ow++) {
            const int iw = ow * job.stride_w - job.pad_w + s * job.dilation_w;
            if (iw < 0 || iw >= job.w) continue;
            const long at = ((line / job.oh * job.h + ih) * job.w + iw) * job.c + o;
            sum = V_FMA(SV_LOAD(x + x0 + at), SV_LOAD(dy + dy0 + (line * job.ow + ow) * job.c + o),
                        sum);
        }
    }
    V_STORE(parts + parts0 + (chunk * job.kh * job.kw + tap) * job.lanes + o, sum);
}
