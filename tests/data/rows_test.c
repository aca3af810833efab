/* Images that are never whole in memory: resized and averaged row by row, they are what the whole
 * image gives, bit for bit, and large ones take little. */
#define _POSIX_C_SOURCE 200809L
#include "make.h"

#include "data/image.h"

#include "../test.h"

#include <turbojpeg.h>

#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* A whole image. */
typedef struct raster {
    uint8_t *data;
    int height, width, channels;
} raster;

static const uint8_t *pixel(const raster *r, int y, int x)
{
    return r->data + ((size_t)y * (size_t)r->width + (size_t)x) * (size_t)r->channels;
}

/* Upright, by the figure of Exif 2.32: row 0 is at the top, top, bottom, bottom, left, right,
 * right, left; column 0 at the left, right, right, left, top, top, bottom, bottom. */
static raster turned(const raster *r, int o)
{
    int h = r->height, w = r->width, n = r->channels;
    bool rows = o == 3 || o == 4 || o == 6 || o == 7;
    bool columns = o == 2 || o == 3 || o == 7 || o == 8;
    raster up = {malloc((size_t)(h * w * n)), o >= 5 ? w : h, o >= 5 ? h : w, n};
    uint8_t *out = up.data;
    for (int y = 0; y < up.height; y++)
        for (int x = 0; x < up.width; x++, out += n) {
            int row = o >= 5 ? x : y, column = o >= 5 ? y : x;
            memcpy(out, pixel(r, rows ? h - 1 - row : row, columns ? w - 1 - column : column),
                   (size_t)n);
        }
    return up;
}

static void nearest_of(const raster *r, int height, int width, uint8_t *out)
{
    double down = (double)r->height / height, right = (double)r->width / width, y = down * 0.5;
    for (int i = 0; i < height; i++, y += down) {
        double x = right * 0.5;
        for (int j = 0; j < width; j++, x += right, out += r->channels)
            memcpy(out,
                   pixel(r, y < r->height ? (int)y : r->height - 1,
                         x < r->width ? (int)x : r->width - 1),
                   (size_t)r->channels);
    }
}

/* Input positions and the weight of the second, of 1/2^14. */
static void tap_of(int in, int out, int i, int *first, int *second, int *weight)
{
    double x = (i + 0.5) * in / out - 0.5, low = floor(x);
    *first = low < 0 ? 0 : (int)low;
    *second = low + 1 > in - 1 ? in - 1 : (int)low + 1;
    *weight = (int)((x - low) * (1 << 14) + 0.5);
}

static int blend_down(int a, int b, int weight)
{
    return a * 128 + (b - a) * (weight >> 7) + (((b - a) * (weight & 127)) >> 7);
}

static void bilinear_of(const raster *r, int height, int width, uint8_t *out)
{
    for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++) {
            int y0, y1, wy, x0, x1, wx;
            tap_of(r->height, height, i, &y0, &y1, &wy);
            tap_of(r->width, width, j, &x0, &x1, &wx);
            for (int k = 0; k < r->channels; k++) {
                int a = blend_down(pixel(r, y0, x0)[k], pixel(r, y1, x0)[k], wy);
                int b = blend_down(pixel(r, y0, x1)[k], pixel(r, y1, x1)[k], wy);
                *out++ = (uint8_t)((a * (1 << 14) + (b - a) * wx + (1 << 20)) >> 21);
            }
        }
}

/* The share of input pixel k in output position i: a triangle about its centre, not normalised. */
static double share_of(int in, int out, int i, int k)
{
    double scale = (double)in / out, support = scale < 1 ? 1 : scale;
    double away = fabs(k + 0.5 - (i + 0.5) * scale) / support;
    return away < 1 ? 1 - away : 0;
}

/* The largest difference to the exact result of an antialiased resize. */
static double antialias_error(const raster *r, int height, int width, const uint8_t *out)
{
    double most = 0;
    for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++)
            for (int k = 0; k < r->channels; k++) {
                double sum = 0, total = 0;
                for (int y = 0; y < r->height; y++) {
                    double down = share_of(r->height, height, i, y);
                    for (int x = 0; x < r->width && down > 0; x++) {
                        double share = down * share_of(r->width, width, j, x);
                        sum += share * pixel(r, y, x)[k];
                        total += share;
                    }
                }
                most = fmax(most, fabs(*out++ - sum / total));
            }
    return most;
}

/* What part of pixel i a cell from `low` to `high` covers, as floats add it up. */
static float part_of(double low, double high, int i, int first, int last)
{
    if (last - first == 1) return (float)(high - low);
    return i == first ? (float)(first + 1 - low) : i == last - 1 ? (float)(high - i) : 1;
}

