/* JPEG through libjpeg: orientation, scaled decoding, CMYK, and what counts as damaged. */
#include "data/image.h"

#include <stdio.h> /* jpeglib.h needs it */

#include <jerror.h>
#include <jpeglib.h>

#include <inttypes.h>
#include <setjmp.h>
#include <string.h>

/* A scan costs time by the image's size, however few bytes it has. Encoders write about ten, which
 * together visit each coefficient two or three times; eight times, with three components, are
 * allowed, and more in a small image. */
enum { most_scans = 100, visits_per_pixel = 8 * 3, small_image = 4000000 };

/* One image's decoder. Each image has its own, so that nothing (tables, a state after an error)
 * comes from the one before. */
typedef struct jpeg_reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct jpeg_source_mgr from;
    clade_input *input;
    size_t next;          /* the place in the input after what libjpeg has */
    int scan;             /* the last that was counted */
    int64_t coefficients; /* visited by the scans so far */
    jmp_buf leave;
    clade_status status;
    char text[JMSG_LENGTH_MAX];
} jpeg_reader;

/* Returns whether a marker starts a frame: 0xc0 to 0xcf except DHT, JPG and DAC. */
static bool is_frame(unsigned marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

/* Reads the segments before the pixels to find Exif's orientation, Adobe's mark and the frame. A
 * misplaced segment ends the search; the decoder will tell whether the image can be read. */
static clade_status read_segments(clade_input *input, clade_header *header)
{
    enum { most = 4 + 0xffff }; /* bytes of a segment */
    *header = (clade_header){.orientation = 1, .kind = CLADE_IMAGE_JPEG};
    bool seen = false;
    size_t at = 2;
    for (;;) {
        const uint8_t *bytes;
        size_t got;
        clade_status status = clade_input_look(input, at, most, &bytes, &got);
        if (status || got < 4) return status;
        if (bytes[0] != 0xff || bytes[1] == 0xff) { /* stray or fill byte */
            at++;
            continue;
        }
        unsigned marker = bytes[1];
        if (marker == 0xda || marker == 0xd9) return CLADE_OK;      /* pixels, or the end */
        if (marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd7)) { /* markers without a length */
            at += 2;
            continue;
        }
        size_t length = (size_t)bytes[2] << 8 | bytes[3];
        const uint8_t *body = bytes + 4;
        if (length < 2 || length > got - 2) return CLADE_OK;
        if (marker == 0xe1 && !seen && length >= 8 && memcmp(body, "Exif\0", 6) == 0) {
            header->orientation = clade_exif_orientation(body + 6, length - 8);
            seen = true;
        }
        if (is_frame(marker)) header->frame = (uint8_t)marker;
        if (marker == 0xee && length >= 14 && memcmp(body, "Adobe", 5) == 0)
            header->inverted = true;
        at += 2 + length;
    }
}

/* Returns whether an image is complete after this scan. Missing bits of the scan itself cause
 * another warning; since arithmetic codes may end anywhere, they tell nothing. */
static bool is_last_scan(const struct jpeg_decompress_struct *jpeg)
{
    if (jpeg->arith_code) return false;
    if (!jpeg->progressive_mode) return jpeg->comps_in_scan == jpeg->num_components;
    if (!jpeg->coef_bits) return false; /* before the first scan */
    for (int c = 0; c < jpeg->num_components; c++)
        for (int k = 0; k < DCTSIZE2; k++)
            if (jpeg->coef_bits[c][k] != 0) return false; /* this many bits are still to come */
    return true;
}

/* Returns whether a libjpeg warning leaves every pixel right. Pillow reads such images too, except
 * those without an end marker. After any other warning (bad codes, a segment that ends early, a
 * lost restart marker) pixels are missing or wrong. */
static bool is_harmless(const struct jpeg_decompress_struct *jpeg, int code)
{
    switch (code) {
    case JWRN_ADOBE_XFORM:     /* unknown colour transform: YCbCr, or YCCK */
    case JWRN_EXTRANEOUS_DATA: /* bytes left over before a marker: common on the web */
    case JWRN_JFIF_MAJOR:      /* a newer JFIF */
    case JWRN_NOT_SEQUENTIAL:  /* scan parameters that do not apply to a sequential image */
        return true;
    case JWRN_JPEG_EOF: /* no end marker */ return is_last_scan(jpeg);
    default: return false;
    }
}

static _Noreturn void leave(jpeg_reader *r, clade_status status)
{
    r->status = status;
    longjmp(r->leave, 1);
}

