/* WebP through libwebp: lossy and lossless. Alpha is dropped; an animation gives its first frame on
 * its canvas, black around it. libwebp receives only the frame's bitstream, so that it does not
 * decode the alpha of a lossy one. Source: RFC 9649. */
#include "data/image.h"

#include <webp/decode.h>

#include <string.h>

enum { exif_bytes = 64 << 10, lossless_pixel = 4 /* bytes that libwebp uses per pixel */ };

typedef struct webp_frame {
    size_t at, size; /* of its bitstream; size 0: not found */
    bool lossless;
    int32_t left, top, height, width;
    int32_t canvas_height, canvas_width;
} webp_frame;

static uint32_t get16(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8; }
static uint32_t get24(const uint8_t *p) { return get16(p) | (uint32_t)p[2] << 16; }
static uint32_t get32(const uint8_t *p) { return get16(p) | get16(p + 2) << 16; }

static clade_status fail_short(void)
{
    return clade_fail(CLADE_EFORMAT, "WebP: the file ends too early");
}

/* Reads the size from a bitstream: RFC 6386, 9.1 and RFC 9649, 3.4. */
static clade_status read_bitstream(const uint8_t *body, size_t got, webp_frame *frame)
{
    if (got < (frame->lossless ? 5 : 10)) return fail_short();
    if (frame->lossless) {
        uint32_t bits = get32(body + 1);
        frame->width = (int32_t)(bits & 0x3fff) + 1;
        frame->height = (int32_t)(bits >> 14 & 0x3fff) + 1;
    } else {
        frame->width = (int32_t)(get16(body + 6) & 0x3fff);
        frame->height = (int32_t)(get16(body + 8) & 0x3fff);
    }
    return CLADE_OK;
}

/* Reads the first bytes of a chunk; *next is what follows it. */
static clade_status read_chunk(clade_input *input, size_t at, const uint8_t *bytes, size_t got,
                               webp_frame *frame, int *orientation, size_t *next)
{
    const uint8_t *body = bytes + 8;
    const uint32_t length = get32(bytes + 4);
    const size_t left = input->size - at - 8;
    const bool lossless = memcmp(bytes, "VP8L", 4) == 0;
    *next = length < left ? at + 8 + length + (length & 1) : input->size;
    got -= 8;
    if (memcmp(bytes, "VP8X", 4) == 0 && got >= 10) {
        frame->canvas_width = (int32_t)get24(body + 4) + 1;
        frame->canvas_height = (int32_t)get24(body + 7) + 1;
    } else if (memcmp(bytes, "ANMF", 4) == 0 && got >= 16 && !frame->size) {
        frame->left = 2 * (int32_t)get24(body);
        frame->top = 2 * (int32_t)get24(body + 3);
        *next = at + 8 + 16; /* the chunk contains chunks */
    } else if ((lossless || memcmp(bytes, "VP8 ", 4) == 0) && !frame->size) {
        if (length > left) return fail_short();
        frame->at = at + 8;
        frame->size = length;
        frame->lossless = lossless;
        return read_bitstream(body, got, frame);
    } else if (memcmp(bytes, "EXIF", 4) == 0) {
        size_t most = length < exif_bytes ? length : exif_bytes;
        clade_status status = clade_input_look(input, at + 8, most, &body, &got);
        if (status) return status;
        size_t skip = got >= 6 && memcmp(body, "Exif\0", 6) == 0 ? 6 : 0; /* some programs write
                                                                           * it */
        *orientation = clade_exif_orientation(body + skip, got - skip);
    }
    return CLADE_OK;
}

static clade_status read_header(clade_input *input, clade_header *out, webp_frame *frame)
{
    int orientation = 1;
    const uint8_t *bytes;
    size_t got;
    *frame = (webp_frame){0};
    clade_status status = clade_input_look(input, 0, 12, &bytes, &got);
    if (status) return status;
    if (got < 12 || get32(bytes + 4) > input->size - 8) return fail_short();
    for (size_t at = 12, next; !status; at = next) {
        status = clade_input_look(input, at, 32, &bytes, &got);
        if (status || got < 8) break;
        status = read_chunk(input, at, bytes, got, frame, &orientation, &next);
    }
    if (status) return status;
    if (!frame->size) return fail_short();
    if (!frame->canvas_width) {
        frame->canvas_width = frame->width;
        frame->canvas_height = frame->height;
    }
    status = clade_check_size((uint32_t)frame->canvas_width, (uint32_t)frame->canvas_height,
                              clade_image_pixels);
    if (status) return status;
    if (frame->width < 1 || frame->height < 1 || frame->width > frame->canvas_width - frame->left ||
        frame->height > frame->canvas_height - frame->top)
        return clade_fail(CLADE_EFORMAT, "WebP: a frame of %d×%d pixels does not fit its canvas",
                          frame->width, frame->height);
    *out = (clade_header){.height = frame->canvas_height,
                          .width = frame->canvas_width,
                          .channels = 3,
                          .orientation = orientation,
                          .kind = CLADE_IMAGE_WEBP,
                          .words = frame->lossless ? "WebP lossless" : "WebP lossy"};
    return CLADE_OK;
}

