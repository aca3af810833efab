/* TIFF through libtiff: the first image of a file; grey, RGB, palette and CMYK of 1 to 16 bits, in
 * strips or tiles, to 8-bit grey or RGB. Alpha is dropped (divided out if premultiplied, as PIL
 * does), 16 bits are cut to the upper 8. JPEG compression is refused. */
#include "data/image.h"

#include <tiffio.h>

#include <stdio.h>
#include <string.h>

enum { most_samples = 8 };

typedef struct tiff_reader {
    clade_input *input;
    size_t at;
    clade_status status; /* of the input */
    TIFF *tiff;
    char text[160]; /* the first error */
    /* from the file's fields */
    uint32_t height, width;
    uint16_t bits, samples, photometric, orientation;
    bool planes;     /* each sample in a separate plane */
    bool multiplied; /* alpha is premultiplied */
    int colours;     /* samples per pixel without alpha */
    uint8_t palette[256][3];
} tiff_reader;

/* --- libtiff's view of the input --- */

static tmsize_t read_bytes(thandle_t handle, void *out, tmsize_t n)
{
    tiff_reader *r = handle;
    tmsize_t done = 0;
    while (done < n && !r->status) {
        const uint8_t *bytes;
        size_t got, left = (size_t)(n - done);
        r->status = clade_input_look(
            r->input, r->at, left < clade_window_bytes ? left : clade_window_bytes, &bytes, &got);
        if (r->status || got == 0) break;
        memcpy((uint8_t *)out + done, bytes, got);
        r->at += got;
        done += (tmsize_t)got;
    }
    return done;
}

static tmsize_t write_bytes(thandle_t handle, void *bytes, tmsize_t n)
{
    (void)handle, (void)bytes, (void)n;
    return 0;
}

static toff_t seek(thandle_t handle, toff_t offset, int from)
{
    tiff_reader *r = handle;
    r->at = (size_t)offset + (from == SEEK_CUR ? r->at : from == SEEK_END ? r->input->size : 0);
    return r->at;
}

static int close_input(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t size_of(thandle_t handle) { return ((const tiff_reader *)handle)->input->size; }

static int on_error(TIFF *tiff, void *user, const char *module, const char *format, va_list list)
{
    (void)tiff, (void)module;
    tiff_reader *r = user;
    if (!r->text[0]) vsnprintf(r->text, sizeof r->text, format, list);
    return 1;
}

static int on_warning(TIFF *tiff, void *user, const char *module, const char *format, va_list list)
{
    (void)tiff, (void)user, (void)module, (void)format, (void)list;
    return 1;
}

static clade_status fail(const tiff_reader *r)
{
    if (r->status) return r->status;
    return clade_fail(CLADE_EFORMAT, "TIFF: %s", r->text[0] ? r->text : "damaged");
}

/* --- the fields --- */

static clade_status refuse(const char *what, unsigned value, const char *expected)
{
    return clade_fail(CLADE_EFORMAT, "TIFF: %s %u: expected %s", what, value, expected);
}

static clade_status check_compression(const tiff_reader *r)
{
    uint16_t compression = COMPRESSION_NONE;
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_COMPRESSION, &compression);
    switch (compression) {
    case COMPRESSION_NONE:
    case COMPRESSION_CCITTRLE:
    case COMPRESSION_CCITTFAX3:
    case COMPRESSION_CCITTFAX4:
    case COMPRESSION_LZW:
    case COMPRESSION_ADOBE_DEFLATE:
    case COMPRESSION_DEFLATE:
    case COMPRESSION_PACKBITS: break;
    default: return refuse("compression", compression, "none, LZW, Deflate, PackBits or CCITT");
    }
    return TIFFIsCODECConfigured(compression)
               ? CLADE_OK
               : clade_fail(CLADE_EFORMAT, "TIFF: libtiff was built without compression %u",
                            compression);
}

static clade_status read_palette(tiff_reader *r)
{
    uint16_t *map[3];
    if (r->bits > 8 || !TIFFGetField(r->tiff, TIFFTAG_COLORMAP, &map[0], &map[1], &map[2]))
        return clade_fail(CLADE_EFORMAT, "TIFF: a palette image without a palette");
    for (int i = 0; i < 1 << r->bits; i++)
        for (int k = 0; k < 3; k++) r->palette[i][k] = (uint8_t)(map[k][i] >> 8);
    return CLADE_OK;
}

