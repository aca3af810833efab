/* BMP, GIF, TIFF and WebP against Pillow, whole, cut short and with absurd sizes; what is refused
 * and why; memory. The images, which make_formats.py has made, lie in the folder given. */
#include "make.h"

#include "../test.h"

#include <clade/inspect.h>

#include <stdlib.h>
#include <sys/resource.h>
#include <zlib.h>

enum { most_pixels = 20 * 20 };

static const char *folder;

static blob read_image(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return read_blob(path);
}

/* How inspect calls them, by Pillow's mode. */
static const struct {
    const char *words;
    size_t count;
} kinds[] = {{"TIFF RGB", 8}, {"TIFF grey", 3}, {"TIFF palette", 1}, {"TIFF CMYK", 1}};

/* Is the format of an image of that name, "gif_plain", in this build? */
static bool is_read(const char *name)
{
    static const char *const words[][2] = {
        {"gif", "GIF"}, {"tiff", "TIFF"}, {"webp", "WebP"}, {"heic", "HEIC"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strncmp(name, words[i][0], strlen(words[i][0])))
            return strstr(clade_image_formats(), words[i][1]) != NULL;
    return true;
}

static const struct {
    const char *name;
    int height, width;
    unsigned long crc; /* of what Pillow's convert('RGB') gives; of 16 bits, of the upper 8 */
} images[] = {
    {"bmp_1", 9, 11, 0x3670c009},           {"bmp_16", 9, 11, 0x7cc80a44},
    {"bmp_16_masks", 9, 11, 0xa75771b9},    {"bmp_24", 9, 11, 0xd7abf98d},
    {"bmp_32_down", 9, 11, 0x10e42f4e},     {"bmp_4", 9, 11, 0x40135ee0},
    {"bmp_8", 9, 11, 0x2ec08d50},           {"bmp_core", 9, 11, 0x1ee71a70},
    {"gif_animated", 9, 11, 0x19f89e86},    {"gif_beyond", 13, 14, 0x96d2015c},
    {"gif_interlaced", 17, 19, 0xba3688af}, {"gif_offset", 14, 20, 0x3e1a6834},
    {"gif_plain", 9, 11, 0x19f89e86},       {"gif_transparent", 14, 20, 0xcc599486},
    {"tiff_big_endian", 9, 11, 0x6c04aa36}, {"tiff_deflate", 9, 11, 0xae9beaac},
    {"tiff_fax", 9, 11, 0x5d300d60},        {"tiff_lzw", 9, 11, 0xcc5409a6},
    {"tiff_multiplied", 9, 11, 0x9908e285}, {"tiff_packbits", 9, 11, 0xcc5409a6},
    {"tiff_palette", 9, 11, 0x19f89e86},    {"tiff_planes", 9, 11, 0x6c04aa36},
    {"tiff_tiles", 9, 11, 0x6c04aa36},      {"tiff_turned", 11, 9, 0xb038cf16},
    {"tiff_white", 9, 11, 0xc7af3b55},      {"webp_alpha", 9, 11, 0xf462fe57},
    {"webp_animated", 14, 20, 0x2e9bf291},  {"webp_lossless", 9, 11, 0xcc5409a6},
    {"webp_lossy", 9, 11, 0x4884f8db},      {"webp_turned", 11, 9, 0x3457d44a},
    {"tiff_16", 9, 11, 0x7cafd7d1},         {"tiff_16_tiles_of_planes", 9, 11, 0xe5ab9f0e},
};

static void check_pixels(blob b, int height, int width, unsigned long crc)
{
    uint8_t rgb[most_pixels * 3], grey[most_pixels];
    int32_t hwc[3];
    const size_t n = (size_t)(height * width);
    CHECK_OK(clade_image_size(b.data, b.size, "a", hwc));
    CHECK(hwc[0] == height && hwc[1] == width);
    CHECK_OK(clade_image_decode(b.data, b.size, "a", height, width, 3, CLADE_NEAREST, rgb));
    CHECK(crc32(0, rgb, (unsigned)(n * 3)) == crc);
    CHECK_OK(clade_image_decode(b.data, b.size, "a", height, width, 1, CLADE_NEAREST, grey));
    int wrong = 0;
    for (size_t i = 0; i < n; i++) { /* PIL's convert('L') */
        const uint8_t *p = rgb + 3 * i;
        wrong += grey[i] != (p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16;
    }
    CHECK(wrong == 0);
}

/* Cut anywhere before what no pixel needs: what fills up a BMP's last row, a GIF's end, the place
 * of a TIFF's second directory, what fills up a WebP's chunk. */
static void check_cuts(blob b, const char *name)
{
    const size_t spare = !strncmp(name, "bmp", 3) ? 3 : !strncmp(name, "tiff", 4) ? 4 : 1;
    uint8_t out[4 * 4 * 3];
    size_t wrong = 0;
    for (size_t n = 0; n + spare < b.size; n++) {
        clade_status status = clade_image_decode(b.data, n, "cut", 4, 4, 3, CLADE_NEAREST, out);
        wrong += status != CLADE_EFORMAT || strncmp(clade_error(), "cut: ", 5) != 0;
    }
    CHECK(wrong == 0);
}

static void test_images(void)
{
    uint8_t out[3];
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
        blob b = read_image(images[i].name);
        if (is_read(images[i].name)) {
            check_pixels(b, images[i].height, images[i].width, images[i].crc);
            if (strcmp(images[i].name, "gif_animated")) check_cuts(b, images[i].name);
        } else {
            CHECK_FAILS(clade_image_decode(b.data, b.size, "a", 1, 1, 3, CLADE_NEAREST, out),
                        CLADE_EFORMAT, ": this build reads JPEG, PNG, BMP");
        }
        free(b.data);
    }
}

static void test_refused(void)
{
    static const char *const refused[][2] = {
        {"bmp_run_length", "a: BMP: run-length encoded: save it without compression"},
        {"tiff_jpeg", "a: TIFF: compression 7: expected none, LZW, Deflate, PackBits or CCITT"},
        {"tiff_preview", "a: TIFF: begins with the preview of another image"},
        {"tiff_float", "a: TIFF: sample format 3: expected 1 (unsigned)"},
        {"webp_outside", "a: WebP: a frame of 11×9 pixels does not fit its canvas"},
    };
    uint8_t out[3];
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (!is_read(refused[i][0])) continue;
        blob b = read_image(refused[i][0]);
        CHECK_FAILS(clade_image_decode(b.data, b.size, "a", 1, 1, 3, CLADE_NEAREST, out),
                    CLADE_EFORMAT, refused[i][1]);
        free(b.data);
    }
    static const char heic[] = "\0\0\0\x18"
                               "ftypheic\0\0\0\0mif1heic";
    CHECK_FAILS(
        clade_image_decode(heic, sizeof heic, "a", 1, 1, 3, CLADE_NEAREST, out), CLADE_EFORMAT,
        is_read("heic") ? "a: HEIC: " : "a: a HEIC or AVIF: this build reads JPEG, PNG, BMP");
    /* "BM" begins a text, too */
    CHECK_FAILS(
        clade_image_decode("BMX is a bicycle, no image", 26, "a", 1, 1, 3, CLADE_NEAREST, out),
        CLADE_EFORMAT, "a: not an image (JPEG, PNG, BMP");
}

