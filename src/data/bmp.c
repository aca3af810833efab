/* BMP, decoded by Clade itself: 1 to 32 bits per pixel, uncompressed. A file with bottom-up rows
 * counts as orientation 4. Source: Microsoft's documentation of BITMAPFILEHEADER, BITMAPCOREHEADER,
 * BITMAPINFOHEADER and their successors. */
#include "data/image.h"

#include <stdlib.h>
#include <string.h>

enum { file_header = 14, core_header = 12, info_header = 40, most_header = 124 };
enum { rgb_pixels = 0, rle8_pixels = 1, rle4_pixels = 2, masked_pixels = 3 }; /* compression */

typedef struct bmp_layout {
    int bits;       /* of a pixel */
    uint32_t start; /* of the pixels in the file */
    uint32_t masks[3];
    int shift[3]; /* of the masks' lowest bits */
    uint8_t palette[256][3];
} bmp_layout;

static uint32_t get16(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8; }
static uint32_t get32(const uint8_t *p) { return get16(p) | get16(p + 2) << 16; }

bool clade_bmp_known(uint32_t header_bytes)
{
    static const uint32_t known[] = {core_header, info_header, 52, 56, 64, 108, most_header};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (header_bytes == known[i]) return true;
    return false;
}

static clade_status set_masks(const uint8_t *masks, bmp_layout *bmp)
{
    for (int k = 0; k < 3; k++) {
        uint32_t mask =
            masks ? get32(masks + (size_t)4 * (size_t)k)
                  : (bmp->bits == 16 ? UINT32_C(0x7c00) >> 5 * k : UINT32_C(0xff0000) >> 8 * k);
        int shift = 0;
        while (mask && !(mask >> shift & 1)) shift++;
        uint32_t most = mask >> shift;
        if (mask == 0 || (most & (most + 1)) || most > 255)
            return clade_fail(CLADE_EFORMAT, "BMP: a colour mask of %#x: expected 1 to 8 bits",
                              mask);
        bmp->masks[k] = mask;
        bmp->shift[k] = shift;
    }
    return CLADE_OK;
}

/* Reads the palette; missing entries are black. */
static clade_status read_palette(clade_input *input, size_t at, size_t entry, size_t count,
                                 bmp_layout *bmp)
{
    const uint8_t *bytes;
    size_t got;
    memset(bmp->palette, 0, sizeof bmp->palette);
    if (at < bmp->start && count > (bmp->start - at) / entry) count = (bmp->start - at) / entry;
    clade_status status = clade_input_look(input, at, entry * count, &bytes, &got);
    if (status) return status;
    if (got < entry * count) return clade_fail(CLADE_EFORMAT, "BMP: the file ends too early");
    for (size_t i = 0; i < count; i++, bytes += entry)
        for (int k = 0; k < 3; k++) bmp->palette[i][k] = bytes[2 - k];
    return CLADE_OK;
}

/* Reads the fields after width and height. */
static clade_status read_layout(clade_input *input, const uint8_t *bytes, size_t got,
                                bmp_layout *bmp)
{
    const uint32_t header = get32(bytes + file_header);
    const bool core = header == core_header;
    const uint32_t bits = get16(bytes + (core ? 24 : 28));
    const uint32_t compression = core ? rgb_pixels : get32(bytes + 30);
    if (bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32)
        return clade_fail(CLADE_EFORMAT, "BMP: %u bits a pixel: expected 1, 4, 8, 16, 24 or 32",
                          bits);
    const bool masked = compression == masked_pixels && header != 64 && (bits == 16 || bits == 32);
    if (compression != rgb_pixels && !masked)
        return clade_fail(CLADE_EFORMAT,
                          compression == rle8_pixels || compression == rle4_pixels
                              ? "BMP: run-length encoded: save it without compression"
                              : "BMP: compression %u: expected none",
                          compression);
    if (masked && got < 66) return clade_fail(CLADE_EFORMAT, "BMP: the file ends too early");
    bmp->bits = (int)bits;
    bmp->start = get32(bytes + 10);
    if (bits > 8) return set_masks(masked ? bytes + file_header + info_header : NULL, bmp);
    const uint32_t most = UINT32_C(1) << bits, named = core ? 0 : get32(bytes + 46);
    return read_palette(input, file_header + header, core ? 3 : 4,
                        named == 0 || named > most ? most : named, bmp);
}

