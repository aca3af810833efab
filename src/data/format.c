/* Image formats: recognising them by the first bytes of a file, and their readers. */
#include "config.h"

#include "data/image.h"

#include <string.h>
#include <strings.h>

#ifdef CLADE_HAVE_GIF
#define GIF_READER clade_gif_header, clade_gif_decode
#define GIF_NAME ", GIF"
#else
#define GIF_READER NULL, NULL
#define GIF_NAME ""
#endif
#ifdef CLADE_HAVE_HEIF
#define HEIF_READER clade_heif_header, clade_heif_decode
#define HEIF_NAME ", HEIC, AVIF"
#else
#define HEIF_READER NULL, NULL
#define HEIF_NAME ""
#endif
#ifdef CLADE_HAVE_TIFF
#define TIFF_READER clade_tiff_header, clade_tiff_decode
#define TIFF_NAME ", TIFF"
#else
#define TIFF_READER NULL, NULL
#define TIFF_NAME ""
#endif
#ifdef CLADE_HAVE_WEBP
#define WEBP_READER clade_webp_header, clade_webp_decode
#define WEBP_NAME ", WebP"
#else
#define WEBP_READER NULL, NULL
#define WEBP_NAME ""
#endif
#define FORMATS "JPEG, PNG, BMP" GIF_NAME TIFF_NAME WEBP_NAME HEIF_NAME

typedef struct image_format {
    clade_header_reader *header; /* NULL: this build cannot read it */
    clade_image_reader *decode;
    const char *refusal;  /* the error text of such a build */
    const char *names[5]; /* extensions of its files */
} image_format;

static const image_format formats[CLADE_IMAGE_KINDS] = {
    [CLADE_IMAGE_OTHER] = {NULL, NULL, "not an image (" FORMATS ")", {NULL}},
    [CLADE_IMAGE_JPEG] = {clade_jpeg_header,
                          clade_jpeg_decode,
                          NULL,
                          {".jpg", ".jpeg", ".jpe", ".jfif"}},
    [CLADE_IMAGE_PNG] = {clade_png_header, clade_png_decode, NULL, {".png"}},
    [CLADE_IMAGE_BMP] = {clade_bmp_header, clade_bmp_decode, NULL, {".bmp", ".dib"}},
    [CLADE_IMAGE_GIF] = {GIF_READER, "a GIF: this build reads " FORMATS, {".gif"}},
    [CLADE_IMAGE_TIFF] = {TIFF_READER, "a TIFF: this build reads " FORMATS, {".tif", ".tiff"}},
    [CLADE_IMAGE_WEBP] = {WEBP_READER, "a WebP: this build reads " FORMATS, {".webp"}},
    [CLADE_IMAGE_HEIF] = {HEIF_READER,
                          "a HEIC or AVIF: this build reads " FORMATS
                          "; build it with libheif (libheif-dev) to read these, too",
                          {".heic", ".heif", ".hif", ".avif"}},
};

const char *clade_image_formats(void) { return FORMATS; }

static bool has(const uint8_t *head, size_t size, size_t at, const char *bytes, size_t n)
{
    return size >= at + n && memcmp(head + at, bytes, n) == 0;
}

/* "BM" also begins many texts; the size of the header that follows must be one of these. */
static bool is_bmp(const uint8_t *head, size_t size)
{
    return has(head, size, 0, "BM", 2) && size >= 18 && clade_bmp_known(head[14]) &&
           has(head, size, 15, "\0\0", 3);
}

/* ISO/IEC 23008-12 and AV1 Image File Format: the major brand. */
static bool is_heif(const uint8_t *head, size_t size)
{
    static const char *const brands[] = {"heic", "heix", "heim", "heis", "hevc", "hevx",
                                         "mif1", "mif2", "msf1", "avif", "avis"};
    bool found = false;
    for (size_t i = 0; i < sizeof brands / sizeof *brands; i++)
        found = found || has(head, size, 8, brands[i], 4);
    return found && has(head, size, 4, "ftyp", 4);
}

