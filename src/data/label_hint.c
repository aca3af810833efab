/* Hints on where the classes could come from, for error messages. */
#define _GNU_SOURCE
#include "data/layout.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const char *clade_label_hint(const clade_source *source, char text[CLADE_LABEL_HINT])
{
    const clade_entry *list = NULL;
    for (size_t i = 0; i < source->count; i++) {
        const clade_entry *entry = &source->entries[i];
        if (entry->kind == CLADE_ENTRY_OTHER && clade_named_list(entry->name) &&
            !strcasestr(entry->name, "submission") &&
            (!list || strlen(entry->name) < strlen(list->name)))
            list = entry;
    }
    struct stat info;
    const bool folder = !stat(source->path, &info) && S_ISDIR(info.st_mode);
    if (list && folder)
        snprintf(text, CLADE_LABEL_HINT,
                 "--labels %s/%s, if that list contains the classes; --label-pattern finds them in "
                 "file names",
                 source->path, list->name);
    else
        snprintf(text, CLADE_LABEL_HINT,
                 "--label-pattern finds the class in a file's name, "
                 "--labels in a list");
    return text;
}
