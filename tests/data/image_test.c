/* Single images: every kind of JPEG and PNG, orientation, resizing, and what is damaged. */
#include "make.h"

#include "../test.h"

#include <turbojpeg.h>

#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { H = 37, W = 53 };

/* The largest difference of two images. */
static int difference(const uint8_t *a, const uint8_t *b, size_t n)
{
    int most = 0;
    for (size_t i = 0; i < n; i++) {
        int d = abs(a[i] - b[i]);
        if (d > most) most = d;
    }
    return most;
}

static void test_jpeg(void)
{
    uint8_t *rgb = make_rgb(H, W, 1), *out = malloc(H * W * 3);
    /* colours of these come back but for what JPEG loses */
    for (int i = 0; i < 4; i++) {
        blob b = make_jpeg(rgb, H, W, i == 3 ? JPEG_CMYK : JPEG_COLOUR, TJSAMP_444, 100, i & 1);
        CHECK_OK(clade_image_decode(b.data, b.size, "a", H, W, 3, CLADE_NEAREST, out));
        CHECK(difference(out, rgb, H * W * 3) <= (i == 3 ? 8 : 4));
        free(b.data);
    }
    /* a CMYK image without Adobe's mark: 255 is full ink, so it is the negative, black all over
     */
    blob cmyk = make_jpeg(rgb, H, W, JPEG_CMYK, TJSAMP_444, 100, 0);
    size_t at = 0;
    for (size_t i = 0; i + 12 < cmyk.size && !at; i++)
        if (!memcmp(cmyk.data + i, "Adobe", 5)) at = i;
    CHECK(at > 0);
    cmyk.data[at] = 'a';
    /* without the mark the decoder takes the four planes for CMYK as they are */
    CHECK_OK(clade_image_decode(cmyk.data, cmyk.size, "a", H, W, 3, CLADE_NEAREST, out));
    int brightest = 0;
    for (int i = 0; i < H * W * 3; i++) brightest = out[i] > brightest ? out[i] : brightest;
    CHECK(brightest <= 4);
    free(cmyk.data);

    /* grey, asked for as grey and as colour */
    uint8_t grey[H * W];
    blob g = make_jpeg(rgb, H, W, JPEG_GREY, 0, 100, 0);
    CHECK_OK(clade_image_decode(g.data, g.size, "a", H, W, 1, CLADE_NEAREST, grey));
    CHECK_OK(clade_image_decode(g.data, g.size, "a", H, W, 3, CLADE_NEAREST, out));
    int same = 1, most = 0;
    for (int i = 0; i < H * W; i++) {
        same &= out[3 * i] == grey[i] && out[3 * i + 1] == grey[i] && out[3 * i + 2] == grey[i];
        double y = 0.299 * rgb[3 * i] + 0.587 * rgb[3 * i + 1] + 0.114 * rgb[3 * i + 2];
        int d = abs(grey[i] - (int)(y + 0.5));
        most = d > most ? d : most;
    }
    CHECK(same);
    CHECK(most <= 3);
    free(g.data);

    /* a colour image asked for as grey: Rec. 601 luma of its decoded pixels */
    blob c = make_jpeg(rgb, H, W, JPEG_COLOUR, TJSAMP_420, 95, 0);
    CHECK_OK(clade_image_decode(c.data, c.size, "a", H, W, 3, CLADE_NEAREST, out));
    CHECK_OK(clade_image_decode(c.data, c.size, "a", H, W, 1, CLADE_NEAREST, grey));
    same = 1;
    for (int i = 0; i < H * W; i++) {
        double y = 0.299 * out[3 * i] + 0.587 * out[3 * i + 1] + 0.114 * out[3 * i + 2];
        same &= fabs(grey[i] - y) <= 0.51;
    }
    CHECK(same);
    free(c.data);
    free(rgb);
    free(out);
}

/* Where the upright image's row r, column c lies in the stored one. Source: Exif 2.32, figure of
 * the orientations (row 0 is: top, top, bottom, bottom, left, right, right, left). */
