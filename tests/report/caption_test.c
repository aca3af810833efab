/* Captions of images: what stands below them is read letter by letter, as it is after JPEG. */
#define _XOPEN_SOURCE 700
#include "../test.h"

#include "base/file.h"
#include "report/caption.h"
#include "report/jpeg.h"

#include <clade/data.h>
#include <clade/report.h>

#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>
#include <unistd.h>

enum { edge = 3, letter = CLADE_CAPTION_COLUMNS + 1 };

/* A captioned image, and the side of its letters' pixels. */
typedef struct decoded_image {
    uint8_t *rgb;
    int32_t hwc[3], dot;
} decoded_image;

static void write_bytes(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, size, file) == size);
    if (file) fclose(file);
}

/* An image of one colour, as a JPEG. */
static void make_image(const char *path, int32_t height, int32_t width)
{
    const size_t size = 3 * (size_t)height * (size_t)width;
    uint8_t *pixels = malloc(size);
    unsigned char *bytes = NULL;
    unsigned long length = 0;
    void *encoder = NULL;
    for (size_t i = 0; i < size; i++) pixels[i] = (uint8_t[]){200, 100, 60}[i % 3];
    CHECK_OK(
        clade_jpeg_encode(&encoder, &(clade_pixels){pixels, height, width, 3}, &bytes, &length));
    write_bytes(path, bytes, length);
    tjFree(bytes);
    tjDestroy(encoder);
    free(pixels);
}

static decoded_image read_image(const char *path)
{
    static uint8_t bytes[1 << 20];
    decoded_image p = {0};
    FILE *file = fopen(path, "rb");
    CHECK(file);
    size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file) fclose(file);
    CHECK_OK(clade_image_size(bytes, size, path, p.hwc));
    p.rgb = calloc(3 * (size_t)p.hwc[0], (size_t)p.hwc[1]);
    CHECK_OK(clade_image_decode(bytes, size, path, p.hwc[0], p.hwc[1], 3, CLADE_NEAREST, p.rgb));
    p.dot = p.hwc[1] < 480 ? 1 : p.hwc[1] / 240;
    return p;
}

static bool is_lit(const decoded_image *p, int32_t y, int32_t x)
{
    return p->rgb[3 * ((size_t)y * (size_t)p->hwc[1] + (size_t)x)] > 128;
}

/* The letter whose left edge is at x; '#' is what stands for those that are not ASCII, 0 none. */
static char letter_at(const decoded_image *p, int32_t x)
{
    const int32_t top = p->hwc[0] - (CLADE_CAPTION_ROWS + edge) * p->dot;
    for (int g = 0; g < CLADE_CAPTION_GLYPHS; g++) {
        bool same = true;
        for (int32_t row = 0; row < CLADE_CAPTION_ROWS && same; row++)
            for (int32_t k = 0; k < CLADE_CAPTION_COLUMNS && same; k++)
                same = is_lit(p, top + row * p->dot + p->dot / 2, x + k * p->dot + p->dot / 2) ==
                       (clade_caption_font[g][row] >> (CLADE_CAPTION_COLUMNS - 1 - k) & 1);
        if (same) return g == CLADE_CAPTION_GLYPHS - 1 ? '#' : (char)(' ' + g);
    }
    return 0;
}

/* What a caption says from the left, and to the right. */
static void check_text(const decoded_image *p, const char *left, const char *right)
{
    char text[256] = "", end[64] = "";
    for (size_t i = 0; i < strlen(left); i++)
        text[i] = letter_at(p, (edge + (int32_t)i * letter) * p->dot);
    for (size_t i = 0, n = strlen(right); i < n; i++)
        end[i] = letter_at(p, p->hwc[1] - (edge - 1 + (int32_t)(n - i) * letter) * p->dot);
    CHECK(!strcmp(text, left));
    CHECK(!strcmp(end, right));
}

static decoded_image captioned(const char *image, const char *label, const char *value)
{
    const clade_caption caption = {.name = image, .label = label, .value = value};
    CHECK_OK(clade_caption_write(&caption, "out.jpg"));
    return read_image("out.jpg");
}

static void check_captions(void)
{
    make_image("small.jpg", 40, 48);
    decoded_image p = captioned("small.jpg", "jigsaw", "97.3 %");
    CHECK(p.hwc[0] == 120 + CLADE_CAPTION_ROWS + 2 * edge && p.hwc[1] == 160);
    check_text(&p, "jigsaw", "97.3 %");
    const uint8_t *middle = p.rgb + 3 * (60 * 160 + 80);
    CHECK(abs(middle[0] - 200) < 4 && abs(middle[1] - 100) < 4 && abs(middle[2] - 60) < 4);
    CHECK(!is_lit(&p, 60, 7) && is_lit(&p, 60, 8) && is_lit(&p, 60, 151) && !is_lit(&p, 60, 152));
    free(p.rgb);
    /* 160 pixels are 25 letters, of which the value and a gap take 7 */
    p = captioned("small.jpg", "a name that is too long for it", "97.3 %");
    check_text(&p, "a name that is t..", "97.3 %");
    free(p.rgb);
    p = captioned("small.jpg", "Kr\xc3\xb6te \xff!", "1");
    check_text(&p, "Kr#te #!", "1");
    free(p.rgb);
    make_image("large.jpg", 300, 4096);
    p = captioned("large.jpg", "wide", "1 %");
    CHECK(p.hwc[0] == 150 + (CLADE_CAPTION_ROWS + 2 * edge) * 8 && p.hwc[1] == 2048);
    check_text(&p, "wide", "1 %");
    free(p.rgb);
}

/* An image in memory needs no file; what is none is said by its name. */
static void check_bytes(void)
{
    static uint8_t bytes[1 << 16];
    FILE *file = fopen("small.jpg", "rb");
    CHECK(file);
    if (!file) return;
    clade_caption caption = {.bytes = bytes, .name = "standard input", .label = "a", .value = "b"};
    caption.size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    CHECK_OK(clade_caption_write(&caption, "bytes.jpg"));
    decoded_image p = read_image("bytes.jpg");
    check_text(&p, "a", "b");
    free(p.rgb);
    caption.size = 20;
    CHECK_FAILS(clade_caption_write(&caption, "none.jpg"), CLADE_EFORMAT, "standard input");
    caption.bytes = NULL;
    caption.name = "no/such.jpg";
    CHECK_FAILS(clade_caption_write(&caption, "none.jpg"), CLADE_EIO, "no/such.jpg");
    CHECK(access("none.jpg", F_OK) != 0);
}

int main(void)
{
    char folder[] = "/tmp/clade-caption-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder)) return 2;
    check_captions();
    check_bytes();
    CHECK_OK(clade_folder_remove(folder));
    return TEST_END();
}
