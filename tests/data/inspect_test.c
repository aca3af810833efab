/* Inspections: counts, formats, statistics, duplicates, damage; the same for any number of threads.
 */
#include <clade/inspect.h>

#include "../test.h"
#include "make.h"

#include <math.h>
#include <stdlib.h>
#include <turbojpeg.h>

static void put_blob(const char *name, blob b)
{
    put_file(name, b.data, b.size);
    free(b.data);
}

/* An image with edges and texture, height×width×3, that differs with `number`. Coordinates are
 * relative, so that another size shows the same. */
static uint8_t *make_scene(int height, int width, int number)
{
    uint8_t *rgb = malloc((size_t)height * (size_t)width * 3);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            double u = (x + 0.5) / width, v = (y + 0.5) / height, value = 90;
            unsigned state = (unsigned)number * 2654435761u + 12345u;
            for (int k = 0; k < 12; k++) { /* overlapping boxes */
                double box[5];
                for (int i = 0; i < 5; i++) {
                    state = state * 1664525u + 1013904223u;
                    box[i] = (state >> 8) / 16777216.0;
                }
                if (fabs(u - box[0]) < 0.05 + 0.2 * box[2] &&
                    fabs(v - box[1]) < 0.05 + 0.2 * box[3])
                    value = 20 + 215 * box[4];
            }
            uint8_t *p = rgb + 3 * ((size_t)y * (size_t)width + (size_t)x);
            p[0] = (uint8_t)value;
            p[1] = (uint8_t)(255 - value);
            p[2] = (uint8_t)(value / 2 + 40);
        }
    return rgb;
}

static blob scene_jpeg(int height, int width, int number, int quality)
{
    uint8_t *rgb = make_scene(height, width, number);
    blob b = make_jpeg(rgb, height, width, JPEG_COLOUR, TJSAMP_444, quality, 0);
    free(rgb);
    return b;
}

static clade_inspection *inspect(const clade_data_options *data,
                                 const clade_inspect_options *options, clade_dataset **dataset)
{
    clade_inspection *in = NULL;
    *dataset = NULL;
    CHECK_OK(clade_dataset_open(data, dataset));
    if (*dataset) CHECK_OK(clade_inspect(*dataset, options, &in));
    return in;
}

static size_t format_count(const clade_inspection *in, const char *name)
{
    for (size_t i = 0; i < in->format_count; i++)
        if (!strcmp(in->formats[i].name, name)) return in->formats[i].count;
    return 0;
}

static bool is_pair(const clade_inspection *in, size_t i, const char *a, const char *b)
{
    return i < in->duplicate_count && !strcmp(in->images[in->duplicates[i].a].name, a) &&
           !strcmp(in->images[in->duplicates[i].b].name, b);
}

static const char *fault_of(const clade_inspection *in, const char *name)
{
    for (size_t i = 0; i < in->count; i++)
        if (!strcmp(in->images[i].name, name)) return in->images[i].fault;
    return NULL;
}

static bool has_finding(const clade_inspection *in, bool serious, const char *part)
{
    for (size_t i = 0; i < in->finding_count; i++)
        if (in->findings[i].serious == serious && strstr(in->findings[i].text, part)) return true;
    return false;
}