static clade_status read_colours(tiff_reader *r)
{
    uint16_t inks = INKSET_CMYK, extra = 0, *kinds = NULL;
    switch (r->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_PALETTE: r->colours = 1; break;
    case PHOTOMETRIC_RGB: r->colours = 3; break;
    case PHOTOMETRIC_SEPARATED: r->colours = 4; break;
    default:
        return refuse("photometric interpretation", r->photometric, "grey, RGB, palette or CMYK");
    }
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_INKSET, &inks);
    if (r->colours == 4 && inks != INKSET_CMYK) return refuse("ink set", inks, "1 (CMYK)");
    if (r->samples < r->colours || r->samples > most_samples)
        return refuse("samples a pixel", r->samples, "1 (grey), 3 (RGB) or 4 (CMYK), and alpha");
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_EXTRASAMPLES, &extra, &kinds);
    r->multiplied = r->colours == 3 && r->samples == 4 && extra == 1 && kinds &&
                    kinds[0] == EXTRASAMPLE_ASSOCALPHA;
    return r->photometric == PHOTOMETRIC_PALETTE ? read_palette(r) : CLADE_OK;
}

static clade_status read_fields(tiff_reader *r)
{
    uint16_t planes = PLANARCONFIG_CONTIG, format = SAMPLEFORMAT_UINT;
    uint32_t kind = 0;
    if (!TIFFGetField(r->tiff, TIFFTAG_IMAGEWIDTH, &r->width) ||
        !TIFFGetField(r->tiff, TIFFTAG_IMAGELENGTH, &r->height) ||
        !TIFFGetField(r->tiff, TIFFTAG_PHOTOMETRIC, &r->photometric))
        return clade_fail(CLADE_EFORMAT, "TIFF: no size or no photometric interpretation");
    clade_status status = clade_check_size(r->width, r->height, clade_image_pixels);
    if (status) return status;
    /* cameras' raw files are TIFFs that begin with a small preview */
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_SUBFILETYPE, &kind);
    if (kind & FILETYPE_REDUCEDIMAGE)
        return clade_fail(CLADE_EFORMAT, "TIFF: begins with the preview of another image");
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_BITSPERSAMPLE, &r->bits);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_SAMPLESPERPIXEL, &r->samples);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_SAMPLEFORMAT, &format);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_PLANARCONFIG, &planes);
    TIFFGetFieldDefaulted(r->tiff, TIFFTAG_ORIENTATION, &r->orientation);
    r->planes = planes == PLANARCONFIG_SEPARATE && r->samples > 1;
    if (r->bits != 1 && r->bits != 2 && r->bits != 4 && r->bits != 8 && r->bits != 16)
        return refuse("bits a sample", r->bits, "1, 2, 4, 8 or 16");
    if (format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID)
        return refuse("sample format", format, "1 (unsigned)");
    status = check_compression(r);
    return status ? status : read_colours(r);
}

static clade_status open_tiff(tiff_reader *r)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) return clade_fail(CLADE_ENOMEM, "out of memory for a TIFF decoder");
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, clade_decoding_bytes);
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, r);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, r);
    r->orientation = ORIENTATION_TOPLEFT;
    r->tiff = TIFFClientOpenExt("the file", "rm", r, read_bytes, write_bytes, seek, close_input,
                                size_of, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    return r->tiff ? read_fields(r) : fail(r);
}

static void close_tiff(tiff_reader *r)
{
    if (r->tiff) TIFFClose(r->tiff);
}

static bool is_grey(const tiff_reader *r)
{
    return r->colours == 1 && r->photometric != PHOTOMETRIC_PALETTE;
}

static clade_header header_of(const tiff_reader *r)
{
    bool turned = r->orientation >= 1 && r->orientation <= 8;
    return (clade_header){.height = (int32_t)r->height,
                          .width = (int32_t)r->width,
                          .channels = is_grey(r)        ? 1
                                      : r->colours == 1 ? 3
                                                        : r->colours,
                          .orientation = turned ? r->orientation : 1,
                          .kind = CLADE_IMAGE_TIFF,
                          .words = is_grey(r)        ? "TIFF grey"
                                   : r->colours == 1 ? "TIFF palette"
                                   : r->colours == 3 ? "TIFF RGB"
                                                     : "TIFF CMYK"};
}

