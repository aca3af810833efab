/* Data sets: layouts, archives, splits, the cache, and what is refused or left out. */
#define _XOPEN_SOURCE 700
#include "make.h"

#include "../test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

/* Opens and loads; NULL after a failure, which CHECK_OK has reported. */
static clade_dataset *load(clade_data_options options)
{
    clade_dataset *d = NULL;
    if (options.height == 0) options.height = options.width = 16;
    CHECK_OK(clade_dataset_open(&options, &d));
    if (!d) return NULL;
    CHECK_OK(clade_dataset_load(d, NULL, NULL));
    return d;
}

static clade_status try_open(clade_data_options options)
{
    clade_dataset *d = NULL;
    clade_status status = clade_dataset_open(&options, &d);
    if (!status) status = clade_dataset_load(d, NULL, NULL);
    clade_dataset_destroy(&d);
    return status;
}

/* A number for all names, labels and pixels of a data set in their order. */
static uint64_t fingerprint(const clade_dataset *d)
{
    uint64_t h = 0xcbf29ce484222325u;
    int32_t hwc[3];
    clade_dataset_shape(d, hwc);
    size_t size = (size_t)(hwc[0] * hwc[1] * hwc[2]);
    uint8_t *pixels = malloc(size);
    for (int s = 0; s < CLADE_SPLITS; s++) {
        for (size_t i = 0; i < clade_dataset_count(d, (clade_split)s); i++) {
            CHECK_OK(clade_dataset_pixels(d, (clade_split)s, i, pixels));
            h = (h ^ (uint64_t)(clade_dataset_label(d, (clade_split)s, i) + 10 * s)) *
                0x100000001b3u;
            for (size_t k = 0; k < size; k++) h = (h ^ pixels[k]) * 0x100000001b3u;
        }
    }
    free(pixels);
    return h;
}

static int skips(const clade_dataset *d, const char *name, const char *reason)
{
    for (size_t i = 0; i < clade_dataset_skipped(d); i++)
        if (!strcmp(clade_dataset_skipped_name(d, i), name) &&
            strstr(clade_dataset_skipped_reason(d, i), reason))
            return 1;
    return 0;
}

static size_t count(const clade_dataset *d, clade_split split)
{
    return clade_dataset_count(d, split);
}

static void test_classes(void)
{
    char name[64];
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "plain/%s/%02d.jpg",
                 i % 3 == 0   ? "b cat"
                 : i % 3 == 1 ? "Zebra"
                              : "ant",
                 i);
        put_jpeg(name, 20, 30 + i, i);
    }
    clade_dataset *d = load((clade_data_options){.path = path_of("plain"), .threads = 2});
    if (!d) return;
    CHECK(clade_dataset_classes(d) == 3);
    CHECK(!strcmp(clade_dataset_class_name(d, 0), "Zebra")); /* byte order */
    CHECK(!strcmp(clade_dataset_class_name(d, 1), "ant") &&
          !strcmp(clade_dataset_class_name(d, 2), "b cat"));
    CHECK(!clade_dataset_class_name(d, 3));
    CHECK(count(d, CLADE_TRAIN) == 12 && count(d, CLADE_VALIDATION) == 0);
    CHECK(clade_dataset_class_count(d, CLADE_TRAIN, 1) == 4 && clade_dataset_skipped(d) == 0);
    CHECK(clade_dataset_label(d, CLADE_TRAIN, 0) == 0);
    CHECK(!strcmp(clade_dataset_name(d, CLADE_TRAIN, 0), "Zebra/01.jpg"));
    CHECK(!strcmp(clade_dataset_name(d, CLADE_TRAIN, 11), "b cat/09.jpg"));
    /* the pixels are those of the image alone */
    uint8_t a[16 * 16 * 3], b[16 * 16 * 3];
    CHECK_OK(clade_dataset_pixels(d, CLADE_TRAIN, 11, a));
    CHECK_OK(clade_image_read(path_of("plain/b cat/09.jpg"), 16, 16, 3, CLADE_NEAREST, b));
    CHECK(memcmp(a, b, sizeof a) == 0);
    CHECK_FAILS(clade_dataset_pixels(d, CLADE_TRAIN, 12, a), CLADE_EINVAL, "no image 12");
    clade_dataset_destroy(&d);
    CHECK(d == NULL);
    clade_dataset_destroy(&d);

    /* sizes: of the first image; grey */
    clade_data_options options = {.path = path_of("plain"), .channels = 1};
    CHECK_OK(clade_dataset_open(&options, &d));
    int32_t hwc[3];
    clade_dataset_shape(d, hwc);
    CHECK(hwc[0] == 20 && hwc[1] == 31 && hwc[2] == 1);
    clade_dataset_destroy(&d);
}

