/* The building blocks of shape rules and error bounds, and how sums are cut into chunks. */
#include "op/op.h"

#include <stdarg.h>
#include <stdio.h>

double clade_gamma(int64_t k)
{
    double worst = (double)k * CLADE_UNIT / (1 - (double)k * CLADE_UNIT);
    double likely = 8 * sqrt((double)k) * CLADE_UNIT;
    return worst > 0 && worst < likely ? worst : likely;
}

double clade_products_error(clade_products products)
{
    static const double unit[CLADE_FACTORS] = {[CLADE_FACTORS_TF32] = 0x1p-11,
                                               [CLADE_FACTORS_BFLOAT16] = 0x1p-8,
                                               [CLADE_FACTORS_FLOAT16] = 0x1p-11};
    return (2 + unit[products]) * unit[products];
}

clade_tensor clade_shape(int rank, ...)
{
    clade_tensor t = {.dtype = CLADE_F32, .rank = rank};
    va_list args;
    va_start(args, rank);
    for (int i = 0; i < rank && i < CLADE_MAX_RANK; i++) t.dim[i] = va_arg(args, int);
    va_end(args);
    return t;
}

const char *clade_shape_text(const clade_tensor *t, char text[64])
{
    int n = snprintf(text, 64, "[");
    for (int i = 0; i < t->rank && i < CLADE_MAX_RANK; i++)
        n += snprintf(text + n, 64 - (size_t)n, "%s%d", i ? ", " : "", t->dim[i]);
    snprintf(text + n, 64 - (size_t)n, "]");
    return text;
}

clade_status clade_expect_rank(clade_op op, const char *slot, const clade_tensor *t, int rank)
{
    char text[64];
    if (t->rank != rank)
        return clade_fail(CLADE_EINVAL, "%s: %s is %s, expected %d dimensions",
                          clade_op_describe(op)->name, slot, clade_shape_text(t, text), rank);
    return CLADE_OK;
}

clade_status clade_expect_shape(clade_op op, const char *slot, const clade_tensor *t,
                                clade_dtype dtype, int rank, const int32_t *dim)
{
    bool same = t->rank == rank;
    clade_tensor wanted = {.rank = rank};
    for (int i = 0; i < rank; i++) {
        wanted.dim[i] = dim[i];
        same = same && t->dim[i] == dim[i];
    }
    char is[64], should[64];
    if (!same)
        return clade_fail(CLADE_EINVAL, "%s: %s is %s, expected %s", clade_op_describe(op)->name,
                          slot, clade_shape_text(t, is), clade_shape_text(&wanted, should));
    if (t->dtype != dtype)
        return clade_fail(CLADE_EINVAL, "%s: %s has the wrong dtype", clade_op_describe(op)->name,
                          slot);
    return CLADE_OK;
}

clade_status clade_infer_shape(clade_op op, const char *slot, clade_tensor *t, clade_dtype dtype,
                               int rank, const int32_t *dim)
{
    if (clade_tensor_present(t)) return clade_expect_shape(op, slot, t, dtype, rank, dim);
    t->dtype = dtype;
    t->rank = rank;
    for (int i = 0; i < rank; i++) t->dim[i] = dim[i];
    return CLADE_OK;
}

clade_status clade_window_size(clade_op op, const char *axis, int64_t size, int64_t pads,
                               int64_t window, int64_t stride, int64_t dilation, int32_t *out)
{
    /* kernels use 32-bit positions along an axis, and one stride beyond it */
    const int64_t most = INT64_C(1) << 30;
    const char *name = clade_op_describe(op)->name;
    int64_t extent = dilation * (window - 1) + 1, room = size + pads;
    if (extent > room)
        return clade_fail(CLADE_EINVAL, "%s: a window of %lld %s does not fit into %lld", name,
                          (long long)extent, axis, (long long)room);
    if (room > most)
        return clade_fail(CLADE_EINVAL,
                          "%s: pad: %lld and %lld %s of padding, expected at most %lld in all",
                          name, (long long)size, (long long)pads, axis, (long long)most);
    if (stride > most)
        return clade_fail(CLADE_EINVAL, "%s: stride: %lld %s, expected at most %lld", name,
                          (long long)stride, axis, (long long)most);
    if (dilation > most)
        return clade_fail(CLADE_EINVAL, "%s: dilation: %lld %s, expected at most %lld", name,
                          (long long)dilation, axis, (long long)most);
    *out = (int32_t)((room - extent) / stride + 1);
    return CLADE_OK;
}

int32_t clade_conv_chunks(int64_t rows, int64_t outputs, int64_t *rows_per_chunk)
{
    /* enough to fill a device, growing with the batch: chunks of 16 rows, but from 64 to 1024
     * chunks, and few enough that the partial sums take at most 2^22 floats */
    int64_t most = (INT64_C(1) << 22) / (outputs > 0 ? outputs : 1), chunks = rows / 16;
    if (chunks < 64) chunks = 64;
    if (chunks > 1024) chunks = 1024;
    if (chunks > most) chunks = most < 1 ? 1 : most;
    if (chunks > rows) chunks = rows > 0 ? rows : 1;
    *rows_per_chunk = (rows + chunks - 1) / chunks;
    return (int32_t)((rows + *rows_per_chunk - 1) / *rows_per_chunk);
}

int32_t clade_winograd_chunks(int64_t tiles, int32_t c, int32_t k, int64_t *tiles_per_chunk)
{
    /* at most 64, so that chunks have at least 64 tiles and the partial sums at most 2^22 floats;
     * but at least 8 */
    int64_t sums = 36 * (int64_t)c * k, chunks = 64;
    while (chunks > 8 && (tiles < 64 * chunks || chunks * sums > INT64_C(1) << 22)) chunks /= 2;
    if (chunks > tiles) chunks = tiles;
    *tiles_per_chunk = (tiles + chunks - 1) / chunks;
    return (int32_t)((tiles + *tiles_per_chunk - 1) / *tiles_per_chunk);
}

int32_t clade_tree_lanes(int32_t c)
{
    int32_t lanes = 1;
    while (2 * (int64_t)lanes * c <= 64) lanes *= 2;
    return lanes;
}

/* Number of levels of a pairwise sum of n. */
static int64_t levels(int64_t n)
{
    int64_t count = 0;
    for (; n > 1; n -= n / 2) count++;
    return count;
}

int64_t clade_tree_roundings(int64_t m, int32_t c)
{
    const int64_t lanes = clade_tree_lanes(c), rows = (m + lanes - 1) / lanes;
    return (rows < CLADE_TREE_ROWS ? rows : CLADE_TREE_ROWS) +
           levels((rows + CLADE_TREE_ROWS - 1) / CLADE_TREE_ROWS) + levels(m < lanes ? m : lanes);
}

int64_t clade_row_roundings(int64_t c)
{
    return (c + CLADE_ROW_LANES - 1) / CLADE_ROW_LANES +
           levels(c < CLADE_ROW_LANES ? c : CLADE_ROW_LANES);
}
