/* Labels of files from a list: a table in a separate file. */
#ifndef CLADE_DATA_LABEL_LIST_H
#define CLADE_DATA_LABEL_LIST_H

#include <clade/data.h>

typedef struct clade_label_list clade_label_list;

/* A row: the list's data on one file. */
typedef struct clade_label_row {
    const char *file, *label, *split; /* split: "" if the list has no such column. label: "" for a
                                       * file without labels, where files may have several, or for
                                       * one of the test split */
    float weight;                     /* of the image's loss */
    size_t line;                      /* where the row begins or, in JSON, the entry, from 1 */
    size_t numbers;                   /* index of its first number in clade_label_list_numbers */
    bool used;                        /* an image was found for it */
} clade_label_row;

/* How to read a list. */
typedef struct clade_label_options {
    const char *columns; /* names of the columns of files and labels, "id,breed"; NULL: recognised
                          * by name (file, filename, path, image, id, …; label, class, category,
                          * tags, …), or there are just two */
    bool several;        /* a file may have any number of labels: a row for each, or one with "" */
    bool numbers;        /* files have numbers, in columns of their own */
} clade_label_options;

/* Reads a table of comma-, semicolon- or tab-separated values (RFC 4180), a table of words if it
 * has neither a header nor any of these separators, or a list in JSON of a kind that label_json.h
 * names. A column named split, set or subset says train, validation or test; one named weight or
 * sample_weight is the weight of the image's loss, a number of at least 0.
 *
 * With `several`, a file's labels are in several rows, or in one field separated by | or, if the
 * whole list has none, by ; or , or white space. Without a column of labels, all other columns are
 * classes, whose fields are 1, or 0 or -1.
 *
 * With `numbers`, the targets are the columns that `columns` names after the file's; by default the
 * one recognised as that of labels, or all others except those named like a file column. A column
 * named there is not the weight.
 *
 * Errors: EIO, EFORMAT (naming file and line: no row; a number beyond float32; a row with a
 * different number of columns, or without a class; a file listed twice with different splits or,
 * without `several`, classes), EINVAL (the columns are ambiguous), ENOMEM. */
clade_status clade_label_list_read(const char *path, const clade_label_options *options,
                                   clade_label_list **out);
/* Does the same from memory. The text is zero-terminated; the list takes and frees it, also after a
 * failure. */
clade_status clade_label_list_parse(char *text, size_t size, const char *path,
                                    const clade_label_options *options, clade_label_list **out);
void clade_label_list_destroy(clade_label_list **list);

/* Finds the row of a file. Its name within the data set may have more or fewer leading folders than
 * in the list; the list may omit the extension, and use \ for /. NULL: none. Of several files it
 * gives the nearest, of its rows the first. */
clade_label_row *clade_label_list_find(const clade_label_list *list, const char *name);
/* Returns the next row of the same file; NULL: there is none. */
clade_label_row *clade_label_list_next(const clade_label_list *list, const clade_label_row *row);
/* Returns the text before a row's line in messages: "labels.csv:". */
const char *clade_label_list_place(const clade_label_list *list);
/* Returns whether the list has a column of weights. */
bool clade_label_list_weighs(const clade_label_list *list);
/* Returns the column of weights if it might be meant as a target instead: all other columns are
 * targets, none of them by name. NULL: there is none. */
const char *clade_label_list_doubtful(const clade_label_list *list);
/* Returns whether the list has a column of splits. */
bool clade_label_list_splits(const clade_label_list *list);
size_t clade_label_list_count(const clade_label_list *list);
const clade_label_row *clade_label_list_row(const clade_label_list *list, size_t i);

/* The columns of numbers, or those of 0 and 1 for several labels: their count and names, and the
 * numbers of all rows, row by row. */
size_t clade_label_list_columns(const clade_label_list *list);
const char *clade_label_list_column(const clade_label_list *list, size_t i);
const double *clade_label_list_numbers(const clade_label_list *list);

#endif