static void edges_of(int in, int out, int i, double *low, double *high, int *first, int *last)
{
    *low = (double)i * in / out;
    *high = (double)(i + 1) * in / out;
    *first = (int)*low < in - 1 ? (int)*low : in - 1;
    *last = (int)ceil(*high) < in ? (int)ceil(*high) : in;
    if (*last <= *first) *last = *first + 1;
}

static void average_of(const raster *r, int height, int width, float *out)
{
    double area = (double)r->height / height * ((double)r->width / width);
    for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++)
            for (int k = 0; k < r->channels; k++) {
                double top, bottom, left, right;
                int y0, y1, x0, x1;
                edges_of(r->height, height, i, &top, &bottom, &y0, &y1);
                edges_of(r->width, width, j, &left, &right, &x0, &x1);
                float total = 0;
                for (int y = y0; y < y1; y++) {
                    unsigned inner = 0;
                    for (int x = x0 + 1; x < x1 - 1; x++) inner += pixel(r, y, x)[k];
                    float sum =
                        (float)inner + part_of(left, right, x0, x0, x1) * (float)pixel(r, y, x0)[k];
                    if (x1 - x0 > 1)
                        sum += part_of(left, right, x1 - 1, x0, x1) * (float)pixel(r, y, x1 - 1)[k];
                    total += part_of(top, bottom, y, y0, y1) * sum;
                }
                *out++ = total / (float)area;
            }
}

/* As a decoder would: of each row and the one before it there is just one copy. */
static void feed(clade_sink *sink, const raster *r, int orientation)
{
    size_t row = (size_t)r->width * (size_t)r->channels;
    uint8_t *rows[2] = {malloc(row), malloc(row)};
    CHECK_OK(sink->begin(sink, &(clade_layout){r->height, r->width, r->channels, orientation}));
    for (int y = 0; y < r->height; y++) {
        memcpy(rows[y & 1], pixel(r, y, 0), row);
        sink->row(sink, y, rows[y & 1]);
    }
    free(rows[0]);
    free(rows[1]);
}

static void check_turned(const raster *r, int orientation, int height, int width)
{
    enum { most = 4096 };
    static uint8_t out[most * 3], want[most * 3];
    static float cells[most * 3], means[most * 3];
    const size_t n = (size_t)(height * width * r->channels);
    raster up = turned(r, orientation);
    clade_decoder decoder = {0};
    for (int smooth = 0; smooth < 2; smooth++) {
        clade_target target = {height, width, r->channels, smooth ? CLADE_BILINEAR : CLADE_NEAREST};
        clade_resize resize;
        clade_resize_init(&resize, &decoder, &target, out);
        feed(&resize.sink, r, orientation);
        (smooth ? bilinear_of : nearest_of)(&up, height, width, want);
        CHECK(memcmp(out, want, n) == 0);
    }
    clade_target target = {height, width, r->channels, CLADE_BILINEAR_ANTIALIAS};
    clade_resize resize;
    clade_resize_init(&resize, &decoder, &target, out);
    feed(&resize.sink, r, orientation);
    CHECK(antialias_error(&up, height, width, out) < 0.52);
    clade_average average;
    clade_average_init(&average, &decoder, height, width, cells);
    feed(&average.sink, r, orientation);
    average_of(&up, height, width, means);
    CHECK(memcmp(cells, means, n * sizeof *cells) == 0);
    clade_decoder_clear(&decoder);
    free(up.data);
}

static void test_rows(void)
{
    static const int sizes[][4] = {{37, 53, 37, 53}, {53, 37, 37, 53}, {37, 53, 20, 31},
                                   {37, 53, 60, 61}, {5, 90, 64, 3},   {1, 1, 4, 7},
                                   {2, 3, 32, 32},   {201, 7, 32, 32}, {64, 64, 1, 1}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int channels = 1; channels <= 3; channels += 2)
            for (int o = 1; o <= 8; o++) {
                raster r = {NULL, sizes[k][0], sizes[k][1], channels};
                r.data = make_rgb(r.height, r.width, o); /* grey takes a third of it */
                check_turned(&r, o, sizes[k][2], sizes[k][3]);
                free(r.data);
            }
}