static clade_image_kind kind_of(const uint8_t *head, size_t size)
{
    if (has(head, size, 0, "\xff\xd8\xff", 3)) return CLADE_IMAGE_JPEG;
    if (has(head, size, 0, "\x89PNG\r\n\x1a\n", 8)) return CLADE_IMAGE_PNG;
    if (has(head, size, 0, "GIF87a", 6) || has(head, size, 0, "GIF89a", 6)) return CLADE_IMAGE_GIF;
    if (has(head, size, 0, "II*\0", 4) || has(head, size, 0, "MM\0*", 4) ||
        has(head, size, 0, "II+\0", 4) || has(head, size, 0, "MM\0+", 4))
        return CLADE_IMAGE_TIFF;
    if (has(head, size, 0, "RIFF", 4) && has(head, size, 8, "WEBP", 4)) return CLADE_IMAGE_WEBP;
    if (is_bmp(head, size)) return CLADE_IMAGE_BMP;
    return is_heif(head, size) ? CLADE_IMAGE_HEIF : CLADE_IMAGE_OTHER;
}

const char clade_archive_refusal[] = "an archive: unpack it, or pass it by itself";

/* Describes files that are often found in place of images. */
static const char *refusal_of(const uint8_t *head, size_t size)
{
    if (!size) return "an empty file";
    if (has(head, size, 0, "PK\3\4", 4) || has(head, size, 0, "PK\5\6", 4) || /* an empty one */
        has(head, size, 0, "\x1f\x8b", 2) || has(head, size, 0, "7z\xbc\xaf\x27\x1c", 6) ||
        has(head, size, 0, "Rar!", 4) || has(head, size, 0, "BZh", 3) ||
        has(head, size, 0,
            "\xfd"
            "7zXZ",
            5) ||
        has(head, size, 0, "\x28\xb5\x2f\xfd", 4))
        return clade_archive_refusal;
    if (has(head, size, 0, "<!DOCTYPE", 9) || has(head, size, 0, "<!doctype", 9) ||
        has(head, size, 0, "<html", 5))
        return "a web page, not an image";
    if (has(head, size, 0, "version https://git-lfs", 23))
        return "a Git LFS pointer: `git lfs pull` downloads the image";
    return formats[CLADE_IMAGE_OTHER].refusal;
}

clade_image_kind clade_image_sniff(const uint8_t *head, size_t size, const char **reason)
{
    clade_image_kind kind = kind_of(head, size);
    if (formats[kind].header) return kind;
    if (reason) *reason = kind && size ? formats[kind].refusal : refusal_of(head, size);
    return CLADE_IMAGE_OTHER;
}

bool clade_image_named(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (int kind = 0; dot && kind < CLADE_IMAGE_KINDS; kind++)
        for (size_t i = 0; formats[kind].header && formats[kind].names[i]; i++)
            if (strcasecmp(dot, formats[kind].names[i]) == 0) return true;
    return false;
}

/* Finds the format of an image that can be decoded. */
static clade_status find_format(clade_input *input, const image_format **out)
{
    const char *reason = NULL;
    const uint8_t *head;
    size_t size;
    clade_status status = clade_input_look(input, 0, clade_sniff_bytes, &head, &size);
    if (status) return status;
    clade_image_kind kind = clade_image_sniff(head, size, &reason);
    *out = &formats[kind];
    return kind == CLADE_IMAGE_OTHER ? clade_fail(CLADE_EFORMAT, "%s", reason) : CLADE_OK;
}

clade_status clade_image_header(clade_input *input, clade_header *out)
{
    const image_format *format;
    clade_status status = find_format(input, &format);
    return status ? status : format->header(input, out);
}

clade_status clade_decode_rows(clade_decoder *decoder, clade_input *input,
                               const clade_target *target, clade_sink *sink)
{
    const image_format *format;
    clade_status status = find_format(input, &format);
    return status ? status : format->decode(decoder, input, target, sink);
}
