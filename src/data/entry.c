/* The entries of a source: names, kinds, and listing. */
#define _GNU_SOURCE
#include "data/binary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool clade_named_gz(const char *base)
{
    size_t n = strlen(base);
    return n > 3 && strcmp(base + n - 3, ".gz") == 0;
}

bool clade_idx_member(const char *base)
{
    size_t n = strlen(base) - (clade_named_gz(base) ? 3 : 0);
    return n > 10 && (strncmp(base + n - 10, "idx3-ubyte", 10) == 0 ||
                      strncmp(base + n - 10, "idx1-ubyte", 10) == 0);
}

bool clade_binary_member(const char *base)
{
    return clade_cifar_member(base) || clade_idx_member(base);
}

const char *clade_base_name(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

bool clade_named_list(const char *name)
{
    static const char *const endings[] = {".csv", ".tsv", ".json", ".jsonl"};
    const char *dot = strrchr(clade_base_name(name), '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (!strcasecmp(dot, endings[i])) return true;
    return false;
}

/* Files that systems create beside images; never reported. */
bool clade_is_clutter(const char *part, size_t n)
{
    static const char *const names[] = {"__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir"};
    if (part[0] == '.') return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == n && strncasecmp(part, names[i], n) == 0) return true;
    return false;
}

clade_status clade_entry_reject(clade_entry *entry, const char *reason)
{
    free(entry->reason);
    entry->kind = CLADE_ENTRY_OTHER;
    entry->reason = strdup(reason);
    return entry->reason ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for a list of files");
}

char *clade_clean_name(const char *name, bool *outside, bool *clutter)
{
    char *clean = malloc(strlen(name) + 1);
    if (!clean) return NULL;
    size_t n = 0;
    *outside = *clutter = false;
    for (const char *part = name; *part;) {
        size_t length = strcspn(part, "/");
        bool up = length == 2 && memcmp(part, "..", 2) == 0;
        if (up) {
            *outside = true;
        } else if (length > 0 && !(length == 1 && part[0] == '.')) {
            *clutter |= clade_is_clutter(part, length);
            if (n > 0) clean[n++] = '/';
            memcpy(clean + n, part, length);
            n += length;
        }
        part += length;
        part += *part == '/';
    }
    clean[n] = 0;
    return clean;
}

clade_status clade_source_add(clade_source *source, const char *name, clade_entry **out)
{
    *out = NULL;
    bool outside, clutter;
    char *clean = clade_clean_name(name, &outside, &clutter);
    if (!clean) return clade_fail(CLADE_ENOMEM, "out of memory for a list of files");
    if (!*clean || clutter) {
        free(clean);
        return CLADE_OK;
    }
    if (source->count == source->room) {
        size_t room = source->room ? 2 * source->room : 256;
        clade_entry *entries = realloc(source->entries, room * sizeof *entries);
        if (!entries) {
            free(clean);
            return clade_fail(CLADE_ENOMEM, "out of memory for a list of %zu files", room);
        }
        source->entries = entries;
        source->room = room;
    }
    clade_entry *entry = &source->entries[source->count++];
    *entry = (clade_entry){.name = clean, .kind = CLADE_ENTRY_OTHER, .place = source->count};
    if (outside) {
        entry->place = 0; /* it does not replace another */
        entry->damaged = true;
        return clade_entry_reject(entry, "its name leads outside the archive");
    }
    *out = entry;
    return CLADE_OK;
}

clade_status clade_entry_classify(clade_entry *entry, const uint8_t *head, size_t size)
{
    const char *reason = NULL;
    if (clade_binary_member(clade_base_name(entry->name))) {
        entry->kind = CLADE_ENTRY_MEMBER;
        entry->most = clade_member_bytes;
    } else if (clade_image_sniff(head, size, &reason) != CLADE_IMAGE_OTHER) {
        entry->kind = CLADE_ENTRY_IMAGE;
        entry->most = clade_image_most_bytes(head, size);
    } else {
        char text[256];
        entry->damaged = clade_image_named(clade_base_name(entry->name));
        snprintf(text, sizeof text, "%s%s", reason,
                 clade_named_list(entry->name) ? "; pass a list of labels with --labels" : "");
        return clade_entry_reject(entry, text);
    }
    return CLADE_OK;
}

void clade_entry_clear(clade_entry *entry)
{
    free(entry->name);
    free(entry->reason);
    free(entry->bytes);
    free(entry->link);
}

void clade_entry_release(clade_entry *entry)
{
    if (atomic_fetch_sub_explicit(&entry->users, 1, memory_order_acq_rel) != 1) return;
    free(entry->bytes);
    entry->bytes = NULL;
}