/* What a library says of damage reaches the message. */
static void test_told(void)
{
    uint8_t out[3];
    if (!is_read("tiff")) return;
    blob b = read_image("tiff_lzw");
    CHECK_FAILS(clade_image_decode(b.data, 16, "a", 1, 1, 3, CLADE_NEAREST, out), CLADE_EFORMAT,
                "a: TIFF: ");
    CHECK(!strstr(clade_error(), "damaged"));
    free(b.data);
}

static double peak_mebibytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

/* An image's file with `size` other bytes at `at`. */
static void check_bomb(const char *name, size_t at, const char *bytes, size_t size,
                       const char *expected)
{
    uint8_t out[3];
    if (!is_read(name)) return;
    blob b = read_image(name);
    memcpy(b.data + at, bytes, size);
    CHECK_FAILS(clade_image_decode(b.data, b.size, "a", 1, 1, 3, CLADE_NEAREST, out), CLADE_EFORMAT,
                expected);
    free(b.data);
}

/* Some bytes that claim a huge image cost nothing. */
static void test_bombs(void)
{
    double before = peak_mebibytes();
    check_bomb("bmp_24", 18, "\0\x20\0\0\0\x20\0\0", 8, "8192×8192 pixels: 67 megapixels");
    check_bomb("bmp_24", 18, "\x80\x96\x98\0\1\0\0\0", 8, "10000000×1 pixels: a side of more than");
    check_bomb("bmp_24", 18, "\xff\xff\xff\xff\1\0\0\0", 8, "a width of -1");
    check_bomb("bmp_24", 18, "\1\0\0\0\0\0\0\x80", 8, "1×2147483648 pixels: 2147 megapixels");
    check_bomb("bmp_24", 18, "\0\x10\0\0\0\x10\0\0", 8, "the file ends too early");
    check_bomb("bmp_8", 10, "\xff\xff\xff\xff", 4, "the file ends too early");
    check_bomb("gif_plain", 6, "\xff\xff\xff\xff", 4, "65535×65535 pixels: 4295 megapixels");
    check_bomb("webp_lossless", 21, "\xff\xff\xff\xff", 4, "16384×16384 pixels: 268 megapixels");
    check_bomb("webp_lossless", 21, "\xff\xcf\xff\x03", 4,
               "4096×4096 pixels without loss take 64 MB at once, more than 48: save it as PNG");
    check_bomb("webp_lossy", 26, "\xff\x3f\xff\x3f", 4, "16383×16383 pixels: 268 megapixels");
    check_bomb("webp_lossy", 26, "\0\x10\0\x10", 4, "WebP: damaged");
    CHECK(peak_mebibytes() - before < 60); /* the last is decoded as far as it goes */
}

