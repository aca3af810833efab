/* Images with a line of text below them. */
#include "report/caption.h"

#include <clade/data.h>
#include <clade/report.h>

#include "base/file.h"
#include "base/utf8.h"
#include "report/jpeg.h"

#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

enum {
    largest_file = 256 << 20, /* bytes; no image that can be read has more */
    largest_side = 2048,
    least_side = 128,  /* smaller images are enlarged */
    least_width = 160, /* with the caption */
    letter = CLADE_CAPTION_COLUMNS + 1,
    edge = 3, /* around the text, in its pixels */
    letters_of_width = 40,
    longest = 1024 /* characters */
};

static const uint8_t band_color = 24, text_color = 236;

/* What is written to, RGB. */
typedef struct canvas {
    uint8_t *pixels;
    int32_t height, width;
} canvas;

static void fill(const canvas *c, int32_t top, int32_t left, int32_t side, uint8_t value)
{
    for (int32_t y = top; y < top + side; y++)
        memset(c->pixels + 3 * ((size_t)y * (size_t)c->width + (size_t)left), value,
               3 * (size_t)side);
}

/* The glyphs of a text; returns how many. */
static int32_t read_glyphs(const char *text, uint8_t glyphs[longest])
{
    int32_t count = 0;
    while (*text && count < longest) {
        uint32_t code = 0;
        size_t n = clade_utf8_read(text, &code);
        bool known = n && code >= ' ' && code <= '~';
        glyphs[count++] = (uint8_t)(known ? code - ' ' : CLADE_CAPTION_GLYPHS - 1);
        text += n ? n : 1;
    }
    return count;
}

/* `dot` is the side of a letter's pixel. */
static void draw(const canvas *c, const uint8_t *glyphs, int32_t count, int32_t top, int32_t left,
                 int32_t dot)
{
    for (int32_t i = 0; i < count; i++)
        for (int32_t row = 0; row < CLADE_CAPTION_ROWS; row++)
            for (int32_t k = 0; k < CLADE_CAPTION_COLUMNS; k++)
                if (clade_caption_font[glyphs[i]][row] >> (CLADE_CAPTION_COLUMNS - 1 - k) & 1)
                    fill(c, top + row * dot, left + (i * letter + k) * dot, dot, text_color);
}

/* The label from the left, cut with dots where it has no room, and the value to the right. */
static void write_line(const canvas *c, const char *label, const char *value, int32_t top,
                       int32_t dot)
{
    uint8_t glyphs[longest], number[longest];
    int32_t room = (c->width / dot - 2 * edge + 1) / letter;
    int32_t digits = read_glyphs(value, number), count = read_glyphs(label, glyphs);
    if (digits > room) digits = room;
    room -= digits + (digits > 0);
    if (count > room) {
        count = room > 0 ? room : 0;
        for (int32_t i = count > 2 ? count - 2 : 0; i < count; i++) glyphs[i] = '.' - ' ';
    }
    draw(c, glyphs, count, top, edge * dot, dot);
    draw(c, number, digits, top, c->width - (edge + digits * letter - 1) * dot, dot);
}

/* How large an image of height × width is shown: reduced to fit, or enlarged `times`. */
static void fit(int32_t *height, int32_t *width, int32_t *times)
{
    int32_t side = *height > *width ? *height : *width;
    *times = side < least_side ? (least_side + side - 1) / side : 1;
    if (side <= largest_side) return;
    *height = (int32_t)((int64_t)*height * largest_side / side);
    *width = (int32_t)((int64_t)*width * largest_side / side);
    if (*height < 1) *height = 1;
    if (*width < 1) *width = 1;
}

/* The image enlarged, in the middle above a band. */
static clade_status compose(const uint8_t *image, int32_t height, int32_t width, int32_t times,
                            const clade_caption *caption, canvas *c)
{
    c->width = width * times < least_width ? least_width : width * times;
    int32_t dot = c->width / (letters_of_width * letter);
    if (dot < 1) dot = 1;
    int32_t band = (CLADE_CAPTION_ROWS + 2 * edge) * dot, left = (c->width - width * times) / 2;
    c->height = height * times + band;
    size_t size = 3 * (size_t)c->height * (size_t)c->width;
    c->pixels = malloc(size);
    if (!c->pixels) return clade_fail(CLADE_ENOMEM, "out of memory for %zu bytes", size);
    memset(c->pixels, band_color, size);
    for (int32_t y = 0; y < height * times; y++)
        for (int32_t x = 0; x < width * times; x++)
            memcpy(c->pixels + 3 * ((size_t)y * (size_t)c->width + (size_t)(left + x)),
                   image + 3 * ((size_t)(y / times) * (size_t)width + (size_t)(x / times)), 3);
    write_line(c, caption->label, caption->value, height * times + edge * dot, dot);
    return CLADE_OK;
}

static clade_status write_jpeg(const canvas *c, const char *path)
{
    void *encoder = NULL;
    unsigned char *bytes;
    unsigned long size;
    clade_status status = clade_jpeg_encode(
        &encoder, &(clade_pixels){c->pixels, c->height, c->width, 3}, &bytes, &size);
    if (!status) {
        status = clade_file_write(path, bytes, size);
        tjFree(bytes);
    }
    if (encoder) tjDestroy(encoder);
    return status;
}

clade_status clade_caption_write(const clade_caption *caption, const char *path)
{
    if (!caption || !caption->name || !caption->label || !caption->value || !path)
        return clade_fail(CLADE_EINVAL, "a caption needs an image, a label, a value and a path");
    const void *bytes = caption->bytes;
    size_t size = caption->size;
    void *own = NULL;
    uint8_t *image = NULL;
    canvas c = {0};
    int32_t hwc[3], times = 1;
    clade_status status = CLADE_OK;
    if (!bytes) {
        status = clade_file_read(caption->name, largest_file, &own, &size);
        bytes = own;
    }
    if (!status) status = clade_image_size(bytes, size, caption->name, hwc);
    if (!status) {
        fit(&hwc[0], &hwc[1], &times);
        image = malloc(3 * (size_t)hwc[0] * (size_t)hwc[1]);
        status = image ? clade_image_decode(bytes, size, caption->name, hwc[0], hwc[1], 3,
                                            CLADE_BILINEAR_ANTIALIAS, image)
                       : clade_fail(CLADE_ENOMEM, "%s: out of memory", caption->name);
    }
    if (!status) status = compose(image, hwc[0], hwc[1], times, caption, &c);
    if (!status) status = write_jpeg(&c, path);
    free(c.pixels);
    free(image);
    free(own);
    return status;
}