/* Every kind of file, with sizes, orientation and means that are known. */
static void test_formats(void)
{
    make_folder();
    uint8_t *rgb = make_scene(40, 60, 1);
    put_blob("d/a/base.jpg", make_jpeg(rgb, 40, 60, JPEG_COLOUR, TJSAMP_420, 90, 0));
    put_blob("d/a/progressive.jpg", make_jpeg(rgb, 40, 60, JPEG_COLOUR, TJSAMP_420, 91, 1));
    put_blob("d/a/grey.jpg", make_jpeg(rgb, 40, 60, JPEG_GREY, TJSAMP_GRAY, 92, 0));
    put_blob("d/a/cmyk.jpg", make_jpeg(rgb, 40, 60, JPEG_CMYK, TJSAMP_444, 93, 0));
    put_blob("d/a/turned.jpg",
             with_orientation(make_jpeg(rgb, 40, 60, JPEG_COLOUR, TJSAMP_444, 94, 0), 6, 1));
    static const struct {
        int color, depth, interlaced;
        const char *name;
    } pngs[] = {{0, 8, 0, "PNG grey"},    {0, 1, 0, "PNG grey 1 bit"},
                {2, 8, 0, "PNG RGB"},     {2, 16, 0, "PNG RGB 16 bit"},
                {3, 8, 0, "PNG palette"}, {4, 8, 0, "PNG grey with alpha"},
                {6, 8, 0, "PNG RGBA"},    {6, 8, 1, "PNG RGBA interlaced"}};
    enum { png_count = sizeof pngs / sizeof *pngs };
    for (int i = 0; i < png_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "d/b/%d.png", i);
        put_blob(name, make_png(rgb, 40, 60, pngs[i].color, pngs[i].depth, pngs[i].interlaced));
    }
    clade_dataset *dataset;
    clade_inspection *in =
        inspect(&(clade_data_options){.path = path_of("d"), .height = 8, .width = 8},
                &(clade_inspect_options){.hash_distance = -1}, &dataset);
    if (in) {
        CHECK(in->count == 5 + png_count && in->unreadable == 0);
        CHECK(format_count(in, "JPEG baseline") == 2);
        CHECK(format_count(in, "JPEG progressive") == 1);
        CHECK(format_count(in, "JPEG baseline grey") == 1);
        CHECK(format_count(in, "JPEG baseline CMYK") == 1);
        for (int i = 0; i < png_count; i++) CHECK(format_count(in, pngs[i].name) == 1);
        for (size_t i = 1; i < in->format_count; i++)
            CHECK(in->formats[i].count <= in->formats[i - 1].count);
        CHECK(in->orientations[6] == 1 && in->orientations[1] == in->count - 1);
        CHECK(in->size_count == 2 && !strcmp(in->sizes[0].name, "60×40") &&
              !strcmp(in->sizes[1].name, "40×60") && in->sizes[1].count == 1);
        CHECK(in->width.low == 40 && in->width.high == 60 && in->height.high == 60);
        CHECK(in->side_bins[5] == in->count);
        CHECK(in->readable[0] == 5 && in->readable[1] == png_count);
        /* the mean of the RGB PNG, exactly */
        double sum = 0;
        for (int i = 0; i < 40 * 60; i++) sum += rgb[3 * i];
        const clade_inspected *p = &in->images[5 + 2];
        CHECK(!strcmp(in->formats[p->format].name, "PNG RGB"));
        CHECK(fabs((double)p->mean[0] - sum / (40 * 60)) < 1e-4);
        CHECK(!has_finding(in, true, ""));
    }
    free(rgb);
    clade_inspection_destroy(&in);
    CHECK(!in);
    clade_dataset_destroy(&dataset);
    drop_folder();
}

static void put_duplicates(void)
{
    for (int i = 0; i < 12; i++) {
        char name[64];
        snprintf(name, sizeof name, "d/train/%s/%02d.jpg", i % 2 ? "dog" : "cat", i);
        put_blob(name, scene_jpeg(96, 120, i, 90));
        snprintf(name, sizeof name, "d/test/%s/%02d.jpg", i % 2 ? "dog" : "cat", i);
        put_blob(name, scene_jpeg(96, 120, 100 + i, 90));
    }
    put_blob("d/test/cat/copy.jpg", scene_jpeg(96, 120, 4, 90));      /* equal to train 04 */
    put_blob("d/train/cat/copy.jpg", scene_jpeg(96, 120, 4, 90));     /* and once more */
    put_blob("d/test/dog/smaller.jpg", scene_jpeg(60, 71, 7, 60));    /* train 07 */
    put_blob("d/train/dog/elsewhere.jpg", scene_jpeg(64, 64, 0, 80)); /* train 00, a cat */
}

