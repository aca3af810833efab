/* HEIC and AVIF: the pixels of a known picture within the codecs' loss, upright and not; files cut
 * short, damaged, and with absurd sizes. The images, which make_heif.py has made, lie in the folder
 * given. */
#include "make.h"

#include "../test.h"

#include <stdlib.h>

enum { most_height = 96, most_width = 100, loss = 8 };

static const char *folder;

static blob read_image(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return read_blob(path);
}

typedef enum pose { AS_IS, GREY, TURNED, MIRRORED } pose;

static const struct {
    const char *name;
    int height, width; /* upright */
    pose how;
} images[] = {
    {"heic", 48, 64, AS_IS},
    {"heic_10", 48, 64, AS_IS},
    {"heic_alpha", 48, 64, AS_IS},
    {"heic_grey", 48, 64, GREY},
    {"heic_mirrored", 64, 96, MIRRORED},
    {"heic_odd", 37, 51, AS_IS},
    {"heic_tiles", 90, 100, AS_IS},
    {"heic_turned", 96, 64, TURNED},
    {"avif", 48, 64, AS_IS},
    {"avif_12", 48, 64, AS_IS},
    {"avif_alpha", 48, 64, AS_IS},
    {"avif_grey", 48, 64, GREY},
    {"avif_odd", 37, 51, AS_IS},
    {"avif_sequence", 48, 64, AS_IS},
};

/* The picture of make_heif.py: red grows to the right, green downwards, blue not at all. */
static void picture_at(pose how, int height, int width, int y, int x, int rgb[3])
{
    const int columns = how == TURNED ? height : width, rows = how == TURNED ? width : height;
    const int column = how == TURNED ? columns - 1 - y : x;
    const int row = how == TURNED ? x : how == MIRRORED ? rows - 1 - y : y;
    rgb[0] = column * 255 / (columns - 1);
    rgb[1] = how == GREY ? rgb[0] : row * 255 / (rows - 1);
    rgb[2] = how == GREY ? rgb[0] : 127;
}

/* The largest difference from the picture. */
static int difference(pose how, int height, int width, const uint8_t *pixels)
{
    int most = 0;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int rgb[3];
            picture_at(how, height, width, y, x, rgb);
            for (int c = 0; c < 3; c++) {
                int d =
                    abs(pixels[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)c] - rgb[c]);
                most = d > most ? d : most;
            }
        }
    return most;
}

static void test_pixels(void)
{
    static uint8_t out[most_height * most_width * 3], grey[most_height * most_width];
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
        const int height = images[i].height, width = images[i].width;
        blob b = read_image(images[i].name);
        int32_t hwc[3] = {0};
        CHECK_OK(clade_image_size(b.data, b.size, images[i].name, hwc));
        CHECK(hwc[0] == height && hwc[1] == width && hwc[2] == 3);
        CHECK_OK(clade_image_decode(b.data, b.size, images[i].name, height, width, 3, CLADE_NEAREST,
                                    out));
        const int most = difference(images[i].how, height, width, out);
        if (most > loss) printf("%s: %d from the picture\n", images[i].name, most);
        CHECK(most <= loss);
        CHECK_OK(clade_image_decode(b.data, b.size, images[i].name, height, width, 1, CLADE_NEAREST,
                                    grey));
        const uint8_t *last = out + (size_t)(height * width - 1) * 3;
        CHECK(grey[height * width - 1] ==
              (last[0] * 19595 + last[1] * 38470 + last[2] * 7471 + 0x8000) >> 16);
        free(b.data);
    }
}

/* Cut short: refused, with a reason. */
static void test_cuts(void)
{
    uint8_t out[4 * 4 * 3];
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
        blob b = read_image(images[i].name);
        size_t wrong = 0;
        /* a sequence ends in its second frame */
        const size_t needed = strstr(images[i].name, "sequence") ? b.size * 7 / 8 : b.size;
        for (size_t n = 0; n < needed; n += n < 64 ? 1 : 7) {
            clade_status status = clade_image_decode(b.data, n, "a", 4, 4, 3, CLADE_NEAREST, out);
            wrong += status != CLADE_EFORMAT || strlen(clade_error()) < strlen("a: ") + 8;
        }
        if (wrong) printf("%s: %zu cuts\n", images[i].name, wrong);
        CHECK(wrong == 0);
        free(b.data);
    }
}

