/* Labels of files from a list. */
#define _GNU_SOURCE
#include "data/label_list.h"

#include "base/file.h"
#include "base/locale.h"
#include "data/label_columns.h"
#include "data/label_json.h"
#include "data/label_numbers.h"
#include "data/layout.h"
#include "data/table.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t most_bytes = UINT64_C(256) << 20;

struct clade_label_list {
    char *text;  /* the table's text, split into fields in place */
    char *place; /* the text before a row's number in messages */
    clade_label_row *rows;
    size_t count, room;
    bool splits, weighs;
    const char *doubtful; /* the column of weights that may be meant as a target */
    bool several;         /* labels of a file, */
    bool marked;          /* by a column for each */
    bool numeric;         /* numbers of a file; either by these columns: */
    const char **column;
    size_t columns;
    double *numbers; /* of all rows */
    size_t number_count, number_room;
};

/* ---- looking up ---- */

/* Returns a name without folders and extension. */
static const char *stem_of(const char *name, size_t *length)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
    const char *dot = strrchr(base, '.');
    *length = dot && dot > base ? (size_t)(dot - base) : strlen(base);
    return base;
}

static int compare_stems(const char *a, const char *b)
{
    size_t m, n;
    const char *x = stem_of(a, &m), *y = stem_of(b, &n);
    int order = memcmp(x, y, m < n ? m : n);
    return order ? order : (m > n) - (m < n);
}

static int by_stem(const void *a, const void *b)
{
    const clade_label_row *x = a, *y = b;
    int order = compare_stems(x->file, y->file);
    if (!order) order = strcmp(x->file, y->file);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* Returns whether the shorter of two names is the end of the other, folder by folder. The row's may
 * lack an extension. */
static bool is_same_file(const char *row, const char *name)
{
    size_t n = strlen(row), m = strlen(name), stem;
    const char *base = stem_of(row, &stem);
    if (!base[stem]) m = (size_t)(stem_of(name, &stem) - name) + stem;
    size_t both = n < m ? n : m;
    if (memcmp(row + n - both, name + m - both, both) != 0) return false;
    return n == m || (n > m ? row[n - m - 1] : name[m - n - 1]) == '/';
}

/* Returns whether a row of this length is nearer to the name than the best so far. Rows that equal
 * the name or its end come before those with more folders, which may be another file's. */
static bool is_nearer(size_t bytes, size_t best, size_t name)
{
    return best > name ? bytes < best : bytes <= name && bytes > best;
}

static clade_label_row *find_row(const clade_label_list *list, const char *name)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_stems(list->rows[middle].file, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    clade_label_row *best = NULL;
    for (; low < list->count && compare_stems(list->rows[low].file, name) == 0; low++) {
        clade_label_row *row = &list->rows[low];
        if (is_same_file(row->file, name) &&
            (!best || is_nearer(strlen(row->file), strlen(best->file), strlen(name))))
            best = row;
    }
    return best;
}

clade_label_row *clade_label_list_find(const clade_label_list *list, const char *name)
{
    char plain[4096];
    const size_t n = strlen(name);
    if (!strchr(name, '\\') || n >= sizeof plain) return find_row(list, name);
    for (size_t i = 0; i <= n; i++) plain[i] = name[i] == '\\' ? '/' : name[i];
    return find_row(list, plain);
}

clade_label_row *clade_label_list_next(const clade_label_list *list, const clade_label_row *row)
{
    clade_label_row *next = list->rows + (row - list->rows) + 1;
    return next < list->rows + list->count && !strcmp(next->file, row->file) ? next : NULL;
}

bool clade_label_list_weighs(const clade_label_list *list) { return list->weighs; }
const char *clade_label_list_doubtful(const clade_label_list *list) { return list->doubtful; }
bool clade_label_list_splits(const clade_label_list *list) { return list->splits; }
const char *clade_label_list_place(const clade_label_list *list) { return list->place; }
size_t clade_label_list_count(const clade_label_list *list) { return list->count; }
const clade_label_row *clade_label_list_row(const clade_label_list *list, size_t i)
{
    return &list->rows[i];
}

size_t clade_label_list_columns(const clade_label_list *list) { return list->columns; }
const char *clade_label_list_column(const clade_label_list *list, size_t i)
{
    return list->column[i];
}
const double *clade_label_list_numbers(const clade_label_list *list) { return list->numbers; }

/* ---- the file ---- */

static clade_status append_row(clade_label_list *list, const clade_label_row *row)
{
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 256;
        clade_label_row *rows = realloc(list->rows, room * sizeof *rows);
        if (!rows)
            return clade_fail(CLADE_ENOMEM, "out of memory for %zu rows of a list of labels", room);
        list->rows = rows;
        list->room = room;
    }
    list->rows[list->count++] = *row;
    return CLADE_OK;
}

