/* What stands around matrix products: images to columns and back, and what
 * becomes of sums. */
#include "opencl.clh"
#include "conv_epilogue.clh"
#include "conv_job.clh"

/* Row (image, oh, ow) of the column matrix: the pixels of its window in the order of the weights,
 * 0 outside. One work-item per float, `images` from `first` on; neighbours read neighbouring
 * channels. */
kernel void gemm_im2col(TENSOR(const float, x), TENSOR(float, columns), ulong n, int first,
                        conv_dw_job job)
{
    ulong i = get_global_id(0);
    if (i >= n) return;
    int c = (int)(i % job.c);
    ulong rest = i / job.c;
    int s = (int)(rest % job.kw), r = (int)(rest / job.kw % job.kh);
    rest /= (ulong)job.kh * job.kw;
    int ow = (int)(rest % job.ow), oh = (int)(rest / job.ow % job.oh);
    ulong image = first + rest / ((ulong)job.oh * job.ow);
    int ih = oh * job.stride_h - job.pad_h + r * job.dilation_h,
        iw = ow * job.stride_w - job.pad_w + s * job.dilation_w;
    int inside = ih >= 0 && ih < job.h && iw >= 0 && iw < job.w;
    columns[columns0 + i] = inside ? x[x0 + ((image * job.h + ih) * job.w + iw) * job.c + c] : 0.0f;
}

/* The reverse: each dx sums the places of the column matrix that it was copied to, taps in
 * descending order. One work-item per element of dx. */
kernel void gemm_col2im(TENSOR(const float, columns), TENSOR(float, dx), ulong n, int first,
                        conv_dw_job job)
{
    ulong i = get_global_id(0);
    if (i >= n) return;
    int c = (int)(i % job.c), iw = (int)(i / job.c % job.w), ih = (int)(i / job.c / job.w % job.h);
    ulong image = i / job.c / job.w / job.h;
    float sum = 0.0f;
    for (int r = job.kh - 1; r >= 0; r--) {
        int oh = ih + job.pad_h - r * job.dilation_h;
        if (oh < 0 || oh % job.stride_h || oh / job.stride_h >= job.oh) continue;
        for (int s = job.kw - 1; s >= 0; s--) {
            int ow = iw + job.pad_w - s * job.dilation_w;
            if (ow < 0 || ow % job.stride_w || ow / job.stride_w >= job.ow) continue;
            ulong row = (image * job.oh + oh / job.stride_h) * job.ow + ow / job.stride_w;
            sum += columns[columns0 + ((row * job.kh + r) * job.kw + s) * job.c + c];
        }
    }
    int accumulate = job.accumulate;
    PUT(dx[dx0 + (ulong)first * job.h * job.w * job.c + i], sum);
}

/* What becomes of sums, in place, over rows of k. One work-item per vector of VW, which divides k.
 */
kernel void gemm_epilogue(TENSOR(float, y), EPILOGUE_ARGUMENTS, ulong n, int k)
{
    ulong i = get_global_id(0) * VW;
    if (i >= n) return;
    const conv_epilogue all = FINISH;
    const conv_epilogue f = conv_epilogue_at(&all, i % k, i);
    V sum = V_LOAD(y + y0 + i);
    conv_epilogue_sums(&f, &sum, 1, 1, 0, VW);
    V_STORE(y + y0 + i, sum);
    conv_epilogue_rest(f.act, f.alpha, y + y0 + i, VW);
}