static _Noreturn void on_error(j_common_ptr common)
{
    jpeg_reader *r = common->client_data;
    r->errors.format_message(common, r->text);
    leave(r, r->errors.msg_code == JERR_OUT_OF_MEMORY ? CLADE_ENOMEM : CLADE_EFORMAT);
}

/* level -1 is a warning, others are traces */
static void on_message(j_common_ptr common, int level)
{
    jpeg_reader *r = common->client_data;
    if (level < 0 && !is_harmless(&r->jpeg, r->errors.msg_code)) on_error(common);
}

/* Counts the coefficients that the next scan visits; each block also costs some time. */
static int64_t count_coefficients(const struct jpeg_decompress_struct *jpeg)
{
    int64_t blocks = 0;
    for (int i = 0; i < jpeg->comps_in_scan; i++)
        blocks += (int64_t)jpeg->cur_comp_info[i]->width_in_blocks *
                  jpeg->cur_comp_info[i]->height_in_blocks;
    int each = jpeg->progressive_mode ? jpeg->Se - jpeg->Ss + 1 : DCTSIZE2;
    return blocks * (each < 8 ? 8 : each);
}

static void on_progress(j_common_ptr common)
{
    jpeg_reader *r = common->client_data;
    if (r->jpeg.input_scan_number == r->scan) return;
    r->scan = r->jpeg.input_scan_number;
    r->coefficients += count_coefficients(&r->jpeg);
    int64_t pixels = (int64_t)r->jpeg.image_width * r->jpeg.image_height;
    int64_t most = visits_per_pixel * (pixels > small_image ? pixels : small_image);
    if (r->scan > most_scans)
        snprintf(r->text, sizeof r->text, "more than %d scans", most_scans);
    else if (r->coefficients > most)
        snprintf(r->text, sizeof r->text, "scans of more than %" PRId64 " coefficients", most);
    else
        return;
    leave(r, CLADE_EFORMAT);
}

/* Returns the error for which on_error or similar was called; the reader's functions return here by
 * longjmp. */
static clade_status failure(const jpeg_reader *r)
{
    if (r->status == CLADE_EIO) return r->status; /* the input has set the text */
    return clade_fail(r->status, "JPEG: %s", r->text);
}

/* --- libjpeg's view of the input --- */

static void begin_source(j_decompress_ptr jpeg) { (void)jpeg; }

static boolean fill_source(j_decompress_ptr jpeg)
{
    static const uint8_t end[2] = {0xff, JPEG_EOI}; /* as libjpeg's own sources do */
    jpeg_reader *r = jpeg->client_data;
    size_t got;
    if (clade_input_look(r->input, r->next, clade_window_bytes, &r->from.next_input_byte, &got))
        leave(r, CLADE_EIO);
    r->next += got;
    r->from.bytes_in_buffer = got;
    if (got == 0) {
        WARNMS(jpeg, JWRN_JPEG_EOF);
        r->from.next_input_byte = end;
        r->from.bytes_in_buffer = sizeof end;
    }
    return TRUE;
}

static void skip_source(j_decompress_ptr jpeg, long bytes)
{
    struct jpeg_source_mgr *from = jpeg->src;
    for (; bytes > (long)from->bytes_in_buffer; fill_source(jpeg))
        bytes -= (long)from->bytes_in_buffer;
    if (bytes <= 0) return;
    from->next_input_byte += bytes;
    from->bytes_in_buffer -= (size_t)bytes;
}

static void end_source(j_decompress_ptr jpeg) { (void)jpeg; }

static clade_status read_header(jpeg_reader *r, clade_input *input, clade_header *out)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    jpeg->err = jpeg_std_error(&r->errors);
    jpeg->client_data = r;
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->progress.progress_monitor = on_progress;
    clade_status status = read_segments(input, out);
    if (status) return status;
    if (setjmp(r->leave)) return failure(r);
    jpeg_create_decompress(jpeg);
    jpeg->progress = &r->progress;
    r->input = input;
    r->from = (struct jpeg_source_mgr){.init_source = begin_source,
                                       .fill_input_buffer = fill_source,
                                       .skip_input_data = skip_source,
                                       .resync_to_restart = jpeg_resync_to_restart,
                                       .term_source = end_source};
    jpeg->src = &r->from;
    jpeg_read_header(jpeg, TRUE);
    status = clade_check_size(jpeg->image_width, jpeg->image_height, clade_jpeg_pixels);
    if (status) return status;
    if (jpeg->jpeg_color_space == JCS_UNKNOWN)
        return clade_fail(CLADE_EFORMAT, "JPEG: %d components: expected 1, 3 or 4",
                          jpeg->num_components);
    out->height = (int32_t)jpeg->image_height;
    out->width = (int32_t)jpeg->image_width;
    out->channels = jpeg->num_components;
    return CLADE_OK;
}