/* train, validation and test in any spelling, below wrapping folders, in every kind of archive. */
static void test_layouts(void)
{
    for (int i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "splits/Training_Set/%s/%d.jpg", i & 1 ? "dogs" : "cats", i);
        put_jpeg(name, 24, 24, i);
        snprintf(name, sizeof name, "splits/VAL/%s/deep/%d.jpg", i & 1 ? "dogs" : "cats", i);
        put_jpeg(name, 24, 24, 10 + i);
    }
    put_jpeg("splits/test/cats/0.jpg", 24, 24, 20);
    put_jpeg("splits/test/dogs/0.jpg", 24, 24, 21);
    put_jpeg("splits/other/x.jpg", 24, 24, 22);
    put_jpeg("splits/VAL/stray.jpg", 24, 24, 22);
    put_file("splits/readme.txt", "hello", 5);
    put_file("splits/.DS_Store", "x", 1);
    put_file("splits/__MACOSX/Training_Set/cats/._0.jpg", "x", 1);
    put_file("splits/test/Thumbs.db", "x", 1);

    clade_dataset *d = load((clade_data_options){.path = path_of("splits")});
    if (!d) return;
    uint64_t all = fingerprint(d);
    CHECK(count(d, CLADE_TRAIN) == 4 && count(d, CLADE_VALIDATION) == 4 &&
          count(d, CLADE_TEST) == 2);
    CHECK(clade_dataset_classes(d) == 2 && !strcmp(clade_dataset_class_name(d, 1), "dogs"));
    CHECK(clade_dataset_skipped(d) == 3);
    CHECK(skips(d, "other/x.jpg", "not in the folder of a split"));
    CHECK(skips(d, "VAL/stray.jpg", "not in the folder of a class"));
    CHECK(skips(d, "readme.txt", "not an image"));
    clade_dataset_destroy(&d);

    static const char *const formats[] = {"zip", "tar", "tar.gz", "tar.bz2", "tar.xz"};
    static const char *const prefixes[] = {"", "wrap/", "./", "a/b/c/", "dätä/"};
    for (int f = 0; f < 5; f++) {
        char name[32];
        snprintf(name, sizeof name, "pack%d.bin", f); /* the content tells, not the name */
        for (uint64_t cache = 0; cache < 2; cache++) {
            d = load((clade_data_options){.path = pack("splits", name, formats[f], prefixes[f]),
                                          .cache_bytes = cache * 16 * 16 * 3 * 3});
            if (!d) continue;
            CHECK(fingerprint(d) == all);
            CHECK(clade_dataset_skipped(d) == 3);
            clade_dataset_destroy(&d);
        }
    }
    d = load((clade_data_options){.path = path_of("pack4.bin")});
    CHECK(d && !strcmp(clade_dataset_name(d, CLADE_TRAIN, 0), "dätä/Training_Set/cats/0.jpg"));
    clade_dataset_destroy(&d);

    /* a second archive is the validation split; one with a split of that name gives it */
    d = load((clade_data_options){.path = path_of("splits/Training_Set"),
                                  .validation = path_of("splits/test")});
    CHECK(d && count(d, CLADE_TRAIN) == 4 && count(d, CLADE_VALIDATION) == 2 &&
          count(d, CLADE_TEST) == 0);
    clade_dataset_destroy(&d);
    /* folds are of both */
    d = load((clade_data_options){.path = path_of("splits/Training_Set"),
                                  .validation = path_of("splits/test"),
                                  .folds = 2,
                                  .fold = 1});
    CHECK(d && count(d, CLADE_TRAIN) == 3 && count(d, CLADE_VALIDATION) == 3);
    clade_dataset_destroy(&d);
    d = load(
        (clade_data_options){.path = path_of("splits/Training_Set"), .test = path_of("pack0.bin")});
    CHECK(d && count(d, CLADE_TRAIN) == 4 && count(d, CLADE_VALIDATION) == 0 &&
          count(d, CLADE_TEST) == 2);
    clade_dataset_destroy(&d);
    CHECK_FAILS(
        try_open((clade_data_options){.path = path_of("splits"), .validation = path_of("plain")}),
        CLADE_EINVAL, "two validation splits");
    /* no training split: to evaluate with */
    put_jpeg("only/test/cats/0.jpg", 24, 24, 20);
    put_jpeg("only/test/dogs/0.jpg", 24, 24, 21);
    d = load((clade_data_options){.path = path_of("only")});
    CHECK(d && count(d, CLADE_TRAIN) == 0 && count(d, CLADE_TEST) == 2 &&
          clade_dataset_classes(d) == 2);
    clade_dataset_destroy(&d);
    put_jpeg("apart/train/cats/0.jpg", 24, 24, 20);
    put_jpeg("apart/test/cats/0.jpg", 24, 24, 20);
    /* the one split of a second folder is taken, whatever it is called */
    d = load((clade_data_options){.path = path_of("splits/Training_Set"),
                                  .validation = path_of("only")});
    CHECK(d && count(d, CLADE_VALIDATION) == 2 && count(d, CLADE_TEST) == 0);
    clade_dataset_destroy(&d);
    CHECK_FAILS(try_open((clade_data_options){.path = path_of("splits/Training_Set"),
                                              .validation = path_of("apart")}),
                CLADE_EINVAL, "apart: several splits, none of them named validation");
    /* a class may be called train, and one after the beginning of another */
    put_jpeg("toys/train/0.jpg", 24, 24, 20);
    put_jpeg("toys/boat/0.jpg", 24, 24, 21);
    put_jpeg("toys/boat-big/0.jpg", 24, 24, 21);
    d = load((clade_data_options){.path = path_of("toys")});
    CHECK(d && count(d, CLADE_TRAIN) == 3 && !strcmp(clade_dataset_class_name(d, 2), "train"));
    for (int i = 0; d && i < 3; i++) CHECK(clade_dataset_label(d, CLADE_TRAIN, (size_t)i) == i);
    clade_dataset_destroy(&d);
    /* test images without classes are left out */
    put_jpeg("contest/train/a/0.jpg", 24, 24, 20);
    put_jpeg("contest/train/b/0.jpg", 24, 24, 20);
    put_jpeg("contest/test/0.jpg", 24, 24, 21);
    d = load((clade_data_options){.path = path_of("contest")});
    CHECK(d && count(d, CLADE_TRAIN) == 2 && count(d, CLADE_TEST) == 0 &&
          clade_dataset_skipped(d) == 1);
    clade_dataset_destroy(&d);
    /* a class may be called test */
    put_jpeg("lab/test/0.jpg", 24, 24, 20);
    put_jpeg("lab/control/0.jpg", 24, 24, 21);
    d = load((clade_data_options){.path = path_of("lab")});
    CHECK(d && count(d, CLADE_TRAIN) == 2 && !strcmp(clade_dataset_class_name(d, 1), "test"));
    clade_dataset_destroy(&d);
}

