/* Group normalisation of [n, area, c] in groups of `width` channels. Sums over an image's places
 * are trees (clade/ops.h): work-items stride over images and their blocks of rows (dimension 1 of
 * the grid) and vectors of columns (dimension 0), of which a row has `columns`; groups add what is
 * left of an image's columns, and a work-item per image and group its channels; what elements need
 * then lies in the workspace per image and channel. Last work-items stride over blocks of rows
 * (dimension 1) and their vectors (dimension 0). */
#include "opencl.clh"
#include "column.clh"
#include "group_norm.clh"
#include "norm_sums.clh"

/* Numbers that are read before the first of them is added. */
#ifdef CLADE_LANES /* of few wide cores */
#define AHEAD 4
#else
#define AHEAD 16
#endif

/* partial[image, block, k] = the sum of x: reads 4 n area c bytes. */
kernel void group_sum(TENSOR(stored, x), TENSOR(float, partial), int n, ulong area, ulong rows,
                      int tail, int blocks, ulong c, ulong columns)
{
    FOR_SUMS(n, blocks, columns)
    {
        const size_t first = matrix * area * c;
        V sum[NV], product[NV];
        const global stored *from = x + x0 + first;
        norm_block(sum, product, from, from, 0, block, k, rows, tail, c, columns, NORM_PLAIN);
        EACH_VECTOR(v) V_STORE(partial + partial0 + of * columns + k + v * VW, sum[v]);
    }
}

/* The sum of (x − mean)²; mean: [n, c]. */
kernel void group_square(TENSOR(stored, x), TENSOR(float, mean), TENSOR(float, partial), int n,
                         ulong area, ulong rows, int tail, int blocks, ulong c, ulong columns)
{
    FOR_SUMS(n, blocks, columns)
    {
        const size_t first = matrix * area * c;
        V sum[NV], product[NV];
        const global stored *from = x + x0 + first;
        norm_block(sum, product, from, from, mean + mean0 + matrix * c, block, k, rows, tail, c,
                   columns, NORM_SQUARES);
        EACH_VECTOR(v) V_STORE(partial + partial0 + of * columns + k + v * VW, sum[v]);
    }
}

/* The sums of dy into the first half of `partial`, and of dy (x − mean) into the second: reads
 * 8 n area c bytes. */
kernel void group_dsum(TENSOR(stored, x), TENSOR(stored, dy), TENSOR(float, mean),
                       TENSOR(float, partial), int n, ulong area, ulong rows, int tail, int blocks,
                       ulong c, ulong columns)
{
    FOR_SUMS(n, blocks, columns)
    {
        const size_t first = matrix * area * c;
        V sum[NV], product[NV];
        norm_block(sum, product, x + x0 + first, dy + dy0 + first, mean + mean0 + matrix * c, block,
                   k, rows, tail, c, columns, NORM_SLOPES);
        EACH_VECTOR(v)
        {
            global float *to = partial + partial0 + of * columns + k + v * VW;
            V_STORE(to, sum[v]);
            V_STORE(to + (size_t)n * blocks * columns, product[v]);
        }
    }
}

/* total[image, k] from what is left of each column, `left` rows of `columns`. */
kernel void group_join(TENSOR(float, partial), TENSOR(float, total), ulong n, int left, int c,
                       int columns)
{
    TREE_LOCAL(local_);
    for (ulong image = get_group_id(1); image < n; image += get_num_groups(1)) {
        const float sum =
            tree_total(partial + partial0 + image * left * columns, c, columns, left, local_);
        if (TREE_WRITES(c)) total[total0 + image * c + get_global_id(0)] = sum;
    }
}

/* p and q, the second half of `sums`, of a channel. */
kernel void group_djoin(TENSOR(float, partial), TENSOR(float, rstd), TENSOR(float, sums), ulong n,
                        int left, int c, int columns, int width)
{
    TREE_LOCAL(local_);
    for (ulong image = get_group_id(1); image < n; image += get_num_groups(1)) {
        const global float *from = partial + partial0 + image * left * columns;
        const size_t i = image * c + get_global_id(0), half_ = n * c;
        const float p = tree_total(from, c, columns, left, local_);
        const float q = tree_total(from + n * left * columns, c, columns, left, local_);
        if (!TREE_WRITES(c)) continue;
        sums[sums0 + i] = p;
        sums[sums0 + half_ + i] = rstd[rstd0 + i / width] * q;
    }
}

/* The place in [n, c] of the work-item's image and channel. */
#define CHANNEL_OF(i)                                                                              \
    const size_t i = get_global_id(0), k = i % (size_t)c, image = i / (size_t)c;                   \
    if (image >= (size_t)n) return;
