/* The loader: every image once an epoch, the same batches for any threads, resuming, errors. */
#include "make.h"

#include "../test.h"
#include "data/dataset.h"

#include <math.h>
#include <stdlib.h>

enum { images = 46, side = 12, bytes_of_one = side * side * 3 };

static clade_dataset *open_set(uint64_t cache_images, bool load)
{
    clade_dataset *d = NULL;
    clade_data_options options = {.path = path_of("set"),
                                  .height = side,
                                  .width = side,
                                  .interpolation = CLADE_BILINEAR,
                                  .cache_bytes = cache_images * bytes_of_one,
                                  .threads = 2};
    CHECK_OK(clade_dataset_open(&options, &d));
    if (load)
        CHECK_OK(clade_dataset_load(d, NULL, NULL));
    else
        CHECK_OK(clade_dataset_make_room(d));
    return d;
}

static uint64_t mix(uint64_t h, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

/* Every kind of augmentation that is drawn for an image. */
static const clade_augment all_kinds = {
    .rotation = 20,
    .horizontal_flip = true,
    .jitter = {.p = 1, .brightness = {0.5f, 1.5f}, .hue = {-0.3f, 0.3f}},
    .erasing = {.p = 0.5f, .area = {0.1f, 0.3f}, .ratio = {0.5f, 2}},
    .augmix = {.severity = 3, .width = 2, .alpha = 1}};

/* Is what a batch says of image i that which is drawn for the image at a place of the list? */
static void check_drawn(const clade_batch *b, int i, uint64_t epoch, uint64_t place)
{
    enum { steps = 2 * CLADE_ADJUST_STEPS, rectangles = 4 * CLADE_ERASE_RECTANGLES, chains = 3 };
    float m[8], step[steps];
    int32_t erase[rectangles];
    clade_chain chain[chains];
    clade_augment_matrix(&all_kinds, side, side, 3, epoch, place, m);
    CHECK(!memcmp(m, b->matrix + 8 * i, sizeof m));
    CHECK(b->steps && b->erase && b->chains && !b->other);
    if (!b->steps || !b->erase || !b->chains) return;
    clade_augment_adjust(&all_kinds, 3, epoch, place, step);
    clade_augment_erase(&all_kinds, side, side, 3, epoch, place, erase);
    clade_augment_chain(&all_kinds, side, side, 3, epoch, place, chain);
    CHECK(!memcmp(step, b->steps + steps * i, sizeof step));
    CHECK(!memcmp(erase, b->erase + rectangles * i, sizeof erase));
    CHECK(!memcmp(chain, b->chains + chains * i, sizeof chain));
}

/* Runs an epoch from a batch on; returns a number for all that came, counts the images. */
static uint64_t run_epoch(clade_loader *loader, uint64_t epoch, size_t first, int seen[images])
{
    uint64_t h = 0xcbf29ce484222325u;
    CHECK_OK(clade_loader_start(loader, epoch, first));
    for (;;) {
        clade_batch b;
        CHECK_OK(clade_loader_next(loader, &b));
        if (b.count == 0) break;
        h = mix(h, &b.count, sizeof b.count);
        h = mix(h, b.index, (size_t)b.count * sizeof *b.index);
        h = mix(h, b.label, (size_t)b.count * sizeof *b.label);
        h = mix(h, b.matrix, (size_t)b.count * 8 * sizeof *b.matrix);
        for (int i = 0; b.pixels && i < b.count; i++) h = mix(h, b.pixels[i], bytes_of_one);
        for (int i = 0; i < b.count; i++)
            if (seen && b.index[i] >= 0 && b.index[i] < images) seen[b.index[i]]++;
    }
    return h;
}

static clade_loader_options options_for(const clade_dataset *d, int threads)
{
    return (clade_loader_options){.dataset = d,
                                  .split = CLADE_TRAIN,
                                  .batch = 8,
                                  .shuffle = true,
                                  .seed = 3,
                                  .augment = all_kinds,
                                  .threads = threads,
                                  .pixels = true};
}

static void test_same(clade_dataset *const sets[4])
{
    uint64_t want[3] = {0};
    for (int k = 0; k < 8; k++) {
        static const int threads[8] = {1, 2, 5, 0, 1, 7, 3, 0};
        clade_loader_options options = options_for(sets[k / 2], threads[k]);
        clade_loader *loader;
        CHECK_OK(clade_loader_create(&options, &loader));
        CHECK(clade_loader_batches(loader) == 6);
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            int seen[images] = {0}, once = 1;
            uint64_t h = run_epoch(loader, epoch, 0, seen);
            for (int i = 0; i < images; i++) once &= seen[i] == 1;
            CHECK(once);
            if (k == 0) want[epoch] = h;
            CHECK(h == want[epoch]);
        }
        CHECK(want[0] != want[1] && want[1] != want[2]);
        /* back to an epoch that was, in the middle of another */
        clade_batch b;
        CHECK_OK(clade_loader_start(loader, 9, 0));
        CHECK_OK(clade_loader_next(loader, &b));
        CHECK(run_epoch(loader, 1, 0, NULL) == want[1]);
        clade_loader_destroy(&loader);
        CHECK(loader == NULL);
    }
}

