/* Passes rows of an image from a decoder to a sink: channels, colours and orientation. */
#include "data/image.h"

clade_turn clade_turn_of(int orientation)
{
    /* Exif 2.32, 4.6.4: the positions of row 0 and column 0; 5 to 8 exchange them */
    static const clade_turn turns[9] = {
        [2] = {0, 0, 1}, [3] = {0, 1, 1}, [4] = {0, 1, 0}, [5] = {1, 0, 0},
        [6] = {1, 1, 0}, [7] = {1, 1, 1}, [8] = {1, 0, 1}};
    return turns[orientation >= 1 && orientation <= 8 ? orientation : 0];
}

clade_status clade_rows_begin(clade_rows *rows, clade_decoder *decoder, clade_layout layout,
                              int32_t channels, clade_sink *sink)
{
    /* Not a multiple of 16, so that libjpeg-turbo does not write rows past the cache. */
    enum { off = 8 };
    size_t row = (size_t)layout.width * (size_t)layout.channels, stride = (row + 31) / 32 * 32;
    clade_status status = clade_bytes_reserve(&decoder->rows, off + 2 * stride);
    if (status) return status;
    *rows = (clade_rows){.sink = sink,
                         .rows = {decoder->rows.data + off, decoder->rows.data + off + stride},
                         .width = layout.width,
                         .to_grey = layout.channels == 3 && channels == 1};
    if (rows->to_grey) layout.channels = 1;
    return sink->begin(sink, &layout);
}

uint8_t *clade_rows_next(const clade_rows *rows) { return rows->rows[rows->y & 1]; }

/* Converts RGB to grey in place: 0.299 R + 0.587 G + 0.114 B in 16-bit fixed point, like PIL's mode
 * L. */
static void make_grey(uint8_t *row, int32_t width)
{
    for (int32_t i = 0; i < width; i++) {
        const uint8_t *p = row + 3 * (size_t)i;
        row[i] = (uint8_t)((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
    }
}

void clade_rows_push(clade_rows *rows)
{
    uint8_t *row = clade_rows_next(rows);
    if (rows->to_grey) make_grey(row, rows->width);
    rows->sink->row(rows->sink, rows->y++, row);
}

/* Returns (a·b)/255, rounded. */
static unsigned mul255(unsigned a, unsigned b)
{
    unsigned t = a * b + 128;
    return (t + (t >> 8)) >> 8;
}

void clade_cmyk_to_rgb(const uint8_t *cmyk, size_t n, bool inverted, uint8_t *rgb)
{
    unsigned flip = inverted ? 0 : 255;
    for (size_t i = 0; i < n; i++, cmyk += 4, rgb += 3)
        for (int k = 0; k < 3; k++) rgb[k] = (uint8_t)mul255(cmyk[k] ^ flip, cmyk[3] ^ flip);
}