/* The place in [n, groups] of its image and group, and the group's first channel in [n, c]. */
#define GROUP_OF(i, first)                                                                         \
    const size_t i = get_global_id(0), first = i * width;                                          \
    if (first >= (size_t)n * c) return;

/* The mean of the group whose first channel is `first`, from its channels' totals. */
#define GROUP_MEAN(first)                                                                          \
    math_div(column_sum(total + total0 + first, 1, width, AHEAD), (float)(area * (ulong)width))

/* The mean of a group, and of each of its channels. */
kernel void group_means(TENSOR(float, total), TENSOR(float, mean), TENSOR(float, of_channel), int n,
                        ulong area, int c, int width)
{
    GROUP_OF(i, first)
    const float m = GROUP_MEAN(first);
    mean[mean0 + i] = m;
    for (int k = 0; k < width; k++) of_channel[of_channel0 + first + k] = m;
}

/* rstd of a group, and the scale of each of its channels. */
kernel void group_scales(TENSOR(float, total), TENSOR(float, gamma), TENSOR(float, rstd),
                         TENSOR(float, scale), int n, ulong area, int c, int width, float eps)
{
    GROUP_OF(i, first)
    const float r = math_rsqrt(GROUP_MEAN(first) + eps);
    rstd[rstd0 + i] = r;
    for (int k = 0; k < width; k++) scale[scale0 + first + k] = r * gamma[gamma0 + first % c + k];
}

/* The mean of each channel from those of groups. */
kernel void group_spread(TENSOR(float, mean), TENSOR(float, of_channel), int n, int c, int width)
{
    CHANNEL_OF(i)
    of_channel[of_channel0 + image * c + k] = mean[mean0 + i / width];
}

/* What group_apply_dx reads of each channel: scale, shift and slope, [3, n, c]. */
kernel void group_values(TENSOR(float, sums), TENSOR(float, gamma), TENSOR(float, rstd),
                         TENSOR(float, value), int n, ulong area, int c, int width)
{
    GROUP_OF(i, first)
    const size_t all = (size_t)n * c;
    const global float *p = sums + sums0 + first, *factor = gamma + gamma0 + first % c;
    const float r = rstd[rstd0 + i];
    const group_slopes s = group_slopes_of(factor, p, p + all, r, width, area);
    global float *to = value + value0 + first;
    for (int k = 0; k < width; k++) {
        to[k] = r * factor[k];
        to[all + k] = s.shift;
        to[2 * all + k] = s.slope;
    }
}

/* Elements i of blocks of `rows` rows of an image, of which each has `blocks`; `of` is the place of
 * i's image and channel k in [n, c]. */
#define FOR_BLOCKS                                                                                 \
    const uint vectors = (uint)(c / VW);                                                           \
    for (ulong block = get_global_id(1); block < n * blocks; block += get_global_size(1))          \
        for (ulong item = get_global_id(0), image = block / blocks, first = block % blocks * rows, \
                   end = min(rows, area - first) * vectors;                                        \
             item < end; item += get_global_size(0))                                               \
            for (size_t i = ((image * area + first) * vectors + item) * VW,                        \
                        k = (uint)item % vectors * VW, of = image * c + k, once = 1;               \
                 once; once = 0)

/* Reads x and writes y: 8 n area c bytes. */
kernel void group_apply(TENSOR(stored, x), TENSOR(float, mean), TENSOR(float, scale),
                        TENSOR(float, beta), TENSOR(stored, y), ulong n, ulong blocks, ulong area,
                        ulong rows, int c)
{
    FOR_BLOCKS
    {
        V value = norm_y(SV_LOAD(x + x0 + i), V_LOAD(mean + mean0 + of),
                         V_LOAD(scale + scale0 + of), V_LOAD(beta + beta0 + k));
        SV_STORE(y + y0 + i, value);
    }
}

/* Reads x and dy and writes dx: 12 n area c bytes. */
kernel void group_apply_dx(TENSOR(stored, x), TENSOR(stored, dy), TENSOR(float, mean),
                           TENSOR(float, value), TENSOR(stored, dx), ulong n, ulong blocks,
                           ulong area, ulong rows, int c, int accumulate)
{
    FOR_BLOCKS
    {
        const global float *s = value + value0 + of;
        V g = group_dx(SV_LOAD(x + x0 + i), SV_LOAD(dy + dy0 + i), V_LOAD(mean + mean0 + of),
                       V_LOAD(s), V_LOAD(s + n * c), V_LOAD(s + 2 * n * c));
        lanes_put(dx + dx0 + i, g, accumulate, VW);
    }
}
