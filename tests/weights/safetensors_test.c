/* safetensors: what a good file gives, what is refused and how it is called, writing. */
#define _XOPEN_SOURCE 700
#include "weights/safetensors.h"
#include "weights/safetensors_name.h"
#include "../test.h"
#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Opens a file made of this header and `data` bytes 0, 1, 2… */
static clade_status open_made(const char *header, size_t data, clade_safetensors **file)
{
    static unsigned char bytes[65536];
    size_t n = strlen(header);
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)n >> (8 * i));
    memcpy(bytes + 8, header, n);
    for (size_t i = 0; i < data; i++) bytes[8 + n + i] = (unsigned char)i;
    return clade_safetensors_open_memory(bytes, 8 + n + data, "m.st", file);
}

static void check_bad(const char *header, size_t data, clade_status status, const char *part)
{
    clade_safetensors *file;
    CHECK_FAILS(open_made(header, data, &file), status, part);
    CHECK(file == NULL);
    clade_safetensors_destroy(&file);
}

#define T(name, dtype, shape, offsets)                                                             \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void check_good(void)
{
    clade_safetensors *file = NULL;
    CHECK_OK(open_made(
        "{\"__metadata__\":{\"k\":\"v\",\"e\":\"\"}," T("b", "U8", "[2,2]", "[4,8]") "," T(
            "a", "F32", "[]", "[0,4]") "," T("z", "I64", "[3,0]", "[4,4]") "}   \n",
        8, &file));
    if (!file) return;
    CHECK(clade_safetensors_count(file) == 3);
    CHECK(!strcmp(clade_safetensors_at(file, 0)->name, "b")); /* the header's order */
    const clade_safetensors_tensor *b = clade_safetensors_find(file, "b"),
                                   *a = clade_safetensors_find(file, "a");
    CHECK(b == clade_safetensors_at(file, 0) && a && !clade_safetensors_find(file, "c"));
    CHECK(b->dtype == CLADE_SAFETENSORS_U8 && b->rank == 2 && b->shape[1] == 2 && b->bytes == 4);
    CHECK(!memcmp(b->data, "\4\5\6\7", 4));
    CHECK(a && a->rank == 0 && a->bytes == 4);
    CHECK(clade_safetensors_find(file, "z")->bytes == 0);
    CHECK(clade_safetensors_metadata_count(file) == 2);
    CHECK(!strcmp(clade_safetensors_metadata(file, "k"), "v") &&
          !clade_safetensors_metadata(file, "x"));
    CHECK(!strcmp(clade_safetensors_metadata_at(file, 1).key, "e"));
    float x[4];
    CHECK_FAILS(clade_safetensors_floats(file, b, 4, x), CLADE_EFORMAT,
                "m.st: tensor 'b': expected floating-point");
    CHECK_FAILS(clade_safetensors_floats(file, a, 2, x), CLADE_EINVAL,
                "tensor 'a': 1 elements, expected 2");
    clade_safetensors_destroy(&file);
    CHECK(file == NULL);
    CHECK_OK(open_made("{}", 0, &file));
    CHECK(clade_safetensors_count(file) == 0 && !clade_safetensors_find(file, ""));
    clade_safetensors_destroy(&file);
}

