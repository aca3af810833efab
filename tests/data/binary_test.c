/* The binary sets, CIFAR and IDX: what is read, and what is incomplete or odd. */
#define _POSIX_C_SOURCE 200809L
#include "make.h"
#include "sets.h"

#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

/* `n` CIFAR records with `labels` bytes of label each; the pixel at (plane c, i) is c + i + number.
 */
static void put_cifar(const char *name, int n, int labels, int classes, int first)
{
    size_t stride = (size_t)labels + 3072;
    uint8_t *bytes = calloc((size_t)n, stride);
    for (int k = 0; k < n; k++) {
        uint8_t *p = bytes + (size_t)k * stride;
        p[0] = 99; /* a coarse label that must not be used; overwritten when there is only one */
        p[labels - 1] = (uint8_t)(k % classes);
        for (int i = 0; i < 3072; i++)
            p[labels + i] = (uint8_t)(i / 1024 * 50 + i % 1024 + first + k);
    }
    put_file(name, bytes, (size_t)n * stride);
    free(bytes);
}

/* A file of `n` CIFAR records of a byte of label each, without its pixels on disk: label 1, then 0.
 */
static void put_hollow(const char *name, long n)
{
    const char *path = put_file(name, "\1", 1);
    CHECK(truncate(path, n * 3073) == 0);
}

/* Beside a file that is as long as published, one that is shorter may be cut. */
static void test_cut(void)
{
    char name[64];
    for (int i = 1; i <= 5; i++) {
        snprintf(name, sizeof name, "cut/data_batch_%d.bin", i);
        put_hollow(name, i == 3 ? 9999 : 10000);
    }
    put_hollow("cut/test_batch.bin", 10000);
    put_file("cut/batches.meta.txt", "plane\ncar\n", 10);
    for (int cut = 1; cut >= 0; cut--) {
        clade_dataset *d = NULL;
        CHECK_OK(clade_dataset_open(&(clade_data_options){.path = path_of("cut")}, &d));
        CHECK(d && clade_dataset_skipped(d) == (size_t)cut);
        if (d && cut)
            CHECK(skips(d, "data_batch_3.bin",
                        "9999 images, but 10000 as published: it may have been"));
        clade_dataset_destroy(&d);
        put_hollow("cut/data_batch_3.bin", 10000);
    }
}