/* Files of every orientation, decoded to the size that they have and to another. */
static void test_files(void)
{
    enum { h = 75, w = 91, oh = 40, ow = 47 }; /* above half, or JPEG would be decoded smaller */
    uint8_t *rgb = make_rgb(h, w, 4), whole[h * w * 3], out[oh * ow * 3], want[oh * ow * 3];
    for (int kind = 0; kind < 4; kind++) {
        blob b = kind < 2 ? make_png(rgb, h, w, 2, 8, kind)
                          : make_jpeg(rgb, h, w, JPEG_COLOUR, TJSAMP_420, 90, kind - 2);
        CHECK_OK(clade_image_decode(b.data, b.size, "a", h, w, 3, CLADE_NEAREST, whole));
        raster r = {whole, h, w, 3};
        for (int o = 1; o <= 8; o++) {
            blob c = with_orientation(with_bytes(b, 0, "", 0), o, 1);
            raster up = turned(&r, o);
            CHECK_OK(clade_image_decode(c.data, c.size, "a", oh, ow, 3, CLADE_NEAREST, out));
            nearest_of(&up, oh, ow, want);
            CHECK(memcmp(out, want, sizeof out) == 0);
            CHECK_OK(clade_image_decode(c.data, c.size, "a", oh, ow, 3, CLADE_BILINEAR, out));
            bilinear_of(&up, oh, ow, want);
            CHECK(memcmp(out, want, sizeof out) == 0);
            free(up.data);
            free(c.data);
        }
        free(b.data);
    }
    free(rgb);
}

static double peak_mebibytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

/* The frame header of a JPEG with other sides. */
static void set_sides(blob jpeg, int marker, int height, int width)
{
    size_t at = 2;
    while (jpeg.data[at] != 0xff || jpeg.data[at + 1] != marker) at++;
    const uint8_t sides[] = {(uint8_t)(height >> 8), (uint8_t)height, (uint8_t)(width >> 8),
                             (uint8_t)width};
    memcpy(jpeg.data + at + 5, sides, sizeof sides);
}

/* A sink that wants to know but the size. */
typedef struct size_sink {
    clade_sink sink;
    clade_layout layout;
} size_sink;

static clade_status keep_size(clade_sink *sink, const clade_layout *layout)
{
    ((size_sink *)sink)->layout = *layout;
    return clade_fail(CLADE_ECANCELLED, "no more is needed");
}

/* Above 64 megapixels a JPEG is decoded at half its size, whatever it is for. */
static void check_half(blob jpeg, int height, int width)
{
    clade_decoder decoder = {0};
    size_sink s = {.sink = {.begin = keep_size}};
    clade_input input = clade_input_of(jpeg.data, jpeg.size);
    CHECK(clade_decode_original(&decoder, &input, 3, &s.sink) == CLADE_ECANCELLED);
    CHECK(s.layout.height == height / 2 && s.layout.width == width / 2);
    clade_decoder_clear(&decoder);
}

/* Large images, each decoded in the memory that it may take; the peak only grows. */
static void test_memory(void)
{
    enum { side = 64 };
    static const struct {
        blank_kind kind;
        int height, width, most, value;
    } large[] = {{BLANK_JPEG, 8192, 8200, 12, 200}, /* above 64 megapixels: at half the size */
                 {BLANK_PNG, 8000, 8000, 12, 0},
                 {BLANK_PNG_INTERLACED, 5000, 5000, 62, 0}};
    uint8_t out[side * side * 3];
    for (size_t k = 0; k < sizeof large / sizeof *large; k++) {
        blob b = make_blank(large[k].height, large[k].width, large[k].kind);
        double before = peak_mebibytes();
        memset(out, 1, sizeof out);
        CHECK_OK(clade_image_decode(b.data, b.size, "a", side, side, 3, CLADE_BILINEAR, out));
        int wrong = 0;
        for (size_t i = 0; i < sizeof out; i++) wrong += out[i] != large[k].value;
        CHECK(wrong == 0);
        CHECK(peak_mebibytes() - before < large[k].most);
        if (large[k].kind == BLANK_JPEG) check_half(b, large[k].height, large[k].width);
        free(b.data);
    }

    /* what must be refused costs nothing: 63 megapixels of coefficients, 900 of pixels */
    uint8_t *rgb = make_rgb(side, side, 1);
    blob progressive = make_jpeg(rgb, side, side, JPEG_COLOUR, TJSAMP_420, 90, 1);
    blob baseline = make_jpeg(rgb, side, side, JPEG_COLOUR, TJSAMP_420, 90, 0);
    double before = peak_mebibytes();
    set_sides(progressive, 0xc2, 7000, 9000);
    CHECK_FAILS(clade_image_decode(progressive.data, progressive.size, "a", side, side, 3,
                                   CLADE_BILINEAR, out),
                CLADE_EFORMAT,
                "a: JPEG: 9000×7000 pixels in several scans take 180 MB at once, more than 48");
    set_sides(progressive, 0xc2, 600, 600);
    CHECK_FAILS(clade_image_decode(progressive.data, progressive.size, "a", side, side, 3,
                                   CLADE_BILINEAR, out),
                CLADE_EFORMAT, "remature end");
    set_sides(baseline, 0xc0, 30000, 30000);
    CHECK_FAILS(
        clade_image_decode(baseline.data, baseline.size, "a", side, side, 3, CLADE_BILINEAR, out),
        CLADE_EFORMAT, "30000×30000 pixels: 900 megapixels, more than 256");
    CHECK(peak_mebibytes() - before < 8);
    free(progressive.data);
    free(baseline.data);
    free(rgb);
}

