/* HEIC and AVIF through libheif: the primary image of a file, also one made of tiles, to 8-bit RGB.
 * libheif applies the file's rotation and cropping, so Exif's orientation, which repeats it, is
 * ignored. Alpha is dropped, 10 and 12 bits are cut to the upper 8. Source: ISO/IEC 23008-12. */
#define _POSIX_C_SOURCE 200809L
#include "data/image.h"

#include <libheif/heif.h>

#include <pthread.h>
#include <string.h>

enum {
    brands_bytes = 256,  /* number of bytes of the first box to read */
    longest_side = 16384 /* its square limits the pixels that a file can make libheif allocate */
};

typedef struct heif_file {
    clade_input *input;
    size_t at;
    clade_status status; /* of the input */
    bool avif;
    struct heif_context *context;
    struct heif_image_handle *handle; /* of the primary image */
    int32_t height, width;            /* upright */
} heif_file;

/* --- libheif's view of the input --- */

static int64_t get_position(void *user) { return (int64_t)((const heif_file *)user)->at; }

static int read_bytes(void *out, size_t n, void *user)
{
    heif_file *f = user;
    while (n > 0 && !f->status) {
        const uint8_t *bytes;
        size_t got;
        f->status = clade_input_look(f->input, f->at,
                                     n < clade_window_bytes ? n : clade_window_bytes, &bytes, &got);
        if (f->status || got == 0) break;
        memcpy(out, bytes, got);
        out = (uint8_t *)out + got;
        f->at += got;
        n -= got;
    }
    return n > 0;
}

static int seek(int64_t position, void *user)
{
    heif_file *f = user;
    if (position < 0 || (size_t)position > f->input->size) return 1;
    f->at = (size_t)position;
    return 0;
}

static enum heif_reader_grow_status wait_for_size(int64_t size, void *user)
{
    const heif_file *f = user;
    return size >= 0 && (size_t)size <= f->input->size ? heif_reader_grow_status_size_reached
                                                       : heif_reader_grow_status_size_beyond_eof;
}

static const struct heif_reader reader = {.reader_api_version = 1,
                                          .get_position = get_position,
                                          .read = read_bytes,
                                          .seek = seek,
                                          .wait_for_file_size = wait_for_size};

/* --- */

static const char *name_of(const heif_file *f) { return f->avif ? "AVIF" : "HEIC"; }

/* Reports an error of libheif, whose text may contain a newline. */
static clade_status fail(const heif_file *f, struct heif_error error)
{
    if (f->status) return f->status;
    if (error.code == heif_error_Memory_allocation_error &&
        error.subcode != heif_suberror_Security_limit_exceeded)
        return clade_fail(CLADE_ENOMEM, "out of memory for %s's decoder", name_of(f));
    return clade_fail(CLADE_EFORMAT, "%s: %.*s", name_of(f), (int)strcspn(error.message, "\n"),
                      error.message);
}

/* Checks that libheif has the codec of the file's brands; newer packages have codecs as separate
 * plugins. */
static clade_status check_codec(heif_file *f)
{
    const uint8_t *bytes;
    size_t got;
    clade_status status = clade_input_look(f->input, 0, brands_bytes, &bytes, &got);
    if (status) return status;
    size_t end = got < 4 ? 0 : (size_t)bytes[2] << 8 | bytes[3]; /* of the box */
    for (size_t at = 8; at + 4 <= end && at + 4 <= got; at += 4)
        f->avif =
            f->avif || memcmp(bytes + at, "avif", 4) == 0 || memcmp(bytes + at, "avis", 4) == 0;
    if (heif_have_decoder_for_format(f->avif ? heif_compression_AV1 : heif_compression_HEVC))
        return CLADE_OK;
    return clade_fail(CLADE_EFORMAT, "%s: libheif has no decoder for it (Debian: %s)", name_of(f),
                      f->avif ? "libheif-plugin-dav1d" : "libheif-plugin-libde265");
}

