/* The largest of 2 x 2 results of a convolution. Work-items stride over a plane: along dimension 1
 * over rows of results of all pictures, along dimension 0 over the VW-wide vectors of a row,
 * channels fastest. VW divides c. */
#include "opencl.clh"
#include "conv_pool.clh"

/* x: [n, h, w, c]; y and index: [n, h / 2, w / 2, c]. */
kernel void conv_pool(TENSOR(const float, x), TENSOR(float, y), TENSOR(uchar, index), int has_index,
                      int relu, int n, int h, int w, int c)
{
    const uint oh = (uint)h / 2, vectors = (uint)(c / VW), items = (uint)(w / 2) * vectors;
    for (size_t row = get_global_id(1); row < (size_t)n * oh; row += get_global_size(1))
        for (uint item = get_global_id(0); item < items; item += get_global_size(0)) {
            size_t line = row / oh * h + row % oh * 2;
            uint j = item / vectors, k = item % vectors * VW;
            V_mask at;
            V best =
                conv_pool_max(x + x0 + (line * w + 2 * j) * c + k, (long)w * c, c, relu, VW, &at);
            size_t to = row * (w / 2) * c + (size_t)item * VW;
            V_STORE(y + y0 + to, best);
            if (has_index) LANES_STORE_U8(index + index0 + to, at, VW);
        }
}
