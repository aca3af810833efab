/* Hard links in an archive: each becomes a separate file with a copy of the content. */
#include "data/source.h"

#include <stdlib.h>
#include <string.h>

clade_status clade_source_keep(const clade_source *source, const clade_entry *entry, uint64_t limit,
                               uint64_t *kept)
{
    *kept += sizeof *entry + strlen(entry->name) + entry->size;
    if (*kept <= limit) return CLADE_OK;
    return clade_fail(CLADE_EUNSUPPORTED,
                      "%s: contains more than %.1f GB of images, more than fit in memory; unpack "
                      "it into a folder",
                      source->path, (double)limit / 1e9);
}

static int by_name_place(const void *a, const void *b)
{
    const clade_entry *x = *(clade_entry *const *)a, *y = *(clade_entry *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

/* Returns the last file of that name before `place`, as if the archive were unpacked; NULL:
 * none. */
static const clade_entry *find(clade_entry *const *sorted, size_t count, const char *name,
                               size_t place)
{
    size_t low = 0, high = count; /* the first that does not come before (name, place) */
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(sorted[middle]->name, name);
        if (order < 0 || (order == 0 && sorted[middle]->place < place))
            low = middle + 1;
        else
            high = middle;
    }
    const clade_entry *found = low > 0 ? sorted[low - 1] : NULL;
    return found && strcmp(found->name, name) == 0 && found->kind != CLADE_ENTRY_FOLDER ? found
                                                                                        : NULL;
}

static clade_status copy_content(clade_entry *to, const clade_entry *from)
{
    if (from->kind == CLADE_ENTRY_OTHER) {
        to->damaged = from->damaged;
        return clade_entry_reject(to, from->reason);
    }
    clade_status status = clade_entry_classify(to, from->bytes, from->size);
    if (status || to->kind == CLADE_ENTRY_OTHER) return status;
    to->bytes = malloc(from->size ? from->size : 1);
    if (!to->bytes) return clade_fail(CLADE_ENOMEM, "out of memory for %zu bytes", from->size);
    if (from->size) memcpy(to->bytes, from->bytes, from->size);
    to->size = from->size;
    return CLADE_OK;
}

static clade_status follow(clade_entry *const *sorted, size_t count, clade_entry *entry)
{
    bool outside, clutter;
    char *name = clade_clean_name(entry->link, &outside, &clutter);
    if (!name) return clade_fail(CLADE_ENOMEM, "out of memory for a list of files");
    const clade_entry *target = outside ? NULL : find(sorted, count, name, entry->place);
    free(name);
    if (target) return copy_content(entry, target);
    entry->damaged = true;
    return clade_entry_reject(entry, "a hard link to a file that is not in the archive before it");
}

clade_status clade_source_follow_links(clade_source *source, uint64_t limit, uint64_t *kept)
{
    size_t links = 0;
    for (size_t i = 0; i < source->count; i++) links += source->entries[i].link != NULL;
    if (links == 0) return CLADE_OK;
    clade_entry **sorted = malloc(source->count * sizeof(clade_entry *));
    if (!sorted) return clade_fail(CLADE_ENOMEM, "out of memory for a list of files");
    for (size_t i = 0; i < source->count; i++) sorted[i] = &source->entries[i];
    qsort(sorted, source->count, sizeof(clade_entry *), by_name_place);
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < source->count && !status; i++) { /* a link's target comes before it */
        clade_entry *entry = &source->entries[i];
        if (!entry->link) continue;
        status = follow(sorted, source->count, entry);
        if (!status) status = clade_source_keep(source, entry, limit, kept);
    }
    free(sorted);
    return status;
}