/* A large image may take 64 MB beside its file. */
static void test_memory(void)
{
    uint8_t out[8 * 8 * 3];
    if (!is_read("webp")) return;
    blob b = read_image("webp_large");
    double before = peak_mebibytes();
    CHECK_OK(clade_image_decode(b.data, b.size, "a", 8, 8, 3, CLADE_NEAREST, out));
    CHECK(out[0] == 3500 / 16 && out[1] == 0 && out[2] == 99);
#ifndef __SANITIZE_ADDRESS__ /* which has pages touched that a decoder leaves alone */
    CHECK(peak_mebibytes() - before < 64);
#else
    (void)before;
#endif
    free(b.data);
}

/* A data set of all formats: what a name promises and the content does not keep is damage. */
static void test_dataset(void)
{
    make_folder();
    int count = 0;
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
        char name[64];
        blob b = read_image(images[i].name);
        snprintf(name, sizeof name, "set/%c/%s", 'a' + (int)(i & 1), images[i].name);
        put_file(name, b.data, b.size);
        free(b.data);
        count += is_read(images[i].name);
    }
    put_file("set/a/broken.bmp", "no image", 8);
    clade_data_options options = {
        .path = path_of("set"), .height = 8, .width = 8, .channels = 3, .max_damaged = 1};
    clade_dataset *d = NULL;
    CHECK_OK(clade_dataset_open(&options, &d));
    if (d) CHECK_OK(clade_dataset_load(d, NULL, NULL));
    if (d) CHECK(clade_dataset_count(d, CLADE_TRAIN) == (size_t)count);
    clade_dataset_destroy(&d);
    CHECK_OK(clade_dataset_open(&options, &d));
    clade_inspection *in = NULL;
    if (d) CHECK_OK(clade_inspect(d, NULL, &in));
    for (size_t k = 0; in && is_read("tiff") && k < sizeof kinds / sizeof *kinds; k++) {
        size_t found = 0;
        for (size_t i = 0; i < in->format_count; i++)
            if (!strcmp(in->formats[i].name, kinds[k].words)) found = in->formats[i].count;
        CHECK(found == kinds[k].count);
    }
    clade_inspection_destroy(&in);
    clade_dataset_destroy(&d);
    options.strict = true;
    CHECK_FAILS(clade_dataset_open(&options, &d), CLADE_EFORMAT, "a/broken.bmp: not an image");
    drop_folder();
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    folder = argv[1];
    test_memory(); /* before anything else takes more */
    test_bombs();
    test_images();
    test_refused();
    test_told();
    test_dataset();
    return TEST_END();
}
