/* Decoding of single images: what decoders, resizing and their callers share. */
#ifndef CLADE_DATA_IMAGE_H
#define CLADE_DATA_IMAGE_H

#include <clade/data.h>

enum {
    clade_image_pixels = 64000000,   /* maximum; larger images are refused by their header */
    clade_jpeg_pixels = 256000000,   /* for JPEG, which is then decoded at half its size */
    clade_decoding_bytes = 48 << 20, /* memory that decoding one image may take at once */
    clade_image_bytes = 256 << 20,   /* maximum size of an image's file */
    clade_image_side = 1000000,      /* pixels of a side */
    clade_sniff_bytes = 24           /* number of first bytes that the functions below read */
};

typedef enum clade_image_kind {
    CLADE_IMAGE_OTHER, /* not an image, or of a kind that this build cannot read */
    CLADE_IMAGE_JPEG,
    CLADE_IMAGE_PNG,
    CLADE_IMAGE_BMP,
    CLADE_IMAGE_GIF,
    CLADE_IMAGE_TIFF,
    CLADE_IMAGE_WEBP,
    CLADE_IMAGE_HEIF,
    CLADE_IMAGE_KINDS
} clade_image_kind;

/* Recognises the kind of a file by its first bytes; for kinds that cannot be read, *reason says
 * what it is. */
clade_image_kind clade_image_sniff(const uint8_t *head, size_t size, const char **reason);
/* The reason given for archives. */
extern const char clade_archive_refusal[];
/* Returns whether a name ends like that of an image that this build reads. */
bool clade_image_named(const char *name);

/* Returns the maximum size of an image's file, judged by the same bytes: anything beyond what its
 * pixels could need would only waste memory. */
size_t clade_image_most_bytes(const uint8_t *head, size_t size);

/* A block that only grows, reused from image to image. */
typedef struct clade_bytes {
    uint8_t *data;
    size_t capacity;
} clade_bytes;

/* A thread's working memory. All zero: new; clade_decoder_clear frees it. */
typedef struct clade_decoder {
    clade_bytes file;  /* bytes of the image's file */
    clade_bytes rows;  /* two rows on their way from the decoder to their use */
    clade_bytes band;  /* rows that cannot be decoded one by one; a row as stored */
    clade_bytes table; /* for resizing or averaging */
    clade_bytes whole; /* data that a library needs in one piece, for a file read through windows */
} clade_decoder;

void clade_decoder_clear(clade_decoder *decoder);
/* Frees the memory that one huge image took. */
void clade_decoder_trim(clade_decoder *decoder);
clade_status clade_bytes_reserve(clade_bytes *buffer, size_t size);
void clade_bytes_clear(clade_bytes *buffer);

/* The bytes of an image's file: all in memory, or a window on them. */
struct clade_source;
struct clade_entry;
typedef struct clade_input {
    size_t size;
    const uint8_t *window; /* `got` bytes from `at` on */
    size_t at, got;
    const struct clade_source *source; /* where the rest is read from, into the buffer */
    const struct clade_entry *entry;
    clade_bytes *buffer;
} clade_input;
enum { clade_window_bytes = 1 << 20, clade_whole_bytes = 8 << 20 /* larger: windowed */ };
clade_input clade_input_of(const uint8_t *bytes, size_t size);
/* Gives n bytes from `at` on, at most clade_window_bytes; *got is less at the end of the file.
 * Valid until the next call. Errors: EIO. */
clade_status clade_input_look(clade_input *input, size_t at, size_t n, const uint8_t **bytes,
                              size_t *got);

/* The format to which every image is converted. */
typedef struct clade_target {
    int32_t height, width, channels;
    clade_interpolation interpolation;
} clade_target;

/* An image being decoded; at most two of its rows are in memory. */
typedef struct clade_layout {
    int32_t height, width, channels; /* as stored, before the orientation */
    int orientation;                 /* from EXIF, 1…8 */
} clade_layout;

/* Receives the rows of an image: first begin, then each row from the top, as stored. A row and its
 * predecessor stay valid until the next one. After an error of the decoder no more rows come. */
typedef struct clade_sink clade_sink;
struct clade_sink {
    clade_status (*begin)(clade_sink *sink, const clade_layout *layout);
    void (*row)(clade_sink *sink, int32_t y, const uint8_t *row);
};

/* The contents of a file's header, read without decoding. */
typedef struct clade_header {
    int32_t height, width; /* as stored, before the orientation */
    int32_t channels;      /* 1, 3, or 4 for CMYK, not counting alpha */
    int orientation;       /* from EXIF, 1…8 */
    bool inverted;         /* Adobe's CMYK: 255 is no ink */
    /* how it is stored */
    clade_image_kind kind;
    uint8_t frame;             /* JPEG: the marker of its frame, 0xc0 for baseline */
    uint8_t depth, color_type; /* PNG */
    bool interlaced;           /* PNG */
    const char *words;         /* all others: "WebP lossless" */
} clade_header;

/* Describes how an image is stored: "JPEG progressive", "PNG palette". */
enum { clade_format_size = 48 };
void clade_header_describe(const clade_header *header, char text[clade_format_size]);

/* Read the header of an image; refuse one with too many pixels. */
typedef clade_status clade_header_reader(clade_input *input, clade_header *out);
clade_header_reader clade_image_header, clade_jpeg_header, clade_png_header, clade_bmp_header,
    clade_gif_header, clade_heif_header, clade_tiff_header, clade_webp_header;