static void stored_place(int orientation, int h, int w, int r, int c, int *row, int *column)
{
    switch (orientation) {
    case 1: *row = r, *column = c; break;
    case 2: *row = r, *column = w - 1 - c; break;
    case 3: *row = h - 1 - r, *column = w - 1 - c; break;
    case 4: *row = h - 1 - r, *column = c; break;
    case 5: *row = c, *column = r; break;
    case 6: *row = h - 1 - c, *column = r; break;
    case 7: *row = h - 1 - c, *column = w - 1 - r; break;
    default: *row = c, *column = w - 1 - r; break;
    }
}

static void check_orientation(blob b, int o, const uint8_t *plain)
{
    uint8_t out[H * W * 3];
    int h = o >= 5 ? W : H, w = o >= 5 ? H : W;
    int32_t hwc[3];
    CHECK_OK(clade_image_size(b.data, b.size, "a", hwc));
    CHECK(hwc[0] == h && hwc[1] == w && hwc[2] == 3);
    CHECK_OK(clade_image_decode(b.data, b.size, "a", h, w, 3, CLADE_NEAREST, out));
    int wrong = 0;
    for (int r = 0; r < h; r++) {
        for (int c = 0; c < w; c++) {
            int row, column;
            stored_place(o, H, W, r, c, &row, &column);
            wrong += memcmp(out + 3 * (r * w + c), plain + 3 * (row * W + column), 3) != 0;
        }
    }
    CHECK(wrong == 0);
    free(b.data);
}

static void test_orientation(void)
{
    uint8_t *rgb = make_rgb(H, W, 2), plain[H * W * 3];
    for (int o = 1; o <= 8; o++) {
        for (int little = 0; little < 2; little++) {
            blob jpeg = make_jpeg(rgb, H, W, JPEG_COLOUR, TJSAMP_444, 95, 0);
            CHECK_OK(clade_image_decode(jpeg.data, jpeg.size, "a", H, W, 3, CLADE_NEAREST, plain));
            check_orientation(with_orientation(jpeg, o, little), o, plain);
            blob png = make_png(rgb, H, W, 2, 8, little);
            check_orientation(with_orientation(png, o, little), o, rgb);
        }
    }
    /* behind the pixels, and damaged */
    static const char tiff[] = "II*\0\x8\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0";
    blob png = make_png(rgb, H, W, 2, 8, 0);
    check_orientation(with_chunk(png, png.size - png_end, "eXIf", tiff, sizeof tiff), 6, rgb);
    for (size_t n = 0; n < 22; n++) {
        png = make_png(rgb, H, W, 2, 8, 0);
        check_orientation(with_chunk(png, png_header_end, "eXIf", tiff, n), 1, rgb);
    }
    free(rgb);
}

/* Noise of eight times the sides that are asked for, lying as each orientation says, is decoded at
 * an eighth: each pixel is the mean of a block of 64. */
static void test_reduction(void)
{
    enum { h = 8, w = 5, times = 8 };
    uint8_t rgb[h * times * w * times * 3], out[h * w * 3];
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)((state = state * 1664525 + 1013904223) >> 24);
    for (int o = 1; o <= 8; o++) {
        const int32_t height = o >= 5 ? w : h, width = o >= 5 ? h : w;
        double most = 0;
        blob jpeg = make_jpeg(rgb, h * times, w * times, JPEG_COLOUR, TJSAMP_444, 100, 0);
        jpeg = with_orientation(jpeg, o, 0);
        CHECK_OK(
            clade_image_decode(jpeg.data, jpeg.size, "a", height, width, 3, CLADE_NEAREST, out));
        for (int i = 0; i < h * w * 3; i++) {
            int row, column, sum = 0;
            stored_place(o, h, w, i / 3 / width, i / 3 % width, &row, &column);
            for (int y = row * times; y < (row + 1) * times; y++)
                for (int x = column * times; x < (column + 1) * times; x++)
                    sum += rgb[3 * (y * w * times + x) + i % 3];
            most = fmax(most, fabs(out[i] - sum / 64.0));
        }
        CHECK(most < 6);
        free(jpeg.data);
    }
}

