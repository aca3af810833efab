/* Resizing of uint8 images, nearest and bilinear, in integers: the same bytes on every machine. */
#include "data/image.h"

#include <math.h>
#include <string.h>

/* Weights of the bilinear resize are in units of 1/2^14; values between its two steps in 1/2^7. */
enum { weight_bits = 14, value_bits = 7 };

/* One output position: the two input pixels and the weight of the second. Nearest uses only the
 * first. */
typedef struct clade_tap {
    int32_t first, second, weight;
} clade_tap;

/* Finds the input pixel for each of n output pixels: the one under its centre, floor((x +
 * 0.5)·in/out). The sum accumulates from pixel to pixel as in PIL's NEAREST, so that ties fall the
 * same way. */
static void nearest_taps(int32_t in, int32_t out, clade_tap *taps)
{
    double step = (double)in / out, x = step * 0.5;
    for (int32_t i = 0; i < out; i++, x += step)
        taps[i].first = taps[i].second = x < in ? (int32_t)x : in - 1;
}

/* Half-pixel centres: input position (x + 0.5)·in/out − 0.5, clamped to the edges, as in
 * tf.image.resize(method='bilinear') without antialiasing. */
static void bilinear_taps(int32_t in, int32_t out, clade_tap *taps)
{
    for (int32_t i = 0; i < out; i++) {
        double x = (i + 0.5) * in / out - 0.5;
        double low = floor(x);
        int32_t a = low < 0 ? 0 : (int32_t)low;
        int32_t b = low + 1 > in - 1 ? in - 1 : (int32_t)low + 1;
        taps[i] = (clade_tap){a, b, (int32_t)((x - low) * (1 << weight_bits) + 0.5)};
    }
}

/* Converts positions in the upright image to positions in the stored one, in units of 1/step. */
static void place_taps(int32_t in, int32_t out, bool mirrored, int32_t step, clade_tap *taps)
{
    for (int32_t i = 0; i < out; i++) {
        taps[i].first = step * (mirrored ? in - 1 - taps[i].first : taps[i].first);
        taps[i].second = step * (mirrored ? in - 1 - taps[i].second : taps[i].second);
    }
}

/* Blends two rows: a + (b − a)·weight in 16-bit steps, with the weight in two parts of 7 bits so
 * that no product overflows. Processes eight values at a time, so that compilers use vectors. */
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

/* Blends one value in the same way. */
static int16_t blend_first(int32_t a, int32_t b, int32_t weight)
{
    int32_t step = b - a;
    return (int16_t)((a << value_bits) + step * (weight >> 7) + ((step * (weight & 127)) >> 7));
}

static uint8_t blend(int32_t a, int32_t b, int32_t weight)
{
    enum { bits = weight_bits + value_bits };
    return (uint8_t)(((a << weight_bits) + (b - a) * weight + (1 << (bits - 1))) >> bits);
}

/* Computes an output row from two input rows. */
static void emit_row(const clade_resize *r, const clade_tap *at, int32_t y, const uint8_t *row,
                     const uint8_t *before, uint8_t *out)
{
    const int32_t n = r->channels, width = r->target->width;
    const clade_tap *t = r->across;
    int16_t *line = r->lines;
    blend_rows(at->first == y ? row : before, at->second == y ? row : before, at->weight,
               (size_t)r->width * (size_t)n, line);
    for (int32_t x = 0; x < width; x++, t++) {
        const int16_t *a = line + t->first, *b = line + t->second;
        *out++ = blend(a[0], b[0], t->weight);
        if (n == 3) {
            *out++ = blend(a[1], b[1], t->weight);
            *out++ = blend(a[2], b[2], t->weight);
        }
    }
}

static int16_t *line_of(const clade_resize *r, int32_t y)
{
    size_t size = (size_t)r->target->height * (size_t)r->channels;
    return r->lines + (size_t)(y & 1) * size;
}

/* Swapped: blends within an input row, which is an upright column, for each output row. */
static void blend_within(const clade_resize *r, int32_t y, const uint8_t *row)
{
    const int32_t n = r->channels, height = r->target->height;
    const clade_tap *t = r->across;
    int16_t *line = line_of(r, y);
    for (int32_t i = 0; i < height; i++, t++) {
        const uint8_t *a = row + t->first, *b = row + t->second;
        for (int32_t k = 0; k < n; k++) *line++ = blend_first(a[k], b[k], t->weight);
    }
}

