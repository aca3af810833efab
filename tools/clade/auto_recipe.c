/* A recipe for images of which nothing is known. */
#define _POSIX_C_SOURCE 200809L
#include "auto_recipe.h"

#include <stdlib.h>
#include <string.h>

/* A size that the net's four halvings fit and that a CPU can bear. */
static int32_t choose_side(const int32_t hwc[3])
{
    static const int32_t sides[] = {32, 64, 96, 128};
    int32_t shorter = hwc[0] < hwc[1] ? hwc[0] : hwc[1];
    size_t i = 0;
    if (hwc[0] == hwc[1] && shorter >= 16 && shorter <= 64) return shorter; /* MNIST, CIFAR */
    while (i < 3 && shorter > sides[i] + sides[i] / 4) i++;
    return sides[i];
}

static bool append(char **edits, size_t *count, const char *text)
{
    char *copy = strdup(text);
    if (copy) edits[(*count)++] = copy;
    return copy != NULL;
}

clade_status auto_recipe(const session_source *source, char **edits, size_t *count, char about[256])
{
    const clade_data_options options = {.path = source->data,
                                        .validation = source->validation,
                                        .label_pattern = source->label_pattern,
                                        .labels = source->labels,
                                        .label_columns = source->label_columns};
    clade_dataset *dataset = NULL;
    clade_status status = clade_dataset_open(&options, &dataset);
    if (status) return status;
    int32_t hwc[3];
    clade_dataset_shape(dataset, hwc);
    const int32_t side = choose_side(hwc);
    const size_t images = clade_dataset_count(dataset, CLADE_TRAIN);
    clade_dataset_destroy(&dataset);
    char size[64];
    snprintf(size, sizeof size, "input.size=%d", side);
    bool good = append(edits, count, size);
    if (good && hwc[2] == 1) /* a digit is none in a mirror */
        good = append(edits, count, "input.channels=1") &&
               append(edits, count, "augment.horizontal_flip=false");
    snprintf(about, 256,
             "No recipe given: `photos`, a small net from scratch, at %d×%d for %zu images "
             "(`clade recipes list` has others; --size, --epochs and --set change it)",
             side, side, images);
    return good ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory");
}
