/* Archives that are hostile or odd: what unpacks without end, names that stand twice, encryption.
 */
#include "make.h"
#include "sets.h"

#include <stdlib.h>
#include <zlib.h>

/* A tar header: of a plain file, or of a link (of type '1', hard, or '2', symbolic). */
static void tar_link_header(uint8_t block[512], const char *name, unsigned long size, char type,
                            const char *link)
{
    memset(block, 0, 512);
    snprintf((char *)block, 100, "%s", name);
    memcpy(block + 100, "0000644\0000000000\0000000000", 24);
    snprintf((char *)block + 124, 12, "%011lo", size);
    memcpy(block + 136, "00000000000\0        ", 20);
    block[156] = (uint8_t)type;
    snprintf((char *)block + 157, 100, "%s", link);
    memcpy(block + 257, "ustar\00000", 8);
    unsigned sum = 0;
    for (int i = 0; i < 512; i++) sum += block[i];
    snprintf((char *)block + 148, 8, "%06o", sum);
}

static void tar_header(uint8_t block[512], const char *name, unsigned long size)
{
    tar_link_header(block, name, size, '0', "");
}

/* Adds bytes to a file of gzip members, `times` times. */
static void add_gzipped(FILE *file, const uint8_t *bytes, size_t size, int times)
{
    uint8_t *packed = malloc(size + 1024);
    z_stream z = {.next_in = (uint8_t *)bytes,
                  .avail_in = (unsigned)size,
                  .next_out = packed,
                  .avail_out = (unsigned)size + 1024};
    CHECK(packed && deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, 0) == Z_OK &&
          deflate(&z, Z_FINISH) == Z_STREAM_END);
    for (int i = 0; i < times; i++) CHECK(fwrite(packed, 1, z.total_out, file) == z.total_out);
    deflateEnd(&z);
    free(packed);
}

enum { piece = 16 << 20, pieces = 18 };

/* 288 MB in one entry of a tar.gz, which is no image: it is not to be passed over in one step.
 * Zeros are too much, in 300 kB; with noise ahead of them, in 6 MB, they are not. */
