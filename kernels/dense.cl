/* Dense layers whose inner dimension was cut into parts (src/opencl/dense_split.c). */
#include "opencl.clh"

#define VW 1
#include "conv_epilogue.clh"

/* y[i] = act(Σ over ascending parts of sums[part][i] + b[i % columns]): sums [parts][n], y [n].
 * A work-item for each result: neighbours read neighbours, each part's sums once, 4 (parts + 1)
 * bytes a result; the loads of all parts are independent of each other. */
kernel void dense_add(TENSOR(const float, sums), EPILOGUE_ARGUMENTS, TENSOR(stored, y), ulong n,
                      int columns, int parts)
{
    const ulong i = get_global_id(0);
    if (i >= n) return;
    const conv_epilogue all = FINISH, f = conv_epilogue_at(&all, (i64)(i % columns), (i64)i);
    float sum = sums[sums0 + i];
    for (int part = 1; part < parts; part++) sum += sums[sums0 + part * n + i];
    conv_epilogue_sums(&f, &sum, 1, 1, 0, 1);
    S_STORE(y + y0 + i, sum);
    conv_epilogue_rest(f.act, f.alpha, y + y0 + i, 1);
}
