/* Images, files and archives for the tests. Anything that fails here ends the test. */
#define _XOPEN_SOURCE 700
#include "make.h"

#include <archive.h>
#include <archive_entry.h>
#include <ftw.h>
#include <png.h>
#include <turbojpeg.h>
#include <zlib.h>

#include <dirent.h>
#include <locale.h>
#include <stdio.h> /* before jpeglib.h */

#include <jpeglib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];

static void need(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "the test could not %s\n", what);
    exit(99);
}

uint8_t *make_rgb(int height, int width, int number)
{
    uint8_t *rgb = malloc((size_t)height * (size_t)width * 3), *p = rgb;
    need(rgb != NULL, "make an image");
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            *p++ = (uint8_t)((x * 255 / width + 37 * number) & 255);
            *p++ = (uint8_t)(y * 255 / height);
            *p++ = (uint8_t)(127 + (x + y + 11 * number) % 32);
        }
    }
    return rgb;
}

blob make_jpeg(const uint8_t *rgb, int height, int width, jpeg_space space, int sampling,
               int quality, int progressive)
{
    tjhandle jpeg = tjInitCompress();
    need(jpeg != NULL, "start TurboJPEG");
    unsigned char *out = NULL;
    unsigned long size = 0;
    int format = TJPF_RGB, pixel = 3;
    size_t n = (size_t)height * (size_t)width;
    uint8_t *cmyk = NULL;
    if (space == JPEG_CMYK) {
        format = TJPF_CMYK;
        pixel = 4;
        cmyk = malloc(4 * n);
        need(cmyk != NULL, "make an image");
        for (size_t i = 0; i < n; i++) { /* as Adobe stores it: 255 is no ink; no black at all */
            memcpy(cmyk + 4 * i, rgb + 3 * i, 3);
            cmyk[4 * i + 3] = 255;
        }
    }
    int flags = TJFLAG_ACCURATEDCT | (progressive ? TJFLAG_PROGRESSIVE : 0);
    need(tjCompress2(jpeg, cmyk ? cmyk : rgb, width, pixel * width, height, format, &out, &size,
                     space == JPEG_GREY ? TJSAMP_GRAY : sampling, quality, flags) == 0,
         "compress a JPEG");
    blob b = {malloc(size), size};
    need(b.data != NULL, "keep a JPEG");
    memcpy(b.data, out, size);
    tjFree(out);
    tjDestroy(jpeg);
    free(cmyk);
    return b;
}

static jpeg_scan_info scan_of(scan_kind kind, int i)
{
    jpeg_scan_info scan = {.comps_in_scan = 1};
    if (kind == SCANS_OF_PLANES) {
        scan.component_index[0] = i;
        scan.Se = 63;
    } else if (i > 0) { /* 63 frequencies at bit 9, then at bit 8, … */
        scan.Ss = scan.Se = 1 + (i - 1) % 63;
        scan.Al = 9 - (i - 1) / 63;
        scan.Ah = i <= 63 ? 0 : scan.Al + 1;
    }
    return scan;
}