static void test_duplicates(void)
{
    make_folder();
    put_duplicates();
    const clade_data_options data = {.path = path_of("d"), .height = 8, .width = 8};
    clade_dataset *dataset;
    clade_inspection *in = inspect(&data, NULL, &dataset);
    if (in) {
        CHECK(in->count == 28 && in->duplicate_count == 4 && in->exact_count == 2 && !in->more);
        CHECK(is_pair(in, 0, "train/cat/04.jpg", "test/cat/copy.jpg") && in->duplicates[0].exact);
        CHECK(is_pair(in, 1, "train/dog/07.jpg", "test/dog/smaller.jpg"));
        CHECK(is_pair(in, 2, "train/cat/04.jpg", "train/cat/copy.jpg") && in->duplicates[2].exact);
        CHECK(is_pair(in, 3, "train/cat/00.jpg", "train/dog/elsewhere.jpg"));
        CHECK(in->contradictions == 1);
        CHECK(in->duplicates[1].similarity > 0.9 && in->duplicates[1].distance <= 11);
        CHECK(in->shared[CLADE_TEST][CLADE_TRAIN] == 2 && in->shared[CLADE_TRAIN][CLADE_TEST] == 3);
        CHECK(in->shared[CLADE_TRAIN][CLADE_TRAIN] == 4 && in->shared[CLADE_TEST][CLADE_TEST] == 0);
        CHECK(has_finding(in, true, "2 of the 14 test images"));
        CHECK(has_finding(in, true, "1 pair of duplicates has two different classes"));
        CHECK(has_finding(in, false, "no validation split"));
    }
    clade_inspection_destroy(&in);
    clade_dataset_destroy(&dataset);

    /* exact ones only; a similarity that nothing reaches */
    in = inspect(&data, &(clade_inspect_options){.hash_distance = -1}, &dataset);
    CHECK(in && in->duplicate_count == 2);
    clade_inspection_destroy(&in);
    clade_dataset_destroy(&dataset);
    in = inspect(&data, &(clade_inspect_options){.similarity = 1}, &dataset);
    CHECK(in && in->duplicate_count == 2);
    clade_inspection_destroy(&in);
    CHECK_FAILS(clade_inspect(dataset, &(clade_inspect_options){.hash_distance = 16}, &in),
                CLADE_EINVAL, "16 bits");
    CHECK_FAILS(clade_inspect(dataset, &(clade_inspect_options){.similarity = 1.5}, &in),
                CLADE_EINVAL, "1.5");
    CHECK_OK(clade_dataset_load(dataset, NULL, NULL));
    CHECK_FAILS(clade_inspect(dataset, NULL, &in), CLADE_EINVAL, "before it is loaded");
    clade_dataset_destroy(&dataset);
    drop_folder();
}

static bool never(void *user, size_t done, size_t total)
{
    (void)user;
    return done < total / 2;
}

