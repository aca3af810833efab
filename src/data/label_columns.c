/* Finds the role of each column in a list of labels. */
#include "data/label_columns.h"

#include <string.h>
#include <strings.h>

/* Names of columns of files. */
static const char *const files[] = {"file",     "filename",  "file_name",  "filenames",  "files",
                                    "filepath", "filepaths", "file_path",  "path",       "paths",
                                    "image",    "image_id",  "image_name", "image_path", "img",
                                    "id",       NULL};

/* Returns the column with the first of these names that exists; `count`: none. */
static size_t find_column(char *const *fields, size_t count, const char *const *names)
{
    for (; *names; names++)
        for (size_t i = 0; i < count; i++)
            if (!strcasecmp(fields[i], *names)) return i;
    return count;
}

clade_status clade_label_columns_find_numbers(const char *path, const char *given,
                                              char *const *fields, bool header,
                                              clade_label_columns *c)
{
    size_t found = 0;
    for (size_t i = 0; i < c->count; i++) {
        const bool other = i != c->file && i != c->split && i != c->weight &&
                           !(header && find_column(&fields[i], 1, files) == 0);
        c->class[i] = header ? fields[i] : "target";
        c->number[i] = !given && (c->label < c->count ? i == c->label : other);
        found += c->number[i];
    }
    for (const char *at = given ? strchr(given, ',') : NULL; at; at = strchr(at, ',')) {
        char name[256] = "";
        const size_t n = strcspn(++at, ",");
        if (n < sizeof name) memcpy(name, at, n);
        const size_t i = find_column(fields, c->count, (const char *const[]){name, NULL});
        if (i == c->count || i == c->file || c->number[i])
            return clade_fail(CLADE_EINVAL,
                              "%s: label columns '%s': expected the names of columns, FILE,TARGET "
                              "or FILE,TARGET,TARGET…",
                              path, given);
        c->number[i] = true;
        if (i == c->weight) c->weight = c->count;
        found++;
    }
    if (found) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "%s: expected a column of numbers beside '%.100s'", path,
                      fields[c->file]);
}

clade_status clade_label_columns_find(const char *path, const clade_label_options *options,
                                      char *const *fields, size_t count, clade_label_columns *c,
                                      bool *header)
{
    static const char *const labels[] = {"label",      "labels", "class", "class_name", "category",
                                         "categories", "target", "tags",  NULL};
    static const char *const splits[] = {"split", "set", "subset", "data set", "dataset", NULL};
    const char *const given = options->columns;
    static const char *const weights[] = {"weight", "sample_weight", NULL};
    *c = (clade_label_columns){.count = count, .split = count, .weight = count};
    *header = true;
    if (given) {
        const char *comma = strchr(given, ',');
        char first[256] = "", second[256] = "";
        const size_t n = !comma             ? 0
                         : options->numbers ? strcspn(comma + 1, ",")
                                            : strlen(comma + 1);
        if (comma && (size_t)(comma - given) < sizeof first && n < sizeof second) {
            memcpy(first, given, (size_t)(comma - given));
            memcpy(second, comma + 1, n);
        }
        c->file = find_column(fields, count, (const char *const[]){first, NULL});
        c->label = find_column(fields, count, (const char *const[]){second, NULL});
        if (!*first || !*second || c->file == count || c->label == count)
            return clade_fail(CLADE_EINVAL,
                              "%s: label columns '%s': expected the names of two of its columns, "
                              "FILE,LABEL",
                              path, given);
    } else {
        c->file = find_column(fields, count, files);
        c->label = find_column(fields, count, labels);
    }
    c->split = find_column(fields, count, splits);
    c->weight = find_column(fields, count, weights);
    if (c->file < count && c->label < count && c->file != c->label) return CLADE_OK;
    if ((options->several || options->numbers) && c->file < count && c->label == count &&
        count > 2) {
        for (size_t i = 0; i < count; i++) c->class[i] = fields[i];
        return CLADE_OK;
    }
    if (count != 2)
        return clade_fail(
            CLADE_EINVAL,
            "%s: %zu columns: which are files and classes? --label-columns FILE,LABEL names them "
            "(the first is '%.100s'); if each class has a column, set data.task=multi_label",
            path, count, fields[0]);
    *header = c->file < count || c->label < count;
    c->file = c->label == 0 ? 1 : 0;
    c->split = c->weight = 2;
    c->label = 1 - c->file;
    return CLADE_OK;
}