static void test_refused(void)
{
    CHECK_FAILS(try_open((clade_data_options){.path = "/no/such"}), CLADE_EIO, "/no/such");
    CHECK_FAILS(try_open((clade_data_options){0}), CLADE_EINVAL, "no path");
    CHECK_FAILS(try_open((clade_data_options){.path = put_folder("void")}), CLADE_EINVAL,
                "no image");
    CHECK_FAILS(try_open((clade_data_options){.path = put_file("text", "not an archive", 14)}),
                CLADE_EFORMAT, "not a folder or archive");
    put_jpeg("one/cats/0.jpg", 9, 9, 0);
    put_jpeg("one/cats/1.jpg", 9, 9, 0);
    CHECK_FAILS(try_open((clade_data_options){.path = path_of("one")}), CLADE_EINVAL,
                "only one class, 'cats'");
    put_folder("one/dogs/inner");
    CHECK_FAILS(try_open((clade_data_options){.path = path_of("one")}), CLADE_EINVAL,
                "/one: class 'dogs' has no images");
    put_jpeg("loose/0.jpg", 9, 9, 0);
    CHECK_FAILS(try_open((clade_data_options){.path = path_of("loose")}), CLADE_EINVAL,
                "no folders of images");

    put_jpeg("differ/train/cats/0.jpg", 9, 9, 0);
    put_jpeg("differ/train/dogs/0.jpg", 9, 9, 0);
    put_jpeg("differ/val/cats/0.jpg", 9, 9, 0);
    CHECK_FAILS(try_open((clade_data_options){.path = path_of("differ")}), CLADE_EINVAL,
                "class 'dogs' is in");
    CHECK(strstr(clade_error(), "differ/train/ but not in") &&
          strstr(clade_error(), "differ/val/"));
    put_jpeg("differ/val/dogs/0.jpg", 9, 9, 0);
    put_jpeg("differ/val/eels/0.jpg", 9, 9, 0);
    CHECK_FAILS(try_open((clade_data_options){.path = path_of("differ")}), CLADE_EINVAL,
                "class 'eels' is in");
    put_jpeg("apart/train/cats/0.jpg", 9, 9, 0);
    put_jpeg("apart/train/dogs/0.jpg", 9, 9, 0);
    put_jpeg("apart/val/Cats/0.jpg", 9, 9, 0);
    put_jpeg("apart/val/Dogs/0.jpg", 9, 9, 0);
    CHECK_FAILS(try_open((clade_data_options){.path = path_of("apart")}), CLADE_EINVAL,
                "share no class");
    put_jpeg("twice/train/cats/0.jpg", 9, 9, 0);
    put_jpeg("twice/train/dogs/0.jpg", 9, 9, 0);
    put_jpeg("twice/val/cats/0.jpg", 9, 9, 0);
    put_jpeg("twice/valid/cats/0.jpg", 9, 9, 0);
    CHECK_FAILS(try_open((clade_data_options){.path = path_of("twice")}), CLADE_EINVAL,
                "two folders for the validation");

    CHECK_FAILS(try_open((clade_data_options){.path = path_of("plain"), .channels = 2}),
                CLADE_EINVAL, "2 channels");
    CHECK_FAILS(try_open((clade_data_options){.path = path_of("plain"), .height = 5}), CLADE_EINVAL,
                "0×5");
    CHECK_FAILS(try_open((clade_data_options){.path = path_of("plain"), .validation_split = 1}),
                CLADE_EINVAL, "split of 1");
    CHECK_FAILS(try_open((clade_data_options){
                    .path = path_of("plain"), .validation_split = 0.5, .test_split = 0.5}),
                CLADE_EINVAL, "leave none to train on");

    /* an archive cut short is an error, not half a data set */
    blob whole = read_blob(path_of("pack2.bin"));
    CHECK_FAILS(
        try_open((clade_data_options){.path = put_file("cut.tgz", whole.data, whole.size / 2)}),
        CLADE_EFORMAT, "cut.tgz");
    free(whole.data);
}