clade_status clade_check_size(uint32_t width, uint32_t height, int32_t most);
clade_status clade_check_interpolation(clade_interpolation interpolation);
/* Returns whether this is the size of a BMP's header, and so the file a BMP. */
bool clade_bmp_known(uint32_t header_bytes);

/* Passes rows from a decoder to a sink. */
typedef struct clade_rows {
    clade_sink *sink;
    uint8_t *rows[2];
    int32_t width, y;
    bool to_grey;
} clade_rows;

/* Begins with rows of layout->channels; the sink receives one or three, as `channels` says. */
clade_status clade_rows_begin(clade_rows *rows, clade_decoder *decoder, clade_layout layout,
                              int32_t channels, clade_sink *sink);
/* Return where to write the next row, and pass it on. */
uint8_t *clade_rows_next(const clade_rows *rows);
void clade_rows_push(clade_rows *rows);

/* Decode to rows of target->channels, at the stored size or, for JPEG, a smaller one: not below the
 * target, or as needed to keep an image of more than clade_image_pixels below that limit. */
typedef clade_status clade_image_reader(clade_decoder *decoder, clade_input *input,
                                        const clade_target *target, clade_sink *sink);
clade_image_reader clade_jpeg_decode, clade_png_decode, clade_bmp_decode, clade_gif_decode,
    clade_heif_decode, clade_tiff_decode, clade_webp_decode;

/* Converts n pixels of CMYK; inverted: 255 is no ink. */
void clade_cmyk_to_rgb(const uint8_t *cmyk, size_t n, bool inverted, uint8_t *rgb);

/* Returns the orientation (tag 0x0112, one SHORT, in the first directory) from the TIFF structure
 * that holds an image's Exif; 1 if it is absent or broken. Source: Exif 2.32, 4.6. */
int clade_exif_orientation(const uint8_t *tiff, size_t size);

/* How to turn the stored image upright. */
typedef struct clade_turn {
    bool swap;          /* stored rows are upright columns */
    bool rows, columns; /* stored rows or columns run backwards */
} clade_turn;
clade_turn clade_turn_of(int orientation);

/* Resizes to the target, upright, into `out`: target->height × target->width × channels. */
typedef struct clade_resize {
    clade_sink sink;
    clade_decoder *decoder;
    const clade_target *target;
    uint8_t *out;
    /* set by begin */
    clade_turn turn;
    int32_t channels, width;          /* of the stored image */
    int32_t count, next;              /* output positions along the stored rows: total, and done */
    struct clade_tap *along, *across; /* along the stored rows; within a row, in bytes */
    int16_t *lines; /* blended values of one output row, or of two input rows; NULL: nearest */
    const uint8_t *before; /* the previous row */
    /* with antialiasing, instead of the three above */
    struct clade_reach *windows_along, *windows_across;
    uint32_t *weights_along, *weights_across;
    uint16_t *ring; /* the last `depth` rows, resized to the output's width */
    int32_t depth;
    uint32_t *sums; /* of such a row */
} clade_resize;
void clade_resize_init(clade_resize *resize, clade_decoder *decoder, const clade_target *target,
                       uint8_t *out);
/* Sets up the part for antialiasing. */
void clade_antialias_init(clade_resize *resize);

/* Averages the upright image over height × width cells: out[height][width][channels]. */
typedef struct clade_average {
    clade_sink sink;
    clade_decoder *decoder;
    int32_t height, width;
    float *out;
    /* set by begin */
    clade_layout layout;
    clade_turn turn;
    int32_t next;                      /* the cell along the stored rows that is being filled */
    struct clade_span *rows, *columns; /* of the upright image */
    int32_t depth;                     /* rows of `sums` */
    float *sums;                       /* the cells' shares of the last rows */
    uint32_t *inner;                   /* for swapped images: sums over the rows within a cell, */
    uint8_t *edges;                    /* and the first and last row of the cell */
    double area;
} clade_average;
void clade_average_init(clade_average *average, clade_decoder *decoder, int32_t height,
                        int32_t width, float *out);

/* Decodes any format. */
clade_image_reader clade_decode_rows;
/* Does the same at full size. */
clade_status clade_decode_original(clade_decoder *decoder, clade_input *input, int32_t channels,
                                   clade_sink *sink);

/* Converts a file's bytes to the target's pixels. `name` is for error texts. */
clade_status clade_decoder_image(clade_decoder *decoder, clade_input *input, const char *name,
                                 const clade_target *target, uint8_t *out);

/* Detects whether a file changes while it is in use. */
typedef struct clade_stamp {
    int64_t size, time; /* bytes; seconds of the last change */
} clade_stamp;

/* Reads `size` bytes at `offset` of a file; size SIZE_MAX: all of it, at most `limit`. The bytes go
 * to `buffer`, their number to *got. `expected` (or NULL) is the file's earlier stamp, `found` (or
 * NULL) receives the current one. Errors: EIO if it cannot be read or has changed, EFORMAT if it is
 * not a regular file or too large. */
clade_status clade_bytes_read(const char *path, size_t offset, size_t size, size_t limit,
                              const clade_stamp *expected, clade_stamp *found, clade_bytes *buffer,
                              size_t *got);

#endif