static clade_status read_header(clade_input *input, clade_header *out, bmp_layout *bmp)
{
    const uint8_t *bytes;
    size_t got;
    clade_status status =
        clade_input_look(input, 0, file_header + (size_t)most_header, &bytes, &got);
    if (status) return status;
    if (got < file_header + 4 || got < file_header + get32(bytes + file_header))
        return clade_fail(CLADE_EFORMAT, "BMP: the file ends too early");
    bool core = get32(bytes + file_header) == core_header;
    int64_t width = core ? (int32_t)get16(bytes + 18) : (int32_t)get32(bytes + 18);
    int64_t height = core ? (int32_t)get16(bytes + 20) : (int32_t)get32(bytes + 22);
    if (width < 0) return clade_fail(CLADE_EFORMAT, "BMP: a width of %d", (int)width);
    status = clade_check_size((uint32_t)width, (uint32_t)llabs(height), clade_image_pixels);
    if (!status) status = read_layout(input, bytes, got, bmp);
    if (status) return status;
    *out = (clade_header){.height = (int32_t)llabs(height),
                          .width = (int32_t)width,
                          .channels = 3,
                          .orientation = height < 0 ? 1 : 4,
                          .kind = CLADE_IMAGE_BMP,
                          .words = bmp->bits <= 8 ? "BMP palette" : "BMP RGB"};
    return CLADE_OK;
}

clade_status clade_bmp_header(clade_input *input, clade_header *out)
{
    bmp_layout bmp;
    return read_header(input, out, &bmp);
}

static void expand_indices(const bmp_layout *bmp, const uint8_t *in, int32_t n, uint8_t *rgb)
{
    const int bits = bmp->bits;
    for (int32_t i = 0; i < n; i++, rgb += 3) {
        int32_t at = i * bits;
        int index = in[at / 8] >> (8 - bits - at % 8) & ((1 << bits) - 1);
        memcpy(rgb, bmp->palette[index], 3);
    }
}

static void expand_masked(const bmp_layout *bmp, const uint8_t *in, int32_t n, uint8_t *rgb)
{
    const bool wide = bmp->bits == 32;
    for (int32_t i = 0; i < n; i++, in += wide ? 4 : 2) {
        uint32_t pixel = wide ? get32(in) : get16(in);
        for (int k = 0; k < 3; k++) {
            uint32_t most = bmp->masks[k] >> bmp->shift[k];
            *rgb++ = (uint8_t)(((pixel & bmp->masks[k]) >> bmp->shift[k]) * 255 / most);
        }
    }
}

/* Converts part of a stored row to RGB. */
static void expand(const bmp_layout *bmp, const uint8_t *in, int32_t n, uint8_t *rgb)
{
    if (bmp->bits <= 8)
        expand_indices(bmp, in, n, rgb);
    else if (bmp->bits != 24)
        expand_masked(bmp, in, n, rgb);
    else
        for (int32_t i = 0; i < n; i++, in += 3)
            for (int k = 0; k < 3; k++) *rgb++ = in[2 - k];
}

static clade_status read_row(clade_input *input, const bmp_layout *bmp, size_t at, int32_t width,
                             uint8_t *rgb)
{
    enum { part = 1 << 17 }; /* pixels, of at most half a window */
    for (int32_t x = 0; x < width; x += part) {
        const int32_t n = width - x < part ? width - x : part;
        const uint8_t *bytes;
        size_t need = ((size_t)n * (size_t)bmp->bits + 7) / 8, got;
        clade_status status =
            clade_input_look(input, at + (size_t)x * (size_t)bmp->bits / 8, need, &bytes, &got);
        if (status) return status;
        if (got < need) return clade_fail(CLADE_EFORMAT, "BMP: the file ends too early");
        expand(bmp, bytes, n, rgb + 3 * (size_t)x);
    }
    return CLADE_OK;
}

clade_status clade_bmp_decode(clade_decoder *decoder, clade_input *input,
                              const clade_target *target, clade_sink *sink)
{
    bmp_layout bmp;
    clade_header header;
    clade_rows rows;
    clade_status status = read_header(input, &header, &bmp);
    if (status) return status;
    const size_t stride = ((size_t)header.width * (size_t)bmp.bits + 31) / 32 * 4;
    clade_layout layout = {header.height, header.width, 3, header.orientation};
    status = clade_rows_begin(&rows, decoder, layout, target->channels, sink);
    while (!status && rows.y < header.height) {
        status = read_row(input, &bmp, bmp.start + (size_t)rows.y * stride, header.width,
                          clade_rows_next(&rows));
        if (!status) clade_rows_push(&rows);
    }
    return status;
}