static void test_damaged(void)
{
    for (int i = 0; i < 10; i++) {
        char name[64];
        snprintf(name, sizeof name, "bad/%s/%d.jpg", i & 1 ? "b" : "a", i);
        put_jpeg(name, 24, 24, i);
    }
    clade_dataset *d = load((clade_data_options){.path = path_of("bad")});
    uint64_t sound = d ? fingerprint(d) : 0;
    clade_dataset_destroy(&d);

    blob b = read_blob(path_of("bad/a/0.jpg"));
    put_file("bad/a/00cut.jpg", b.data, b.size - 100);
    put_file("bad/b/2cut.jpg", b.data, b.size / 2);
    put_file("bad/b/empty.jpg", "", 0);
    put_file("bad/b/page.jpeg", "<html>", 6);
    put_file("bad/b/list.csv", "a,b", 3);
    free(b.data);
    uint8_t *rgb = make_rgb(24, 24, 3);
    b = make_png(rgb, 24, 24, 2, 8, 0);
    memcpy(b.data + 16, "\0\0\x75\x30\0\0\x75\x30", 8);
    put_file("bad/a/huge.png", b.data, b.size);
    free(b.data);

    for (int archive = 0; archive < 2; archive++) {
        for (int threads = 1; threads <= 4; threads += 3) {
            const char *path = archive ? pack("bad", "bad.zip", "zip", "") : path_of("bad");
            d = load((clade_data_options){.path = path,
                                          .threads = threads,
                                          .cache_bytes = 4 * 16 * 16 * 3,
                                          .max_damaged = 0.34}); /* 5 of 15 */
            if (!d) continue;
            CHECK(count(d, CLADE_TRAIN) == 10 && clade_dataset_class_count(d, CLADE_TRAIN, 0) == 5);
            CHECK(fingerprint(d) == sound); /* those after a dropped one are still themselves */
            CHECK(clade_dataset_skipped(d) == 6);
            CHECK(skips(d, "a/00cut.jpg", "JPEG: ") && skips(d, "b/2cut.jpg", "JPEG: "));
            CHECK(skips(d, "b/empty.jpg", "an empty file") &&
                  skips(d, "b/page.jpeg", "not an image"));
            CHECK(skips(d, "b/list.csv", "not an image") &&
                  skips(d, "a/huge.png", "900 megapixels"));
            clade_dataset_destroy(&d);
        }
    }
    clade_data_options few = {
        .path = path_of("bad"), .max_damaged = 0.3, .height = 16, .width = 16};
    CHECK_FAILS(try_open(few), CLADE_EFORMAT, "5 of 15 images are damaged, more than the share of");
    CHECK_FAILS(try_open(few), CLADE_EFORMAT, "data.max_damaged allows; a/00cut.jpg: JPEG: ");
    few.max_damaged = 0.1; /* known from the list alone */
    CHECK_FAILS(try_open(few), CLADE_EFORMAT, "2 of 15 images are damaged");
    CHECK_FAILS(try_open(few), CLADE_EFORMAT, "b/empty.jpg: an empty file");
    clade_data_options strict = {.path = path_of("bad"), .strict = true, .height = 16, .width = 16};
    CHECK_FAILS(try_open(strict), CLADE_EFORMAT, "b/empty.jpg: an empty file");
    remove(path_of("bad/b/empty.jpg"));
    remove(path_of("bad/b/page.jpeg"));
    for (int threads = 1; threads <= 4; threads++) {
        strict.threads = threads;
        CHECK_FAILS(try_open(strict), CLADE_EFORMAT,
                    "a/00cut.jpg: JPEG: "); /* the first of three */
    }
    /* a class, or a split, whose images are all damaged */
    put_file("gone/a/0.jpg", "\xff\xd8\xff\xe0", 4);
    put_jpeg("gone/b/0.jpg", 9, 9, 1);
    CHECK_FAILS(try_open((clade_data_options){
                    .path = path_of("gone"), .height = 9, .width = 9, .max_damaged = 1}),
                CLADE_EINVAL, "class 'a' has no images in the training split");
    put_jpeg("ends/train/a/0.jpg", 9, 9, 1);
    put_jpeg("ends/train/b/0.jpg", 9, 9, 1);
    put_file("ends/validation/a/0.jpg", "\xff\xd8\xff\xe0", 4);
    put_file("ends/validation/b/0.jpg", "\xff\xd8\xff\xe0", 4);
    CHECK_FAILS(try_open((clade_data_options){
                    .path = path_of("ends"), .height = 9, .width = 9, .max_damaged = 1}),
                CLADE_EINVAL, "class 'a' has no images in the validation split");
    /* a PNG that is called .jpg, and an image with no ending */
    b = make_png(rgb, 24, 24, 6, 8, 0);
    put_file("misnamed/a/x.jpg", b.data, b.size);
    put_file("misnamed/b/image", b.data, b.size);
    d = load((clade_data_options){.path = path_of("misnamed"), .strict = true});
    CHECK(d && count(d, CLADE_TRAIN) == 2 && clade_dataset_skipped(d) == 0);
    clade_dataset_destroy(&d);
    free(b.data);
    free(rgb);
}