static void test_png(void)
{
    static const struct {
        int type, depth;
    } kinds[] = {{0, 1}, {0, 2}, {0, 4}, {0, 8},  {0, 16}, {2, 8}, {2, 16},
                 {3, 4}, {3, 8}, {4, 8}, {4, 16}, {6, 8},  {6, 16}};
    uint8_t *rgb = make_rgb(H, W, 3), out[H * W * 3], grey[H * W];
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (int interlaced = 0; interlaced < 2; interlaced++) {
            int type = kinds[k].type, depth = kinds[k].depth;
            blob b = make_png(rgb, H, W, type, depth, interlaced);
            memset(out, 0xaa, sizeof out);
            CHECK_OK(clade_image_decode(b.data, b.size, "a", H, W, 3, CLADE_NEAREST, out));
            CHECK_OK(clade_image_decode(b.data, b.size, "a", H, W, 1, CLADE_NEAREST, grey));
            int wrong = 0;
            for (int i = 0; i < H * W; i++) {
                const uint8_t *p = rgb + 3 * i;
                int want[3] = {p[0], p[1], p[2]}, index = p[0] >> 5;
                if (type == 3)
                    want[0] = 32 * index, want[1] = 255 - 32 * index, want[2] = 16 * index;
                if (type == 0 || type == 4) {
                    int levels = depth < 8 ? (1 << depth) - 1 : 255;
                    want[0] = depth < 8 ? (p[0] >> (8 - depth)) * 255 / levels : p[0];
                    want[1] = want[2] = want[0];
                }
                for (int c = 0; c < 3; c++) wrong += out[3 * i + c] != want[c];
                double y = 0.299 * want[0] + 0.587 * want[1] + 0.114 * want[2];
                wrong += fabs(grey[i] - y) > 0.51;
            }
            CHECK(wrong == 0);
            free(b.data);
        }
    }
    free(rgb);
}

/* Half-pixel bilinear in double. */
static double bilinear(const uint8_t *p, int h, int w, int oh, int ow, int y, int x, int c)
{
    double fy = (y + 0.5) * h / oh - 0.5, fx = (x + 0.5) * w / ow - 0.5;
    double y0 = floor(fy), x0 = floor(fx), wy = fy - y0, wx = fx - x0;
    int r[2] = {y0 < 0 ? 0 : (int)y0, y0 + 1 > h - 1 ? h - 1 : (int)y0 + 1};
    int q[2] = {x0 < 0 ? 0 : (int)x0, x0 + 1 > w - 1 ? w - 1 : (int)x0 + 1};
    double sum = 0;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            sum += (i ? wy : 1 - wy) * (j ? wx : 1 - wx) * p[3 * (r[i] * w + q[j]) + c];
    return sum;
}

static void test_resize(void)
{
    static const int sizes[][4] = {{37, 53, 37, 53}, {37, 53, 20, 30}, {37, 53, 90, 11},
                                   {1, 1, 5, 7},     {2, 3, 64, 64},   {300, 200, 64, 64},
                                   {64, 64, 1, 1},   {100, 7, 99, 8}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        int h = sizes[k][0], w = sizes[k][1], oh = sizes[k][2], ow = sizes[k][3];
        uint8_t *rgb = make_rgb(h, w, 5), *out = malloc((size_t)(oh * ow * 3));
        blob b = make_png(rgb, h, w, 2, 8, 0);
        CHECK_OK(clade_image_decode(b.data, b.size, "a", oh, ow, 3, CLADE_NEAREST, out));
        int wrong = 0;
        for (int y = 0; y < oh; y++)
            for (int x = 0; x < ow; x++) /* (2y+1)·h / 2·oh in integers; ties do not occur here */
                wrong +=
                    memcmp(out + 3 * (y * ow + x),
                           rgb + 3 * ((2 * y + 1) * h / (2 * oh) * w + (2 * x + 1) * w / (2 * ow)),
                           3) != 0;
        CHECK(wrong == 0);
        CHECK_OK(clade_image_decode(b.data, b.size, "a", oh, ow, 3, CLADE_BILINEAR, out));
        double most = 0;
        for (int y = 0; y < oh; y++)
            for (int x = 0; x < ow; x++)
                for (int c = 0; c < 3; c++) {
                    double d =
                        fabs(out[3 * (y * ow + x) + c] - bilinear(rgb, h, w, oh, ow, y, x, c));
                    most = d > most ? d : most;
                }
        CHECK(most < 0.52);
        free(b.data);
        free(rgb);
        free(out);
    }
}