static void test_gzip_bomb(void)
{
    uint8_t *block = calloc(1, piece);
    for (int noise = 0; noise < 2; noise++) {
        FILE *file = fopen(path_of("bomb.tgz"), "wb");
        memset(block, 0, 512);
        tar_header(block, "a/notes.txt", (unsigned long)piece * pieces);
        add_gzipped(file, block, 512, 1);
        memset(block, 0, 512);
        unsigned state = 1;
        for (int i = 0; i < piece / 50 && noise; i++)
            block[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
        add_gzipped(file, block, piece, pieces);
        fclose(file);
        if (noise) {
            CHECK_FAILS(try_open(path_of("bomb.tgz")), CLADE_EINVAL, "contains no images");
            continue;
        }
        CHECK_FAILS(try_open(path_of("bomb.tgz")), CLADE_EUNSUPPORTED,
                    "unpacks to more than the limit, 256 MB above 100 times its size");
        CHECK(strstr(clade_error(), "bomb.tgz: a/notes.txt: ") != NULL);
    }
    free(block);
}

static uint32_t get_le(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_le(uint8_t *p, size_t value, int n)
{
    for (int i = 0; i < n; i++) p[i] = (uint8_t)(value >> 8 * i);
}

/* Makes of a zip with one entry one with it many times. */
static void repeat_entry(const char *path, size_t times)
{
    blob zip = read_blob(path);
    uint8_t *end = zip.data + zip.size - 22; /* the end record, without a comment */
    size_t entry = get_le(end + 16), line = get_le(end + 12);
    FILE *file = fopen(path, "wb");
    for (size_t i = 0; i < times; i++) CHECK(fwrite(zip.data, 1, entry, file) == entry);
    for (size_t i = 0; i < times; i++) { /* the directory */
        put_le(zip.data + entry + 42, i * entry, 4);
        CHECK(fwrite(zip.data + entry, 1, line, file) == line);
    }
    put_le(end + 8, times, 2);
    put_le(end + 10, times, 2);
    put_le(end + 12, times * line, 4);
    put_le(end + 16, times * entry, 4);
    CHECK(fwrite(end, 1, 22, file) == 22 && fclose(file) == 0);
    free(zip.data);
}

/* The same in a zip, whose entries are each compressed on their own. Of those that are no images
 * nothing is unpacked. */
static void test_zip_bomb(void)
{
    uint8_t *bytes = calloc(1, piece);
    for (int image = 0; image < 2; image++) {
        if (image) memcpy(bytes, "\xff\xd8\xff", 3);
        packed_file file = {"a/0.jpg", {bytes, piece}};
        const char *path = pack_files("bomb.zip", "zip", &file, 1);
        repeat_entry(path, pieces);
        if (image)
            CHECK_FAILS(try_open(path), CLADE_EUNSUPPORTED,
                        "a/0.jpg: unpacks to more than the limit, 256 MB above 100 times its size");
        else
            CHECK_FAILS(try_open(path), CLADE_EINVAL, "contains no images");
    }
    free(bytes);
}

/* Blank images compress well and are none the less sound: 36 MB of pixels in 200 kB. */
static void test_blank(void)
{
    uint8_t *rgb = calloc(1000 * 1000, 3);
    blob png = make_png(rgb, 1000, 1000, 2, 8, 0);
    packed_file files[12];
    char names[12][16];
    for (int i = 0; i < 12; i++) {
        snprintf(names[i], sizeof names[i], "%c/%d.png", 'a' + i % 2, i);
        files[i] = (packed_file){names[i], png};
    }
    clade_dataset *d = load((clade_data_options){
        .path = pack_files("blank.zip", "zip", files, 12), .height = 8, .width = 8});
    CHECK(d && count(d, CLADE_TRAIN) == 12);
    clade_dataset_destroy(&d);
    free(rgb);
    free(png.data);
}

/* A file larger than its image can need is not read: here a chunk that claims the rest. */
static void test_large_file(void)
{
    enum { size = 17 << 20 };
    uint8_t *rgb = make_rgb(9, 9, 0), *junk = calloc(1, size);
    blob small = make_png(rgb, 9, 9, 2, 8, 0);
    blob large = with_chunk(make_png(rgb, 9, 9, 2, 8, 0), png_header_end, "juNk", junk, size);
    put_file("large/a/0.png", small.data, small.size);
    put_file("large/b/0.png", small.data, small.size);
    put_file("large/b/1.png", large.data, large.size);
    const char *paths[2] = {path_of("large"), pack("large", "large.tar", "tar", "")};
    for (int i = 0; i < 2; i++) {
        clade_dataset *d = load((clade_data_options){.path = paths[i], .height = 8, .width = 8});
        CHECK(d && count(d, CLADE_TRAIN) == 2 && skips(d, "b/1.png", "more than 16777864"));
        clade_dataset_destroy(&d);
    }
    free(rgb);
    free(junk);
    free(small.data);
    free(large.data);
}

/* As when unpacked, the last file of a name counts; the others are listed. */
static void test_same_names(void)
{
    put_jpeg("1.jpg", 64, 64, 0);
    put_jpeg("2.jpg", 9, 9, 7);
    blob large = read_blob(path_of("1.jpg")), small = read_blob(path_of("2.jpg"));
    const packed_file files[] = {{"a/", {0}},          {"a/0.jpg", large}, {"b/0.jpg", small},
                                 {"./a/0.jpg", small}, {"a/", {0}},        {"../b/0.jpg", large}};
    uint8_t got[9 * 9 * 3], want[9 * 9 * 3];
    CHECK_OK(clade_image_read(path_of("2.jpg"), 9, 9, 3, CLADE_NEAREST, want));
    static const char *const formats[2] = {"zip", "tar"};
    for (int i = 0; i < 2; i++) {
        clade_data_options options = {
            .path = pack_files("same", formats[i], files, 6), .height = 9, .width = 9};
        clade_dataset *d = load(options);
        CHECK(d && count(d, CLADE_TRAIN) == 2 && clade_dataset_skipped(d) == 2);
        CHECK(d && skips(d, "a/0.jpg", "another file of this name later on") &&
              skips(d, "b/0.jpg", "leads outside the archive"));
        if (d) CHECK_OK(clade_dataset_pixels(d, CLADE_TRAIN, 0, got));
        CHECK(memcmp(got, want, sizeof got) == 0);
        clade_dataset_destroy(&d);
        options.strict = true;
        CHECK_FAILS(clade_dataset_open(&options, &d), CLADE_EFORMAT,
                    "a/0.jpg: the archive has another file of this name later on");
    }
    free(large.data);
    free(small.data);
}

/* Hard links are files of their own; those that lead to nothing, and other links, are listed. */
static void test_links(void)
{
    static const struct {
        const char *name;
        char type;
        const char *to; /* of a file: "" */
    } files[] = {{"a/0.jpg", '0', ""},
                 {"b/1.jpg", '1', "./a/0.jpg"},
                 {"b/2.jpg", '1', "b/1.jpg"},
                 {"b/early.jpg", '1', "b/late.jpg"},
                 {"b/late.jpg", '0', ""},
                 {"b/none.jpg", '1', "b/nowhere.jpg"},
                 {"b/out.jpg", '1', "../a/0.jpg"},
                 {"b/folder.jpg", '1', "b"},
                 {"b/soft.jpg", '2', "1.jpg"},
                 {"a/text.jpg", '0', ""},
                 {"b/text.jpg", '1', "a/text.jpg"}};
    put_jpeg("1.jpg", 64, 64, 0);
    blob jpeg = read_blob(path_of("1.jpg")), tar = {calloc(40, 4096), 0};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        blob content = strstr(files[i].name, "text") ? (blob){(uint8_t *)"text", 4} : jpeg;
        size_t size = files[i].type == '0' ? content.size : 0;
        tar_link_header(tar.data + tar.size, files[i].name, size, files[i].type, files[i].to);
        memcpy(tar.data + tar.size + 512, content.data, size);
        tar.size += 512 + (size + 511) / 512 * 512;
    }
    clade_dataset *d =
        load((clade_data_options){.path = put_file("links.tar", tar.data, tar.size + 1024),
                                  .height = 9,
                                  .width = 9,
                                  .max_damaged = 1});
    CHECK(d && count(d, CLADE_TRAIN) == 4 && clade_dataset_skipped(d) == 7);
    uint8_t got[9 * 9 * 3], want[9 * 9 * 3];
    CHECK_OK(clade_image_read(path_of("1.jpg"), 9, 9, 3, CLADE_NEAREST, want));
    for (size_t i = 0; d && i < count(d, CLADE_TRAIN); i++) {
        CHECK_OK(clade_dataset_pixels(d, CLADE_TRAIN, i, got));
        CHECK(memcmp(got, want, sizeof got) == 0);
    }
    static const char *const lost[] = {"b/early.jpg", "b/none.jpg", "b/out.jpg", "b/folder.jpg"};
    for (size_t i = 0; i < 4; i++)
        CHECK(d && skips(d, lost[i], "a hard link to a file that is not in the archive before it"));
    CHECK(d && skips(d, "b/soft.jpg", "a symbolic link"));
    CHECK(d && skips(d, "b/text.jpg", "not an image"));
    clade_dataset_destroy(&d);
    free(jpeg.data);
    free(tar.data);
}

/* An archive with a password, by the flags of its entries. */
static void test_encrypted(void)
{
    put_jpeg("secret/a/0.jpg", 9, 9, 0);
    put_jpeg("secret/b/0.jpg", 9, 9, 0);
    blob zip = read_blob(pack("secret", "secret.zip", "zip", ""));
    for (size_t i = 0; i + 10 < zip.size; i++) {
        if (!memcmp(zip.data + i, "PK\3\4", 4)) zip.data[i + 6] |= 1;
        if (!memcmp(zip.data + i, "PK\1\2", 4)) zip.data[i + 8] |= 1;
    }
    CHECK_FAILS(try_open(put_file("secret.zip", zip.data, zip.size)), CLADE_EUNSUPPORTED,
                "is encrypted: unpack the archive");
    free(zip.data);
}

/* Names that are marked as UTF-8, as Python's and Windows' tools do, in a program without a locale;
 * and one so marked that is none. */
static void test_marked_names(void)
{
    put_jpeg("marked/\xc3\xa4/0.jpg", 9, 9, 0);
    put_jpeg("marked/\xe6\x97\xa5/ö 1.jpg", 9, 9, 0);
    put_jpeg("marked/b/1.jpg", 9, 9, 0);
    put_jpeg("marked/b/none.jpg", 9, 9, 0);
    blob zip = read_blob(pack("marked", "marked.zip", "zip", ""));
    for (size_t i = 0; i + 10 < zip.size; i++) {
        if (!memcmp(zip.data + i, "PK\3\4", 4)) zip.data[i + 7] |= 8;
        if (!memcmp(zip.data + i, "PK\1\2", 4)) zip.data[i + 9] |= 8;
        if (!memcmp(zip.data + i, "none", 4)) zip.data[i] = 0xff;
    }
    clade_dataset *d = load(
        (clade_data_options){.path = put_file("marked.zip", zip.data, zip.size), .max_damaged = 1});
    CHECK(d && count(d, CLADE_TRAIN) == 3 && clade_dataset_classes(d) == 3);
    CHECK(d && !strcmp(clade_dataset_class_name(d, 1), "\xc3\xa4"));
    CHECK(d && clade_dataset_skipped(d) == 1);
    clade_dataset_destroy(&d);
    free(zip.data);
}

/* Adds a file to a tar archive. */
static void add_to_tar(FILE *file, const char *name, const void *bytes, size_t size)
{
    static const uint8_t zeros[1024];
    uint8_t header[512];
    tar_header(header, name, size);
    CHECK(fwrite(header, 1, sizeof header, file) == sizeof header);
    CHECK(fwrite(bytes, 1, size, file) == size);
    const size_t rest = (512 - size % 512) % 512;
    CHECK(fwrite(zeros, 1, rest, file) == rest);
}

/* The images of an archive without a data set. */
static void test_images(void)
{
    static const uint8_t end[1024];
    uint8_t *rgb = make_rgb(9, 12, 3), pixels[9 * 12 * 3];
    blob png = make_png(rgb, 9, 12, 2, 8, 0);
    const char *path = path_of("flat.tar");
    FILE *file = fopen(path, "wb");
    add_to_tar(file, "b/photo", png.data, png.size);
    add_to_tar(file, "a/notes.txt", "text", 4);
    add_to_tar(file, "a/broken.png", "text", 4);
    CHECK(fwrite(end, 1, sizeof end, file) == sizeof end && fclose(file) == 0);
    clade_archive *archive;
    CHECK_OK(clade_archive_open(path, &archive));
    if (archive) {
        size_t size = 0;
        bool named = false;
        CHECK(clade_archive_count(archive) == 3);
        CHECK(!strcmp(clade_archive_name(archive, 0), "a/broken.png"));
        CHECK(strstr(clade_archive_reason(archive, 0, &named), "not an image") && named);
        CHECK(strstr(clade_archive_reason(archive, 1, &named), "not an image") && !named);
        CHECK(!strcmp(clade_archive_name(archive, 2), "b/photo"));
        CHECK(!clade_archive_reason(archive, 2, NULL));
        const void *bytes = clade_archive_bytes(archive, 2, &size);
        CHECK(size == png.size && !memcmp(bytes, png.data, size));
        CHECK_OK(clade_image_decode(bytes, size, NULL, 9, 12, 3, CLADE_NEAREST, pixels));
        CHECK(!memcmp(pixels, rgb, sizeof pixels));
    }
    clade_archive_close(&archive);
    clade_archive_close(&archive);
    CHECK_FAILS(clade_archive_open(path_of("absent.zip"), &archive), CLADE_EIO, "absent.zip: ");
    CHECK_FAILS(clade_archive_open(put_file("photo.png", png.data, png.size), &archive),
                CLADE_EINVAL, "photo.png: not an archive");
    char text[300]; /* a tar archive says so at 257 */
    memset(text, 'a', sizeof text);
    CHECK_FAILS(clade_archive_open(put_file("long.txt", text, sizeof text), &archive), CLADE_EINVAL,
                "long.txt: not an archive");
    CHECK_FAILS(clade_archive_open(put_file("cut.zip", "PK\3\4\x14\0\0\0", 8), &archive),
                CLADE_EFORMAT, "cut.zip: ");
    CHECK(!archive);
    free(png.data);
    free(rgb);
}

int main(void)
{
    make_folder();
    test_gzip_bomb();
    test_zip_bomb();
    test_blank();
    test_large_file();
    test_same_names();
    test_links();
    test_encrypted();
    test_marked_names();
    test_images();
    drop_folder();
    return TEST_END();
}
