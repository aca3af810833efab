/* Classes of files by a list: a table in a file of its own. */
#ifndef CLADE_DATA_LABEL_LIST_H
#define CLADE_DATA_LABEL_LIST_H

#include <clade/data.h>

typedef struct clade_label_list clade_label_list;

/* A row: what the list says of one file. */
typedef struct clade_label_row {
    const char *file, *label, *split; /* split: "" where the list has no such column. label: "" of a
                                       * file that has none, where files may have several, or of
                                       * the test split */
    float weight;                     /* of the image's loss */
    size_t line;                      /* where it begins, or in JSON the entry, from 1 */
    size_t numbers;                   /* where the file's begin in clade_label_list_numbers */
    bool used;                        /* an image was found for it */
} clade_label_row;

/* How a list is to be read. */
typedef struct clade_label_options {
    const char *columns; /* the names of the columns of files and labels, "id,breed"; NULL: they are
                          * known by their names (file, filename, path, image, id, …; label, class,
                          * category, tags, …), or there are two */
    bool several;        /* a file may have any number of labels: a row for each, or one with "" */
    bool numbers;        /* a file has numbers, in columns of their own */
} clade_label_options;

/* Reads a table of comma-, semicolon- or tab-separated values (RFC 4180), or without a header and
 * any of these, of words; or one of the lists in JSON that label_json.h names. A column that is
 * called split, set or subset says train, validation or test, one called weight or sample_weight
 * the weight of the image's loss, a number of 0 or more.
 *
 * With `several`, a file's labels stand in several rows, or in one field between |, or where there
 * is none in the whole list ; or , or white space; without a column of labels, all others are
 * classes, whose fields say 1, or 0 or -1.
 *
 * With `numbers`, each column that `columns` names behind the file's is one of numbers; by default
 * the one that is known as that of labels, or all others but those that are called as files are.
 * One that is named is not the weight.
 *
 * Errors: EIO, EFORMAT (naming file and line: no row; a number beyond float32; a row with other
 * columns, one without a class, a file listed twice with different splits or, without `several`,
 * classes), EINVAL (which column is which?), ENOMEM. */
clade_status clade_label_list_read(const char *path, const clade_label_options *options,
                                   clade_label_list **out);
/* The same from memory, with a 0 behind it, that the list takes and frees, after a failure too. */
clade_status clade_label_list_parse(char *text, size_t size, const char *path,
                                    const clade_label_options *options, clade_label_list **out);
void clade_label_list_destroy(clade_label_list **list);

/* The row of a file, whose name within the data set may have more folders in front than the list
 * has, or fewer; the list may lack its ending, and \ is /. NULL: none. Of several files the
 * nearest, of its rows the first: */
clade_label_row *clade_label_list_find(const clade_label_list *list, const char *name);
/* The next row of the same file; NULL: there is none. */
clade_label_row *clade_label_list_next(const clade_label_list *list, const clade_label_row *row);
/* What stands before a row's line in a message: "labels.csv:". */
const char *clade_label_list_place(const clade_label_list *list);
/* Has it a column of weights? */
bool clade_label_list_weighs(const clade_label_list *list);
/* The column of weights, where all columns besides are targets for none is named as such, so that
 * it may be meant as another; NULL: there is none. */
const char *clade_label_list_doubtful(const clade_label_list *list);
/* Has it a column of splits? */
bool clade_label_list_splits(const clade_label_list *list);
size_t clade_label_list_count(const clade_label_list *list);
const clade_label_row *clade_label_list_row(const clade_label_list *list, size_t i);

/* The columns of numbers, or those of 0 and 1 of several labels: how many, and what each is called.
 * The numbers of all rows, one after the other. */
size_t clade_label_list_columns(const clade_label_list *list);
const char *clade_label_list_column(const clade_label_list *list, size_t i);
const double *clade_label_list_numbers(const clade_label_list *list);

#endif