static void test_cifar(void)
{
    char name[64];
    put_cifar("c10/cifar-10-batches-bin/data_batch_1.bin", 6, 1, 3, 0);
    put_cifar("c10/cifar-10-batches-bin/data_batch_2.bin", 9, 1, 3, 6);
    for (int i = 3; i <= 5; i++) {
        snprintf(name, sizeof name, "c10/cifar-10-batches-bin/data_batch_%d.bin", i);
        put_cifar(name, 3, 1, 3, 0);
    }
    put_cifar("c10/cifar-10-batches-bin/test_batch.bin", 3, 1, 3, 90);
    put_file("c10/cifar-10-batches-bin/batches.meta.txt", "plane\ncar\r\nape\n\n", 16);
    put_file("c10/cifar-10-batches-bin/readme.html", "x", 1);
    put_cifar("c10/cifar-10-batches-bin/data_batch_6.bin", 3, 1, 3, 0);
    put_cifar("c10/old/data_batch_1.bin", 3, 1, 3, 0);
    const char *paths[2] = {path_of("c10"), pack("c10", "c10.tar.gz", "tar.gz", "")};
    for (int k = 0; k < 2; k++) {
        clade_dataset *d = NULL;
        CHECK_OK(clade_dataset_open(&(clade_data_options){.path = paths[k]}, &d));
        for (int loaded = 0; d && loaded < 2; loaded++) {
            if (loaded) CHECK_OK(clade_dataset_load(d, NULL, NULL));
            int32_t hwc[3];
            clade_dataset_shape(d, hwc);
            CHECK(hwc[0] == 32 && hwc[1] == 32 && hwc[2] == 3);
            CHECK(count(d, CLADE_TRAIN) == 24 && count(d, CLADE_VALIDATION) == 3 &&
                  clade_dataset_classes(d) == 3);
            CHECK(!strcmp(clade_dataset_class_name(d, 1), "car") &&
                  !strcmp(clade_dataset_class_name(d, 2), "ape"));
            CHECK(clade_dataset_label(d, CLADE_TRAIN, 8) == 2);
            CHECK(!strcmp(clade_dataset_name(d, CLADE_TRAIN, 8),
                          "cifar-10-batches-bin/data_batch_2.bin:2"));
            CHECK(skips(d, "cifar-10-batches-bin/readme.html", "not a part"));
            CHECK(skips(d, "cifar-10-batches-bin/data_batch_6.bin", "not a part"));
            CHECK(skips(d, "old/data_batch_1.bin", "not one of the files of the set"));
            uint8_t p[3072];
            CHECK_OK(clade_dataset_pixels(d, CLADE_TRAIN, 8, p));
            int wrong = 0;
            for (int i = 0; i < 1024; i++)
                for (int c = 0; c < 3; c++) wrong += p[3 * i + c] != (uint8_t)(50 * c + i + 6 + 2);
            CHECK(wrong == 0);
        }
        clade_dataset_destroy(&d);
    }
    CHECK_FAILS(try_open(path_of("c10/cifar-10-batches-bin/test_batch.bin")), CLADE_EINVAL,
                "pass the folder");
    put_cifar("c10/cifar-10-batches-bin/data_batch_2.bin", 9, 1, 4, 6);
    CHECK_FAILS(try_open(path_of("c10")), CLADE_EFORMAT, "record 3 has label 3 of 3");
    put_file("c10/cifar-10-batches-bin/data_batch_2.bin", "abc", 3);
    CHECK_FAILS(try_open(path_of("c10")), CLADE_EFORMAT, "data_batch_2.bin: 3 bytes");
    CHECK_FAILS(try_open(path_of("c10")), CLADE_EFORMAT, "data_batch_2.bin: 3 bytes");
    blob batch = read_blob(path_of("c10/cifar-10-batches-bin/data_batch_1.bin"));
    put_file("c10/cifar-10-batches-bin/data_batch_2.bin", batch.data, batch.size - 1);
    free(batch.data);
    CHECK_FAILS(try_open(path_of("c10")), CLADE_EFORMAT, "18437 bytes: not a whole number");
    remove(path_of("c10/cifar-10-batches-bin/data_batch_2.bin"));
    CHECK_FAILS(try_open(path_of("c10")), CLADE_EFORMAT, "data_batch_2.bin of CIFAR-10 is missing");
    put_cifar("c10/cifar-10-batches-bin/data_batch_2.bin", 9, 1, 3, 6);
    remove(path_of("c10/cifar-10-batches-bin/test_batch.bin"));
    CHECK_FAILS(try_open(path_of("c10")), CLADE_EFORMAT, "test_batch.bin of CIFAR-10 is missing");
    put_cifar("c10/cifar-10-batches-bin/test_batch.bin", 3, 1, 3, 90);
    put_file("c10/cifar-10-batches-bin/batches.meta.txt", "ape\ncar\nape\n", 12);
    CHECK_FAILS(try_open(path_of("c10")), CLADE_EFORMAT, "classes 0 and 2 are both called 'ape'");
    remove(path_of("c10/cifar-10-batches-bin/batches.meta.txt"));
    CHECK_FAILS(try_open(path_of("c10")), CLADE_EFORMAT, "batches.meta.txt of CIFAR-10 is missing");
}

