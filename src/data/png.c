/* PNG through libpng: every colour type to 8-bit grey or RGB. Alpha is dropped, not blended, and
 * gamma is left alone, as PIL's convert('RGB') does. */
#include "data/image.h"

#include <png.h>

#include <setjmp.h>
#include <string.h>

typedef struct png_reader {
    const uint8_t *bytes;
    size_t size, at;
    png_structp png;
    png_infop info;
    char text[160];
} png_reader;

static void read_bytes(png_structp png, png_bytep out, size_t n)
{
    png_reader *r = png_get_io_ptr(png);
    if (n > r->size - r->at) png_error(png, "the file ends too early");
    memcpy(out, r->bytes + r->at, n);
    r->at += n;
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

/* The orientation in the eXIf chunk, which may also stand behind the pixels; 1 without one. */
static int read_orientation(const uint8_t *bytes, size_t size)
{
    size_t at = 8;
    while (size - at >= 12) { /* length, type, data, checksum */
        size_t length = get32(bytes + at);
        const uint8_t *type = bytes + at + 4, *data = bytes + at + 8;
        if (length > size - at - 12 || memcmp(type, "IEND", 4) == 0) break;
        if (memcmp(type, "eXIf", 4) == 0) return clade_exif_orientation(data, length);
        at += 12 + length;
    }
    return 1;
}

clade_status clade_png_header(const uint8_t *bytes, size_t size, clade_header *out)
{
    if (size < 33 || memcmp(bytes + 12, "IHDR", 4) != 0)
        return clade_fail(CLADE_EFORMAT, "PNG: no header");
    uint32_t width = get32(bytes + 16), height = get32(bytes + 20);
    clade_status status = clade_check_size(width, height);
    if (status) return status;
    bool colour = bytes[25] & 2; /* 2: RGB, 3: palette, 6: RGBA; 0 and 4 are grey */
    *out = (clade_header){.height = (int32_t)height,
                          .width = (int32_t)width,
                          .channels = colour ? 3 : 1,
                          .orientation = read_orientation(bytes, size),
                          .kind = CLADE_IMAGE_PNG,
                          .depth = bytes[24],
                          .color_type = bytes[25],
                          .interlaced = bytes[28] != 0};
    return CLADE_OK;
}

/* Sets up libpng to give 8-bit rows of 1 or 3 channels; returns how many. */
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

/* What runs under setjmp: nothing here may leave through longjmp while it owns something. */
static clade_status read_rows(clade_decoder *decoder, png_reader *r, const clade_target *target,
                              clade_raster *out)
{
    if (setjmp(png_jmpbuf(r->png))) return clade_fail(CLADE_EFORMAT, "PNG: %s", r->text);
    /* Chunks that do not bear on the pixels are skipped unread: text can claim gigabytes. */
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(r->png, r->info);
    png_uint_32 height = png_get_image_height(r->png, r->info);
    png_uint_32 width = png_get_image_width(r->png, r->info);
    int32_t channels = set_transforms(r, target->channels == 1);
    int passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    size_t row = (size_t)width * (size_t)channels;
    if (png_get_rowbytes(r->png, r->info) != row)
        return clade_fail(CLADE_EFORMAT, "PNG: unexpected row length");
    clade_status status = clade_bytes_reserve(&decoder->pixels, row * height);
    if (status) return status;
    for (int pass = 0; pass < passes; pass++)
        for (png_uint_32 y = 0; y < height; y++)
            png_read_row(r->png, decoder->pixels.data + y * row, NULL);
    *out = (clade_raster){decoder->pixels.data, (int32_t)height, (int32_t)width, channels};
    return CLADE_OK;
}

clade_status clade_png_decode(clade_decoder *decoder, const uint8_t *bytes, size_t size,
                              const clade_target *target, clade_raster *out, int *orientation)
{
    clade_header header;
    clade_status status = clade_png_header(bytes, size, &header);
    if (status) return status;
    png_reader r = {.bytes = bytes, .size = size};
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
    r.info = r.png ? png_create_info_struct(r.png) : NULL;
    if (r.info) {
        png_set_read_fn(r.png, &r, read_bytes);
        status = read_rows(decoder, &r, target, out);
    } else {
        status = clade_fail(CLADE_ENOMEM, "out of memory for a PNG decoder");
    }
    png_destroy_read_struct(&r.png, &r.info, NULL);
    if (!status) *orientation = header.orientation;
    return status;
}