clade_status clade_jpeg_header(clade_input *input, clade_header *out)
{
    jpeg_reader r = {0};
    clade_status status = read_header(&r, input, out);
    jpeg_destroy_decompress(&r.jpeg);
    return status;
}

/* Returns the reduction for decoding: 8, 4 or 2 (the sizes with their own inverse DCT), such that
 * both sides stay at least the target's; else 1. Decoding at 1/d averages d×d pixels. Before a
 * bilinear resize this only removes aliasing. Nearest takes single pixels, like Keras, except from
 * images over four times the target, where the saving is large and a single pixel says little. An
 * image above clade_image_pixels is reduced in any case. */
static int choose_reduction(const clade_header *header, const clade_target *target)
{
    int64_t pixels = (int64_t)header->height * header->width;
    const int least = pixels > clade_image_pixels ? 2 : 1;
    bool swap = header->orientation >= 5;
    int64_t height = swap ? target->width : target->height;
    int64_t width = swap ? target->height : target->width;
    if (target->interpolation == CLADE_BILINEAR_ANTIALIAS) { /* leave most of the averaging to the
                                                              * resize */
        height *= 2;
        width *= 2;
    }
    if (target->interpolation == CLADE_NEAREST &&
        (header->height <= 4 * height || header->width <= 4 * width))
        return least;
    for (int d = 8; d > least; d /= 2)
        if ((header->height + d - 1) / d >= height && (header->width + d - 1) / d >= width)
            return d;
    return least;
}

/* Checks memory: progressive images, and others of several scans, are decoded to 16-bit
 * coefficients before the first row is available. */
static clade_status check_coefficients(const clade_header *header,
                                       struct jpeg_decompress_struct *jpeg)
{
    if (!jpeg_has_multiple_scans(jpeg)) return CLADE_OK;
    double bytes = 0;
    for (int c = 0; c < jpeg->num_components; c++)
        bytes += (double)jpeg->comp_info[c].width_in_blocks * jpeg->comp_info[c].height_in_blocks *
                 sizeof(JBLOCK);
    if (bytes <= clade_decoding_bytes) return CLADE_OK;
    return clade_fail(
        CLADE_EFORMAT,
        "JPEG: %d×%d pixels in several scans take %.0f MB at once, more than %d: save "
        "it as baseline",
        header->width, header->height, bytes / (1 << 20), clade_decoding_bytes >> 20);
}

/* Decodes the image whose header was read, ignoring what follows the last row. */
static clade_status read_pixels(jpeg_reader *r, clade_decoder *decoder, const clade_header *header,
                                const clade_target *target, clade_sink *sink)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    bool cmyk = header->channels == 4;
    int channels = header->channels == 1 && target->channels == 1 ? 1 : 3;
    if (setjmp(r->leave)) return failure(r);
    clade_status status = check_coefficients(header, jpeg);
    if (status) return status;
    jpeg->scale_num = 1;
    jpeg->scale_denom = (unsigned)choose_reduction(header, target);
    jpeg->out_color_space = cmyk ? JCS_CMYK : channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(jpeg);
    clade_layout layout = {(int32_t)jpeg->output_height, (int32_t)jpeg->output_width, channels,
                           header->orientation};
    clade_rows rows;
    if (cmyk) status = clade_bytes_reserve(&decoder->band, (size_t)layout.width * 4);
    if (!status) status = clade_rows_begin(&rows, decoder, layout, target->channels, sink);
    if (status) return status;
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW next = clade_rows_next(&rows), row = cmyk ? decoder->band.data : next;
        jpeg_read_scanlines(jpeg, &row, 1);
        if (cmyk) clade_cmyk_to_rgb(row, (size_t)layout.width, header->inverted, next);
        clade_rows_push(&rows);
    }
    return CLADE_OK;
}

clade_status clade_jpeg_decode(clade_decoder *decoder, clade_input *input,
                               const clade_target *target, clade_sink *sink)
{
    jpeg_reader r = {0};
    clade_header header;
    clade_status status = read_header(&r, input, &header);
    if (!status) status = read_pixels(&r, decoder, &header, target, sink);
    jpeg_destroy_decompress(&r.jpeg);
    return status;
}