static void test_cifar100(void)
{
    put_cifar("c100/train.bin", 8, 2, 4, 0);
    put_cifar("c100/test.bin", 4, 2, 4, 0);
    put_file("c100/fine_label_names.txt", "a\nb\nc\nd", 7);
    clade_dataset *d = load((clade_data_options){.path = path_of("c100"), .channels = 1});
    CHECK(d && count(d, CLADE_TRAIN) == 8 && count(d, CLADE_VALIDATION) == 4 &&
          clade_dataset_classes(d) == 4);
    CHECK(d && clade_dataset_label(d, CLADE_TRAIN, 6) == 2);
    clade_dataset_destroy(&d);
    remove(path_of("c100/test.bin"));
    CHECK_FAILS(try_open(path_of("c100")), CLADE_EFORMAT, "test.bin of CIFAR-100 is missing");
    put_cifar("c100/test.bin", 4, 2, 4, 0);
    remove(path_of("c100/train.bin"));
    CHECK_FAILS(try_open(path_of("c100")), CLADE_EFORMAT, "train.bin of CIFAR-100 is missing");
    put_cifar("c100/train.bin", 8, 2, 4, 0);
    put_file("c100/fine_label_names.txt", "a\nb\na\nd", 7);
    CHECK_FAILS(try_open(path_of("c100")), CLADE_EFORMAT, "classes 0 and 2 are both called 'a'");
}

static void put_idx(const char *name, int dims, int n, int classes)
{
    uint8_t bytes[16 + 20 * 12] = {0, 0, 8, (uint8_t)dims, 0, 0, 0, (uint8_t)n, 0, 0, 0, 3, 0,
                                   0, 0, 4};
    int start = 4 + 4 * dims, each = dims == 3 ? 12 : 1;
    for (int i = 0; i < n * each; i++) bytes[start + i] = (uint8_t)(dims == 3 ? i : i % classes);
    put_file(name, bytes, (size_t)(start + n * each));
}

static const char *with_gz(const char *name)
{
    static char text[64];
    snprintf(text, sizeof text, "%s.gz", name);
    return path_of(text);
}

/* Replaces a file by the same gzipped. */
static void gzip(const char *name)
{
    blob b = read_blob(path_of(name));
    gzFile out = gzopen(with_gz(name), "wb");
    CHECK(out && gzwrite(out, b.data, (unsigned)b.size) == (int)b.size && gzclose(out) == Z_OK);
    free(b.data);
    remove(path_of(name));
}

static void test_idx(void)
{
    put_idx("mnist/raw/train-images-idx3-ubyte", 3, 10, 0);
    put_idx("mnist/raw/train-labels-idx1-ubyte", 1, 10, 5);
    put_idx("mnist/raw/t10k-images.idx3-ubyte", 3, 5, 0);
    put_idx("mnist/raw/t10k-labels.idx1-ubyte", 1, 5, 5);
    const char *paths[2] = {path_of("mnist"), pack("mnist", "mnist.zip", "zip", "")};
    for (int k = 0; k < 2; k++) {
        clade_dataset *d = NULL;
        CHECK_OK(clade_dataset_open(&(clade_data_options){.path = paths[k]}, &d));
        for (int loaded = 0; d && loaded < 2; loaded++) {
            if (loaded) CHECK_OK(clade_dataset_load(d, NULL, NULL));
            int32_t hwc[3];
            clade_dataset_shape(d, hwc);
            CHECK(hwc[0] == 3 && hwc[1] == 4 && hwc[2] == 1);
            CHECK(count(d, CLADE_TRAIN) == 10 && count(d, CLADE_VALIDATION) == 5 &&
                  clade_dataset_classes(d) == 5);
            CHECK(!strcmp(clade_dataset_class_name(d, 4), "4") &&
                  clade_dataset_label(d, CLADE_TRAIN, 7) == 2);
            uint8_t p[12];
            CHECK_OK(clade_dataset_pixels(d, CLADE_TRAIN, 7, p));
            CHECK(p[0] == 84 && p[11] == 95);
        }
        clade_dataset_destroy(&d);
    }
    /* a gzipped file, as published, and beside it one that is not read */
    gzip("mnist/raw/train-labels-idx1-ubyte");
    put_idx("mnist/raw/train-images-idx3-ubyte.gz", 3, 10, 0);
    clade_dataset *d = load(
        (clade_data_options){.path = path_of("mnist"), .height = 6, .width = 8, .channels = 3});
    CHECK(d && count(d, CLADE_TRAIN) == 10);
    CHECK(d && skips(d, "raw/train-images-idx3-ubyte.gz", "not one of the files of the set"));
    uint8_t p[6 * 8 * 3];
    if (d) CHECK_OK(clade_dataset_pixels(d, CLADE_TRAIN, 7, p));
    CHECK(d && p[0] == 84 && p[1] == 84 && p[2] == 84 && p[6 * 8 * 3 - 1] == 95);
    clade_dataset_destroy(&d);
    put_idx("mnist/raw/train-labels-idx1-ubyte", 1, 9, 5);
    CHECK_FAILS(try_open(path_of("mnist")), CLADE_EFORMAT, "10 images in");
}

