/* Fuzz target: lists of labels, and label patterns. */
#include "data/label_list.h"
#include "data/label_pattern.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = 0;
    clade_label_pattern *pattern;
    if (size < 64 && !clade_label_pattern_create(text, &pattern)) {
        size_t length = 0;
        const char *name = "train/cat.0.jpg", *found = clade_label_find(pattern, name, &length);
        if (found && (found < name || found + length > name + strlen(name) || !length)) abort();
        clade_label_pattern_destroy(&pattern);
    }
    clade_label_list *list;
    if (clade_label_list_parse(text, size, "fuzz", NULL, &list)) return 0;
    for (size_t i = 0; i < clade_label_list_count(list); i++) {
        const clade_label_row *row = clade_label_list_row(list, i);
        const clade_label_row *found = clade_label_list_find(list, row->file);
        if (!*row->label || !found || strcmp(found->file, row->file)) abort();
    }
    clade_label_list_destroy(&list);
    return 0;
}
