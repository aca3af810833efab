/* Images made small by averaging: each cell is the mean of what it covers. */
#include "data/image.h"

#include <math.h>
#include <string.h>

/* The pixels from `first` to before `last`, the first and the last of them counted in part. */
typedef struct span {
    int32_t first, last;
    float head, tail; /* weights of the first and the last pixel, if they are two */
} span;

static void span_table(int32_t in, int32_t out, span *spans)
{
    for (int32_t i = 0; i < out; i++) {
        double low = (double)i * in / out, high = (double)(i + 1) * in / out;
        int32_t first = (int32_t)low, last = (int32_t)ceil(high);
        if (first > in - 1) first = in - 1;
        if (last > in) last = in;
        if (last <= first) last = first + 1;
        bool one = last - first == 1;
        spans[i] = (span){first, last, (float)(one ? high - low : first + 1 - low),
                          (float)(high - (last - 1))};
    }
}

/* Adds a row's cells, times `weight`. */
static void add_row(const uint8_t *row, int32_t channels, const span *columns, int32_t width,
                    float weight, float *out)
{
    for (int32_t x = 0; x < width; x++) {
        const span *s = &columns[x];
        for (int32_t k = 0; k < channels; k++) {
            const uint8_t *p = row + k;
            uint32_t inner = 0;
            for (int32_t i = s->first + 1; i < s->last - 1; i++)
                inner += p[(size_t)i * (size_t)channels];
            float sum = (float)inner + s->head * (float)p[(size_t)s->first * (size_t)channels];
            if (s->last - s->first > 1)
                sum += s->tail * (float)p[(size_t)(s->last - 1) * (size_t)channels];
            *out++ += weight * sum;
        }
    }
}

clade_status clade_raster_average(clade_decoder *decoder, const clade_raster *raster,
                                  int32_t height, int32_t width, float *out)
{
    size_t need = ((size_t)height + (size_t)width) * sizeof(span);
    clade_status status = clade_bytes_reserve(&decoder->table, need);
    if (status) return status;
    span *rows = (span *)(void *)decoder->table.data, *columns = rows + height;
    span_table(raster->height, height, rows);
    span_table(raster->width, width, columns);
    size_t line = (size_t)raster->width * (size_t)raster->channels;
    size_t cells = (size_t)width * (size_t)raster->channels;
    double area = (double)raster->height / height * ((double)raster->width / width);
    memset(out, 0, (size_t)height * cells * sizeof *out);
    for (int32_t y = 0; y < height; y++, out += cells) {
        for (int32_t i = rows[y].first; i < rows[y].last; i++) {
            float weight = i == rows[y].first      ? rows[y].head
                           : i == rows[y].last - 1 ? rows[y].tail
                                                   : 1;
            add_row(raster->data + (size_t)i * line, raster->channels, columns, width, weight, out);
        }
        for (size_t i = 0; i < cells; i++) out[i] /= (float)area;
    }
    return CLADE_OK;
}