clade_status clade_tiff_header(clade_input *input, clade_header *out)
{
    tiff_reader r = {.input = input};
    clade_status status = open_tiff(&r);
    *out = status ? (clade_header){0} : header_of(&r);
    close_tiff(&r);
    return status;
}

/* --- the pixels --- */

/* Converts n samples to 8 bits, writing every step-th byte: 16 bits lose the lower 8; fewer are
 * scaled to the full range, except for a palette's. */
static void unpack(const tiff_reader *r, const uint8_t *in, size_t n, size_t step, uint8_t *out)
{
    const int bits = r->bits;
    const int scale =
        bits >= 8 || r->photometric == PHOTOMETRIC_PALETTE ? 1 : 255 / ((1 << bits) - 1);
    for (size_t i = 0; i < n; i++, out += step) {
        if (bits == 16) {
            uint16_t value; /* in the machine's order */
            memcpy(&value, in + 2 * i, 2);
            *out = (uint8_t)(value >> 8);
        } else if (bits == 8) {
            *out = in[i];
        } else {
            size_t at = i * (size_t)bits;
            int value = in[at / 8] >> (8 - bits - (int)(at % 8)) & ((1 << bits) - 1);
            *out = (uint8_t)(value * scale);
        }
    }
}

/* Returns c·255/a, at most 255; black if alpha is 0. */
static uint8_t divide(uint8_t c, uint8_t a)
{
    int value = a ? c * 255 / a : 0;
    return (uint8_t)(value > 255 ? 255 : value);
}

/* Converts a row of 8-bit samples to the sink's format; `channels` 1 is grey. */
static void convert(const tiff_reader *r, const uint8_t *in, int32_t channels, uint8_t *out)
{
    const int flip = r->photometric == PHOTOMETRIC_MINISWHITE ? 255 : 0;
    for (uint32_t x = 0; x < r->width; x++, in += r->samples, out += channels) {
        if (is_grey(r))
            for (int k = 0; k < channels; k++) out[k] = (uint8_t)(in[0] ^ flip);
        else if (r->colours == 1)
            memcpy(out, r->palette[in[0]], 3);
        else if (r->colours == 4)
            clade_cmyk_to_rgb(in, 1, false, out);
        else
            for (int k = 0; k < 3; k++) out[k] = r->multiplied ? divide(in[k], in[3]) : in[k];
    }
}

static clade_status check_band(const tiff_reader *r, double bytes, const char *what)
{
    if (bytes <= clade_decoding_bytes) return CLADE_OK;
    return clade_fail(CLADE_EFORMAT,
                      "TIFF: %u×%u pixels in such %s take %.0f MB at once, more than %d: save it "
                      "with smaller ones",
                      r->width, r->height, what, bytes / (1 << 20), clade_decoding_bytes >> 20);
}

/* Reads strips of whole pixels, row by row. */
static clade_status read_strips(tiff_reader *r, clade_decoder *decoder, int32_t channels,
                                clade_rows *rows)
{
    const size_t line = (size_t)TIFFScanlineSize64(r->tiff);
    const size_t samples = (size_t)r->width * r->samples;
    if (line < (samples * r->bits + 7) / 8) return fail(r);
    clade_status status = check_band(r, (double)line + (double)samples, "strips");
    if (!status) status = clade_bytes_reserve(&decoder->band, line + samples);
    while (!status && rows->y < (int32_t)r->height) {
        uint8_t *packed = decoder->band.data, *row = packed + line;
        if (TIFFReadScanline(r->tiff, packed, (uint32_t)rows->y, 0) < 0 || r->text[0])
            return fail(r);
        unpack(r, packed, samples, 1, row);
        convert(r, row, channels, clade_rows_next(rows));
        clade_rows_push(rows);
    }
    return status;
}

/* Tiles, or strips of planes: blocks; those that begin at the same row fill a band. */
typedef struct tiff_blocks {
    bool tiled;
    uint32_t height, width;
    size_t size; /* bytes per block */
    size_t line; /* bytes per row of a block */
} tiff_blocks;