/* The order of an epoch is part of a recipe's meaning: the same in every release. */
static void test_order(const clade_dataset *d)
{
    static const int32_t expected[8] = {30, 34, 2, 21, 5, 6, 15, 7};
    clade_loader_options options = options_for(d, 1);
    clade_loader *loader;
    clade_batch b;
    CHECK_OK(clade_loader_create(&options, &loader));
    CHECK_OK(clade_loader_start(loader, 2, 0));
    CHECK_OK(clade_loader_next(loader, &b));
    CHECK(b.count == 8 && !memcmp(b.index, expected, sizeof expected));
    clade_loader_destroy(&loader);
}

/* The splits share the cache: what one takes another has no more. */
static void test_room(void)
{
    for (int more = 0; more < 2; more++) {
        clade_dataset *d = NULL;
        clade_data_options options = {.path = path_of("set"),
                                      .validation = path_of("set"),
                                      .height = side,
                                      .width = side,
                                      .cache_bytes =
                                          (uint64_t)(2 * images - 1 + more) * bytes_of_one};
        CHECK_OK(clade_dataset_open(&options, &d));
        CHECK_OK(clade_dataset_make_room(d));
        CHECK(clade_dataset_has_room(d, CLADE_TRAIN));
        CHECK(clade_dataset_has_room(d, CLADE_VALIDATION) == (more == 1));
        clade_dataset_destroy(&d);
    }
}