blob make_scans(int height, int width, scan_kind kind, int scans)
{
    static jpeg_scan_info script[631];
    for (int i = 0; i < scans; i++) script[i] = scan_of(kind, i);
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors; /* ends the test */
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    blob b = {0};
    unsigned long size = 0;
    jpeg_mem_dest(&jpeg, &b.data, &size);
    jpeg.image_width = (unsigned)width;
    jpeg.image_height = (unsigned)height;
    jpeg.input_components = kind == SCANS_OF_PLANES ? 3 : 1;
    jpeg.in_color_space = kind == SCANS_OF_PLANES ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg_set_colorspace(&jpeg, jpeg.in_color_space);
    jpeg.arith_code = kind == SCANS_ARITHMETIC;
    jpeg.scan_info = kind == SCANS_ARITHMETIC ? NULL : script;
    jpeg.num_scans = kind == SCANS_ARITHMETIC ? 0 : scans;
    jpeg_start_compress(&jpeg, TRUE);
    uint8_t *rgb = make_rgb(height, width, 0); /* of which grey takes a third */
    for (int y = 0; y < height; y++) {
        JSAMPROW row = rgb + (size_t)(y * width * jpeg.input_components);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    free(rgb);
    b.size = size;
    return b;
}

blob with_bytes(blob from, size_t at, const void *bytes, size_t size)
{
    blob b = {malloc(from.size + size), from.size + size};
    need(b.data != NULL, "keep an image");
    memcpy(b.data, from.data, at);
    memcpy(b.data + at, bytes, size);
    memcpy(b.data + at + size, from.data + at, from.size - at);
    return b;
}

static void put32(uint8_t *to, size_t value)
{
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(value >> (24 - 8 * i));
}

blob with_chunk(blob png, size_t at, const char *type, const void *data, size_t size)
{
    uint8_t *chunk = malloc(size + 12);
    need(chunk != NULL, "make a chunk");
    put32(chunk, size);
    memcpy(chunk + 4, type, 4);
    memcpy(chunk + 8, data, size);
    put32(chunk + 8 + size, crc32(0, chunk + 4, (unsigned)size + 4));
    blob b = with_bytes(png, at, chunk, size + 12);
    free(chunk);
    free(png.data);
    return b;
}

/* Bytes of all rows of 1-bit pixels: those of Adam7's passes, or of the whole image. */
static size_t count_bits(int height, int width, int interlaced)
{
    static const int first[7][2] = {{0, 0}, {0, 4}, {4, 0}, {0, 2}, {2, 0}, {0, 1}, {1, 0}};
    static const int step[7][2] = {{8, 8}, {8, 8}, {8, 4}, {4, 4}, {4, 2}, {2, 2}, {2, 1}};
    if (!interlaced) return (size_t)height * ((size_t)width / 8 + 2);
    size_t bytes = 0;
    for (int i = 0; i < 7; i++) {
        int h = (height - first[i][0] + step[i][0] - 1) / step[i][0];
        int w = (width - first[i][1] + step[i][1] - 1) / step[i][1];
        bytes += (size_t)h * (size_t)((w + 7) / 8 + 1);
    }
    return bytes;
}

static blob make_blank_png(int height, int width, int interlaced)
{
    unsigned long size = count_bits(height, width, interlaced), packed = compressBound(size);
    uint8_t *rows = calloc(size, 1), *data = malloc(packed), header[13] = {0};
    need(rows && data, "make an image");
    need(compress(data, &packed, rows, size) == Z_OK, "compress an image");
    free(rows);
    put32(header, (size_t)width);
    put32(header + 4, (size_t)height);
    header[8] = 1;
    header[12] = (uint8_t)interlaced;
    blob b = with_bytes((blob){header, 0}, 0, "\x89PNG\r\n\x1a\n", 8);
    b = with_chunk(b, b.size, "IHDR", header, sizeof header);
    b = with_chunk(b, b.size, "IDAT", data, packed);
    free(data);
    return with_chunk(b, b.size, "IEND", "", 0);
}

static blob make_blank_jpeg(int height, int width)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors; /* ends the test */
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    blob b = {0};
    unsigned long size = 0;
    jpeg_mem_dest(&jpeg, &b.data, &size);
    jpeg.image_width = (unsigned)width;
    jpeg.image_height = (unsigned)height;
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    uint8_t *row = malloc((size_t)width);
    need(row != NULL, "make an image");
    memset(row, 200, (size_t)width);
    for (int y = 0; y < height; y++) jpeg_write_scanlines(&jpeg, &row, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    free(row);
    b.size = size;
    return b;
}

blob make_blank(int height, int width, blank_kind kind)
{
    return kind == BLANK_JPEG ? make_blank_jpeg(height, width)
                              : make_blank_png(height, width, kind == BLANK_PNG_INTERLACED);
}

blob with_text(blob png, int n, size_t size)
{
    static const char key[] = "Comment\0"; /* and the method */
    unsigned long packed = compressBound(size);
    uint8_t *text = malloc(size), *data = malloc(sizeof key + packed);
    need(text && data, "make text");
    memset(text, 'a', size);
    memcpy(data, key, sizeof key);
    need(compress(data + sizeof key, &packed, text, size) == Z_OK, "compress text");
    for (int i = 0; i < n; i++)
        png = with_chunk(png, png_header_end, "zTXt", data, sizeof key + packed);
    free(text);
    free(data);
    return png;
}

blob with_orientation(blob image, int orientation, int little_endian)
{
    static const uint8_t big[26] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0,
                                    3,   0,   0, 0,  1, 0, 0, 0, 0, 0, 0, 0,    0};
    static const uint8_t little[26] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3,
                                       0,   1,   0,  0, 0, 0, 0, 0, 0, 0, 0,    0, 0};
    uint8_t segment[36] = {0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0, 0}, *tiff = segment + 10;
    memcpy(tiff, little_endian ? little : big, 26);
    tiff[little_endian ? 18 : 19] = (uint8_t)orientation;
    if (image.data[0] == 0x89) return with_chunk(image, png_header_end, "eXIf", tiff, 26);
    blob b = with_bytes(image, 2, segment, sizeof segment);
    free(image.data);
    return b;
}