static int has_name(const clade_dataset *d, clade_split split, const char *name)
{
    for (size_t i = 0; i < count(d, split); i++)
        if (!strcmp(clade_dataset_name(d, split, i), name)) return 1;
    return 0;
}

static void test_fractions(void)
{
    char name[64];
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "many/%s/%d.jpg", i < 40 ? "a" : "b", i);
        put_jpeg(name, 8, 8, i);
    }
    clade_data_options options = {
        .path = path_of("many"), .validation_split = 0.2, .test_split = 0.1, .seed = 5};
    clade_dataset *d = load(options), *e;
    if (!d) return;
    CHECK(count(d, CLADE_TRAIN) == 42 && count(d, CLADE_VALIDATION) == 12 &&
          count(d, CLADE_TEST) == 6);
    CHECK(clade_dataset_class_count(d, CLADE_VALIDATION, 0) == 8 &&
          clade_dataset_class_count(d, CLADE_TEST, 1) == 2);
    int found = 0;
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "%s/%d.jpg", i < 40 ? "a" : "b", i);
        found += has_name(d, CLADE_TRAIN, name) + has_name(d, CLADE_VALIDATION, name) +
                 has_name(d, CLADE_TEST, name);
    }
    CHECK(found == 60); /* each once */
    /* the same from an archive, with a wrapping folder */
    options.path = pack("many", "many.tar", "tar", "wrapped/");
    e = load(options);
    CHECK(e && fingerprint(e) == fingerprint(d));
    clade_dataset_destroy(&e);
    /* another seed takes others */
    options.path = path_of("many");
    options.seed = 6;
    e = load(options);
    CHECK(e && fingerprint(e) != fingerprint(d));
    clade_dataset_destroy(&e);
    /* without one image, the others keep their order: few change sides */
    options.seed = 5;
    remove(path_of("many/a/7.jpg"));
    e = load(options);
    int moved = 0;
    for (size_t i = 0; e && i < count(e, CLADE_VALIDATION); i++)
        moved += !has_name(d, CLADE_VALIDATION, clade_dataset_name(e, CLADE_VALIDATION, i));
    CHECK(e && moved <= 1);
    clade_dataset_destroy(&e);
    clade_dataset_destroy(&d);
    /* one image of a class cannot be in two splits */
    put_jpeg("few/a/0.jpg", 8, 8, 0);
    put_jpeg("few/b/0.jpg", 8, 8, 0);
    CHECK_FAILS(try_open((clade_data_options){.path = path_of("few"), .validation_split = 0.1}),
                CLADE_EINVAL, "class 'a' has 1 image: ");
}