static void test_odd_idx(void)
{
    static const char *const images = "odd/train-images-idx3-ubyte",
                             *const labels = "odd/train-labels-idx1-ubyte";
    put_idx(images, 3, 10, 0);
    CHECK_FAILS(try_open(path_of("odd")), CLADE_EINVAL, "no labels beside train-images");
    put_idx(labels, 1, 10, 5);
    remove(path_of(images));
    CHECK_FAILS(try_open(path_of("odd")), CLADE_EINVAL, "no images beside train-labels");
    put_idx(images, 3, 10, 0);
    put_idx("odd/t10k-labels-idx1-ubyte", 1, 10, 5);
    CHECK_FAILS(try_open(path_of("odd")), CLADE_EINVAL, "no images beside t10k-labels");
    put_idx("odd/t10k-images-idx3-ubyte", 3, 10, 0);
    put_idx("odd/t10k-labels-idx1-ubyte", 1, 10, 6); /* classes that are not trained on */
    CHECK_FAILS(try_open(path_of("odd")), CLADE_EFORMAT, "has label 5 of 5 classes");
    put_idx("odd/t10k-labels-idx1-ubyte", 1, 10, 5);
    CHECK_OK(try_open(path_of("odd")));
    /* each file a byte too long or too short, also gzipped */
    static const char *const names[] = {"odd/train-images-idx3-ubyte",
                                        "odd/train-labels-idx1-ubyte"};
    for (int i = 0; i < 2; i++) {
        blob b = read_blob(path_of(names[i]));
        b.data[b.size] = 0; /* it has room for one more */
        for (int packed = 0; packed < 2; packed++)
            for (int longer = 0; longer < 2; longer++) {
                put_file(names[i], b.data, longer ? b.size + 1 : b.size - 1);
                if (packed) gzip(names[i]);
                CHECK_FAILS(try_open(path_of("odd")), CLADE_EFORMAT,
                            longer ? "longer than the" : "shorter than the");
                CHECK(strstr(clade_error(), names[i] + 4) != NULL);
            }
        remove(with_gz(names[i]));
        put_file(names[i], b.data, b.size);
        free(b.data);
    }
    put_file(images, "\0\0\x0d\3\0\0\0\1\0\0\0\1\0\0\0\1", 16);
    CHECK_FAILS(try_open(path_of("odd")), CLADE_EFORMAT, "not an IDX file");
    put_file(images, "\0\0\x08\3\x80\0\0\0\x80\0\0\0\0\0\0\4", 16); /* 2^64 */
    CHECK_FAILS(try_open(path_of("odd")), CLADE_EFORMAT, "says more than 1073741824 bytes");
    put_file(labels, "\0\0\x08\1\0\0\0\0", 8);
    put_file(images, "\0\0\x08\3\0\0\0\0\0\0\0\3\0\0\0\4", 16);
    CHECK_FAILS(try_open(path_of("odd")), CLADE_EFORMAT, "no labels");
}

int main(void)
{
    make_folder();
    test_cifar();
    test_cut();
    test_cifar100();
    test_idx();
    test_odd_idx();
    drop_folder();
    return TEST_END();
}
