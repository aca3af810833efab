/* Damaged images: marking them while others are read, and dropping them. */
#define _POSIX_C_SOURCE 200809L
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

void clade_dataset_mark_damaged(const clade_dataset *dataset, clade_image *image)
{
    const char *text = clade_error();
    size_t n = strlen(image->name);
    if (strncmp(text, image->name, n) == 0 && strncmp(text + n, ": ", 2) == 0) text += n + 2;
    char *reason = strdup(text), *none = NULL;
    if (!reason) return;
    if (atomic_compare_exchange_strong(&image->damage, &none, reason))
        atomic_fetch_add(dataset->damaged, 1);
    else
        free(reason); /* another thread was first */
}

bool clade_dataset_is_damaged(const clade_dataset *dataset, clade_split split, size_t i)
{
    return atomic_load(&dataset->split[split].items[i].damage) != NULL;
}

/* Finds a marked image and the reason; *reason is NULL if there is none. */
static void find_damaged(const clade_dataset *dataset, const char **name, const char **reason)
{
    *name = *reason = NULL;
    for (int s = 0; s < CLADE_SPLITS; s++) {
        const clade_images *in = &dataset->split[s];
        for (size_t i = 0; i < in->count && !*reason; i++) {
            *name = in->items[i].name;
            *reason = atomic_load(&in->items[i].damage);
        }
    }
}

bool clade_dataset_has_damaged(const clade_dataset *dataset)
{
    const char *name, *reason;
    find_damaged(dataset, &name, &reason);
    return reason != NULL;
}

size_t clade_dataset_damaged(const clade_dataset *dataset)
{
    return atomic_load(dataset->damaged) - dataset->unusable;
}

clade_status clade_dataset_check_damage(const clade_dataset *dataset)
{
    size_t damaged = atomic_load(dataset->damaged), total = dataset->unusable;
    for (int s = 0; s < CLADE_SPLITS; s++) total += dataset->split[s].listed;
    if (dataset->lenient || (double)damaged <= dataset->max_damaged * (double)total)
        return CLADE_OK;
    const char *name, *reason;
    find_damaged(dataset, &name, &reason);
    for (int s = 0; s < CLADE_SPLITS && !reason; s++) {
        const clade_source *source = dataset->sources[s];
        for (size_t i = 0; source && i < source->count && !reason; i++) {
            if (!source->entries[i].damaged) continue;
            name = source->entries[i].name;
            reason = source->entries[i].reason;
        }
    }
    return clade_fail(CLADE_EFORMAT,
                      "%s: %zu of %zu images are damaged, more than the share of %g that "
                      "data.max_damaged allows; %s: %s",
                      dataset->sources[0]->path, damaged, total, dataset->max_damaged,
                      reason ? name : "one", reason ? reason : "could not be decoded");
}

clade_status clade_dataset_drop_damaged(clade_dataset *dataset)
{
    for (int s = 0; s < CLADE_SPLITS; s++) {
        clade_images *in = &dataset->split[s];
        size_t kept = 0;
        for (size_t i = 0; i < in->count; i++) {
            clade_image *image = &in->items[i];
            char *reason = atomic_exchange(&image->damage, NULL);
            if (!reason) {
                in->items[kept++] = *image;
                continue;
            }
            clade_status status = clade_dataset_skip(dataset, image->name, reason);
            free(reason);
            if (status) return status;
            clade_entry_release(image->entry);
        }
        in->count = kept;
    }
    return clade_dataset_count_classes(dataset);
}
