/* The published sets, where they lie in $CLADE_SHARED/datasets: counts, classes and a known mean.
 */
#include <clade/inspect.h>

#include "../test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char paths[2][512];

/* The path of a set; NULL when it is not there. */
static const char *find(int which, const char *name)
{
    struct stat info;
    snprintf(paths[which], sizeof paths[which], "%s/datasets/%s", getenv("CLADE_SHARED"), name);
    return stat(paths[which], &info) ? NULL : paths[which];
}

static clade_dataset *load(const clade_data_options *options)
{
    clade_dataset *d = NULL;
    CHECK_OK(clade_dataset_open(options, &d));
    if (d) CHECK_OK(clade_dataset_load(d, NULL, NULL));
    return d;
}

/* JPEGs to train on and RGBA PNGs to validate with, in two archives. */
static void test_horses(void)
{
    clade_data_options options = {.path = find(0, "horse-or-human.zip"),
                                  .validation = find(1, "validation-horse-or-human.zip")};
    if (!options.path || !options.validation) return;
    clade_dataset *d = load(&options);
    if (!d) return;
    int32_t hwc[3];
    clade_dataset_shape(d, hwc);
    CHECK(hwc[0] == 300 && hwc[1] == 300 && hwc[2] == 3);
    CHECK(clade_dataset_class_count(d, CLADE_TRAIN, 0) == 500 &&
          clade_dataset_class_count(d, CLADE_TRAIN, 1) == 527);
    CHECK(clade_dataset_class_count(d, CLADE_VALIDATION, 0) == 128);
    CHECK(clade_dataset_class_count(d, CLADE_VALIDATION, 1) == 128);
    CHECK(strcmp(clade_dataset_class_name(d, 0), "horses") == 0 && clade_dataset_skipped(d) == 0);
    clade_dataset_destroy(&d);
}

static void test_cats(void)
{
    const char *path = find(0, "cats-dogs-697.zip");
    clade_dataset *d =
        path ? load(&(clade_data_options){.path = path, .height = 64, .width = 64}) : NULL;
    if (path && d) {
        CHECK(clade_dataset_count(d, CLADE_TRAIN) == 557 &&
              clade_dataset_count(d, CLADE_TEST) == 140);
        CHECK(clade_dataset_class_count(d, CLADE_TRAIN, 0) == 279 && clade_dataset_skipped(d) == 0);
    }
    clade_dataset_destroy(&d);
    path = find(0, "cats-dogs-scraped.zip");
    d = path ? load(&(clade_data_options){
                   .path = path, .height = 64, .width = 64, .validation_split = 0.2})
             : NULL;
    if (path && d) {
        CHECK(clade_dataset_count(d, CLADE_TRAIN) == 1117 &&
              clade_dataset_count(d, CLADE_VALIDATION) == 280);
        CHECK(clade_dataset_class_count(d, CLADE_VALIDATION, 0) == 115);
    }
    clade_dataset_destroy(&d);
}

/* Test images that are also training images, under other names and in other files. */
static void test_leaks(void)
{
    clade_data_options options = {.path = find(0, "cats-dogs-697.zip"), .height = 64, .width = 64};
    clade_dataset *d = NULL;
    clade_inspection *in = NULL;
    if (!options.path) return;
    CHECK_OK(clade_dataset_open(&options, &d));
    if (d) CHECK_OK(clade_inspect(d, NULL, &in));
    CHECK(in && in->exact_count == 0 && in->shared[CLADE_TEST][CLADE_TRAIN] == 11);
    CHECK(in && in->contradictions == 0 && in->unreadable == 0);
    clade_inspection_destroy(&in);
    clade_dataset_destroy(&d);
}

static void test_cifar(void)
{
    const char *path = find(0, "cifar-10-binary.tar.xz");
    clade_dataset *d = path ? load(&(clade_data_options){.path = path}) : NULL;
    if (!d) return;
    CHECK(clade_dataset_count(d, CLADE_TRAIN) == 50000 &&
          clade_dataset_count(d, CLADE_VALIDATION) == 10000);
    CHECK(clade_dataset_classes(d) == 10 && strcmp(clade_dataset_class_name(d, 6), "frog") == 0);
    CHECK(clade_dataset_label(d, CLADE_TRAIN, 0) == 6); /* the first training image is a frog */
    double sum[3] = {0};
    uint8_t pixels[3072];
    for (size_t i = 0; i < 50000; i++) {
        if (clade_dataset_pixels(d, CLADE_TRAIN, i, pixels)) break;
        for (int k = 0; k < 3072; k++) sum[k % 3] += pixels[k];
    }
    static const double mean[3] = {0.49140, 0.48216, 0.44653};
    for (int c = 0; c < 3; c++) CHECK(fabs(sum[c] / (50000.0 * 1024 * 255) - mean[c]) < 1e-5);
    clade_dataset_destroy(&d);
}

int main(void)
{
    if (!getenv("CLADE_SHARED")) {
        printf("CLADE_SHARED does not name a folder with data sets\n");
        return 77;
    }
    test_horses();
    test_cats();
    test_leaks();
    test_cifar();
    return test_checks ? TEST_END() : 77;
}