/* The images of a folder's class a: one. */
static void check_set(const char *path, int height, int width, const uint8_t *want)
{
    clade_data_options options = {.path = path, .height = height, .width = width, .channels = 3};
    clade_dataset *d = NULL;
    uint8_t got[64 * 64 * 3];
    CHECK_OK(clade_dataset_open(&options, &d));
    if (d) CHECK_OK(clade_dataset_load(d, NULL, NULL));
    if (d) CHECK_OK(clade_dataset_pixels(d, CLADE_TRAIN, 0, got));
    CHECK(memcmp(got, want, (size_t)(height * width * 3)) == 0);
    clade_dataset_destroy(&d);
}

/* Files that are not read at once: 100 MB that follow a JPEG take no memory, and what stands behind
 * megabytes of segments or chunks is found. */
static void test_windows(void)
{
    enum { h = 40, w = 56, junk = 9 << 20, segment = 65535 };
    uint8_t *rgb = make_rgb(h, w, 1), *zeros = calloc(1, junk), plain[h * w * 3];
    make_folder();
    put_jpeg("long/b/0.jpg", h, w, 2);
    blob jpeg = make_jpeg(rgb, h, w, JPEG_COLOUR, TJSAMP_444, 90, 0),
         png = make_png(rgb, h, w, 2, 8, 0);
    CHECK_OK(clade_image_decode(jpeg.data, jpeg.size, "a", h, w, 3, CLADE_NEAREST, plain));
    const char *path = put_file("long/a/0.jpg", jpeg.data, jpeg.size);
    CHECK(truncate(path, 100 << 20) == 0);
    double before = peak_mebibytes();
    check_set(path_of("long"), h, w, plain);
    CHECK(peak_mebibytes() - before < 8);

    raster r = {plain, h, w, 3}, up = turned(&r, 6);
    jpeg = with_orientation(jpeg, 6, 1);
    for (size_t at = 0; at + segment + 2 <= junk; at += segment + 2)
        memcpy(zeros + at, "\xff\xfe\xff\xff", 4);
    blob large = with_bytes(jpeg, 2, zeros, junk / (segment + 2) * (segment + 2));
    CHECK(large.size > clade_whole_bytes);
    put_file("long/a/0.jpg", large.data, large.size);
    check_set(path_of("long"), w, h, up.data);
    free(up.data);
    free(large.data);
    free(jpeg.data);

    r.data = rgb;
    up = turned(&r, 6);
    static const char tiff[] = "II*\0\x8\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0";
    png = with_chunk(png, png.size - png_end, "juNk", zeros, junk);
    png = with_chunk(png, png.size - png_end, "eXIf", tiff, sizeof tiff);
    png = with_chunk(png, png_header_end, "juNk", zeros, 3 << 20);
    put_file("long/a/0.jpg", png.data, png.size);
    check_set(path_of("long"), w, h, up.data);
    free(up.data);
    free(png.data);
    free(zeros);
    free(rgb);
    drop_folder();
}

/* Above clade_decoding_bytes an interlaced image is decoded in bands. */
static void test_bands(void)
{
    enum { h = 4300, w = 4200 };
    uint8_t *rgb = make_rgb(h, w, 1); /* of which red counts */
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) rgb[3 * (y * w + x)] = (uint8_t)((x / 9 + y / 7) * 64);
    blob plain = make_png(rgb, h, w, 0, 1, 0), interlaced = make_png(rgb, h, w, 0, 1, 1);
    free(rgb);
    size_t size = (size_t)h * w * 3;
    uint8_t *a = malloc(size), *b = malloc(size);
    CHECK(size > clade_decoding_bytes);
    CHECK_OK(clade_image_decode(plain.data, plain.size, "a", h, w, 3, CLADE_NEAREST, a));
    CHECK_OK(clade_image_decode(interlaced.data, interlaced.size, "a", h, w, 3, CLADE_NEAREST, b));
    CHECK(memcmp(a, b, size) == 0);
    free(a);
    free(b);
    free(plain.data);
    free(interlaced.data);
}

int main(void)
{
    test_windows(); /* these two before anything else takes more memory */
    test_memory();
    test_rows();
    test_files();
    test_bands();
    return TEST_END();
}