static void append(png_structp png, png_bytep bytes, size_t n)
{
    blob *b = png_get_io_ptr(png);
    b->data = realloc(b->data, b->size + n);
    need(b->data != NULL, "keep a PNG");
    memcpy(b->data + b->size, bytes, n);
    b->size += n;
}

static void flush(png_structp png) { (void)png; }

static int samples_of(int colour_type)
{
    switch (colour_type) {
    case PNG_COLOR_TYPE_RGB: return 3;
    case PNG_COLOR_TYPE_RGBA: return 4;
    case PNG_COLOR_TYPE_GRAY_ALPHA: return 2;
    default: return 1;
    }
}

/* One sample of a pixel, 8 bits. */
static unsigned sample(const uint8_t *p, int colour_type, int k)
{
    switch (colour_type) {
    case PNG_COLOR_TYPE_RGBA: return k == 3 ? p[1] : p[k];
    case PNG_COLOR_TYPE_GRAY_ALPHA: return p[k];
    case PNG_COLOR_TYPE_PALETTE: return p[0] >> 5;
    default: return p[k];
    }
}

blob make_png(const uint8_t *rgb, int height, int width, int colour_type, int depth, int interlaced)
{
    blob b = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    need(info != NULL, "start libpng");
    png_set_write_fn(png, &b, append, flush);
    png_set_IHDR(png, info, (unsigned)width, (unsigned)height, depth, colour_type,
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (colour_type == PNG_COLOR_TYPE_PALETTE) {
        png_color palette[8];
        png_byte alpha[8];
        for (int i = 0; i < 8; i++) {
            palette[i] =
                (png_color){(png_byte)(32 * i), (png_byte)(255 - 32 * i), (png_byte)(16 * i)};
            alpha[i] = (png_byte)(i * 36);
        }
        png_set_PLTE(png, info, palette, 8);
        png_set_tRNS(png, info, alpha, 8, NULL);
    }
    png_write_info(png, info);
    int n = samples_of(colour_type);
    size_t row_bytes = ((size_t)width * (size_t)n * (size_t)depth + 7) / 8;
    uint8_t *row = malloc(row_bytes);
    need(row != NULL, "make a row");
    int passes = interlaced ? png_set_interlace_handling(png) : 1;
    for (int pass = 0; pass < passes; pass++) {
        for (int y = 0; y < height; y++) {
            memset(row, 0, row_bytes);
            for (int i = 0; i < width * n; i++) {
                unsigned v = sample(rgb + 3 * ((size_t)y * (size_t)width + (size_t)(i / n)),
                                    colour_type, i % n);
                if (depth == 16) { /* a low byte that must not matter */
                    row[2 * i] = (uint8_t)v;
                    row[2 * i + 1] = 0xcd;
                } else if (depth == 8) {
                    row[i] = (uint8_t)v;
                } else {
                    unsigned bits = colour_type == PNG_COLOR_TYPE_PALETTE ? v : v >> (8 - depth);
                    row[i * depth / 8] |= (uint8_t)(bits << (8 - depth - i * depth % 8));
                }
            }
            png_write_row(png, row);
        }
    }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    free(row);
    return b;
}

const char *make_folder(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/clade-test-XXXXXX", base ? base : "/tmp");
    need(mkdtemp(folder) != NULL, "make a folder");
    return folder;
}

static int drop_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

void drop_folder(void) { nftw(folder, drop_one, 16, FTW_DEPTH | FTW_PHYS); }

const char *path_of(const char *name)
{
    static char paths[8][512];
    static int next;
    char *path = paths[next++ & 7];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* Makes the folders of a path up to its last slash. */
static void make_parents(const char *path)
{
    char part[512];
    snprintf(part, sizeof part, "%s", path);
    for (char *p = part + strlen(folder) + 1; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        mkdir(part, 0777);
        *p = '/';
    }
}

const char *put_file(const char *name, const void *bytes, size_t size)
{
    const char *path = path_of(name);
    make_parents(path);
    FILE *file = fopen(path, "wb");
    need(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0, "write a file");
    return path;
}

const char *put_folder(const char *name)
{
    const char *path = path_of(name);
    make_parents(path);
    mkdir(path, 0777);
    return path;
}

void put_jpeg(const char *name, int height, int width, int number)
{
    uint8_t *rgb = make_rgb(height, width, number);
    blob b = make_jpeg(rgb, height, width, JPEG_COLOUR, TJSAMP_420, 90, 0);
    put_file(name, b.data, b.size);
    free(rgb);
    free(b.data);
}

blob read_blob(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    need(file && fstat(fileno(file), &info) == 0, "open a file");
    blob b = {malloc((size_t)info.st_size + 1), (size_t)info.st_size};
    need(b.data && fread(b.data, 1, b.size, file) == b.size, "read a file");
    fclose(file);
    return b;
}

/* Writes one entry; a folder's name ends in '/'. */
static void pack_one(struct archive *archive, const char *name, blob content)
{
    int is_folder = name[strlen(name) - 1] == '/';
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, is_folder ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(entry, is_folder ? 0755 : 0644);
    archive_entry_set_size(entry, (la_int64_t)content.size);
    need(archive_write_header(archive, entry) == ARCHIVE_OK, "write into an archive");
    need(archive_write_data(archive, content.data, content.size) == (la_ssize_t)content.size,
         "write into an archive");
    archive_entry_free(entry);
}

static void pack_folder(struct archive *archive, const char *path, const char *name)
{
    struct dirent **items;
    int n = scandir(path, &items, NULL, alphasort);
    need(n >= 0, "list a folder");
    for (int i = 0; i < n; i++) {
        char inner[1024], called[1024];
        snprintf(inner, sizeof inner, "%s/%s", path, items[i]->d_name);
        snprintf(called, sizeof called, "%s%s", name, items[i]->d_name);
        struct stat info;
        int dots = !strcmp(items[i]->d_name, ".") || !strcmp(items[i]->d_name, "..");
        free(items[i]);
        if (dots || stat(inner, &info)) continue;
        blob content = {0};
        if (S_ISDIR(info.st_mode)) {
            strncat(called, "/", sizeof called - strlen(called) - 1);
            pack_one(archive, called, content);
            pack_folder(archive, inner, called);
        } else {
            content = read_blob(inner);
            pack_one(archive, called, content);
            free(content.data);
        }
    }
    free(items);
}

static const char *start_archive(const char *name, const char *format, struct archive **out)
{
    struct archive *archive = archive_write_new();
    need(archive != NULL, "start an archive");
    if (!strcmp(format, "zip"))
        archive_write_set_format_zip(archive);
    else
        archive_write_set_format_pax_restricted(archive);
    if (!strcmp(format, "tar.gz")) archive_write_add_filter_gzip(archive);
    if (!strcmp(format, "tar.bz2")) archive_write_add_filter_bzip2(archive);
    if (!strcmp(format, "tar.xz")) archive_write_add_filter_xz(archive);
    const char *path = path_of(name);
    setlocale(LC_CTYPE,
              "C.UTF-8"); /* names beyond ASCII can only be written so; reading is tested in "C" */
    need(archive_write_open_filename(archive, path) == ARCHIVE_OK, "open an archive");
    *out = archive;
    return path;
}

static void end_archive(struct archive *archive)
{
    need(archive_write_close(archive) == ARCHIVE_OK, "close an archive");
    archive_write_free(archive);
    setlocale(LC_CTYPE, "C");
}

const char *pack(const char *from, const char *name, const char *format, const char *prefix)
{
    struct archive *archive;
    const char *path = start_archive(name, format, &archive);
    pack_folder(archive, path_of(from), prefix);
    end_archive(archive);
    return path;
}

const char *pack_files(const char *name, const char *format, const packed_file *files, int n)
{
    struct archive *archive;
    const char *path = start_archive(name, format, &archive);
    for (int i = 0; i < n; i++) pack_one(archive, files[i].name, files[i].content);
    end_archive(archive);
    return path;
}