static void test_damage(void)
{
    make_folder();
    blob whole = scene_jpeg(50, 50, 1, 90);
    put_file("d/a/good.jpg", whole.data, whole.size);
    put_file("d/a/short.jpg", whole.data, whole.size / 2);
    free(whole.data);
    put_blob("d/b/good.jpg", scene_jpeg(50, 50, 2, 90));
    uint8_t flat[20 * 20 * 3];
    memset(flat, 77, sizeof flat);
    put_blob("d/b/flat.png", make_png(flat, 20, 20, 2, 8, 0));
    /* a header that says 30,000×30,000 */
    blob huge = make_png(flat, 20, 20, 2, 8, 0);
    memcpy(huge.data + 16, "\0\0\x75\x30\0\0\x75\x30", 8);
    put_blob("d/b/huge.png", huge);
    put_file("d/b/text.jpg", "no image", 8);
    put_folder("d/empty");
    clade_data_options data = {.path = path_of("d"), .height = 8, .width = 8};
    clade_dataset *dataset;
    CHECK_FAILS(clade_dataset_open(&data, &dataset), CLADE_EINVAL, "'empty' has no images");
    data.lenient = true;
    clade_inspection *in = inspect(&data, NULL, &dataset);
    if (in) {
        CHECK(in->classes == 3 && in->count == 5 && in->unreadable == 2 && in->damaged == 2);
        const char *cut = fault_of(in, "a/short.jpg"), *large = fault_of(in, "b/huge.png");
        CHECK(cut && strstr(cut, "JPEG") && !strstr(cut, "short.jpg"));
        CHECK(large && strstr(large, "30000×30000") && strstr(large, "megapixels"));
        CHECK(clade_dataset_skipped(dataset) == 1);
        CHECK(in->single_coloured == 1);
        CHECK(in->readable[0] == 1 && in->readable[1] == 2 && in->readable[2] == 0);
        CHECK(has_finding(in, true, "class 'empty'"));
        CHECK(has_finding(in, false,
                          "2 images are damaged and cannot be decoded; training leaves them out"));
        CHECK(has_finding(in, false, "1 image is of a single colour"));
        CHECK(in->duplicate_count == 0);
        uint8_t small[16 * 16 * 3];
        int32_t h, w;
        for (size_t i = 0; i < in->count; i++) {
            if (in->images[i].fault)
                CHECK_FAILS(clade_inspection_thumbnail(in, i, 16, small, &h, &w), CLADE_EFORMAT,
                            in->images[i].name);
            else
                CHECK_OK(clade_inspection_thumbnail(in, i, 16, small, &h, &w));
            if (in->images[i].single_colour) CHECK(h == 16 && w == 16 && small[5] == 77);
        }
    }
    clade_inspection_destroy(&in);
    if (dataset)
        CHECK_FAILS(clade_inspect(dataset, &(clade_inspect_options){.progress = never}, &in),
                    CLADE_ECANCELLED, "stopped");
    clade_dataset_destroy(&dataset);
    drop_folder();
}

/* Means and deviations by hand; no number depends on threads. */
/* Classes that may be one, and classes that may lie a level too high. */
static void test_classes(void)
{
    make_folder();
    static const char *const names[] = {
        "alike/Cats/0.jpg",        "alike/cats/0.jpg",      "alike/caf\u00e9/0.jpg",
        "alike/cafe\u0301/0.jpg",  "parts/one/cat/0.jpg",   "parts/one/dog/1.jpg",
        "parts/two/cat/0.jpg",     "parts/two/dog/1.jpg",   "inner/ants/images/0.jpg",
        "inner/bees/images/0.jpg", "years/ants/2019/0.jpg", "years/ants/2020/0.jpg",
        "years/bees/2019/0.jpg",   "years/bees/2020/0.jpg", "years/bees/0.jpg"};
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) put_jpeg(names[i], 20, 20, i);
    static const char *const level = "'one' and 'two' both have a folder 'cat' and others";
    static const struct {
        const char *path, *finding;
    } sets[] = {{"alike", NULL}, {"parts", level}, {"inner", NULL}, {"years", NULL}};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        clade_data_options data = {.path = path_of(sets[i].path)};
        clade_dataset *dataset;
        clade_inspection *in = inspect(&data, NULL, &dataset);
        if (!in) continue;
        bool alike = i == 0;
        CHECK(has_finding(in, true, "classes 0 and 3 are called 'Cats' and 'cats'") == alike);
        CHECK(has_finding(in, true, "classes 1 and 2 are called") == alike);
        CHECK(has_finding(in, true, "Unicode form") == alike);
        CHECK(has_finding(in, false, "a level too deep") == (sets[i].finding != NULL));
        CHECK(!sets[i].finding || has_finding(in, false, sets[i].finding));
        clade_inspection_destroy(&in);
        clade_dataset_destroy(&dataset);
    }
    drop_folder();
}

