/* Resizing of uint8 images, nearest and bilinear, in integers: the same bytes on every machine.
 */
#include "data/image.h"

#include <math.h>
#include <string.h>

/* Weights of the bilinear resize are of 1/2^14; between its two steps values are of 1/2^7. */
enum { weight_bits = 14, value_bits = 7 };

/* The input pixel for each of n output pixels: that under the centre, floor((x + 0.5)·in/out). The
 * sum is carried from pixel to pixel as PIL's NEAREST does, so that ties fall the same way. */
static void nearest_table(int32_t in, int32_t out, int32_t *at)
{
    double step = (double)in / out, x = step * 0.5;
    for (int32_t i = 0; i < out; i++, x += step) at[i] = x < in ? (int32_t)x : in - 1;
}

static void nearest(const clade_raster *from, const clade_target *to, const int32_t *columns,
                    const int32_t *rows, uint8_t *out)
{
    size_t n = (size_t)from->channels, row = (size_t)from->width * n;
    size_t out_row = (size_t)to->width * n;
    for (int32_t y = 0; y < to->height; y++, out += out_row) {
        if (y > 0 && rows[y] == rows[y - 1]) {
            memcpy(out, out - out_row, out_row);
            continue;
        }
        const uint8_t *in = from->data + (size_t)rows[y] * row;
        uint8_t *o = out;
        if (n == 3) {
            for (int32_t x = 0; x < to->width; x++, o += 3) {
                const uint8_t *p = in + 3 * (size_t)columns[x];
                o[0] = p[0];
                o[1] = p[1];
                o[2] = p[2];
            }
        } else {
            for (int32_t x = 0; x < to->width; x++) *o++ = in[columns[x]];
        }
    }
}

/* One output position of the bilinear resize: the two input pixels and the weight of the second. */
typedef struct tap {
    int32_t first, second, weight;
} tap;

/* Half-pixel centres: input position (x + 0.5)·in/out − 0.5, held at the edges, as
 * tf.image.resize(method='bilinear') without antialiasing. */
static void bilinear_table(int32_t in, int32_t out, int32_t step, tap *taps)
{
    for (int32_t i = 0; i < out; i++) {
        double x = (i + 0.5) * in / out - 0.5;
        double low = floor(x);
        int32_t a = low < 0 ? 0 : (int32_t)low;
        int32_t b = low + 1 > in - 1 ? in - 1 : (int32_t)low + 1;
        taps[i] = (tap){a * step, b * step, (int32_t)((x - low) * (1 << weight_bits) + 0.5)};
    }
}

/* Two rows into one: a + (b − a)·weight in 16-bit steps, with the weight in two parts of 7 bits so
 * that no product overflows. Eight values at a time, so that compilers use vectors. */
static void blend_rows(const uint8_t *restrict a, const uint8_t *restrict b, int32_t weight,
                       size_t n, int16_t *restrict out)
{
    typedef uint8_t bytes __attribute__((vector_size(8)));
    typedef int16_t halves __attribute__((vector_size(16)));
    int16_t high = (int16_t)(weight >> 7), low = (int16_t)(weight & 127);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        bytes va, vb;
        memcpy(&va, a + i, 8);
        memcpy(&vb, b + i, 8);
        halves from = __builtin_convertvector(va, halves);
        halves step = __builtin_convertvector(vb, halves) - from;
        halves sum = (from << value_bits) + step * high + ((step * low) >> 7);
        memcpy(out + i, &sum, 16);
    }
    for (; i < n; i++) {
        int32_t step = b[i] - a[i];
        out[i] = (int16_t)((a[i] << value_bits) + step * high + ((step * low) >> 7));
    }
}

static uint8_t blend(int32_t a, int32_t b, int32_t weight)
{
    enum { bits = weight_bits + value_bits };
    return (uint8_t)(((a << weight_bits) + (b - a) * weight + (1 << (bits - 1))) >> bits);
}

static void bilinear(const clade_raster *from, const clade_target *to, const tap *columns,
                     const tap *rows, int16_t *line, uint8_t *out)
{
    size_t n = (size_t)from->channels, row = (size_t)from->width * n;
    for (int32_t y = 0; y < to->height; y++) {
        blend_rows(from->data + (size_t)rows[y].first * row,
                   from->data + (size_t)rows[y].second * row, rows[y].weight, row, line);
        for (int32_t x = 0; x < to->width; x++) {
            const int16_t *a = line + columns[x].first, *b = line + columns[x].second;
            int32_t weight = columns[x].weight;
            *out++ = blend(a[0], b[0], weight);
            if (n == 3) {
                *out++ = blend(a[1], b[1], weight);
                *out++ = blend(a[2], b[2], weight);
            }
        }
    }
}

clade_status clade_raster_resize(clade_decoder *decoder, const clade_raster *raster,
                                 const clade_target *target, uint8_t *out)
{
    size_t height = (size_t)target->height, width = (size_t)target->width;
    if (raster->height == target->height && raster->width == target->width) {
        memcpy(out, raster->data, height * width * (size_t)raster->channels);
        return CLADE_OK;
    }
    bool smooth = target->interpolation == CLADE_BILINEAR;
    size_t line = (size_t)raster->width * (size_t)raster->channels;
    size_t need = smooth ? (height + width) * sizeof(tap) + line * sizeof(int16_t)
                         : (height + width) * sizeof(int32_t);
    clade_status status = clade_bytes_reserve(&decoder->table, need);
    if (status) return status;
    if (smooth) {
        tap *columns = (tap *)(void *)decoder->table.data, *rows = columns + width;
        bilinear_table(raster->width, target->width, raster->channels, columns);
        bilinear_table(raster->height, target->height, 1, rows);
        bilinear(raster, target, columns, rows, (int16_t *)(rows + height), out);
    } else {
        int32_t *columns = (int32_t *)(void *)decoder->table.data, *rows = columns + width;
        nearest_table(raster->width, target->width, columns);
        nearest_table(raster->height, target->height, rows);
        nearest(raster, target, columns, rows, out);
    }
    return CLADE_OK;
}