/* Adds a row for each class whose column has a 1. */
static clade_status add_marked(clade_label_list *list, char *const *fields,
                               const clade_label_columns *c, clade_label_row row)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < c->count && !status; i++) {
        if (i == c->file || i == c->split || i == c->weight) continue;
        CLADE_PLAIN_NUMBERS;
        char *end;
        const double value = strtod(fields[i], &end);
        if (end == fields[i] || *end || (value != 1 && value != 0 && value != -1))
            return clade_fail(CLADE_EFORMAT, "%s%zu: '%.100s' of class '%.100s': expected 0 or 1",
                              list->place, row.line, fields[i], c->class[i]);
        row.label = c->class[i];
        if (value == 1) status = append_row(list, &row);
    }
    return status;
}

static clade_status read_weight(const clade_label_list *list, const char *text, size_t line,
                                float *out)
{
    double value;
    const bool good = clade_label_number(text, &value) && value >= 0 && value <= (double)FLT_MAX;
    *out = good ? (float)value : 0;
    if (good) return CLADE_OK;
    return clade_fail(CLADE_EFORMAT, "%s%zu: weight '%.100s': expected a number, 0 or more",
                      list->place, line, text);
}

/* Appends the numbers of a row to those of earlier rows. */
static clade_status read_numbers(clade_label_list *list, char *const *fields,
                                 const clade_label_columns *c, clade_label_row *row)
{
    row->numbers = list->number_count;
    for (size_t i = 0; i < c->count; i++) {
        if (!c->number[i]) continue;
        if (list->number_count == list->number_room) {
            const size_t room = list->number_room ? 2 * list->number_room : 256;
            double *numbers = realloc(list->numbers, room * sizeof *numbers);
            if (!numbers)
                return clade_fail(CLADE_ENOMEM, "out of memory for %zu numbers of a list", room);
            list->numbers = numbers;
            list->number_room = room;
        }
        double value;
        const bool good = clade_label_number(fields[i], &value);
        if (!good || !(fabs(value) <= (double)FLT_MAX))
            return clade_fail(CLADE_EFORMAT, "%s%zu: '%.100s' in '%.100s': expected a number%s",
                              list->place, row->line, fields[i], c->class[i],
                              good && !isnan(value) ? " up to 3.4e38" : "");
        list->numbers[list->number_count++] = value;
    }
    return CLADE_OK;
}

static clade_status add_row(clade_label_list *list, char *const *fields,
                            const clade_label_columns *c, size_t line)
{
    char *file = fields[c->file];
    for (char *at = file; (at = strchr(at, '\\'));) *at = '/'; /* written on Windows */
    while (!strncmp(file, "./", 2)) file += 2;
    clade_label_row row = {.file = file,
                           .label = c->label < c->count && !list->numeric ? fields[c->label] : "",
                           .split = c->split < c->count ? fields[c->split] : "",
                           .weight = 1,
                           .line = line};
    const bool unlabelled = clade_split_of_word(row.split, strlen(row.split)) == CLADE_TEST;
    if (!*file || (!*row.label && !unlabelled && !list->several && !list->numeric))
        return clade_fail(CLADE_EFORMAT, "%s%zu: %s is empty", list->place, line,
                          *file ? "the class" : "the file");
    clade_status status = CLADE_OK;
    if (c->weight < c->count) status = read_weight(list, fields[c->weight], line, &row.weight);
    if (!status && list->numeric) status = read_numbers(list, fields, c, &row);
    if (!status) status = append_row(list, &row);
    return status || c->label < c->count || list->numeric ? status
                                                          : add_marked(list, fields, c, row);
}

static clade_status keep_columns(clade_label_list *list, const clade_label_columns *c)
{
    list->column = calloc(c->count, sizeof *list->column);
    if (!list->column) return clade_fail(CLADE_ENOMEM, "out of memory for a list of numbers");
    for (size_t i = 0; i < c->count; i++)
        if (c->number[i]) list->column[list->columns++] = c->class[i];
    return CLADE_OK;
}

