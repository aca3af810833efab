/* Decoding of single images: what the decoders, the resize and their callers share. */
#ifndef CLADE_DATA_IMAGE_H
#define CLADE_DATA_IMAGE_H

#include <clade/data.h>

enum {
    clade_image_pixels = 64000000, /* an image with more is refused before anything is allocated */
    clade_image_bytes = 256 << 20, /* likewise a file */
    clade_sniff_bytes = 24         /* as many first bytes as the two below look at */
};

typedef enum clade_image_kind {
    CLADE_IMAGE_OTHER,
    CLADE_IMAGE_JPEG,
    CLADE_IMAGE_PNG
} clade_image_kind;

/* The kind by the first bytes of a file; for another than JPEG and PNG, *reason says what it is. */
clade_image_kind clade_image_sniff(const uint8_t *head, size_t size, const char **reason);

/* The largest file that an image may have, by the same bytes: more than its pixels could need would
 * only cost memory. */
size_t clade_image_most_bytes(const uint8_t *head, size_t size);

/* A block that only grows, kept from image to image. */
typedef struct clade_bytes {
    uint8_t *data;
    size_t capacity;
} clade_bytes;

/* One thread's working memory; all zero is a fresh one, clade_decoder_clear gives it back. */
typedef struct clade_decoder {
    clade_bytes file;     /* bytes of the image's file */
    clade_bytes pixels;   /* the decoded image */
    clade_bytes oriented; /* the same in another orientation; also a row of CMYK */
    clade_bytes table;    /* columns and weights of the resize */
} clade_decoder;

void clade_decoder_clear(clade_decoder *decoder);
/* Gives back what one huge image took. */
void clade_decoder_trim(clade_decoder *decoder);
clade_status clade_bytes_reserve(clade_bytes *buffer, size_t size);
void clade_bytes_clear(clade_bytes *buffer);

/* What every image becomes. */
typedef struct clade_target {
    int32_t height, width, channels;
    clade_interpolation interpolation;
} clade_target;

/* A decoded image, uint8 height×width×channels, in one of the decoder's buffers. */
typedef struct clade_raster {
    uint8_t *data;
    int32_t height, width, channels;
} clade_raster;

/* What a file's header says; nothing has been decoded. */
typedef struct clade_header {
    int32_t height, width; /* as stored, before the orientation */
    int32_t channels;      /* 1, 3, or 4 for CMYK; alpha is not counted */
    int orientation;       /* of EXIF, 1…8 */
    bool inverted;         /* CMYK as Adobe writes it: 255 is no ink */
    /* how it is stored */
    clade_image_kind kind;
    uint8_t frame;             /* JPEG: the marker of its frame, 0xc0 for baseline */
    uint8_t depth, color_type; /* PNG */
    bool interlaced;           /* PNG */
} clade_header;

/* How an image is stored, in words: "JPEG progressive", "PNG palette". */
enum { clade_format_size = 48 };
void clade_header_describe(const clade_header *header, char text[clade_format_size]);

/* Reads the header of an image; refuses one with more than clade_image_pixels. */
clade_status clade_jpeg_header(const uint8_t *bytes, size_t size, clade_header *out);
clade_status clade_png_header(const uint8_t *bytes, size_t size, clade_header *out);
clade_status clade_image_header(const uint8_t *bytes, size_t size, clade_header *out);
clade_status clade_check_size(uint32_t width, uint32_t height);

/* Decodes to target->channels, at the stored size or, for JPEG, at a smaller one that is not below
 * the target. The orientation has not been applied. */
clade_status clade_jpeg_decode(clade_decoder *decoder, const uint8_t *bytes, size_t size,
                               const clade_target *target, clade_raster *out, int *orientation);
clade_status clade_png_decode(clade_decoder *decoder, const uint8_t *bytes, size_t size,
                              const clade_target *target, clade_raster *out, int *orientation);

/* The orientation (tag 0x0112, one SHORT, in the first directory) of the TIFF structure that holds
 * an image's Exif; 1 when it is absent or broken. Source: Exif 2.32, 4.6. */
int clade_exif_orientation(const uint8_t *tiff, size_t size);

/* Turns an image upright by its EXIF orientation. */
clade_status clade_raster_turn(clade_decoder *decoder, clade_raster *raster, int orientation);

/* RGB to grey in place: 0.299 R + 0.587 G + 0.114 B in 16-bit fixed point, as PIL's mode L. */
void clade_raster_grey(clade_raster *raster);

/* Resizes into `out`, target->height × target->width × raster->channels. */
clade_status clade_raster_resize(clade_decoder *decoder, const clade_raster *raster,
                                 const clade_target *target, uint8_t *out);

/* The mean over the part of the image that each of height × width cells covers:
 * out[height][width][raster->channels]. */
clade_status clade_raster_average(clade_decoder *decoder, const clade_raster *raster,
                                  int32_t height, int32_t width, float *out);

/* Decodes to `channels` at the full size, upright. */
clade_status clade_decoder_original(clade_decoder *decoder, const uint8_t *bytes, size_t size,
                                    int32_t channels, clade_raster *out);

/* The whole way from a file's bytes to target's pixels. `name` is for error texts. */
clade_status clade_decoder_image(clade_decoder *decoder, const void *bytes, size_t size,
                                 const char *name, const clade_target *target, uint8_t *out);

/* What a file is known by while it is in use. */
typedef struct clade_stamp {
    int64_t size, time; /* bytes; seconds of the last change */
} clade_stamp;

/* Reads `size` bytes at `offset` of a file; size SIZE_MAX: all of it, at most `limit`. The bytes
 * lie in `buffer`, their number is stored in *got. `expected` (or NULL) is the file's stamp of
 * before, `found` (or NULL) receives that of now. Errors: EIO for what cannot be read or has
 * changed, EFORMAT for what is no file or too large. */
clade_status clade_bytes_read(const char *path, size_t offset, size_t size, size_t limit,
                              const clade_stamp *expected, clade_stamp *found, clade_bytes *buffer,
                              size_t *got);

#endif