typedef struct watch {
    size_t calls, stop_at, last, total;
} watch;

static bool observe(void *user, size_t done, size_t total)
{
    watch *w = user;
    w->calls++;
    w->last = done;
    w->total = total;
    return w->calls != w->stop_at;
}

static void test_progress(void)
{
    clade_data_options options = {
        .path = path_of("many.tar"), .height = 8, .width = 8, .threads = 3};
    clade_dataset *d = NULL, *e = load(options);
    CHECK_OK(clade_dataset_open(&options, &d));
    if (!d || !e) return;
    uint64_t want = fingerprint(e);
    CHECK(fingerprint(d) == want); /* before it is loaded: decoded each time */
    watch w = {.stop_at = 20};
    CHECK_FAILS(clade_dataset_load(d, observe, &w), CLADE_ECANCELLED, "stopped");
    CHECK(w.calls == 20 && w.total == 60);
    CHECK(fingerprint(d) == want); /* still whole */
    w = (watch){0};
    CHECK_OK(clade_dataset_load(d, observe, &w));
    CHECK(w.last == 60 && w.calls == 60 && fingerprint(d) == want);
    CHECK_OK(clade_dataset_load(d, NULL, NULL)); /* nothing more to do */
    clade_dataset_destroy(&d);
    clade_dataset_destroy(&e);
}