/* Gives the fields of the next row, without blanks around them, as in "a.jpg, cat". */
static clade_status next_row(clade_table *r, char **fields, size_t *count, size_t *line)
{
    clade_status status = clade_table_next(r, fields, count, line);
    for (size_t i = 0; i < *count && !status; i++) {
        fields[i] += strspn(fields[i], " \t");
        for (size_t n = strlen(fields[i]); n && strchr(" \t", fields[i][n - 1]); n--)
            fields[i][n - 1] = 0;
    }
    return status;
}

static clade_status read_rows(clade_label_list *list, clade_table *r,
                              const clade_label_options *options)
{
    char *fields[CLADE_TABLE_COLUMNS];
    clade_label_columns c = {0};
    size_t count, line;
    bool header = false;
    clade_status status = next_row(r, fields, &count, &line);
    if (!status && count == 0)
        return clade_fail(CLADE_EFORMAT, "%s: an empty list of labels", r->path);
    if (!status) status = clade_label_columns_find(r->path, options, fields, count, &c, &header);
    list->splits = c.split < c.count;
    list->marked = list->several && c.label >= c.count;
    if (!status && list->numeric) {
        status = clade_label_columns_find_numbers(r->path, options->columns, fields, header, &c);
        if (c.label >= c.count && c.weight < c.count) list->doubtful = fields[c.weight];
        if (!status) status = keep_columns(list, &c);
    }
    list->weighs = c.weight < c.count;
    for (size_t i = 0; !status && list->marked && i < c.count; i++)
        c.number[i] = i != c.file && i != c.split && i != c.weight;
    if (!status && list->marked) status = keep_columns(list, &c);
    if (!status && !header) status = add_row(list, fields, &c, line);
    while (!status) {
        status = next_row(r, fields, &count, &line);
        if (status || count == 0) break;
        if (count != c.count)
            return clade_fail(CLADE_EFORMAT, "%s%zu: %zu fields, expected %zu", r->place, line,
                              count, c.count);
        status = add_row(list, fields, &c, line);
    }
    if (!status && list->count == 0)
        return clade_fail(CLADE_EFORMAT, "%s: the list of labels has no images", r->path);
    return status;
}

/* Returns the separator of labels within a field: the first of these that any field contains. */
static const char *find_label_separator(const clade_label_list *list)
{
    static const char *const separators[] = {CLADE_LABEL_END, "|", ";", ",", " \t\r\n"};
    for (size_t k = 0; k < 4; k++)
        for (size_t i = 0; i < list->count; i++)
            if (strchr(list->rows[i].label, *separators[k])) return separators[k];
    return separators[4];
}

/* Makes a row for each label of a field, and one without a label for each file. */
static clade_status split_labels(clade_label_list *list)
{
    const char *separator = find_label_separator(list);
    const size_t count = list->count;
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < count && !status; i++) {
        clade_label_row row = list->rows[i];
        char *at = (char *)row.label; /* in list->text */
        list->rows[i].label = "";
        while (!status && *at) {
            char *end = at + strcspn(at, separator), *next = *end ? end + 1 : end;
            while (at < end && isspace((unsigned char)*at)) at++;
            while (end > at && isspace((unsigned char)end[-1])) end--;
            *end = 0;
            row.label = at;
            if (*at) status = append_row(list, &row);
            at = next;
        }
    }
    return status;
}

/* Checks that all rows of a file have the same split and the same weight. */
static clade_status check_repeated(const clade_label_list *list)
{
    for (size_t i = 1; i < list->count; i++) {
        const clade_label_row *last = &list->rows[i - 1], *row = &list->rows[i];
        if (strcmp(last->file, row->file) != 0) continue;
        if (strcmp(last->split, row->split) != 0)
            return clade_fail(CLADE_EFORMAT,
                              "%s%zu: '%.200s' is in '%.100s', but in '%.100s' in %s%zu",
                              list->place, row->line, row->file, row->split, last->split,
                              list->place, last->line);
        if (last->weight < row->weight || last->weight > row->weight)
            return clade_fail(CLADE_EFORMAT, "%s%zu: '%.200s' weighs %g, but %g in %s%zu",
                              list->place, row->line, row->file, (double)row->weight,
                              (double)last->weight, list->place, last->line);
    }
    return CLADE_OK;
}