static void test_content(const clade_dataset *d)
{
    clade_loader_options options = options_for(d, 2);
    clade_loader *loader;
    clade_batch b;
    CHECK_OK(clade_loader_create(&options, &loader));
    CHECK_FAILS(clade_loader_next(loader, &b), CLADE_EINVAL, "clade_loader_start");
    CHECK_OK(clade_loader_start(loader, 4, 0));
    uint8_t pixels[bytes_of_one];
    int total = 0, last = 0, moved = 0;
    int32_t order[images];
    for (;;) {
        CHECK_OK(clade_loader_next(loader, &b));
        if (b.count == 0) break;
        last = b.count;
        for (int i = 0; i < b.count; i++, total++) {
            size_t at = (size_t)b.index[i];
            CHECK(b.label[i] == clade_dataset_label(d, CLADE_TRAIN, at));
            CHECK_OK(clade_dataset_pixels(d, CLADE_TRAIN, at, pixels));
            CHECK(memcmp(pixels, b.pixels[i], bytes_of_one) == 0);
            CHECK(b.weight[i] == 1);
            check_drawn(&b, i, 4, at);
            order[total] = b.index[i];
            moved += b.index[i] != total;
        }
    }
    CHECK(total == images && last == images % 8 && moved > images / 2);
    CHECK_OK(clade_loader_next(loader, &b)); /* the end stays the end */
    CHECK(b.count == 0);
    /* a resume in the middle gives the rest of the same epoch */
    CHECK_OK(clade_loader_start(loader, 4, 3));
    total = 24;
    for (;;) {
        CHECK_OK(clade_loader_next(loader, &b));
        if (b.count == 0) break;
        for (int i = 0; i < b.count; i++, total++) CHECK(b.index[i] == order[total]);
    }
    CHECK(total == images);
    CHECK_OK(clade_loader_start(loader, 5, 0)); /* another epoch, another order */
    CHECK_OK(clade_loader_next(loader, &b));
    CHECK(memcmp(b.index, order, 8 * sizeof *order) != 0);
    CHECK_OK(clade_loader_start(loader, 4, 6));
    CHECK_OK(clade_loader_next(loader, &b));
    CHECK(b.count == 0);
    CHECK_FAILS(clade_loader_start(loader, 4, 7), CLADE_EINVAL, "batch 7 of an epoch of 6");
    clade_loader_destroy(&loader);

    /* in order, without pixels or augmentation, one batch larger than the split */
    options = (clade_loader_options){.dataset = d, .batch = 1000};
    CHECK_OK(clade_loader_create(&options, &loader));
    CHECK_OK(clade_loader_start(loader, 0, 0));
    CHECK_OK(clade_loader_next(loader, &b));
    CHECK(b.count == images && b.pixels == NULL);
    for (int i = 0; i < b.count; i++)
        CHECK(b.index[i] == i && b.matrix[8 * i] == 1 && b.matrix[8 * i + 2] == 0);
    clade_loader_destroy(&loader);
    clade_loader_destroy(&loader);
}

/* Each image of a batch is mixed with the one before it, and has the label with the larger share
 * first, of equals its own, and the weight that goes with it. */
static void test_mixed(void)
{
    clade_dataset *d = NULL;
    clade_loader *loader = NULL;
    bool less = false, half = false, more = false;
    char list[images * 32] = "file,label,weight\n";
    for (int i = 0; i < images; i++) {
        const size_t at = strlen(list);
        snprintf(list + at, sizeof list - at, "%c/%02d.jpg,%c,%g\n", 'a' + i % 3, i, 'a' + i % 3,
                 i / 8.0);
    }
    put_file("set.csv", list, strlen(list));
    CHECK_OK(clade_dataset_open(
        &(clade_data_options){
            .path = path_of("set"), .labels = path_of("set.csv"), .height = side, .width = side},
        &d));
    clade_loader_options options = {
        .dataset = d, .batch = 7, .shuffle = true, .augment = {.cutmix = 1}};
    CHECK_OK(clade_loader_create(&options, &loader));
    for (uint64_t epoch = 0; loader && epoch < 40; epoch++) {
        CHECK_OK(clade_loader_start(loader, epoch, 0));
        for (;;) {
            clade_batch b;
            CHECK_OK(clade_loader_next(loader, &b));
            if (b.count == 0) break;
            const int32_t *r = b.mix.rect;
            const float share = b.mix.share;
            const float area = (float)((r[2] - r[0]) * (r[3] - r[1]));
            CHECK(fabsf(share - (1 - area / (side * side))) < 1e-6f);
            less = less || share < 0.5f;
            half = half || share == 0.5f;
            more = more || share > 0.5f;
            for (int i = 0; i < b.count; i++) {
                const size_t at = (size_t)b.index[i],
                             before = (size_t)b.index[i ? i - 1 : b.count - 1];
                const int32_t own = clade_dataset_label(d, CLADE_TRAIN, at),
                              other = clade_dataset_label(d, CLADE_TRAIN, before);
                CHECK(b.label[i] == (share < 0.5f ? other : own));
                CHECK(b.other[i] == (share < 0.5f ? own : other));
                const char *name = clade_dataset_name(d, CLADE_TRAIN, share < 0.5f ? before : at);
                CHECK(b.weight[i] == (float)atoi(name + strlen("a/")) / 8);
            }
        }
    }
    CHECK(less && half && more);
    clade_loader_destroy(&loader);
    clade_dataset_destroy(&d);
}