static void age(const char *name, time_t seconds)
{
    const struct utimbuf times = {seconds, seconds};
    CHECK(utime(path_of(name), &times) == 0);
}

/* What was listed and is no more, or is not what it was, is an error; it is never taken for damage.
 * The image can be put back and the load goes on. */
static void test_unreadable(void)
{
    for (int i = 0; i < 24; i++) {
        char name[64];
        snprintf(name, sizeof name, "net/%s/%02d.jpg", i & 1 ? "b" : "a", i);
        put_jpeg(name, 24, 24, i);
        age(name, 1000);
    }
    char folder[256];
    snprintf(folder, sizeof folder, "%s", path_of("net"));
    clade_data_options options = {.path = folder, .height = 16, .width = 16, .threads = 2};
    clade_dataset *d = NULL;
    CHECK_OK(clade_dataset_open(&options, &d));
    if (!d) return;
    blob b = read_blob(path_of("net/b/07.jpg"));
    remove(path_of("net/b/07.jpg"));
    CHECK_FAILS(clade_dataset_load(d, NULL, NULL), CLADE_EIO, "net/b/07.jpg: No such file");
    put_file("net/b/07.jpg", b.data, b.size); /* another time */
    CHECK_FAILS(clade_dataset_load(d, NULL, NULL), CLADE_EIO, "b/07.jpg: changed since it was");
    put_file("net/b/07.jpg", b.data, b.size - 100); /* another size, and damaged */
    age("net/b/07.jpg", 1000);
    CHECK_FAILS(clade_dataset_load(d, NULL, NULL), CLADE_EIO, "b/07.jpg: changed since it was");
    CHECK(clade_dataset_skipped(d) == 0 && count(d, CLADE_TRAIN) == 24);
    put_file("net/b/07.jpg", b.data, b.size);
    age("net/b/07.jpg", 1000);
    CHECK_OK(clade_dataset_load(d, NULL, NULL));
    CHECK(count(d, CLADE_TRAIN) == 24);
    clade_dataset_destroy(&d);

    /* without a cache each image is read again each time: the same size and time do not deceive */
    options.cache_bytes = 1;
    CHECK_OK(clade_dataset_open(&options, &d));
    uint8_t pixels[16 * 16 * 3];
    CHECK_OK(clade_dataset_load(d, NULL, NULL));
    CHECK_OK(clade_dataset_pixels(d, CLADE_TRAIN, 15, pixels));
    b.data[b.size / 2] ^= 1;
    put_file("net/b/07.jpg", b.data, b.size);
    age("net/b/07.jpg", 1000);
    CHECK_FAILS(clade_dataset_pixels(d, CLADE_TRAIN, 15, pixels), CLADE_EIO,
                "b/07.jpg: its content has changed since it was first read");
    CHECK_OK(clade_dataset_pixels(d, CLADE_TRAIN, 14, pixels));
    clade_dataset_destroy(&d);
    free(b.data);

    /* in the list already */
    CHECK(symlink("nowhere", path_of("net/a/link.jpg")) == 0);
    CHECK_FAILS(try_open(options), CLADE_EIO,
                "net/a/link.jpg: No such file or directory; expected");
    options.lenient = true; /* to look at */
    CHECK_OK(clade_dataset_open(&options, &d));
    CHECK(skips(d, "a/link.jpg", "No such file"));
    clade_dataset_destroy(&d);
    options.lenient = false;
    remove(path_of("net/a/link.jpg"));
    CHECK(mkfifo(path_of("net/a/pipe.jpg"), 0600) == 0); /* no file, and never was */
    CHECK_OK(clade_dataset_open(&options, &d));
    CHECK(skips(d, "a/pipe.jpg", "not a regular file"));
    clade_dataset_destroy(&d);
    options.max_damaged = 1.5;
    CHECK_FAILS(try_open(options), CLADE_EINVAL, "a share of 1.5 damaged images");
}

int main(void)
{
    make_folder();
    test_classes();
    test_layouts();
    test_refused();
    test_damaged();
    test_unreadable();
    test_fractions();
    test_progress();
    drop_folder();
    return TEST_END();
}
