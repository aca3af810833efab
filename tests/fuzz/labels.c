/* Fuzz target: lists of labels, and label patterns. */
#include "data/label_list.h"
#include "data/label_pattern.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every row is found by its file. Takes the text. */
static void read_list(char *text, size_t size, bool several, bool numbers)
{
    clade_label_list *list;
    if (clade_label_list_parse(text, size, "fuzz",
                               &(clade_label_options){.several = several, .numbers = numbers},
                               &list))
        return;
    for (size_t i = 0; i < clade_label_list_count(list); i++) {
        const clade_label_row *row = clade_label_list_row(list, i);
        const clade_label_row *found = clade_label_list_find(list, row->file);
        if (!found || strcmp(found->file, row->file) || (!*row->label && !several && !numbers))
            abort();
        if (numbers && !clade_label_list_numbers(list)) abort();
        while (found && found != row) found = clade_label_list_next(list, found);
        if (!found) abort();
    }
    clade_label_list_destroy(&list);
}

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
    char *copy = malloc(size + 1);
    if (!copy) abort();
    memcpy(copy, text, size + 1);
    char *third = malloc(size + 1);
    if (!third) abort();
    memcpy(third, text, size + 1);
    read_list(copy, size, false, false);
    read_list(third, size, false, true);
    read_list(text, size, true, false);
    return 0;
}