/* Pillow's Image.resize with BILINEAR, which is torchvision's resize with antialias=True, within 1.
 */
static void test_antialias(void)
{
    enum { h = 23, w = 31, oh = 3, ow = 4 };
    static const uint8_t pillow[oh * ow * 3] = {
        53,  103, 153, 82,  129, 165, 164, 160, 113, 199, 124, 91,  121, 160, 150, 119, 94,  110,
        134, 89,  101, 134, 158, 137, 196, 130, 93,  176, 145, 105, 87,  127, 152, 60,  110, 160};
    uint8_t rgb[h * w * 3], out[oh * ow * 3];
    for (int i = 0; i < h * w * 3; i++)
        rgb[i] = (uint8_t)(((i / 3 % w * 8) ^ (i / (3 * w) * 11)) + i % 3 * 50);
    blob b = make_png(rgb, h, w, 2, 8, 0);
    CHECK_OK(clade_image_decode(b.data, b.size, "a", oh, ow, 3, CLADE_BILINEAR_ANTIALIAS, out));
    CHECK(difference(out, pillow, sizeof out) <= 1);
    /* what makes images larger, or leaves them, has nothing to average */
    uint8_t *large = malloc(2 * 2 * sizeof rgb), *plain = malloc(2 * 2 * sizeof rgb);
    for (int times = 1; times <= 2; times++) {
        CHECK_OK(clade_image_decode(b.data, b.size, "a", times * h, times * w, 3,
                                    CLADE_BILINEAR_ANTIALIAS, large));
        CHECK_OK(clade_image_decode(b.data, b.size, "a", times * h, times * w, 3, CLADE_BILINEAR,
                                    plain));
        CHECK(difference(large, plain, (size_t)(times * times) * sizeof rgb) <= times - 1);
    }
    free(large);
    free(plain);
    free(b.data);
}

/* Scaled decoding gives what averaging 4×4 blocks gives, and never less than the target's size. */
static void test_scaled(void)
{
    enum { big = 256, small = 64 };
    uint8_t *rgb = make_rgb(big, big, 0), out[small * small * 3];
    blob b = make_jpeg(rgb, big, big, JPEG_COLOUR, TJSAMP_444, 100, 0);
    CHECK_OK(clade_image_decode(b.data, b.size, "a", small, small, 3, CLADE_BILINEAR, out));
    int most = 0;
    for (int y = 0; y < small; y++)
        for (int x = 0; x < small; x++)
            for (int c = 0; c < 2; c++) { /* red and green are ramps */
                int sum = 0;
                for (int i = 0; i < 16; i++)
                    sum += rgb[3 * ((4 * y + i / 4) * big + 4 * x + i % 4) + c];
                int d = abs(out[3 * (y * small + x) + c] - sum / 16);
                most = d > most ? d : most;
            }
    CHECK(most <= 4);
    /* nearest at four times takes single pixels: those of the image at full size */
    uint8_t *full = malloc(big * big * 3);
    CHECK_OK(clade_image_decode(b.data, b.size, "a", big, big, 3, CLADE_NEAREST, full));
    CHECK_OK(clade_image_decode(b.data, b.size, "a", small, small, 3, CLADE_NEAREST, out));
    int wrong = 0;
    for (int y = 0; y < small; y++)
        for (int x = 0; x < small; x++)
            wrong += memcmp(out + 3 * (y * small + x), full + 3 * ((4 * y + 2) * big + 4 * x + 2),
                            3) != 0;
    CHECK(wrong == 0);
    free(full);
    free(b.data);
    free(rgb);
}

enum { jfif_end = 20, warnings = 4 };