static clade_status read_size(heif_file *f)
{
    const int stored[2] = {heif_image_handle_get_ispe_width(f->handle),
                           heif_image_handle_get_ispe_height(f->handle)};
    f->width = heif_image_handle_get_width(f->handle);
    f->height = heif_image_handle_get_height(f->handle);
    clade_status status =
        clade_check_size((uint32_t)stored[0], (uint32_t)stored[1], clade_image_pixels);
    if (!status)
        status = clade_check_size((uint32_t)f->width, (uint32_t)f->height, clade_image_pixels);
    if (status) return status;
    const int side = stored[0] > stored[1] ? stored[0] : stored[1];
    if (side > longest_side)
        return clade_fail(CLADE_EFORMAT, "%d×%d pixels: a side of more than %d", stored[0],
                          stored[1], longest_side);
    heif_context_set_maximum_image_size_limit(f->context, side + 1); /* of what tiles make up */
    return CLADE_OK;
}

static void load_plugins(void) { heif_init(NULL); }

static clade_status open_heif(heif_file *f)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load_plugins);
    clade_status status = check_codec(f);
    if (status) return status;
    f->context = heif_context_alloc();
    if (!f->context) return clade_fail(CLADE_ENOMEM, "out of memory for %s's decoder", name_of(f));
    heif_context_set_max_decoding_threads(f->context, 0); /* in this thread only */
    struct heif_error error = heif_context_read_from_reader(f->context, &reader, f, NULL);
    if (!error.code) error = heif_context_get_primary_image_handle(f->context, &f->handle);
    return error.code ? fail(f, error) : read_size(f);
}

static void close_heif(heif_file *f)
{
    if (f->handle) heif_image_handle_release(f->handle);
    if (f->context) heif_context_free(f->context);
}

clade_status clade_heif_header(clade_input *input, clade_header *out)
{
    heif_file f = {.input = input};
    clade_status status = open_heif(&f);
    *out = (clade_header){.height = f.height,
                          .width = f.width,
                          .channels = 3,
                          .orientation = 1,
                          .kind = CLADE_IMAGE_HEIF,
                          .words = name_of(&f)};
    close_heif(&f);
    return status;
}

/* Gives the rows of a decoded image, whose colours are planes of bytes or of 16-bit numbers. */
static clade_status read_rows(const heif_file *f, const struct heif_image *image, clade_rows *rows)
{
    static const enum heif_channel channels[3] = {heif_channel_R, heif_channel_G, heif_channel_B};
    const uint8_t *planes[3];
    int strides[3], shifts[3];
    for (int c = 0; c < 3; c++) {
        planes[c] = heif_image_get_plane_readonly(image, channels[c], &strides[c]);
        shifts[c] = heif_image_get_bits_per_pixel_range(image, channels[c]) - 8;
        if (!planes[c] || shifts[c] < 0 || heif_image_get_width(image, channels[c]) != f->width ||
            heif_image_get_height(image, channels[c]) != f->height)
            return clade_fail(CLADE_EFORMAT, "%s: its pixels do not match its header", name_of(f));
    }
    while (rows->y < f->height) {
        uint8_t *out = clade_rows_next(rows);
        for (int c = 0; c < 3; c++) {
            const uint8_t *in = planes[c] + (size_t)rows->y * (size_t)strides[c];
            for (int32_t x = 0; x < f->width; x++) {
                uint16_t value = in[x];
                if (shifts[c]) memcpy(&value, in + 2 * (size_t)x, 2); /* in the machine's order */
                out[3 * (size_t)x + (size_t)c] = (uint8_t)(value >> shifts[c]);
            }
        }
        clade_rows_push(rows);
    }
    return CLADE_OK;
}

clade_status clade_heif_decode(clade_decoder *decoder, clade_input *input,
                               const clade_target *target, clade_sink *sink)
{
    heif_file f = {.input = input};
    struct heif_image *image = NULL;
    clade_rows rows;
    clade_status status = open_heif(&f);
    if (!status) {
        struct heif_error error =
            heif_decode_image(f.handle, &image, heif_colorspace_RGB, heif_chroma_444, NULL);
        if (error.code) status = fail(&f, error);
    }
    clade_layout layout = {f.height, f.width, 3, 1};
    if (!status) status = clade_rows_begin(&rows, decoder, layout, target->channels, sink);
    if (!status) status = read_rows(&f, image, &rows);
    if (image) heif_image_release(image);
    close_heif(&f);
    return status;
}
