/* Makes what the tests of the data room read: images, files, archives, in a folder that goes
 * away. */
#ifndef CLADE_TESTS_DATA_MAKE_H
#define CLADE_TESTS_DATA_MAKE_H

#include <clade/data.h>

#include <stddef.h>
#include <stdint.h>

/* Bytes that the caller frees. */
typedef struct blob {
    uint8_t *data;
    size_t size;
} blob;

/* A smooth image, height×width×3, that differs with `number`; to be freed. */
uint8_t *make_rgb(int height, int width, int number);

typedef enum jpeg_space { JPEG_COLOUR, JPEG_GREY, JPEG_CMYK } jpeg_space;
/* `sampling` is TurboJPEG's TJSAMP_…; CMYK is made of inks that give the RGB image again. */
blob make_jpeg(const uint8_t *rgb, int height, int width, jpeg_space space, int sampling,
               int quality, int progressive);
typedef enum scan_kind {
    SCANS_OF_BITS, /* grey, progressive: the mean, then a bit of one frequency in each; 2 to 631 */
    SCANS_OF_PLANES,  /* RGB, sequential: each plane on its own; 3 */
    SCANS_ARITHMETIC, /* grey, sequential, with arithmetic codes; 1 */
} scan_kind;
/* A JPEG of so many scans. */
blob make_scans(int height, int width, scan_kind kind, int scans);
/* A copy with bytes inserted. */
blob with_bytes(blob from, size_t at, const void *bytes, size_t size);
/* Inserts a chunk with its checksum into a PNG, of which it takes the place. */
blob with_chunk(blob png, size_t at, const char *type, const void *data, size_t size);
enum { png_header_end = 33, png_end = 12 /* bytes of the last chunk */ };
/* Inserts `n` zTXt chunks behind a PNG's header, of which each unpacks to `size` bytes of text. */
blob with_text(blob png, int n, size_t size);
/* Inserts an orientation: an Exif segment behind a JPEG's first marker, an eXIf chunk behind a
 * PNG's header. */
blob with_orientation(blob image, int orientation, int little_endian);

/* PNG colour types (libpng's numbers) and depths from an RGB image: grey is its red channel,
 * alpha its green one, a palette has 8 colours by the upper bits of red. */
blob make_png(const uint8_t *rgb, int height, int width, int colour_type, int depth,
              int interlaced);

/* A fresh folder under the system's temporary one; the text is static. Removed by drop_folder. */
const char *make_folder(void);
void drop_folder(void);

typedef enum blank_kind { BLANK_PNG, BLANK_PNG_INTERLACED, BLANK_JPEG } blank_kind;
/* A grey image of one value, made without its pixels in memory: PNG of 1 bit (black) or JPEG
 * (200). */
blob make_blank(int height, int width, blank_kind kind);

/* Writes folder/name with the folders it needs; the text of the whole path is good until eight
 * more. */
const char *put_file(const char *name, const void *bytes, size_t size);
const char *put_folder(const char *name);
const char *path_of(const char *name);

/* A JPEG of make_rgb(height, width, number) under that name. */
void put_jpeg(const char *name, int height, int width, int number);

/* Packs what lies in folder/`from` into folder/`name` with `prefix` before each name; format "zip",
 * "tar", "tar.gz", "tar.bz2" or "tar.xz". Returns the path. */
const char *pack(const char *from, const char *name, const char *format, const char *prefix);

/* Packs files one after the other; a name that ends in '/' is a folder's. Returns the path. */
typedef struct packed_file {
    const char *name;
    blob content;
} packed_file;
const char *pack_files(const char *name, const char *format, const packed_file *files, int n);

/* As much of a file as it says, into a new blob. */
blob read_blob(const char *path);

#endif
