/* Guesses the task that a list of labels is for. */
#include <clade/inspect.h>

#include "data/label_list.h"

#include <math.h>
#include <string.h>

static clade_task task_of_numbers(const clade_label_list *list)
{
    const size_t columns = clade_label_list_columns(list);
    bool whole = true, marks = true;
    for (size_t i = 0; i < clade_label_list_count(list); i++) {
        const clade_label_row *row = clade_label_list_row(list, i);
        for (size_t k = 0; k < columns; k++) {
            const double v = clade_label_list_numbers(list)[row->numbers + k];
            whole = whole && !(floor(v) < v);
            marks = marks && !(fabs(v) > 1);
        }
    }
    if (columns > 1) return whole && marks ? CLADE_TASK_MULTI_LABEL : CLADE_TASK_REGRESSION;
    return whole ? CLADE_TASK_CLASS : CLADE_TASK_REGRESSION;
}

static clade_task task_of_labels(const clade_label_list *list)
{
    for (size_t i = 0; i < clade_label_list_count(list); i++)
        if (strchr(clade_label_list_row(list, i)->label, '|')) return CLADE_TASK_MULTI_LABEL;
    return CLADE_TASK_CLASS;
}

/* Returns whether a file has two labels, or each label a column. */
static bool has_several(const clade_label_list *list)
{
    bool found = clade_label_list_columns(list) > 0;
    for (size_t i = 0; i < clade_label_list_count(list) && !found; i++) {
        const clade_label_row *row = clade_label_list_row(list, i), *next = row;
        size_t labels = 0;
        for (; next; next = clade_label_list_next(list, next)) labels += *next->label != 0;
        found = labels > 1;
    }
    return found;
}

clade_status clade_labels_guess(const char *labels, const char *columns, clade_task *out)
{
    clade_label_list *list;
    clade_label_options options = {.columns = columns, .numbers = true};
    clade_status status = clade_label_list_read(labels, &options, &list);
    if (!status) {
        *out = task_of_numbers(list);
        clade_label_list_destroy(&list);
        return CLADE_OK;
    }
    options.numbers = false;
    status = clade_label_list_read(labels, &options, &list);
    if (!status) *out = task_of_labels(list);
    if (status && status != CLADE_EIO) { /* for example if a file has two labels */
        options.several = true;
        status = clade_label_list_read(labels, &options, &list);
        *out = CLADE_TASK_MULTI_LABEL;
        options.several = false;
        if (status || !has_several(list)) {
            clade_label_list_destroy(&list);
            status = clade_label_list_read(labels, &options, &list); /* gives the error */
        }
    }
    clade_label_list_destroy(&list);
    return status;
}