/* Computes an output column from the lines of two input rows. */
static void emit_column(const clade_resize *r, const clade_tap *at, uint8_t *out)
{
    const int32_t n = r->channels, height = r->target->height, weight = at->weight;
    const size_t out_row = (size_t)r->target->width * (size_t)n;
    const int16_t *a = line_of(r, at->first), *b = line_of(r, at->second);
    for (int32_t i = 0; i < height; i++, out += out_row)
        for (int32_t k = 0; k < n; k++) out[k] = blend(*a++, *b++, weight);
}

/* Copies single pixels of a row to an output row or column. */
static void pick(const clade_resize *r, const uint8_t *row, int32_t count, size_t step,
                 uint8_t *out)
{
    const clade_tap *t = r->across;
    if (r->channels == 3) {
        for (int32_t i = 0; i < count; i++, t++, out += step) {
            const uint8_t *p = row + t->first;
            out[0] = p[0];
            out[1] = p[1];
            out[2] = p[2];
        }
    } else {
        for (int32_t i = 0; i < count; i++, t++, out += step) *out = row[t->first];
    }
}

static bool is_smooth(const clade_resize *r) { return r->lines != NULL; }

static void resize_row(clade_sink *sink, int32_t y, const uint8_t *row)
{
    clade_resize *r = (clade_resize *)sink;
    const clade_turn *turn = &r->turn;
    const clade_target *to = r->target;
    size_t n = (size_t)r->channels, out_row = (size_t)to->width * n;
    const uint8_t *before = r->before;
    r->before = row;
    bool blended = false;
    for (; r->next < r->count; r->next++) {
        int32_t at = turn->rows ? r->count - 1 - r->next : r->next;
        const clade_tap *t = &r->along[at];
        int32_t low = t->first < t->second ? t->first : t->second;
        if (y < low) break;
        if (is_smooth(r) && turn->swap && !blended) blend_within(r, y, row);
        blended = true;
        if (y < t->first || y < t->second) break;
        uint8_t *out = r->out + (size_t)at * (turn->swap ? n : out_row);
        if (is_smooth(r) && turn->swap)
            emit_column(r, t, out);
        else if (is_smooth(r))
            emit_row(r, t, y, row, before, out);
        else if (turn->swap)
            pick(r, row, to->height, out_row, out);
        else
            pick(r, row, to->width, n, out);
    }
}

static clade_status resize_begin(clade_sink *sink, const clade_layout *layout)
{
    clade_resize *r = (clade_resize *)sink;
    const clade_target *to = r->target;
    r->turn = clade_turn_of(layout->orientation);
    const bool swap = r->turn.swap;
    const int32_t across = swap ? to->height : to->width;
    r->count = swap ? to->width : to->height;
    r->channels = layout->channels;
    r->width = layout->width;
    const bool same = layout->height == r->count && layout->width == across;
    const bool smooth = to->interpolation == CLADE_BILINEAR && !same;
    const size_t taps = ((size_t)r->count + (size_t)across) * sizeof(clade_tap);
    const size_t line = (swap ? 2 * (size_t)to->height : (size_t)r->width) * (size_t)r->channels;
    clade_status status =
        clade_bytes_reserve(&r->decoder->table, taps + (smooth ? line * sizeof(int16_t) : 0));
    if (status) return status;
    r->along = (clade_tap *)(void *)r->decoder->table.data;
    r->across = r->along + r->count;
    r->lines = smooth ? (int16_t *)(void *)(r->across + across) : NULL;
    void (*fill)(int32_t, int32_t, clade_tap *) = smooth ? bilinear_taps : nearest_taps;
    fill(layout->height, r->count, r->along);
    fill(layout->width, across, r->across);
    place_taps(layout->height, r->count, r->turn.rows, 1, r->along);
    place_taps(layout->width, across, r->turn.columns, r->channels, r->across);
    return CLADE_OK;
}

void clade_resize_init(clade_resize *resize, clade_decoder *decoder, const clade_target *target,
                       uint8_t *out)
{
    *resize = (clade_resize){
        .sink = {resize_begin, resize_row}, .decoder = decoder, .target = target, .out = out};
    if (target->interpolation == CLADE_BILINEAR_ANTIALIAS) clade_antialias_init(resize);
}