/* Which classes are told to be unequal: of the training split, from half as many again. */
static void test_balance(void)
{
    static const struct {
        int train[3], validation[2];
        const char *finding;
    } sets[] = {{{5, 4, 4}, {1, 5}, NULL},
                {{2, 2, 3}, {1, 1}, "class 'c' has 1.5 times as many training images as 'a'"},
                {{5, 2, 4}, {3, 3}, "class 'a' has 2.5 times as many training images as 'b'"}};
    make_folder();
    for (int i = 0; i < 3; i++) {
        char name[64], folder[16];
        for (int n = 0; n < 15; n++) {
            snprintf(name, sizeof name, "%d/train/%c/%d.jpg", i, 'a' + n / 5, n % 5);
            if (n % 5 < sets[i].train[n / 5]) put_jpeg(name, 20, 20, n);
            snprintf(name, sizeof name, "%d/val/%c/%d.jpg", i, 'a' + n / 5, n % 5);
            if (n % 5 < (n / 5 < 2 ? sets[i].validation[n / 5] : 1)) put_jpeg(name, 20, 20, 15 + n);
        }
        snprintf(folder, sizeof folder, "%d", i);
        const clade_data_options data = {.path = path_of(folder)};
        clade_dataset *dataset;
        clade_inspection *in = inspect(&data, NULL, &dataset);
        if (!in) continue;
        CHECK(has_finding(in, false, "times as many") == (sets[i].finding != NULL));
        CHECK(!sets[i].finding || has_finding(in, false, sets[i].finding));
        clade_inspection_destroy(&in);
        clade_dataset_destroy(&dataset);
    }
    drop_folder();
}

static void test_threads(void)
{
    make_folder();
    put_duplicates();
    const clade_data_options data = {.path = path_of("d"), .height = 8, .width = 8};
    clade_dataset *dataset, *other;
    clade_inspection *one = inspect(&data, &(clade_inspect_options){.threads = 1}, &dataset);
    clade_inspection *four = inspect(&data, &(clade_inspect_options){.threads = 4}, &other);
    CHECK(one && four);
    if (one && four) {
        CHECK(one->measured == CLADE_TRAIN && one->channels == 3);
        CHECK(!memcmp(one->mean, four->mean, sizeof one->mean));
        CHECK(!memcmp(one->deviation, four->deviation, sizeof one->deviation));
        CHECK(one->duplicate_count == four->duplicate_count);
        for (size_t i = 0; i < one->duplicate_count && i < four->duplicate_count; i++)
            CHECK(one->duplicates[i].a == four->duplicates[i].a &&
                  one->duplicates[i].b == four->duplicates[i].b &&
                  one->duplicates[i].similarity == four->duplicates[i].similarity);
        double sum = 0, squares = 0, n = 0;
        for (size_t i = 0; i < one->count; i++) {
            if (one->images[i].split != CLADE_TRAIN) continue;
            double mean = (double)one->images[i].mean[1], d = (double)one->images[i].deviation[1];
            sum += mean;
            squares += d * d + mean * mean;
            n++;
        }
        CHECK(n == 14 && fabs(one->mean[1] - sum / n / 255) < 1e-9);
        CHECK(fabs(one->deviation[1] - sqrt(squares / n - sum / n * sum / n) / 255) < 1e-9);
    }
    clade_inspection_destroy(&one);
    clade_inspection_destroy(&four);
    clade_dataset_destroy(&dataset);
    clade_dataset_destroy(&other);
    drop_folder();
}

/* A file that is gone is another matter than one that is damaged. */
static void test_gone(void)
{
    make_folder();
    for (int i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "gone/%c/%d.jpg", "ab"[i % 2], i);
        put_blob(name, scene_jpeg(50, 50, i, 90));
    }
    const clade_data_options data = {.path = path_of("gone"), .height = 8, .width = 8};
    clade_dataset *dataset = NULL;
    clade_inspection *in = NULL;
    CHECK_OK(clade_dataset_open(&data, &dataset));
    CHECK(remove(path_of("gone/b/3.jpg")) == 0);
    CHECK_OK(clade_inspect(dataset, NULL, &in));
    CHECK(in && in->unreadable == 1 && in->damaged == 0);
    CHECK(in && has_finding(in, false, "1 image cannot be read; training would stop"));
    CHECK(in && !has_finding(in, false, "damaged"));
    clade_inspection_destroy(&in);
    clade_dataset_destroy(&dataset);
    drop_folder();
}