/* A JPEG over which the decoder warns, and that is whole. */
static blob with_warning(blob jpeg, int which)
{
    static const char adobe[] = "\xff\xee\0\x0e"
                                "Adobe\0\x64\0\0\0\0\7";
    blob b = which == 0   ? with_bytes(jpeg, jfif_end, "\1\2\3", 3)
             : which == 1 ? with_bytes(jpeg, jfif_end, adobe, sizeof adobe - 1)
                          : with_bytes(jpeg, 0, "", 0);
    size_t scan = jfif_end;
    while (b.data[scan] != 0xff || b.data[scan + 1] != 0xda) scan++;
    if (which == 1) b.data[6] = 'j'; /* no JFIF any more, so Adobe's colours count: number 7 */
    if (which == 2) b.data[11] = 2;  /* JFIF 2 */
    if (which == 3) b.data[scan + 12] = 62; /* the last frequency, for progressive images alone */
    return b;
}

/* A harmless warning does no harm, and hides no other. */
static void test_warnings(void)
{
    uint8_t *rgb = make_rgb(H, W, 1), whole[H * W * 3], out[H * W * 3];
    for (int i = 0; i < 2 * warnings - 1; i++) { /* progressive: all but the last warning */
        blob jpeg = make_jpeg(rgb, H, W, JPEG_COLOUR, TJSAMP_420, 90, i >= warnings);
        CHECK_OK(clade_image_decode(jpeg.data, jpeg.size, "a", H, W, 3, CLADE_NEAREST, whole));
        blob b = with_warning(jpeg, i % warnings);
        CHECK_OK(clade_image_decode(b.data, b.size, "a", H, W, 3, CLADE_NEAREST, out));
        CHECK(memcmp(out, whole, sizeof out) == 0);
        for (size_t n = b.size / 2; n < b.size - 2; n++)
            CHECK(clade_image_decode(b.data, n, "a", H, W, 3, CLADE_NEAREST, out) == CLADE_EFORMAT);
        CHECK(strstr(clade_error(), "a: JPEG: ") && strstr(clade_error(), "remature end"));
        free(b.data);
        free(jpeg.data);
    }
    free(rgb);
}

/* Without its end marker an image is whole, and where it has one scan, with something else there.
 */
static void test_end_marker(void)
{
    uint8_t *rgb = make_rgb(H, W, 1), whole[H * W * 3], out[H * W * 3];
    for (int i = 0; i < 6; i++) {
        int progressive = i / 3;
        blob jpeg = make_jpeg(rgb, H, W, (jpeg_space)(i % 3), TJSAMP_420, 90, progressive);
        CHECK_OK(clade_image_decode(jpeg.data, jpeg.size, "a", H, W, 3, CLADE_NEAREST, whole));
        for (size_t less = 1; less <= 2; less++) {
            CHECK_OK(
                clade_image_decode(jpeg.data, jpeg.size - less, "a", H, W, 3, CLADE_NEAREST, out));
            CHECK(memcmp(out, whole, sizeof out) == 0);
        }
        blob b = with_bytes(jpeg, jpeg.size - 2, "\xff\x0f and more", 11);
        clade_status status = clade_image_decode(b.data, b.size, "a", H, W, 3, CLADE_NEAREST, out);
        CHECK(status == (progressive ? CLADE_EFORMAT : CLADE_OK));
        CHECK(memcmp(out, whole, sizeof out) == 0);
        free(b.data);
        free(jpeg.data);
    }
    free(rgb);

    /* Of several scans one may be missing, and arithmetic codes may end anywhere. */
    static const int scans[] = {
        [SCANS_OF_BITS] = 90, [SCANS_OF_PLANES] = 3, [SCANS_ARITHMETIC] = 1};
    for (int kind = SCANS_OF_BITS; kind <= SCANS_ARITHMETIC; kind++) {
        blob jpeg = make_scans(H, W, (scan_kind)kind, scans[kind]);
        CHECK_OK(clade_image_decode(jpeg.data, jpeg.size, "a", H, W, 3, CLADE_NEAREST, out));
        for (size_t less = 2; less < 40; less++)
            CHECK_FAILS(
                clade_image_decode(jpeg.data, jpeg.size - less, "a", H, W, 3, CLADE_NEAREST, out),
                CLADE_EFORMAT, "a: JPEG: Premature end of JPEG file");
        free(jpeg.data);
    }
}