static tiff_blocks blocks_of(const tiff_reader *r)
{
    tiff_blocks b = {.tiled = TIFFIsTiled(r->tiff) != 0, .height = r->height, .width = r->width};
    if (b.tiled) {
        TIFFGetField(r->tiff, TIFFTAG_TILEWIDTH, &b.width);
        TIFFGetField(r->tiff, TIFFTAG_TILELENGTH, &b.height);
        b.size = (size_t)TIFFTileSize64(r->tiff);
        b.line = (size_t)TIFFTileRowSize64(r->tiff);
    } else {
        TIFFGetFieldDefaulted(r->tiff, TIFFTAG_ROWSPERSTRIP, &b.height);
        if (b.height > r->height) b.height = r->height;
        b.size = (size_t)TIFFStripSize64(r->tiff);
        b.line = (size_t)TIFFScanlineSize64(r->tiff);
    }
    return b;
}

/* Reads the block at row y and column x of a plane into its place in a band of `rows` rows. */
static clade_status read_block(tiff_reader *r, const tiff_blocks *b, uint32_t y, uint32_t x,
                               uint16_t plane, uint32_t rows, uint8_t *packed, uint8_t *band)
{
    const size_t each = r->planes ? 1 : r->samples; /* number of a pixel's samples in the block */
    const size_t pixels = b->width < r->width - x ? b->width : r->width - x;
    const size_t row = (size_t)r->width * r->samples;
    tmsize_t got = b->tiled ? TIFFReadTile(r->tiff, packed, x, y, 0, plane)
                            : TIFFReadEncodedStrip(r->tiff, TIFFComputeStrip(r->tiff, y, plane),
                                                   packed, (tmsize_t)(rows * b->line));
    if (got < (tmsize_t)(rows * b->line) || r->text[0]) return fail(r);
    for (uint32_t i = 0; i < rows; i++, packed += b->line, band += row)
        unpack(r, packed, pixels * each, r->planes ? r->samples : 1,
               band + (size_t)x * r->samples + plane);
    return CLADE_OK;
}

static clade_status read_blocks(tiff_reader *r, clade_decoder *decoder, int32_t channels,
                                clade_rows *rows)
{
    const tiff_blocks b = blocks_of(r);
    const size_t each = r->planes ? 1 : r->samples, row = (size_t)r->width * r->samples;
    if (b.height < 1 || b.width < 1 || b.line < ((size_t)b.width * each * r->bits + 7) / 8 ||
        b.size / b.line < b.height)
        return fail(r);
    const uint32_t most = b.height < r->height ? b.height : r->height;
    const uint16_t planes = r->planes ? r->samples : 1;
    clade_status status =
        check_band(r, (double)b.size + (double)most * (double)row, b.tiled ? "tiles" : "strips");
    if (!status) status = clade_bytes_reserve(&decoder->band, b.size + most * row);
    for (uint32_t y = 0; !status && y < r->height; y += most) {
        const uint32_t count = most < r->height - y ? most : r->height - y;
        uint8_t *band = decoder->band.data + b.size;
        for (uint16_t plane = 0; plane < planes; plane++)
            for (uint32_t x = 0; x < r->width && !status; x += b.width)
                status = read_block(r, &b, y, x, plane, count, decoder->band.data, band);
        for (uint32_t i = 0; i < count && !status; i++) {
            convert(r, band + i * row, channels, clade_rows_next(rows));
            clade_rows_push(rows);
        }
    }
    return status;
}

clade_status clade_tiff_decode(clade_decoder *decoder, clade_input *input,
                               const clade_target *target, clade_sink *sink)
{
    tiff_reader r = {.input = input};
    clade_rows rows;
    clade_status status = open_tiff(&r);
    if (!status) {
        const int32_t channels = is_grey(&r) && target->channels == 1 ? 1 : 3;
        const clade_header header = header_of(&r);
        clade_layout layout = {header.height, header.width, channels, header.orientation};
        status = clade_rows_begin(&rows, decoder, layout, target->channels, sink);
        if (!status && (TIFFIsTiled(r.tiff) || r.planes))
            status = read_blocks(&r, decoder, channels, &rows);
        else if (!status)
            status = read_strips(&r, decoder, channels, &rows);
    }
    close_tiff(&r);
    return status;
}
