/* The bilinear resize with antialiasing: a triangle filter as wide as two output pixels over the
 * input, like PIL's BILINEAR and antialias=True in torchvision and tf.image.resize; when enlarging,
 * it is the plain bilinear one. In integers: the same bytes on every machine. */
#include "data/image.h"

#include <math.h>
#include <string.h>

/* Weights are in units of 1/2^16; values between the two steps in 1/2^7. */
enum { weight_bits = 16, value_bits = 7 };

/* The input pixels `first` to `first + count` of one output position; their weights begin at
 * `weight` among those of all positions. */
typedef struct clade_reach {
    int32_t first, count, weight;
} clade_reach;

static double triangle(double x) { return x < -1 || x > 1 ? 0 : 1 - fabs(x); }

/* Returns the window of output position i: the pixels whose centres are within `support` of its
 * own. */
static clade_reach window_of(int32_t in, int32_t out, int32_t i, double *centre, double *support)
{
    const double scale = (double)in / out;
    *support = scale < 1 ? 1 : scale;
    *centre = (i + 0.5) * scale;
    const double low = *centre - *support + 0.5, high = *centre + *support + 0.5;
    const int32_t first = low < 0 ? 0 : (int32_t)low, end = high > in ? in : (int32_t)high;
    return (clade_reach){.first = first, .count = end - first};
}

/* Fills in windows with weights that add up to exactly 1: each is the difference of two rounded
 * sums. A mirrored image has the windows of the stored one. */
static void fill_windows(int32_t in, int32_t out, bool mirrored, clade_reach *windows,
                         uint32_t *weights)
{
    int32_t at = 0;
    for (int32_t i = 0; i < out; i++) {
        double centre, support, total = 0, sum = 0;
        clade_reach w = window_of(in, out, i, &centre, &support);
        w.weight = at;
        for (int32_t k = 0; k < w.count; k++)
            total += triangle((w.first + k + 0.5 - centre) / support);
        uint32_t before = 0;
        for (int32_t k = 0; k < w.count; k++) {
            sum += triangle((w.first + k + 0.5 - centre) / support);
            const uint32_t now = (uint32_t)(sum / total * (1 << weight_bits) + 0.5);
            weights[at + (mirrored ? w.count - 1 - k : k)] = now - before;
            before = now;
        }
        at += w.count;
        if (mirrored) w.first = in - w.first - w.count;
        windows[i] = w;
    }
}

/* Returns the number of weights of all positions, and gives the longest window. */
static size_t count_weights(int32_t in, int32_t out, int32_t *longest)
{
    size_t sum = 0;
    double centre, support;
    *longest = 0;
    for (int32_t i = 0; i < out; i++) {
        const int32_t n = window_of(in, out, i, &centre, &support).count;
        sum += (size_t)n;
        if (n > *longest) *longest = n;
    }
    return sum;
}

static int32_t across_of(const clade_resize *r)
{
    return r->turn.swap ? r->target->height : r->target->width;
}

/* First step: resizes a stored row to the output's size in that direction. */
static void shrink_row(const clade_resize *r, const uint8_t *row, uint16_t *line)
{
    enum { rounding = 1 << (weight_bits - value_bits - 1) };
    const int32_t n = r->channels, across = across_of(r);
    for (int32_t i = 0; i < across; i++, line += n) {
        const clade_reach *w = &r->windows_across[i];
        const uint32_t *weight = r->weights_across + w->weight;
        const uint8_t *p = row + (size_t)w->first * (size_t)n;
        uint32_t sum[3] = {rounding, rounding, rounding};
        if (n == 3)
            for (int32_t k = 0; k < w->count; k++, p += 3) {
                sum[0] += weight[k] * p[0];
                sum[1] += weight[k] * p[1];
                sum[2] += weight[k] * p[2];
            }
        else
            for (int32_t k = 0; k < w->count; k++) sum[0] += weight[k] * p[k];
        for (int32_t k = 0; k < n; k++) line[k] = (uint16_t)(sum[k] >> (weight_bits - value_bits));
    }
}

/* Second step: combines the lines of a window into an output row or column. */
static void emit(const clade_resize *r, int32_t at)
{
    enum { bits = weight_bits + value_bits };
    const size_t n = (size_t)r->channels, line = (size_t)across_of(r) * n;
    const size_t out_row = (size_t)r->target->width * n, step = r->turn.swap ? out_row : n;
    const clade_reach *w = &r->windows_along[at];
    uint8_t *out = r->out + (size_t)at * (r->turn.swap ? n : out_row);
    for (size_t i = 0; i < line; i++) r->sums[i] = UINT32_C(1) << (bits - 1);
    for (int32_t k = 0; k < w->count; k++) {
        const uint32_t weight = r->weights_along[w->weight + k];
        const uint16_t *from = r->ring + (size_t)((w->first + k) % r->depth) * line;
        for (size_t i = 0; i < line; i++) r->sums[i] += weight * from[i];
    }
    for (size_t i = 0; i < line; i += n, out += step)
        for (size_t k = 0; k < n; k++) out[k] = (uint8_t)(r->sums[i + k] >> bits);
}

static void antialias_row(clade_sink *sink, int32_t y, const uint8_t *row)
{
    clade_resize *r = (clade_resize *)sink;
    const size_t line = (size_t)across_of(r) * (size_t)r->channels;
    shrink_row(r, row, r->ring + (size_t)(y % r->depth) * line);
    for (; r->next < r->count; r->next++) {
        const int32_t at = r->turn.rows ? r->count - 1 - r->next : r->next;
        const clade_reach *w = &r->windows_along[at];
        if (y < w->first + w->count - 1) return;
        emit(r, at);
    }
}

static clade_status antialias_begin(clade_sink *sink, const clade_layout *layout)
{
    clade_resize *r = (clade_resize *)sink;
    r->turn = clade_turn_of(layout->orientation);
    r->count = r->turn.swap ? r->target->width : r->target->height;
    r->channels = layout->channels;
    const int32_t across = across_of(r);
    const size_t line = (size_t)across * (size_t)r->channels;
    int32_t longest;
    const size_t along_weights = count_weights(layout->height, r->count, &r->depth);
    const size_t across_weights = count_weights(layout->width, across, &longest);
    const size_t windows = ((size_t)r->count + (size_t)across) * sizeof(clade_reach);
    const size_t bytes = windows + (along_weights + across_weights + line) * sizeof(uint32_t) +
                         (size_t)r->depth * line * sizeof(uint16_t);
    if (bytes > clade_decoding_bytes)
        return clade_fail(CLADE_EFORMAT,
                          "%d×%d pixels resized to %d×%d with antialiasing take %zu MB at once, "
                          "more than %d",
                          layout->width, layout->height, r->target->width, r->target->height,
                          bytes >> 20, clade_decoding_bytes >> 20);
    clade_status status = clade_bytes_reserve(&r->decoder->table, bytes);
    if (status) return status;
    r->windows_along = (clade_reach *)(void *)r->decoder->table.data;
    r->windows_across = r->windows_along + r->count;
    r->weights_along = (uint32_t *)(void *)(r->windows_across + across);
    r->weights_across = r->weights_along + along_weights;
    r->sums = r->weights_across + across_weights;
    r->ring = (uint16_t *)(void *)(r->sums + line);
    fill_windows(layout->height, r->count, r->turn.rows, r->windows_along, r->weights_along);
    fill_windows(layout->width, across, r->turn.columns, r->windows_across, r->weights_across);
    return CLADE_OK;
}

void clade_antialias_init(clade_resize *resize)
{
    resize->sink = (clade_sink){antialias_begin, antialias_row};
}