static void test_errors(const clade_dataset *half)
{
    clade_loader *loader = NULL;
    clade_loader_options options = options_for(half, 2);
    options.batch = 0;
    CHECK_FAILS(clade_loader_create(&options, &loader), CLADE_EINVAL, "batches of 0");
    options.batch = 4;
    options.split = CLADE_TEST;
    CHECK_FAILS(clade_loader_create(&options, &loader), CLADE_EINVAL, "test split has no images");
    CHECK(loader == NULL);
    /* an image that went away after the load: its batch fails, the others do not */
    options.split = CLADE_TRAIN;
    options.shuffle = false;
    CHECK_OK(clade_loader_create(&options, &loader));
    const char *name = clade_dataset_name(half, CLADE_TRAIN, images - 1);
    char whole[300];
    snprintf(whole, sizeof whole, "set/%s", name);
    remove(path_of(whole));
    CHECK_OK(clade_loader_start(loader, 0, 0));
    clade_batch b;
    for (size_t i = 0; i + 1 < clade_loader_batches(loader); i++) {
        CHECK_OK(clade_loader_next(loader, &b));
        CHECK(b.count == 4);
    }
    CHECK_FAILS(clade_loader_next(loader, &b), CLADE_EIO, name);
    CHECK(b.count == 0);
    clade_loader_destroy(&loader);
}

/* An image cut short before the data set was opened. */
static void cut(int number)
{
    char name[64];
    snprintf(name, sizeof name, "holes/%c/%02d.jpg", 'a' + number % 3, number);
    put_file(name, "\xff\xd8\xff\xe0 cut", 8);
}

/* Which image of `holes` a name says, and where that stands in the list. */
static int number_of(const char *name, uint64_t *place)
{
    static const uint64_t first[3] = {0, 16, 31}; /* of each class */
    int number = atoi(name + strlen("a/"));
    *place = first[number % 3] + (uint64_t)number / 3;
    return number;
}

/* What an epoch's batches hold: their numbers, counts, and each image's name. */
static uint64_t run_names(clade_loader *loader, const clade_dataset *d, uint64_t epoch,
                          size_t first, size_t *batches, size_t *total)
{
    uint64_t h = 0xcbf29ce484222325u;
    *batches = *total = 0;
    CHECK_OK(clade_loader_start(loader, epoch, first));
    for (;; ++*batches) {
        clade_batch b;
        CHECK_OK(clade_loader_next(loader, &b));
        if (b.count == 0) return h;
        h = mix(h, &b.number, sizeof b.number);
        *total += (size_t)b.count;
        for (int i = 0; i < b.count; i++) {
            const char *name = clade_dataset_name(d, CLADE_TRAIN, (size_t)b.index[i]);
            uint64_t place;
            int number = number_of(name, &place);
            CHECK(b.label[i] == number % 3 && b.weight[i] == (float)number / 8);
            check_drawn(&b, i, epoch, place);
            h = mix(h, name, strlen(name));
        }
        for (int i = 0; b.pixels && i < b.count; i++) h = mix(h, b.pixels[i], bytes_of_one);
    }
}

/* Damaged images are left out of their batch: found on the way, or known and dropped before. A
 * batch of nothing else is passed over, and keeps its number. */
