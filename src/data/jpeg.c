/* JPEG through TurboJPEG: orientation, scaled decoding, CMYK, and what counts as damaged. */
#include "data/image.h"

#include <turbojpeg.h>

#include <string.h>

static unsigned get16(const uint8_t *p, bool little)
{
    return little ? p[0] | (unsigned)p[1] << 8 : (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p, bool little)
{
    uint32_t a = get16(p, little), b = get16(p + 2, little);
    return little ? a | b << 16 : a << 16 | b;
}

/* The orientation (tag 0x0112, one SHORT, in the first directory) of the TIFF structure that an
 * Exif segment holds; 1 when it is absent or broken. Source: Exif 2.32, 4.6. */
static int exif_orientation(const uint8_t *tiff, size_t size)
{
    if (size < 8) return 1;
    bool little = tiff[0] == 'I';
    if (memcmp(tiff, little ? "II*\0" : "MM\0*", 4) != 0) return 1;
    size_t at = get32(tiff + 4, little);
    if (at > size - 2) return 1;
    unsigned entries = get16(tiff + at, little);
    at += 2;
    for (; entries > 0 && size - at >= 12; entries--, at += 12) {
        if (get16(tiff + at, little) != 0x0112) continue;
        unsigned value = get16(tiff + at + 8, little);
        bool right = get16(tiff + at + 2, little) == 3 && get32(tiff + at + 4, little) == 1;
        return right && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/* A frame's marker: 0xc0 to 0xcf but for DHT, JPG and DAC. */
static bool is_frame(unsigned marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

/* Walks the segments before the pixels for Exif's orientation, Adobe's mark and the frame. A
 * segment that is out of order ends the walk; whether the image can be read is for the decoder to
 * say. */
static void read_segments(const uint8_t *bytes, size_t size, clade_header *header)
{
    *header = (clade_header){.orientation = 1, .kind = CLADE_IMAGE_JPEG};
    bool seen = false;
    size_t at = 2;
    while (at + 4 <= size) {
        if (bytes[at] != 0xff || bytes[at + 1] == 0xff) { /* stray or fill byte */
            at++;
            continue;
        }
        unsigned marker = bytes[at + 1];
        if (marker == 0xda || marker == 0xd9) return;               /* pixels, or the end */
        if (marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd7)) { /* markers without a length */
            at += 2;
            continue;
        }
        size_t length = get16(bytes + at + 2, false);
        const uint8_t *body = bytes + at + 4;
        if (length < 2 || length > size - at - 2) return;
        if (marker == 0xe1 && !seen && length >= 8 && memcmp(body, "Exif\0", 6) == 0) {
            header->orientation = exif_orientation(body + 6, length - 8);
            seen = true;
        }
        if (is_frame(marker)) header->frame = (uint8_t)marker;
        if (marker == 0xee && length >= 14 && memcmp(body, "Adobe", 5) == 0)
            header->inverted = true;
        at += 2 + length;
    }
}

/* After a failure TurboJPEG's handle may still be in the middle of that image's header, and would
 * read the next one as its continuation. So it goes. */
static void drop_handle(clade_decoder *decoder)
{
    tjDestroy(decoder->jpeg);
    decoder->jpeg = NULL;
}

static clade_status need_handle(clade_decoder *decoder)
{
    if (!decoder->jpeg) decoder->jpeg = tjInitDecompress();
    return decoder->jpeg ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for a JPEG decoder");
}

clade_status clade_jpeg_header(clade_decoder *decoder, const uint8_t *bytes, size_t size,
                               clade_header *out)
{
    clade_status status = need_handle(decoder);
    if (status) return status;
    int width = 0, height = 0, sampling = -1, space = -1;
    if (tjDecompressHeader3(decoder->jpeg, bytes, size, &width, &height, &sampling, &space)) {
        /* It also fails, after it has found the size, when the chroma sampling is none of those
         * that it has a name for. tjDecompress2 can read such an image. */
        if (width < 1 || height < 1 || space < 0)
            status = clade_fail(CLADE_EFORMAT, "JPEG: %s", tjGetErrorStr2(decoder->jpeg));
        drop_handle(decoder);
        if (status) return status;
    }
    status = clade_check_size((uint32_t)width, (uint32_t)height);
    if (status) return status;
    read_segments(bytes, size, out);
    out->height = height;
    out->width = width;
    out->channels = space == TJCS_GRAY ? 1 : space == TJCS_CMYK || space == TJCS_YCCK ? 4 : 3;
    return CLADE_OK;
}

/* How many times smaller to decode: 8, 4 or 2 (the sizes with their own inverse DCT), so that both
 * sides stay at least the target's; else 1. Decoding at 1/d averages d×d pixels. Ahead of a
 * bilinear resize this only removes aliasing. Nearest means to take single pixels, as Keras does,
 * and gets them, except from images over four times the target, where the saving is large and a
 * single pixel says little. */
static int choose_reduction(const clade_header *header, const clade_target *target)
{
    bool swap = header->orientation >= 5;
    int64_t height = swap ? target->width : target->height;
    int64_t width = swap ? target->height : target->width;
    if (target->interpolation == CLADE_NEAREST &&
        (header->height <= 4 * height || header->width <= 4 * width))
        return 1;
    for (int d = 8; d > 1; d /= 2)
        if ((header->height + d - 1) / d >= height && (header->width + d - 1) / d >= width)
            return d;
    return 1;
}

/* A warning after which all pixels are right. Bytes left over before a marker are common in
 * photographs from the web. Every other warning means missing or wrong pixels. (The error code does
 * not tell a warning from an error that came after one; the text is the last of the two.) */
static bool is_harmless(const char *text)
{
    static const char *const parts[] = {
        "extraneous bytes before marker", "Unknown Adobe color transform",
        "Invalid SOS parameters for sequential", "unknown JFIF revision"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(text, parts[i])) return true;
    return false;
}

/* Decodes at the largest scale that fits width×height. */
static clade_status decompress(clade_decoder *decoder, const uint8_t *bytes, size_t size,
                               uint8_t *out, int width, int height, int format)
{
    clade_status status = need_handle(decoder);
    if (status) return status;
    if (!tjDecompress2(decoder->jpeg, bytes, size, out, width, 0, height, format,
                       TJFLAG_LIMITSCANS))
        return CLADE_OK;
    const char *text = tjGetErrorStr2(decoder->jpeg);
    if (tjGetErrorCode(decoder->jpeg) != TJERR_WARNING || !is_harmless(text))
        status = clade_fail(CLADE_EFORMAT, "JPEG: %s", text);
    drop_handle(decoder);
    return status;
}

/* (a·b)/255, rounded. */
static unsigned mul255(unsigned a, unsigned b)
{
    unsigned t = a * b + 128;
    return (t + (t >> 8)) >> 8;
}

static void cmyk_to_rgb(const uint8_t *cmyk, size_t n, bool inverted, uint8_t *rgb)
{
    unsigned flip = inverted ? 0 : 255;
    for (size_t i = 0; i < n; i++, cmyk += 4, rgb += 3)
        for (int k = 0; k < 3; k++) rgb[k] = (uint8_t)mul255(cmyk[k] ^ flip, cmyk[3] ^ flip);
}

clade_status clade_jpeg_decode(clade_decoder *decoder, const uint8_t *bytes, size_t size,
                               const clade_target *target, clade_raster *out, int *orientation)
{
    clade_header header;
    clade_status status = clade_jpeg_header(decoder, bytes, size, &header);
    if (status) return status;
    int d = choose_reduction(&header, target);
    int32_t height = (header.height + d - 1) / d, width = (header.width + d - 1) / d;
    size_t pixels = (size_t)height * (size_t)width;
    bool cmyk = header.channels == 4;
    int channels = header.channels == 1 && target->channels == 1 ? 1 : 3;
    status = clade_bytes_reserve(&decoder->pixels, pixels * (size_t)channels);
    if (!status && cmyk) status = clade_bytes_reserve(&decoder->oriented, pixels * 4);
    if (status) return status;

    uint8_t *data = cmyk ? decoder->oriented.data : decoder->pixels.data;
    int format = cmyk ? TJPF_CMYK : channels == 1 ? TJPF_GRAY : TJPF_RGB;
    status = decompress(decoder, bytes, size, data, width, height, format);
    if (status) return status;
    if (cmyk) cmyk_to_rgb(data, pixels, header.inverted, decoder->pixels.data);
    *out = (clade_raster){decoder->pixels.data, height, width, channels};
    *orientation = header.orientation;
    return CLADE_OK;
}
