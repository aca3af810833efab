/* PNG through libpng: every colour type to 8-bit grey or RGB. Alpha is dropped, not blended, and
 * gamma is left alone, as PIL's convert('RGB') does. */
#include "data/image.h"

#include <png.h>

#include <setjmp.h>
#include <string.h>

enum { exif_bytes = 64 << 10 }; /* the longest one that is read; a JPEG's is not longer either */

typedef struct png_reader {
    clade_input *input;
    size_t at;
    clade_status status; /* of the input */
    png_structp png;
    png_infop info;
    char text[160];
} png_reader;

static void read_bytes(png_structp png, png_bytep out, size_t n)
{
    png_reader *r = png_get_io_ptr(png);
    if (n > r->input->size - r->at) png_error(png, "the file ends too early");
    while (n > 0) {
        const uint8_t *bytes;
        size_t got, part = n < clade_window_bytes ? n : clade_window_bytes;
        r->status = clade_input_look(r->input, r->at, part, &bytes, &got);
        if (r->status) png_longjmp(png, 1);
        memcpy(out, bytes, got);
        out += got;
        r->at += got;
        n -= got;
    }
}

static void on_error(png_structp png, png_const_charp text)
{
    png_reader *r = png_get_error_ptr(png);
    strncpy(r->text, text, sizeof r->text - 1);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Reads the orientation from the eXIf chunk, which may also follow the pixels; 1 without one. */
static clade_status read_orientation(clade_input *input, int *orientation)
{
    const size_t size = input->size;
    size_t at = 8, got;
    const uint8_t *bytes;
    *orientation = 1;
    while (size - at >= 12) { /* length, type, data, checksum */
        clade_status status = clade_input_look(input, at, 8, &bytes, &got);
        if (status) return status;
        size_t length = get32(bytes);
        bool last = length > size - at - 12 || memcmp(bytes + 4, "IEND", 4) == 0;
        if (last) break;
        if (memcmp(bytes + 4, "eXIf", 4) == 0) {
            status = clade_input_look(input, at + 8, length < exif_bytes ? length : exif_bytes,
                                      &bytes, &got);
            if (!status) *orientation = clade_exif_orientation(bytes, got);
            return status;
        }
        at += 12 + length;
    }
    return CLADE_OK;
}

clade_status clade_png_header(clade_input *input, clade_header *out)
{
    const uint8_t *bytes;
    size_t size;
    clade_status status = clade_input_look(input, 0, 33, &bytes, &size);
    if (status) return status;
    if (size < 33 || memcmp(bytes + 12, "IHDR", 4) != 0)
        return clade_fail(CLADE_EFORMAT, "PNG: no header");
    uint32_t width = get32(bytes + 16), height = get32(bytes + 20);
    status = clade_check_size(width, height, clade_image_pixels);
    if (status) return status;
    bool colour = bytes[25] & 2; /* 2: RGB, 3: palette, 6: RGBA; 0 and 4 are grey */
    *out = (clade_header){.height = (int32_t)height,
                          .width = (int32_t)width,
                          .channels = colour ? 3 : 1,
                          .kind = CLADE_IMAGE_PNG,
                          .depth = bytes[24],
                          .color_type = bytes[25],
                          .interlaced = bytes[28] != 0};
    return read_orientation(input, &out->orientation);
}

/* Sets up libpng to give 8-bit rows of 1 or 3 channels; returns the number of channels. */
static int32_t set_transforms(png_reader *r, bool grey_wanted)
{
    png_structp png = r->png;
    int type = png_get_color_type(png, r->info);
    bool grey = !(type & PNG_COLOR_MASK_COLOR);
    png_set_expand(png); /* palette to RGB, 1…4 bits to 8, transparent colour to alpha */
    png_set_strip_16(png);
    png_set_strip_alpha(png);
    if (grey && !grey_wanted) png_set_gray_to_rgb(png);
    return grey && grey_wanted ? 1 : 3;
}

/* Prepares reading the pixels: 8-bit rows of *channels. Runs under the caller's setjmp. */
static clade_status begin(png_reader *r, const clade_header *header, bool grey_wanted,
                          int32_t *channels, int *passes)
{
    /* Chunks that do not affect the pixels are skipped unread: text can claim gigabytes. */
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(r->png, r->info);
    *channels = set_transforms(r, grey_wanted);
    *passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    if (png_get_rowbytes(r->png, r->info) != (size_t)header->width * (size_t)*channels)
        return clade_fail(CLADE_EFORMAT, "PNG: unexpected row length");
    return CLADE_OK;
}

/* Reads the whole image for the rows of a band: each pass adds pixels to them. */
static void read_band(png_reader *r, int passes, int32_t height, int32_t first, int32_t end,
                      size_t row, uint8_t *band)
{
    uint8_t *other = band + (size_t)(end - first) * row;
    for (int pass = 0; pass < passes; pass++)
        for (int32_t y = 0; y < height; y++)
            png_read_row(r->png, y < first || y >= end ? other : band + (size_t)(y - first) * row,
                         NULL);
}

/* Reads all rows or, of an interlaced image, those of a band. Runs under setjmp: nothing here may
 * leave through longjmp while it owns something. */
static clade_status read_rows(clade_decoder *decoder, png_reader *r, const clade_header *header,
                              const clade_target *target, clade_sink *sink, clade_rows *rows)
{
    if (setjmp(png_jmpbuf(r->png)))
        return r->status ? r->status : clade_fail(CLADE_EFORMAT, "PNG: %s", r->text);
    clade_layout layout = {header->height, header->width, 0, header->orientation};
    int passes;
    clade_status status = begin(r, header, target->channels == 1, &layout.channels, &passes);
    if (!status && !rows->sink)
        status = clade_rows_begin(rows, decoder, layout, target->channels, sink);
    if (status) return status;
    if (passes == 1) {
        while (rows->y < layout.height) {
            png_read_row(r->png, clade_rows_next(rows), NULL);
            clade_rows_push(rows);
        }
        return CLADE_OK;
    }
    size_t row = (size_t)layout.width * (size_t)layout.channels;
    size_t fit = clade_decoding_bytes / row, left = (size_t)(layout.height - rows->y);
    int32_t count = (int32_t)(fit < 1 ? 1 : fit < left ? fit : left);
    status = clade_bytes_reserve(&decoder->band, ((size_t)count + 1) * row);
    if (status) return status;
    read_band(r, passes, layout.height, rows->y, rows->y + count, row, decoder->band.data);
    for (int32_t i = 0; i < count; i++) {
        memcpy(clade_rows_next(rows), decoder->band.data + (size_t)i * row, row);
        clade_rows_push(rows);
    }
    return CLADE_OK;
}

clade_status clade_png_decode(clade_decoder *decoder, clade_input *input,
                              const clade_target *target, clade_sink *sink)
{
    clade_header header;
    clade_rows rows = {0};
    clade_status status = clade_png_header(input, &header);
    while (!status && rows.y < header.height) { /* interlaced: once per band */
        png_reader r = {.input = input};
        r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
        r.info = r.png ? png_create_info_struct(r.png) : NULL;
        if (r.info) {
            png_set_read_fn(r.png, &r, read_bytes);
            status = read_rows(decoder, &r, &header, target, sink, &rows);
        } else {
            status = clade_fail(CLADE_ENOMEM, "out of memory for a PNG decoder");
        }
        png_destroy_read_struct(&r.png, &r.info, NULL);
    }
    return status;
}
