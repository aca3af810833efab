/* Public functions for decoding single images. */
#define _POSIX_C_SOURCE 200809L
#include "data/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void clade_header_describe(const clade_header *h, char text[clade_format_size])
{
    static const char *const pngs[] = {"grey", "", "RGB", "palette", "grey with alpha", "", "RGBA"};
    if (h->kind == CLADE_IMAGE_PNG) {
        const char *color = h->color_type < 7 && *pngs[h->color_type] ? pngs[h->color_type] : "?";
        char depth[16] = "";
        if (h->depth != 8 && h->color_type != 3) snprintf(depth, sizeof depth, " %d bit", h->depth);
        snprintf(text, clade_format_size, "PNG %s%s%s", color, depth,
                 h->interlaced ? " interlaced" : "");
        return;
    }
    if (h->kind != CLADE_IMAGE_JPEG) {
        snprintf(text, clade_format_size, "%s", h->words);
        return;
    }
    /* T.81, table B.1 */
    const char *frame = h->frame == 0xc0   ? "baseline"
                        : h->frame == 0xc1 ? "extended"
                        : h->frame == 0xc2 ? "progressive"
                        : h->frame >= 0xc9 ? "arithmetic"
                                           : "of another kind";
    snprintf(text, clade_format_size, "JPEG %s%s", frame,
             h->channels == 1   ? " grey"
             : h->channels == 4 ? " CMYK"
                                : "");
}

size_t clade_image_most_bytes(const uint8_t *head, size_t size)
{
    enum { metadata = 16 << 20 };
    clade_image_kind kind = clade_image_sniff(head, size, NULL);
    if (kind == CLADE_IMAGE_JPEG) return 2 * (size_t)clade_image_pixels; /* size comes later */
    if (kind != CLADE_IMAGE_PNG || size < 24) return clade_image_bytes;
    uint64_t width = (uint64_t)head[16] << 24 | head[17] << 16 | head[18] << 8 | head[19];
    uint64_t height = (uint64_t)head[20] << 24 | head[21] << 16 | head[22] << 8 | head[23];
    bool small = width <= clade_image_pixels && height <= clade_image_pixels &&
                 width * height * 8 <= clade_image_bytes - metadata; /* 8: RGBA of 16 bits */
    return small ? metadata + (size_t)(width * height * 8) : clade_image_bytes;
}

clade_status clade_decode_original(clade_decoder *decoder, clade_input *input, int32_t channels,
                                   clade_sink *sink)
{
    const clade_target whole = {INT32_MAX, INT32_MAX, channels, CLADE_NEAREST};
    return clade_decode_rows(decoder, input, &whole, sink);
}

clade_status clade_decoder_image(clade_decoder *decoder, clade_input *input, const char *name,
                                 const clade_target *target, uint8_t *out)
{
    clade_resize resize;
    clade_resize_init(&resize, decoder, target, out);
    clade_status status = clade_decode_rows(decoder, input, target, &resize.sink);
    clade_decoder_trim(decoder);
    return clade_context(status, "%s", name);
}

clade_status clade_check_interpolation(clade_interpolation interpolation)
{
    switch (interpolation) {
    case CLADE_NEAREST:
    case CLADE_BILINEAR:
    case CLADE_BILINEAR_ANTIALIAS: return CLADE_OK;
    }
    return clade_fail(CLADE_EINVAL, "unknown interpolation %d", (int)interpolation);
}

static clade_status check_target(const char *name, const clade_target *target, const void *out)
{
    if (!out) return clade_fail(CLADE_EINVAL, "%s: no place for the pixels", name);
    if (target->height < 1 || target->width < 1 ||
        (double)target->height * target->width > clade_image_pixels)
        return clade_fail(CLADE_EINVAL, "%s: cannot be resized to %d×%d", name, target->width,
                          target->height);
    if (target->channels != 1 && target->channels != 3)
        return clade_fail(CLADE_EINVAL, "%s: %d channels asked for: expected 1 or 3", name,
                          target->channels);
    return clade_context(clade_check_interpolation(target->interpolation), "%s", name);
}

clade_status clade_image_decode(const void *bytes, size_t size, const char *name, int32_t height,
                                int32_t width, int32_t channels, clade_interpolation interpolation,
                                uint8_t *hwc)
{
    if (!name) name = "image";
    if (!bytes && size) return clade_fail(CLADE_EINVAL, "%s: no bytes", name);
    clade_target target = {height, width, channels, interpolation};
    clade_status status = check_target(name, &target, hwc);
    if (status) return status;
    clade_decoder decoder = {0};
    clade_input input = clade_input_of(bytes, size);
    status = clade_decoder_image(&decoder, &input, name, &target, hwc);
    clade_decoder_clear(&decoder);
    return status;
}

clade_status clade_image_read(const char *path, int32_t height, int32_t width, int32_t channels,
                              clade_interpolation interpolation, uint8_t *hwc)
{
    if (!path) return clade_fail(CLADE_EINVAL, "no path of an image");
    clade_target target = {height, width, channels, interpolation};
    clade_status status = check_target(path, &target, hwc);
    if (status) return status;
    clade_decoder decoder = {0};
    clade_bytes file = {0};
    size_t size = 0;
    status = clade_bytes_read(path, 0, SIZE_MAX, clade_image_bytes, NULL, NULL, &file, &size);
    clade_input input = clade_input_of(file.data, size);
    if (!status) status = clade_decoder_image(&decoder, &input, path, &target, hwc);
    clade_bytes_clear(&file);
    clade_decoder_clear(&decoder);
    return status;
}

clade_status clade_image_size(const void *bytes, size_t size, const char *name, int32_t hwc[3])
{
    if (!name) name = "image";
    if ((!bytes && size) || !hwc) return clade_fail(CLADE_EINVAL, "%s: no bytes", name);
    clade_header header;
    clade_input input = clade_input_of(bytes, size);
    clade_status status = clade_image_header(&input, &header);
    if (status) return clade_context(status, "%s", name);
    bool swap = header.orientation >= 5;
    hwc[0] = swap ? header.width : header.height;
    hwc[1] = swap ? header.height : header.width;
    hwc[2] = header.channels == 1 ? 1 : 3;
    return CLADE_OK;
}

clade_status clade_image_recognize(const char *path, bool *named)
{
    if (!path) return clade_fail(CLADE_EINVAL, "no path of an image");
    if (named) *named = clade_image_named(path);
    uint8_t bytes[clade_sniff_bytes];
    clade_bytes head = {bytes, sizeof bytes};
    clade_stamp stamp;
    const char *reason;
    size_t size = 0;
    clade_status status =
        clade_bytes_read(path, 0, sizeof bytes, sizeof bytes, NULL, &stamp, &head, &size);
    if (status) return status;
    return clade_image_sniff(bytes, size, &reason) == CLADE_IMAGE_OTHER
               ? clade_fail(CLADE_EFORMAT, "%s: %s", path, reason)
               : CLADE_OK;
}