/* Strokes as of handwritten ones and sevens, 28×28: much alike, none the same but three copies. */
static void put_strokes(void)
{
    enum { side = 28, n = 200, tested = 60 };
    static uint8_t images[16 + n * side * side], labels[8 + n];
    const uint8_t head[] = {0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, side, 0, 0, 0, side};
    const uint8_t label_head[] = {0, 0, 8, 1, 0, 0, 0, n};
    memcpy(images, head, sizeof head);
    memcpy(labels, label_head, sizeof label_head);
    uint32_t state = 1;
    for (int i = 0; i < n; i++) {
        float draw[4];
        for (int k = 0; k < 4; k++) {
            state = state * 1664525u + 1013904223u;
            draw[k] = (float)(state >> 8) / (float)(1 << 24) - 0.5F;
        }
        labels[8 + i] = (uint8_t)(i % 2);
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++) {
                float middle = 14 + 4 * draw[0] + draw[1] * (float)(y - 14) / 2;
                float off = fabsf((float)x - middle), width = 1.5F + draw[2];
                if (i % 2 && y < 8) off = x < 20 ? fabsf((float)y - 5 - 2 * draw[3]) : 9;
                float value = y < 4 || y > 24 ? 0 : width + 0.5F - off;
                images[16 + (i * side + y) * side + x] = (uint8_t)(255 * (value < 0   ? 0
                                                                          : value > 1 ? 1
                                                                                      : value));
            }
    }
    for (int copy = 2; copy < 5; copy += 2)
        memcpy(images + 16 + copy * side * side, images + 16, side * side);
    put_file("strokes/train-images-idx3-ubyte", images, sizeof images);
    put_file("strokes/train-labels-idx1-ubyte", labels, sizeof labels);
    memmove(images + 16, images + 16 + 100 * side * side, tested * side * side);
    images[7] = labels[7] = tested; /* those from 100 on, once more */
    put_file("strokes/t10k-images-idx3-ubyte", images, 16 + tested * side * side);
    put_file("strokes/t10k-labels-idx1-ubyte", labels, 8 + tested);
}

/* Images that are alike by chance raise no alarm; equal ones do, in groups. */
static void test_alike(void)
{
    make_folder();
    put_strokes();
    const clade_data_options data = {.path = path_of("strokes")};
    clade_dataset *dataset;
    clade_inspection *in = inspect(&data, NULL, &dataset);
    CHECK(in && in->alike && in->alike[0] > 0.75 && in->alike[1] > 0.75 && in->alike[0] < 1);
    CHECK(in && in->exact_groups == 61 && in->exact_count == 62);
    CHECK(in && in->shared[CLADE_VALIDATION][CLADE_TRAIN] == 60 && in->contradictions == 0);
    CHECK(in && in->shared[CLADE_TRAIN][CLADE_TRAIN] == 3);
    CHECK(in && has_finding(in, false, "2 classes look much alike by chance"));
    clade_inspection_destroy(&in);
    clade_dataset_destroy(&dataset);
    in = inspect(&data, &(clade_inspect_options){.similarity = 0.75}, &dataset);
    CHECK(in && !in->alike && in->shared[CLADE_TRAIN][CLADE_TRAIN] > 150);
    clade_inspection_destroy(&in);
    clade_dataset_destroy(&dataset);
    drop_folder();
}

int main(void)
{
    test_formats();
    test_duplicates();
    test_alike();
    test_damage();
    test_classes();
    test_balance();
    test_threads();
    test_gone();
    return TEST_END();
}
