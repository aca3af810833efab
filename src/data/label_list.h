/* Classes of files by a list: a table in a file of its own. */
#ifndef CLADE_DATA_LABEL_LIST_H
#define CLADE_DATA_LABEL_LIST_H

#include <clade/data.h>

typedef struct clade_label_list clade_label_list;

/* A row: what the list says of one file. */
typedef struct clade_label_row {
    const char *file, *label, *split; /* split: "" where the list has no such column */
    size_t line;                      /* where it begins, or in JSON the entry, from 1 */
    bool used;                        /* an image was found for it */
} clade_label_row;

/* Reads a table of comma-, semicolon- or tab-separated values (RFC 4180), or without a header and
 * any of these, of words; or one of the lists in JSON that label_json.h names. `columns` says the
 * names of the columns of files and labels, "id,breed"; NULL: they are known by their names (file,
 * filename, path, image, id, …; label, class, category, …), or there are two. A column that is
 * called split, set or subset says train, validation or test. Errors: EIO, EFORMAT (naming file and
 * line: a row with other columns, a file listed twice with different classes), EINVAL (which column
 * is which?), ENOMEM. */
clade_status clade_label_list_read(const char *path, const char *columns, clade_label_list **out);
/* The same from memory, with a 0 behind it, that the list takes and frees, after a failure too. */
clade_status clade_label_list_parse(char *text, size_t size, const char *path, const char *columns,
                                    clade_label_list **out);
void clade_label_list_destroy(clade_label_list **list);

/* The row of a file, whose name within the data set may have more folders in front than the list
 * has, or fewer; the list may lack its ending. NULL: none. */
clade_label_row *clade_label_list_find(const clade_label_list *list, const char *name);
/* What stands before a row's line in a message: "labels.csv:". */
const char *clade_label_list_place(const clade_label_list *list);
/* Has it a column of splits? */
bool clade_label_list_splits(const clade_label_list *list);
size_t clade_label_list_count(const clade_label_list *list);
const clade_label_row *clade_label_list_row(const clade_label_list *list, size_t i);

#endif
