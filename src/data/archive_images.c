/* The images of an archive, for callers without a data set. */
#include "data/source.h"

#include <clade/data.h>

#include <stdlib.h>
#include <string.h>

struct clade_archive {
    clade_source *source;
    const clade_entry **entry; /* images, members of binary sets and skipped files */
    size_t count;
};

/* Recognises an archive by its first bytes; those of a tar archive follow the name and numbers of
 * its first file. */
static clade_status look(const char *path, bool *archive)
{
    enum { magic_at = 257, looked_at = magic_at + 5 };
    uint8_t bytes[looked_at];
    clade_bytes head = {bytes, sizeof bytes};
    clade_stamp stamp;
    const char *reason = NULL;
    size_t size = 0;
    clade_status status =
        clade_bytes_read(path, 0, sizeof bytes, sizeof bytes, NULL, &stamp, &head, &size);
    if (status) return status;
    *archive = (!clade_image_sniff(bytes, size, &reason) && reason == clade_archive_refusal) ||
               (size == looked_at && !memcmp(bytes + magic_at, "ustar", 5));
    return CLADE_OK;
}

clade_status clade_archive_open(const char *path, clade_archive **out)
{
    bool archive = false;
    *out = NULL;
    clade_status status =
        path ? look(path, &archive) : clade_fail(CLADE_EINVAL, "no path of an archive");
    if (!status && !archive) status = clade_fail(CLADE_EINVAL, "%s: not an archive", path);
    if (status) return status;
    clade_archive *a = calloc(1, sizeof *a);
    if (!a) return clade_fail(CLADE_ENOMEM, "out of memory for a list of files");
    status = clade_source_open(path, clade_memory_free() / 4 * 3, 1, &a->source);
    if (!status) a->entry = calloc(a->source->count + 1, sizeof *a->entry);
    if (!status && !a->entry)
        status = clade_fail(CLADE_ENOMEM, "out of memory for a list of files");
    for (size_t i = 0; !status && i < a->source->count; i++)
        if (a->source->entries[i].kind != CLADE_ENTRY_FOLDER)
            a->entry[a->count++] = &a->source->entries[i];
    *out = a;
    if (status) clade_archive_close(out);
    return status;
}

void clade_archive_close(clade_archive **archive)
{
    if (!*archive) return;
    clade_source_close(&(*archive)->source);
    free((*archive)->entry);
    free(*archive);
    *archive = NULL;
}

size_t clade_archive_count(const clade_archive *archive) { return archive->count; }

const char *clade_archive_name(const clade_archive *archive, size_t i)
{
    return archive->entry[i]->name;
}

const char *clade_archive_reason(const clade_archive *archive, size_t i, bool *named)
{
    const clade_entry *entry = archive->entry[i];
    if (named) *named = entry->damaged;
    if (entry->kind == CLADE_ENTRY_IMAGE) return NULL;
    return entry->reason ? entry->reason : "not an image";
}

const void *clade_archive_bytes(const clade_archive *archive, size_t i, size_t *size)
{
    *size = archive->entry[i]->size;
    return archive->entry[i]->bytes;
}