/* A flipped bit gives other pixels or a reason. */
static void test_damage(void)
{
    static const char *const names[] = {"heic_tiles", "avif_alpha"};
    uint8_t out[4 * 4 * 3];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        blob b = read_image(names[i]);
        size_t wrong = 0, refused = 0;
        for (size_t at = 0; at < b.size; at += 5) {
            b.data[at] ^= (uint8_t)(1 << at % 8);
            clade_status status =
                clade_image_decode(b.data, b.size, "a", 4, 4, 3, CLADE_NEAREST, out);
            wrong += status != CLADE_OK && status != CLADE_EFORMAT;
            refused += status == CLADE_EFORMAT;
            b.data[at] ^= (uint8_t)(1 << at % 8);
        }
        CHECK(wrong == 0 && refused > 10);
        free(b.data);
    }
}

/* Writes two numbers into the last box of a name. */
static void put_sizes(blob b, const char *box, size_t at, size_t bytes, uint32_t first,
                      uint32_t second)
{
    const uint32_t values[2] = {first, second};
    size_t start = 0;
    for (size_t i = 0; i + 4 < b.size; i++)
        if (!memcmp(b.data + i, box, 4)) start = i + 4 + at;
    for (size_t i = 0; i < 2 * bytes; i++)
        b.data[start + i] = (uint8_t)(values[i / bytes] >> 8 * (bytes - 1 - i % bytes));
}

static void test_bombs(void)
{
    static const struct {
        uint32_t width, height;
        const char *expected;
    } sizes[] = {
        {10000, 9000, "a: 10000×9000 pixels: 90 megapixels, more than 64"},
        {20000, 10, "a: 20000×10 pixels: a side of more than 16384"},
        {0, 64, "a: its header says 0×64 pixels"},
        {0x7fffffff, 0x7fffffff, "a: HEIC: "},
    };
    uint8_t out[3];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        blob b = read_image("heic_mirrored");
        put_sizes(b, "ispe", 4, 4, sizes[i].width, sizes[i].height);
        CHECK_FAILS(clade_image_decode(b.data, b.size, "a", 1, 1, 3, CLADE_NEAREST, out),
                    CLADE_EFORMAT, sizes[i].expected);
        free(b.data);
    }
    blob avif = read_image("avif");
    put_sizes(avif, "ispe", 4, 4, 40000, 1);
    CHECK_FAILS(clade_image_decode(avif.data, avif.size, "a", 1, 1, 3, CLADE_NEAREST, out),
                CLADE_EFORMAT, "a: AVIF: ");
    free(avif.data);
    /* tiles that make up an image of another size than the header says */
    static const struct {
        const char *bytes, *expected;
    } tiles[] = {
        {"\x30\0\x30\0", "Security limit exceeded"},
        {"\0\x60\0\x50", "a: HEIC: its pixels do not match its header"},
    };
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
        blob b = read_image("heic_tiles");
        for (size_t at = 0; at + 8 <= b.size; at++)
            if (!memcmp(b.data + at, "\0\0\1\1\0\x64\0\x5a", 8))
                memcpy(b.data + at + 4, tiles[i].bytes, 4);
        CHECK_FAILS(clade_image_decode(b.data, b.size, "a", 1, 1, 3, CLADE_NEAREST, out),
                    CLADE_EFORMAT, tiles[i].expected);
        free(b.data);
    }
}

/* By content, whatever the name; and by the name where a list of files is made. */
static void test_names(void)
{
    bool named = true;
    blob b = read_image("avif");
    make_folder();
    put_file("photo.jpg", b.data, b.size);
    put_file("photo.HEIC", b.data, b.size);
    put_file("photo.txt", b.data, b.size);
    CHECK_OK(clade_image_recognize(path_of("photo.jpg"), &named));
    CHECK_OK(clade_image_recognize(path_of("photo.txt"), &named));
    CHECK(!named);
    CHECK_OK(clade_image_recognize(path_of("photo.HEIC"), &named));
    CHECK(named);
    memcpy(b.data + 4, "ftypmp42", 8);
    uint8_t out[3];
    CHECK_FAILS(clade_image_decode(b.data, b.size, "a", 1, 1, 3, CLADE_NEAREST, out), CLADE_EFORMAT,
                "a: not an image");
    drop_folder();
    free(b.data);
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    folder = argv[1];
    test_pixels();
    test_cuts();
    test_damage();
    test_bombs();
    test_names();
    return TEST_END();
}