static void check_refused(void)
{
    clade_safetensors *file;
    CHECK_FAILS(clade_safetensors_open_memory("1234567", 7, "m.st", &file), CLADE_EFORMAT,
                "m.st: not a safetensors");
    CHECK_FAILS(clade_safetensors_open_memory("\3\0\0\0\0\0\0\0{}", 10, "m.st", &file),
                CLADE_EFORMAT, "header of 3 bytes in a file of 10");
    CHECK_FAILS(
        clade_safetensors_open_memory("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, "m.st", &file),
        CLADE_EFORMAT, "header of 18446744073709551615 bytes");
    CHECK_FAILS(clade_safetensors_open_memory("\0\0\0\0\0\0\0\0", 8, "m.st", &file), CLADE_EFORMAT,
                "begin with {");
    CHECK_FAILS(clade_safetensors_open("none.st", &file), CLADE_EIO, "none.st");
    CHECK_FAILS(clade_safetensors_open(".", &file), CLADE_EIO, "not a regular file");
    check_bad("[]", 0, CLADE_EFORMAT, "does not begin with {");
    check_bad("{", 0, CLADE_EFORMAT, "not JSON");
    check_bad("{}x", 0, CLADE_EFORMAT, "continues after its end, at byte 2");
    check_bad("{\"\xff\":1}", 0, CLADE_EFORMAT, "UTF-8");
    check_bad("{\"\xed\xa0\x80\":1}", 0, CLADE_EFORMAT, "UTF-8");
    check_bad("{\"a\tb\":1}", 0, CLADE_EFORMAT, "control character");
    check_bad("{\"a\\u0000b\":1}", 0, CLADE_EFORMAT, "zero");
    check_bad("{\"a\":[[[[1]]]]}", 0, CLADE_EFORMAT, "too deep");
    check_bad("{\"a\":1}", 0, CLADE_EFORMAT, "tensor 'a': expected an object");
    check_bad("{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, CLADE_EFORMAT, "no dtype");
    check_bad("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, CLADE_EFORMAT, "no shape");
    check_bad("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, CLADE_EFORMAT, "data_offsets");
    check_bad("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1]}}", 4, CLADE_EFORMAT,
              "a second field 'dtype'");
    check_bad("{\"a\":{\"type\":\"F32\"}}", 4, CLADE_EFORMAT, "unknown field 'type'");
    check_bad("{" T("a", "F31", "[1]", "[0,4]") "}", 4, CLADE_EUNSUPPORTED,
              "tensor 'a': unknown dtype 'F31'");
    check_bad("{" T("a", "F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, CLADE_EUNSUPPORTED,
              "more than 8 dim");
    check_bad("{" T("a", "F32", "[-1]", "[0,4]") "}", 4, CLADE_EFORMAT, "whole numbers");
    check_bad("{" T("a", "F32", "[1.5]", "[0,4]") "}", 4, CLADE_EFORMAT, "whole numbers");
    check_bad("{" T("a", "F32", "[\"1\"]", "[0,4]") "}", 4, CLADE_EFORMAT, "whole numbers");
    check_bad("{" T("a", "F32", "[1e30]", "[0,4]") "}", 4, CLADE_EFORMAT, "whole numbers");
    check_bad("{" T("a", "F32", "[4294967296,4294967296,1]", "[0,4]") "}", 4, CLADE_EFORMAT,
              "larger than any");
    check_bad("{" T("a", "F32", "[1]", "[0,4,8]") "}", 4, CLADE_EFORMAT, "two whole numbers");
    check_bad("{" T("a", "F32", "[1]", "[0,8]") "}", 4, CLADE_EFORMAT,
              "bytes 0 to 8 of the data, which has 4");
    check_bad("{" T("a", "F32", "[1]", "[4,0]") "}", 4, CLADE_EFORMAT, "bytes 4 to 0");
    check_bad("{" T("a", "F32", "[2]", "[0,4]") "}", 4, CLADE_EFORMAT,
              "4 bytes, but its shape and dtype need 8");
    check_bad("{" T("a", "F32", "[1]", "[0,4]") "," T("b", "F32", "[1]", "[2,6]") "}", 6,
              CLADE_EFORMAT, "tensor 'b': overlaps");
    check_bad("{" T("a", "F32", "[1]", "[0,4]") "," T("b", "F32", "[1]", "[6,10]") "}", 10,
              CLADE_EFORMAT, "tensor 'b': there are bytes before it");
    check_bad("{" T("a", "F32", "[1]", "[0,4]") "}", 6, CLADE_EFORMAT,
              "2 bytes after the last tensor");
    check_bad("{" T("a", "F32", "[1]", "[0,4]") "," T("a", "F32", "[1]", "[4,8]") "}", 8,
              CLADE_EFORMAT, "tensor 'a': appears twice");
    check_bad("{\"__metadata__\":{\"a\":1}}", 0, CLADE_EFORMAT, "metadata 'a' is not a string");
    check_bad("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, CLADE_EFORMAT,
              "metadata 'a' appears twice");
    check_bad("{\"__metadata__\":{},\"__metadata__\":{}}", 0, CLADE_EFORMAT,
              "expected one '__metadata__'");
    check_bad("{\"__metadata__\":[]}", 0, CLADE_EFORMAT, "map of strings");
}

/* One tensor of `dtype` over these bytes, as float32. */
static float convert(clade_safetensors_dtype dtype, uint64_t bits)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(bits >> (8 * i));
    clade_safetensors_tensor tensor = {.name = "t", .dtype = dtype, .data = bytes};
    clade_safetensors *file = NULL;
    float x = -77;
    CHECK_OK(clade_safetensors_write("t.st", &tensor, 1, NULL, 0));
    CHECK_OK(clade_safetensors_open("t.st", &file));
    if (file) CHECK_OK(clade_safetensors_floats(file, clade_safetensors_at(file, 0), 1, &x));
    clade_safetensors_destroy(&file);
    return x;
}

static void check_floats(void)
{
    CHECK(convert(CLADE_SAFETENSORS_F32, 0x3fc00000) == 1.5f);
    CHECK(convert(CLADE_SAFETENSORS_BF16, 0xc040) == -3.0f);
    CHECK(convert(CLADE_SAFETENSORS_F64, 0x3fb999999999999a) == 0.1f);
    CHECK(convert(CLADE_SAFETENSORS_F16, 0x3c01) == 1.0f + 0x1p-10f);
    CHECK(convert(CLADE_SAFETENSORS_F16, 0xfbff) == -65504.0f);
    CHECK(convert(CLADE_SAFETENSORS_F16, 0x0001) == 0x1p-24f);
    CHECK(convert(CLADE_SAFETENSORS_F16, 0x03ff) == 0x3ffp-24f);
    CHECK(convert(CLADE_SAFETENSORS_F16, 0x7c00) == INFINITY);
    CHECK(isnan(convert(CLADE_SAFETENSORS_F16, 0x7e00)));
    CHECK(signbit(convert(CLADE_SAFETENSORS_F16, 0x8000)));
    CHECK(convert(CLADE_SAFETENSORS_F8_E5M2, 0x7b) == 57344.0f);
    CHECK(convert(CLADE_SAFETENSORS_F8_E5M2, 0x81) == -0x1p-16f);
    CHECK(convert(CLADE_SAFETENSORS_F8_E5M2, 0xfc) == -INFINITY);
    CHECK(convert(CLADE_SAFETENSORS_F8_E4M3, 0x7e) == 448.0f);
    CHECK(convert(CLADE_SAFETENSORS_F8_E4M3, 0xb8) == -1.0f);
    CHECK(convert(CLADE_SAFETENSORS_F8_E4M3, 0x01) == 0x1p-9f);
    CHECK(isnan(convert(CLADE_SAFETENSORS_F8_E4M3, 0xff)));
}

static void check_write(void)
{
    static const float w[6] = {1, 2, 3, 4, 5, 6};
    static const unsigned char odd[3] = {7, 8, 9};
    clade_safetensors_tensor t[] = {
        {.name = "z.weight", .dtype = CLADE_SAFETENSORS_F32, .rank = 2, .shape = {2, 3}, .data = w},
        {.name = "a\"\\\n\xc3\xa9",
         .dtype = CLADE_SAFETENSORS_U8,
         .rank = 1,
         .shape = {3},
         .data = odd},
        {.name = "empty", .dtype = CLADE_SAFETENSORS_F16, .rank = 2, .shape = {0, 5}},
    };
    clade_safetensors_pair pairs[] = {{"recipe", "a: 1\nb: [\"x\"]\n"}, {"classes", "cat,dog"}};
    clade_safetensors *file = NULL;
    void *bytes, *again;
    size_t size, size2;
    float x[6];
    CHECK_OK(clade_safetensors_write("w.st", t, 3, pairs, 2));
    CHECK_OK(clade_file_read("w.st", 1 << 20, &bytes, &size));
    CHECK(((unsigned char *)bytes)[0] % 64 == 56 && size % 64 == 27);
    CHECK_OK(clade_safetensors_write("w.st", t, 3, pairs, 2));
    CHECK_OK(clade_file_read("w.st", 1 << 20, &again, &size2));
    CHECK(size == size2 && !memcmp(bytes, again, size));
    CHECK_OK(clade_safetensors_open("w.st", &file));
    if (file) {
        for (size_t i = 0; i < 3; i++)
            CHECK(!strcmp(clade_safetensors_at(file, i)->name, t[i].name));
        CHECK_OK(clade_safetensors_floats(file, clade_safetensors_at(file, 0), 6, x));
        CHECK(!memcmp(x, w, sizeof w) && !memcmp(clade_safetensors_at(file, 1)->data, odd, 3));
        CHECK(clade_safetensors_at(file, 2)->bytes == 0 &&
              clade_safetensors_at(file, 2)->shape[1] == 5);
        CHECK(!strcmp(clade_safetensors_metadata(file, "recipe"), pairs[0].value));
    }
    clade_safetensors_destroy(&file);

    /* cut short anywhere, it is refused */
    for (size_t n = 0; n < size; n++)
        CHECK_FAILS(clade_safetensors_open_memory(bytes, n, "cut.st", &file), CLADE_EFORMAT,
                    "cut.st: ");
    free(bytes);
    free(again);

    t[1].name = "z.weight";
    CHECK_FAILS(clade_safetensors_write("v.st", t, 3, NULL, 0), CLADE_EINVAL,
                "v.st: two tensors have the name 'z.weight'");
    t[1].name = "__metadata__";
    CHECK_FAILS(clade_safetensors_write("v.st", t, 3, NULL, 0), CLADE_EINVAL, "cannot be a name");
    t[1].name = "\xff";
    CHECK_FAILS(clade_safetensors_write("v.st", t, 3, NULL, 0), CLADE_EINVAL, "cannot be a name");
    t[1].name = "b";
    t[1].shape[0] = -1;
    CHECK_FAILS(clade_safetensors_write("v.st", t, 3, NULL, 0), CLADE_EINVAL,
                "tensor 'b': dimension 0 is -1");
    pairs[1].key = "recipe";
    CHECK_FAILS(clade_safetensors_write("v.st", t, 1, pairs, 2), CLADE_EINVAL,
                "metadata 'recipe' appears twice");
    CHECK_FAILS(clade_safetensors_write("none/v.st", t, 1, NULL, 0), CLADE_EIO, "none/v.st");
    CHECK(access("v.st", F_OK) != 0);
}

/* The real ImageNet weights, where they are. */
static void check_real(const char *shared)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/weights/squeezenet1.1-full.safetensors", shared);
    if (access(path, R_OK)) return;
    clade_safetensors *file = NULL;
    CHECK_OK(clade_safetensors_open(path, &file));
    if (!file) return;
    const clade_safetensors_tensor *t = clade_safetensors_find(file, "squeezenet0_conv0_weight");
    static float x[1728];
    CHECK(clade_safetensors_count(file) == 52);
    CHECK(t && t->rank == 4 && t->shape[0] == 64 && t->shape[3] == 3 && t->bytes == 6912);
    CHECK_OK(clade_safetensors_floats(file, t, 1728, x));
    float largest = 0;
    for (int i = 0; i < 1728; i++) largest = fmaxf(largest, fabsf(x[i]));
    CHECK(largest > 0.01f && largest < 10);
    CHECK(!strcmp(clade_safetensors_metadata(file, "layout"), "NCHW"));
    clade_safetensors_destroy(&file);
}

/* The Unicode Standard's table 3-7: the first and last of each range of sequences, and what lies
 * beyond. */
static void check_utf8(void)
{
    static const char *const valid[] = {"",
                                        "\x01",
                                        "\x7f",
                                        "\xc2\x80",
                                        "\xdf\xbf",
                                        "\xe0\xa0\x80",
                                        "\xe0\xbf\xbf",
                                        "\xe1\x80\x80",
                                        "\xec\xbf\xbf",
                                        "\xed\x80\x80",
                                        "\xed\x9f\xbf",
                                        "\xee\x80\x80",
                                        "\xef\xbf\xbf",
                                        "\xf0\x90\x80\x80",
                                        "\xf0\xbf\xbf\xbf",
                                        "\xf1\x80\x80\x80",
                                        "\xf3\xbf\xbf\xbf",
                                        "\xf4\x80\x80\x80",
                                        "\xf4\x8f\xbf\xbf",
                                        "a\xc3\xa9z"};
    static const char *const broken[] = {
        "\x80",         "\xbf",          "\xc0\xaf",         "\xc1\xbf",         "\xc2",
        "\xc2\x7f",     "\xc2\xc0",      "\xe0\x9f\xbf",     "\xe0\xc0\x80",     "\xe1\x80",
        "\xe1\x80\x7f", "\xe1\x80\xc0",  "\xed\xa0\x80",     "\xef\xbf",         "\xf0\x8f\xbf\xbf",
        "\xf1\x80\x80", "\xf1\x80\x80z", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"};
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++)
        CHECK(clade_utf8_is_valid(valid[i], strlen(valid[i])));
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        CHECK(!clade_utf8_is_valid(broken[i], strlen(broken[i])));
    CHECK(!clade_utf8_is_valid("\xc2\x80", 1)); /* the size counts */
}

int main(void)
{
    char folder[] = "/tmp/clade-safetensors-XXXXXX";
    const char *shared = getenv("CLADE_SHARED");
    if (shared) check_real(shared);
    CHECK(mkdtemp(folder) && chdir(folder) == 0);
    check_utf8();
    check_good();
    check_refused();
    check_floats();
    check_write();
    CHECK_OK(clade_folder_remove(folder));
    return TEST_END();
}