clade_status clade_webp_header(clade_input *input, clade_header *out)
{
    webp_frame frame;
    return read_header(input, out, &frame);
}

/* Gives the whole bitstream: in the input, or copied into one piece. */
static clade_status read_whole(clade_decoder *decoder, clade_input *input, const webp_frame *frame,
                               const uint8_t **out)
{
    size_t got;
    if (input->got == input->size)
        return clade_input_look(input, frame->at, frame->size, out, &got);
    clade_status status = clade_bytes_reserve(&decoder->whole, frame->size);
    for (size_t at = 0; !status && at < frame->size; at += got) {
        size_t left = frame->size - at;
        const uint8_t *bytes;
        status =
            clade_input_look(input, frame->at + at,
                             left < clade_window_bytes ? left : clade_window_bytes, &bytes, &got);
        if (!status) memcpy(decoder->whole.data + at, bytes, got);
    }
    *out = decoder->whole.data;
    return status;
}

/* Decodes rows [first, end) of a frame. libwebp also decodes the rows above, but does not keep
 * them. */
static clade_status decode_band(const uint8_t *bytes, const webp_frame *frame, int32_t first,
                                int32_t end, clade_bytes *band)
{
    WebPDecoderConfig config;
    const size_t stride = 3 * (size_t)frame->width, size = (size_t)(end - first) * stride;
    if (!WebPInitDecoderConfig(&config))
        return clade_fail(CLADE_EUNSUPPORTED, "libwebp is of another version than its header");
    config.options.use_cropping = 1;
    config.options.crop_top = first;
    config.options.crop_width = frame->width;
    config.options.crop_height = end - first;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA = (WebPRGBABuffer){band->data, (int)stride, size};
    VP8StatusCode code = WebPDecode(bytes, frame->size, &config);
    if (code == VP8_STATUS_OUT_OF_MEMORY)
        return clade_fail(CLADE_ENOMEM, "out of memory for a WebP decoder");
    return code == VP8_STATUS_OK ? CLADE_OK : clade_fail(CLADE_EFORMAT, "WebP: damaged");
}

/* Gives the rows of the canvas, where the frame's rows are decoded in bands. At a band's edges
 * libwebp lacks the colours of the next row, so a band is decoded with two extra rows. */
static clade_status read_rows(clade_decoder *decoder, const uint8_t *bytes, const webp_frame *frame,
                              clade_rows *rows)
{
    enum { more = 2 };
    const size_t stride = 3 * (size_t)frame->width;
    const size_t room = frame->lossless ? clade_decoding_bytes / 4 : clade_decoding_bytes;
    const int32_t fit = (int32_t)(room / stride - 2 * more) & ~1, count = fit < 2 ? 2 : fit;
    int32_t first = 0, end = 0; /* rows of the frame in the band */
    clade_status status = clade_bytes_reserve(
        &decoder->band,
        stride * (size_t)(count + 2 * more < frame->height ? count + 2 * more : frame->height));
    while (!status && rows->y < frame->canvas_height) {
        const int32_t y = rows->y - frame->top;
        uint8_t *out = clade_rows_next(rows);
        memset(out, 0, 3 * (size_t)frame->canvas_width);
        if (y >= 0 && y < frame->height) {
            if (y % count == 0) {
                first = y < more ? 0 : y - more;
                end = frame->height - y <= count + more ? frame->height : y + count + more;
                status = decode_band(bytes, frame, first, end, &decoder->band);
                if (status) return status;
            }
            memcpy(out + 3 * (size_t)frame->left, decoder->band.data + (size_t)(y - first) * stride,
                   stride);
        }
        clade_rows_push(rows);
    }
    return status;
}

clade_status clade_webp_decode(clade_decoder *decoder, clade_input *input,
                               const clade_target *target, clade_sink *sink)
{
    webp_frame frame;
    clade_header header;
    clade_rows rows;
    const uint8_t *bytes = NULL;
    clade_status status = read_header(input, &header, &frame);
    if (status) return status;
    double whole = (double)frame.width * frame.height * lossless_pixel;
    if (frame.lossless && whole > clade_decoding_bytes)
        return clade_fail(CLADE_EFORMAT,
                          "WebP: %d×%d pixels without loss take %.0f MB at once, more than %d: "
                          "save it as PNG",
                          frame.width, frame.height, whole / (1 << 20), clade_decoding_bytes >> 20);
    clade_layout layout = {header.height, header.width, 3, header.orientation};
    status = read_whole(decoder, input, &frame, &bytes);
    if (!status) status = clade_rows_begin(&rows, decoder, layout, target->channels, sink);
    return status ? status : read_rows(decoder, bytes, &frame, &rows);
}