/* Returns whether two rows say the same about a file. */
static bool is_same(const clade_label_list *list, const clade_label_row *a,
                    const clade_label_row *b)
{
    for (size_t i = 0; i < list->columns; i++) {
        const double x = list->numbers[a->numbers + i], y = list->numbers[b->numbers + i];
        if (x < y || x > y) return false;
    }
    return !strcmp(a->label, b->label);
}

/* Checks that a file listed twice has one class, or the same numbers, and keeps one row. */
static clade_status drop_repeated(clade_label_list *list)
{
    size_t n = 0;
    if (list->count) qsort(list->rows, list->count, sizeof *list->rows, by_stem);
    clade_status status = check_repeated(list);
    if (status || list->several) return status;
    for (size_t i = 0; i < list->count; i++) {
        const clade_label_row *row = &list->rows[i], *last = n ? &list->rows[n - 1] : NULL;
        if (last && !strcmp(last->file, row->file)) {
            if (!is_same(list, last, row) && list->numeric)
                return clade_fail(CLADE_EFORMAT, "%s%zu: '%.200s' has other numbers than in %s%zu",
                                  list->place, row->line, row->file, list->place, last->line);
            if (!is_same(list, last, row))
                return clade_fail(CLADE_EFORMAT,
                                  "%s%zu: '%.200s' is '%.100s', but '%.100s' in %s%zu", list->place,
                                  row->line, row->file, row->label, last->label, list->place,
                                  last->line);
            continue;
        }
        list->rows[n++] = *row;
    }
    list->count = n;
    return CLADE_OK;
}

/* Reads list->text of `size` bytes, which is a table or is converted to one. */
static clade_status read_text(clade_label_list *list, size_t size, const char *path,
                              const clade_label_options *options)
{
    char *text = list->text, *end = text + size;
    if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) text += 3;
    bool json = clade_label_json_is(text);
    if (asprintf(&list->place, "%s%s", path, json ? ", entry " : ":") < 0) {
        list->place = NULL;
        return clade_fail(CLADE_ENOMEM, "%s: out of memory for a list of labels", path);
    }
    if (json) {
        char *table;
        clade_status status = clade_label_json_to_table(
            text, (size_t)(end - text), path, options->several, options->numbers, &table, &size);
        free(list->text);
        list->text = text = table;
        if (status) return status;
        end = text + size;
    }
    clade_table r = {.path = path,
                     .place = list->place,
                     .at = text,
                     .end = end,
                     .separator = json ? ',' : clade_table_separator(text, end),
                     .line = !json};
    clade_status status = read_rows(list, &r, options);
    return status || !list->several || list->marked ? status : split_labels(list);
}

clade_status clade_label_list_parse(char *text, size_t size, const char *path,
                                    const clade_label_options *options, clade_label_list **out)
{
    *out = NULL;
    clade_label_list *list = calloc(1, sizeof *list);
    if (!list) {
        free(text);
        return clade_fail(CLADE_ENOMEM, "%s: out of memory for a list of labels", path);
    }
    list->text = text;
    list->several = options->several;
    list->numeric = options->numbers;
    const bool wide = size > 1 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2));
    clade_status status =
        wide ? clade_fail(CLADE_EFORMAT, "%s: UTF-16: expected UTF-8, as Excel's CSV UTF-8", path)
        : memchr(text, 0, size) ? clade_fail(CLADE_EFORMAT, "%s: no text", path)
                                : read_text(list, size, path, options);
    if (!status) status = drop_repeated(list);
    if (status)
        clade_label_list_destroy(&list);
    else
        *out = list;
    return status;
}

clade_status clade_label_list_read(const char *path, const clade_label_options *options,
                                   clade_label_list **out)
{
    void *bytes;
    size_t size;
    *out = NULL;
    clade_status status = clade_file_read(path, most_bytes, &bytes, &size);
    return status ? status : clade_label_list_parse(bytes, size, path, options, out);
}

void clade_label_list_destroy(clade_label_list **list)
{
    if (!*list) return;
    free((*list)->rows);
    free((*list)->column);
    free((*list)->numbers);
    free((*list)->text);
    free((*list)->place);
    free(*list);
    *list = NULL;
}