static void test_holes(void)
{
    char list[images * 32] = "file,label,weight\n";
    for (int i = 0; i < images; i++) {
        char name[64];
        snprintf(name, sizeof name, "holes/%c/%02d.jpg", 'a' + i % 3, i);
        put_jpeg(name, 20 + i, 40, i);
        const size_t at = strlen(list);
        snprintf(list + at, sizeof list - at, "%s,%c,%g\n", name + strlen("holes/"), 'a' + i % 3,
                 i / 8.0);
    }
    put_file("holes.csv", list, strlen(list));
    for (int k = 0; k < 6; k++) cut(3 * k); /* the first of class a: two batches of 3 */
    cut(44);                                /* the last, alone in its batch */
    clade_data_options open = {.path = path_of("holes"),
                               .labels = path_of("holes.csv"),
                               .height = side,
                               .width = side,
                               .threads = 2,
                               .max_damaged = 0.2};
    uint64_t want[2][2] = {{0}};
    for (int k = 0; k < 6; k++) {
        clade_dataset *d = NULL;
        open.cache_bytes = (uint64_t)(k % 2 ? images / 2 : images) * bytes_of_one;
        CHECK_OK(clade_dataset_open(&open, &d));
        if (!d) return;
        if (k < 2)
            CHECK_OK(clade_dataset_load(d, NULL, NULL));
        else
            CHECK_OK(clade_dataset_make_room(d));
        for (int shuffle = 0; shuffle < 2; shuffle++) {
            size_t batches, total;
            clade_loader_options options = options_for(d, k < 4 ? 3 : 1);
            options.batch = 3;
            options.shuffle = shuffle;
            clade_loader *loader = NULL;
            CHECK_OK(clade_loader_create(&options, &loader));
            if (!loader) return;
            CHECK(clade_loader_batches(loader) == 16);
            uint64_t h = run_names(loader, d, 0, 0, &batches, &total);
            CHECK(total == images - 7 && (shuffle || batches == 13));
            if (k == 0) want[0][shuffle] = h;
            CHECK(h == want[0][shuffle]);
            h = run_names(loader, d, 0, 5, &batches, &total);
            if (k == 0) want[1][shuffle] = h;
            CHECK(h == want[1][shuffle]);
            clade_loader_destroy(&loader);
        }
        CHECK(clade_dataset_has_damaged(d) == (k >= 2));
        CHECK_OK(clade_dataset_drop_damaged(d));
        CHECK(clade_dataset_count(d, CLADE_TRAIN) == images - 7 && clade_dataset_skipped(d) == 7);
        clade_dataset_destroy(&d);
    }
    open.max_damaged = 0.15; /* 7 of 46 are more */
    clade_dataset *d = NULL;
    clade_loader *loader = NULL;
    CHECK_OK(clade_dataset_open(&open, &d));
    clade_loader_options options = options_for(d, 2);
    CHECK_OK(clade_loader_create(&options, &loader));
    clade_status status = clade_loader_start(loader, 0, 0);
    clade_batch b = {.count = 1};
    while (!status && b.count > 0) status = clade_loader_next(loader, &b);
    CHECK(status == CLADE_EFORMAT && strstr(clade_error(), "7 of 46 images are damaged"));
    clade_loader_destroy(&loader);
    clade_dataset_destroy(&d);
}

int main(void)
{
    make_folder();
    for (int i = 0; i < images; i++) {
        char name[64];
        snprintf(name, sizeof name, "set/%c/%02d.jpg", 'a' + i % 3, i);
        put_jpeg(name, 20 + i, 40, i);
    }
    clade_dataset *cached = open_set(1000, true), *half = open_set(images / 2, true);
    clade_dataset *later = open_set(1000, false), *half_later = open_set(images / 2, false);
    test_same((clade_dataset *[]){cached, half, later, half_later});
    CHECK(clade_dataset_is_cached(later, CLADE_TRAIN));
    CHECK(!clade_dataset_is_cached(half_later, CLADE_TRAIN));
    test_holes();
    test_mixed();
    test_order(cached);
    test_room();
    test_content(cached);
    test_content(half);
    test_errors(half);
    clade_dataset_destroy(&cached);
    clade_dataset_destroy(&half);
    clade_dataset_destroy(&later);
    clade_dataset_destroy(&half_later);
    drop_folder();
    return TEST_END();
}