/* A scan costs time however few bytes it has. */
static void test_scans(void)
{
    uint8_t out[H * W * 3];
    for (int scans = 99; scans <= 102; scans++) {
        blob jpeg = make_scans(H, W, SCANS_OF_BITS, scans);
        clade_status status =
            clade_image_decode(jpeg.data, jpeg.size, "a", H, W, 3, CLADE_NEAREST, out);
        CHECK(status == (scans <= 100 ? CLADE_OK : CLADE_EFORMAT));
        if (status) CHECK(strcmp(clade_error(), "a: JPEG: more than 100 scans") == 0);
        free(jpeg.data);
    }
}

/* Nor may few scans of a large image, each of all its coefficients: 62,500 blocks of 64. */
static void test_coefficients(void)
{
    enum { side = 2000 };
    blob jpeg = make_scans(side, side, SCANS_OF_PLANES, 3);
    size_t at = jpeg.size; /* of the last scan */
    while (memcmp(jpeg.data + --at, "\xff\xda", 2) != 0) {}
    blob scan = {jpeg.data + at, jpeg.size - 2 - at};
    uint8_t out[H * W * 3];
    for (int scans = 24; scans <= 25; scans++) {
        blob many = {malloc(jpeg.size + 22 * scan.size), jpeg.size - 2};
        memcpy(many.data, jpeg.data, many.size);
        for (int i = 3; i < scans; i++, many.size += scan.size)
            memcpy(many.data + many.size, scan.data, scan.size);
        memcpy(many.data + many.size, "\xff\xd9", 2);
        clade_status status =
            clade_image_decode(many.data, many.size + 2, "a", H, W, 3, CLADE_NEAREST, out);
        CHECK(status == (scans == 24 ? CLADE_OK : CLADE_EFORMAT));
        if (status)
            CHECK(strcmp(clade_error(), "a: JPEG: scans of more than 96000000 coefficients") == 0);
        free(many.data);
    }
    free(jpeg.data);
}

static double cpu_seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

static double peak_mebibytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

/* Chunks without pixels cost nothing, whatever they claim. */
static void test_chunks(void)
{
    uint8_t *rgb = make_rgb(H, W, 1), out[H * W * 3];
    blob text = with_text(make_png(rgb, H, W, 2, 8, 0), 300, 4 << 20);
    blob claim = make_png(rgb, H, W, 2, 8, 0);
    claim.size = 84;
    memcpy(claim.data + png_header_end, "\x7f\xff\xff\xf0tEXtComment", 16);

    double seconds = cpu_seconds(), memory = peak_mebibytes();
    CHECK_FAILS(clade_image_decode(claim.data, claim.size, "a", H, W, 3, CLADE_NEAREST, out),
                CLADE_EFORMAT, "a: PNG: the file ends too early");
    CHECK_OK(clade_image_decode(text.data, text.size, "a", H, W, 3, CLADE_NEAREST, out));
    CHECK(memcmp(out, rgb, sizeof out) == 0);
    CHECK(cpu_seconds() - seconds < 0.5);
    CHECK(peak_mebibytes() - memory < 16);
    free(text.data);
    free(claim.data);
    free(rgb);
}

