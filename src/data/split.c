/* Splits by fraction, and folds. An image's place depends on the seed, its name, and the number of
 * images, never on the order in which they were found. */
#include "data/dataset.h"

#include "base/hash.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct ranked_key {
    uint64_t rank;
    size_t at; /* in the training split */
    const char *key;
} ranked_key;

static int by_rank(const void *a, const void *b)
{
    const ranked_key *x = a, *y = b;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    const int order = strcmp(x->key, y->key);
    return order ? order : (x->at > y->at) - (x->at < y->at); /* in two folders of one split */
}

/* Returns how many of n images a fraction takes: rounded, at least one. */
static size_t share(double fraction, size_t n)
{
    if (fraction <= 0) return 0;
    size_t k = (size_t)floor(fraction * (double)n + 0.5);
    return k > 0 ? k : 1;
}

static clade_status check_fraction(double fraction, const char *what)
{
    if (fraction >= 0 && fraction < 1) return CLADE_OK; /* false for NaN */
    return clade_fail(CLADE_EINVAL, "%s split of %g: expected a fraction of at least 0 and below 1",
                      what, fraction);
}

/* Returns the start of a message about too few images: "class 'cat' has" or, for several labels and
 * numbers, which are divided as one class, "the data has". */
static const char *who_has(const clade_dataset *dataset, size_t label, char text[256])
{
    if (clade_dataset_has_rows(dataset)) return "the data has";
    snprintf(text, 256, "class '%.200s' has", dataset->names[label]);
    return text;
}

/* Sets to[i] for the images of one class, list[0…n), n > 0. */
static clade_status choose(const clade_dataset *dataset, ranked_key *list, size_t n,
                           double validation, double test, uint8_t *to)
{
    size_t a = share(validation, n), b = share(test, n);
    if (a + b >= n) {
        const clade_image *one = &dataset->split[CLADE_TRAIN].items[list[0].at];
        char text[256];
        return clade_fail(
            CLADE_EINVAL,
            "%s %zu image%s: %zu for validation and %zu for test leave none to train on",
            who_has(dataset, (size_t)one->label, text), n, n == 1 ? "" : "s", a, b);
    }
    qsort(list, n, sizeof *list, by_rank);
    for (size_t i = 0; i < a + b; i++) to[list[i].at] = i < a ? CLADE_VALIDATION : CLADE_TEST;
    return CLADE_OK;
}

/* Lists the images of class c in the training split. */
static size_t list_class(const clade_images *train, size_t c, uint64_t seed, ranked_key *list)
{
    size_t n = 0;
    for (size_t i = 0; i < train->count; i++) {
        const clade_image *image = &train->items[i];
        if (image->label != (int32_t)c) continue;
        uint32_t words[4];
        clade_random_words(seed, CLADE_STREAM_SPLIT, clade_hash(image->key, strlen(image->key)), 0,
                           words);
        list[n++] = (ranked_key){(uint64_t)words[0] << 32 | words[1], i, image->key};
    }
    return n;
}

/* Moves the images of the training split to their new splits. */
static clade_status move(clade_dataset *dataset, const uint8_t *to)
{
    clade_images *train = &dataset->split[CLADE_TRAIN];
    clade_status status = CLADE_OK;
    size_t kept = 0;
    for (size_t i = 0; i < train->count && !status; i++) {
        clade_image image = train->items[i];
        if (to[i] == CLADE_TRAIN)
            train->items[kept++] = image;
        else
            status = clade_dataset_add(dataset, to[i], &image);
    }
    if (!status) train->count = kept;
    return status;
}

clade_status clade_split_by_fraction(clade_dataset *dataset, double validation, double test,
                                     uint64_t seed)
{
    clade_status status = check_fraction(validation, "validation");
    if (!status) status = check_fraction(test, "test");
    if (status) return status;
    if (dataset->split[CLADE_VALIDATION].count) validation = 0;
    if (dataset->split[CLADE_TEST].count) test = 0;
    clade_images *train = &dataset->split[CLADE_TRAIN];
    if ((validation == 0 && test == 0) || train->count == 0) return CLADE_OK;

    ranked_key *list = malloc(train->count * sizeof *list);
    uint8_t *to = calloc(train->count, 1);
    if (!list || !to)
        status = clade_fail(CLADE_ENOMEM, "out of memory to split %zu images", train->count);
    for (size_t c = 0; c < dataset->classes && !status; c++) {
        const size_t n = list_class(train, c, seed, list);
        if (n > 0) status = choose(dataset, list, n, validation, test, to);
    }
    if (!status) status = move(dataset, to);
    free(list);
    free(to);
    return status;
}

/* --- folds --- */

static int by_class(const void *a, const void *b)
{
    const clade_image *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Moves the validation images to the training images, in the order of classes and names. */
static clade_status join_splits(clade_dataset *dataset)
{
    clade_images *train = &dataset->split[CLADE_TRAIN], *other = &dataset->split[CLADE_VALIDATION];
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < other->count && !status; i++)
        status = clade_dataset_add(dataset, CLADE_TRAIN, &other->items[i]);
    if (status || other->count == 0) return status;
    other->count = 0;
    qsort(train->items, train->count, sizeof *train->items, by_class);
    return CLADE_OK;
}

clade_status clade_split_by_fold(clade_dataset *dataset, int32_t folds, int32_t fold, uint64_t seed)
{
    if (folds < 2 || folds > 1000 || fold < 1 || fold > folds)
        return clade_fail(CLADE_EINVAL, "fold %d of %d: expected 2 to 1000 folds, and one of them",
                          fold, folds);
    clade_status status = join_splits(dataset);
    const clade_images *train = &dataset->split[CLADE_TRAIN];
    if (status || train->count == 0) return status;
    ranked_key *list = malloc(train->count * sizeof *list);
    uint8_t *to = calloc(train->count, 1);
    if (!list || !to)
        status = clade_fail(CLADE_ENOMEM, "out of memory to split %zu images", train->count);
    size_t dealt = 0; /* continues from class to class, so that folds have equal sizes */
    for (size_t c = 0; c < dataset->classes && !status; c++) {
        const size_t n = list_class(train, c, seed, list);
        char text[256];
        if (n > 0 && n < (size_t)folds)
            status = clade_fail(CLADE_EINVAL, "%s %zu images, expected one for each of %d folds",
                                who_has(dataset, c, text), n, folds);
        if (n > 0) qsort(list, n, sizeof *list, by_rank);
        for (size_t i = 0; i < n && !status; i++)
            if (dealt++ % (size_t)folds == (size_t)fold - 1) to[list[i].at] = CLADE_VALIDATION;
    }
    if (!status) status = move(dataset, to);
    free(list);
    free(to);
    return status;
}