static void test_bad(void)
{
    uint8_t *rgb = make_rgb(H, W, 1), out[H * W * 3];
    blob jpeg = make_jpeg(rgb, H, W, JPEG_COLOUR, TJSAMP_420, 90, 0);
    blob progressive = make_jpeg(rgb, H, W, JPEG_COLOUR, TJSAMP_420, 90, 1);
    blob png = make_png(rgb, H, W, 2, 8, 0);
    const blob *all[] = {&jpeg, &progressive, &png};
    for (int k = 0; k < 3; k++) {
        /* cut anywhere before the end marker: an error that names the image (PNG's pixels end
         * before it) */
        static const size_t ends[] = {2, 2, 16};
        for (size_t n = 0; n + ends[k] < all[k]->size; n++) {
            clade_status status =
                clade_image_decode(all[k]->data, n, "cut.jpg", H, W, 3, CLADE_NEAREST, out);
            CHECK(status == CLADE_EFORMAT && strncmp(clade_error(), "cut.jpg: ", 9) == 0);
        }
    }
    /* bytes left over before a marker are common in photographs and do no harm */
    blob extra = with_bytes(jpeg, jpeg.size - 2, "\1\2\3", 3);
    CHECK_OK(clade_image_decode(extra.data, extra.size, "a", H, W, 3, CLADE_NEAREST, out));
    free(extra.data);
    /* a wrong bit in the middle that ends a code early is not accepted in silence */
    size_t refused = 0;
    for (size_t i = jpeg.size / 2 + 100; i < jpeg.size - 2; i += 7) {
        uint8_t kept = jpeg.data[i];
        jpeg.data[i] = 0xff; /* a marker where none belongs */
        refused += clade_image_decode(jpeg.data, jpeg.size, "a", H, W, 3, CLADE_NEAREST, out) ==
                   CLADE_EFORMAT;
        jpeg.data[i] = kept;
    }
    CHECK(refused > 10);

    CHECK_FAILS(clade_image_decode("", 0, "e.jpg", H, W, 3, CLADE_NEAREST, out), CLADE_EFORMAT,
                "e.jpg: an empty file");
    CHECK_FAILS(clade_image_decode("<html>", 6, "h.jpg", H, W, 3, CLADE_NEAREST, out),
                CLADE_EFORMAT, "not an image");

    /* absurd sizes in the header: 30,000×30,000 */
    blob huge = {malloc(png.size), png.size};
    memcpy(huge.data, png.data, png.size);
    memcpy(huge.data + 16, "\0\0\x75\x30\0\0\x75\x30", 8);
    CHECK_FAILS(clade_image_decode(huge.data, huge.size, "h.png", H, W, 3, CLADE_NEAREST, out),
                CLADE_EFORMAT, "30000×30000 pixels: 900 megapixels, more than 64");
    memcpy(huge.data + 16, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    CHECK_FAILS(clade_image_decode(huge.data, huge.size, "h.png", H, W, 3, CLADE_NEAREST, out),
                CLADE_EFORMAT, "more than 64");
    memcpy(huge.data + 16, "\0\0\0\0\0\0\0\1", 8);
    CHECK_FAILS(clade_image_decode(huge.data, huge.size, "h.png", H, W, 3, CLADE_NEAREST, out),
                CLADE_EFORMAT, "0×1 pixels");
    free(huge.data);
    size_t sof = 0;
    for (size_t i = 2; i + 9 < jpeg.size && !sof; i++)
        if (jpeg.data[i] == 0xff && jpeg.data[i + 1] == 0xc0) sof = i;
    CHECK(sof > 0);
    uint8_t saved[4];
    memcpy(saved, jpeg.data + sof + 5, 4);
    memcpy(jpeg.data + sof + 5, "\x75\x30\x75\x30", 4);
    CHECK_FAILS(clade_image_decode(jpeg.data, jpeg.size, "h.jpg", H, W, 3, CLADE_NEAREST, out),
                CLADE_EFORMAT, "30000×30000");
    memcpy(jpeg.data + sof + 5, saved, 4);

    /* arguments */
    CHECK_FAILS(clade_image_decode(jpeg.data, jpeg.size, "a", 0, W, 3, CLADE_NEAREST, out),
                CLADE_EINVAL, "53×0");
    CHECK_FAILS(clade_image_decode(jpeg.data, jpeg.size, "a", H, W, 2, CLADE_NEAREST, out),
                CLADE_EINVAL, "2 channels");
    CHECK_FAILS(clade_image_decode(jpeg.data, jpeg.size, "a", H, W, 3, (clade_interpolation)3, out),
                CLADE_EINVAL, "a: unknown interpolation 3");
    CHECK_FAILS(clade_image_decode(jpeg.data, jpeg.size, "a", H, W, 3, CLADE_NEAREST, NULL),
                CLADE_EINVAL, "no place");
    CHECK_FAILS(clade_image_read("/nowhere/at/all.jpg", H, W, 3, CLADE_NEAREST, out), CLADE_EIO,
                "/nowhere/at/all.jpg");
    free(jpeg.data);
    free(progressive.data);
    free(png.data);
    free(rgb);
}

int main(void)
{
    test_jpeg();
    test_orientation();
    test_reduction();
    test_png();
    test_resize();
    test_antialias();
    test_scaled();
    test_warnings();
    test_end_marker();
    test_scans();
    test_coefficients();
    test_chunks();
    test_bad();
    return TEST_END();
}
