/* Classes and what belongs to them. A class is a folder right in a split's folder,
 *
 *     CLASS/…                       all of it is the training split
 *     train/CLASS/… validation/CLASS/… test/CLASS/…
 *
 * whose images may lie in folders of their own, or what a pattern finds in a file's name, or what a
 * list says of the file. */
#define _POSIX_C_SOURCE 200809L
#include "data/layout.h"

#include "base/locale.h"
#include "data/label_list.h"
#include "data/label_numbers.h"
#include "data/label_pattern.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static clade_status out_of_memory(void)
{
    return clade_fail(CLADE_ENOMEM, "out of memory for the classes of a data set");
}

static int by_name(const void *a, const void *b)
{
    const clade_folder *x = a, *y = b;
    size_t n = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->name, y->name, n);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

static const clade_folder *lookup(const clade_folders *in, const char *name, size_t length)
{
    clade_folder key = {.name = name, .length = length};
    return in->count ? bsearch(&key, in->items, in->count, sizeof *in->items, by_name) : NULL;
}

/* What gives an image's class if folders do not: at most one of these. */
typedef struct labeller {
    clade_label_pattern *pattern;
    clade_label_list *list;
    bool several; /* the list gives several labels per image */
    bool numbers; /* it gives numbers; the classes are its columns */
} labeller;

static bool has_labels(const labeller *by) { return by->pattern || by->list; }

/* Returns an image's label; NULL: none, for the reason *why. */
static const char *label_of(const labeller *by, const char *name, size_t *length, const char **why)
{
    *why = "the label pattern finds no class in its name";
    if (by->pattern) return clade_label_find(by->pattern, name, length);
    const clade_label_row *row = clade_label_list_find(by->list, name);
    *why = row ? "without a class in the list of labels" : "not in the list of labels";
    *length = row ? strlen(row->label) : 0;
    return *length ? row->label : NULL;
}

/* Adds the classes of an image for which the list gives several. */
static bool take_labels(const labeller *by, const char *name, clade_folders *out)
{
    const clade_label_row *row = clade_label_list_find(by->list, name);
    bool good = true;
    for (; row && good; row = clade_label_list_next(by->list, row))
        if (*row->label) good = clade_folders_take(out, row->label, strlen(row->label)) != NULL;
    return good;
}

/* Lists the classes of a split, sorted by name; there may be none. */
static clade_status list_classes(const clade_split_root *at, const labeller *by, clade_folders *out)
{
    clade_status status = CLADE_OK;
    if (!has_labels(by)) status = clade_folders_scan(at->source, at->prefix, out);
    for (size_t i = 0; i < at->source->count && has_labels(by); i++) {
        const clade_entry *entry = &at->source->entries[i];
        size_t length;
        const char *why;
        if (entry->kind != CLADE_ENTRY_IMAGE ||
            strncmp(entry->name, at->prefix, strlen(at->prefix)))
            continue;
        if (by->several && !take_labels(by, entry->name, out)) return out_of_memory();
        const char *name = by->several ? NULL : label_of(by, entry->name, &length, &why);
        if (name && !clade_folders_take(out, name, length)) return out_of_memory();
    }
    if (status || !out->count) return status;
    qsort(out->items, out->count, sizeof *out->items, by_name);
    for (size_t i = 0; i < out->count; i++) out->items[i].label = (int32_t)i;
    return CLADE_OK;
}

static clade_status fail_without_classes(const clade_split_root *at, const labeller *by)
{
    char hint[CLADE_LABEL_HINT];
    if (has_labels(by))
        return clade_fail(CLADE_EINVAL,
                          by->pattern
                              ? "%s/%s: the label pattern finds no class in any image's name"
                              : "%s/%s: the list of labels contains none of the images",
                          at->source->path, at->prefix);
    return clade_fail(CLADE_EINVAL, "%s/%s: no folders of images, one for each class (%s)",
                      at->source->path, at->prefix, clade_label_hint(at->source, hint));
}

/* Lists the expected classes: labels in the given order, sorted by name. */
static clade_status list_known(const clade_data_options *options, clade_folders *out)
{
    for (size_t i = 0; i < options->class_count; i++) {
        const char *name = options->classes[i];
        clade_folder *f = clade_folders_take(out, name, strlen(name));
        if (!f) return out_of_memory();
        f->label = (int32_t)i;
    }
    if (out->count > 0) qsort(out->items, out->count, sizeof *out->items, by_name);
    return CLADE_OK;
}

/* Checks that a split has no classes other than `all` and, unless `some` suffice, all of these.
 * `first` says where these come from. */
static clade_status compare_classes(const clade_folders *all, const char *first,
                                    const clade_split_root *at, const clade_folders *in, bool some)
{
    size_t shared = 0;
    const clade_folder *missing = NULL, *extra = NULL;
    for (size_t i = 0; i < all->count; i++) {
        const clade_folder *c = &all->items[i];
        if (lookup(in, c->name, c->length))
            shared++;
        else if (!missing)
            missing = c;
    }
    for (size_t i = 0; i < in->count && !extra; i++)
        if (!lookup(all, in->items[i].name, in->items[i].length)) extra = &in->items[i];
    if (!extra && (!missing || (some && shared > 0))) return CLADE_OK;
    const char *slash = strchr(first, '/'); /* else it is the classifier */
    if (shared == 0)
        return clade_fail(CLADE_EINVAL, "%s and %s/%s share no class ('%.*s' is not '%.*s')%s%s%s",
                          first, at->source->path, at->prefix, (int)all->items[0].length,
                          all->items[0].name, (int)in->items[0].length, in->items[0].name,
                          slash ? "; --data reads " : "", slash ? first : "",
                          slash ? " on its own" : "");
    if (missing && !some)
        return clade_fail(CLADE_EINVAL, "class '%.*s' is in %s but not in %s/%s",
                          (int)missing->length, missing->name, first, at->source->path, at->prefix);
    return clade_fail(CLADE_EINVAL, "class '%.*s' is in %s/%s but not in %s", (int)extra->length,
                      extra->name, at->source->path, at->prefix, first);
}

/* Returns the class of an image, whose name within its split is `rest`; NULL: none, for the reason
 * *why. */
static const clade_folder *class_of(const clade_folders *classes, const char *rest,
                                    const labeller *by, const char **why)
{
    size_t length;
    const char *name = rest;
    if (has_labels(by)) {
        name = label_of(by, rest, &length, why);
    } else {
        *why = "not in the folder of a class";
        const char *slash = strchr(rest, '/');
        if (!slash) return NULL;
        length = (size_t)(slash - rest);
    }
    return name ? lookup(classes, name, length) : NULL;
}

/* Reads the numbers of a row in the order of the targets, which have the names of the list's
 * columns, unless there is only one. */
static void read_targets(const clade_label_list *list, const clade_label_row *row,
                         const clade_folders *targets, float *out)
{
    const double *numbers = clade_label_list_numbers(list) + row->numbers;
    for (size_t i = 0; i < clade_label_list_columns(list); i++) {
        const char *name = clade_label_list_column(list, i);
        const clade_folder *c = lookup(targets, name, strlen(name));
        if (c || targets->count == 1) out[c ? c->label : 0] = (float)numbers[i];
    }
}

/* Sets the bit of each class that the list gives for an image. */
static void read_set(const clade_label_list *list, const clade_label_row *row,
                     const clade_folders *classes, uint8_t *set)
{
    for (; row; row = clade_label_list_next(list, row)) {
        const clade_folder *c = lookup(classes, row->label, strlen(row->label));
        if (c) set[c->label / 8] |= (uint8_t)(1 << c->label % 8);
    }
}

/* Adds an image to the split and the class that its name gives, or lists it as skipped. `set` has
 * room for its classes, if it may have several, `numbers` for its targets. */
static clade_status assign_image(clade_dataset *dataset, clade_source *source, clade_entry *entry,
                                 const clade_split_root roots[CLADE_SPLITS],
                                 const clade_folders *classes, const labeller *by, uint8_t *set,
                                 float *numbers)
{
    const char *why = "not in the folder of a split";
    clade_label_row *row = by->list ? clade_label_list_find(by->list, entry->name) : NULL;
    if (row) row->used = true;
    for (int s = 0; s < CLADE_SPLITS; s++) {
        if (roots[s].source != source || !roots[s].prefix) continue;
        size_t n = strlen(roots[s].prefix);
        if (strncmp(entry->name, roots[s].prefix, n) != 0) continue;
        const char *rest = entry->name + n;
        clade_image image = {.name = entry->name, .key = rest, .source = source, .entry = entry};
        if (by->several && row) {
            read_set(by->list, row, classes, set);
            image.set = set;
        } else if (by->numbers) {
            why = "not in the list of labels";
            if (!row) continue;
            read_targets(by->list, row, classes, numbers);
            image.target = numbers;
        } else {
            const clade_folder *c =
                class_of(classes, has_labels(by) ? entry->name : rest, by, &why);
            if (!c) continue;
            image.label = c->label;
        }
        if (row) image.weight = row->weight;
        if (row && *row->split) s = (int)clade_split_of_word(row->split, strlen(row->split));
        return clade_dataset_add(dataset, (clade_split)s, &image);
    }
    return clade_dataset_skip(dataset, entry->name, why);
}

/* Returns whether an entry is the list of labels itself, among the images. */
static bool is_list(const clade_source *source, const clade_entry *entry, const char *labels)
{
    struct stat a, b;
    char path[4096];
    if (!labels || strcmp(clade_base_name(entry->name), clade_base_name(labels))) return false;
    const int n = snprintf(path, sizeof path, "%s/%s", source->path, entry->name);
    return n > 0 && (size_t)n < sizeof path && !stat(path, &a) && !stat(labels, &b) &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Assigns every image of a source its split and class, and lists the rest as skipped. */
static clade_status assign(clade_dataset *dataset, clade_source *source,
                           const clade_split_root roots[CLADE_SPLITS], const clade_folders *classes,
                           const labeller *by, const char *labels)
{
    const size_t size = classes->count / 8 + 1;
    uint8_t *sets = by->several ? calloc(source->count + 1, size) : NULL;
    float *numbers =
        by->numbers ? calloc((source->count + 1) * classes->count, sizeof *numbers) : NULL;
    if ((by->several && !sets) || (by->numbers && !numbers)) return out_of_memory();
    clade_status status = sets ? clade_dataset_keep(dataset, (char *)sets) : CLADE_OK;
    if (numbers) status = clade_dataset_keep(dataset, (char *)numbers);
    for (size_t i = 0; i < source->count && !status; i++) {
        clade_entry *entry = &source->entries[i];
        if (entry->kind == CLADE_ENTRY_IMAGE)
            status = assign_image(dataset, source, entry, roots, classes, by,
                                  sets ? sets + i * size : NULL,
                                  numbers ? numbers + i * classes->count : NULL);
        if (entry->kind == CLADE_ENTRY_IMAGE || entry->kind == CLADE_ENTRY_FOLDER) continue;
        if (is_list(source, entry, labels)) continue;
        if ((entry->damaged || entry->replaced) && dataset->strict)
            return clade_fail(CLADE_EFORMAT, "%s: %s: %s", source->path, entry->name,
                              entry->reason);
        status = clade_dataset_skip(dataset, entry->name,
                                    entry->reason ? entry->reason : "not an image");
    }
    return status;
}

/* Sorts images of a split by class, then by name. */
static int by_label(const void *a, const void *b)
{
    const clade_image *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    return strcmp(x->key, y->key);
}

/* If all names are numbers, labels classes in numerical order. */
static void order_by_numbers(clade_folders *classes)
{
    CLADE_PLAIN_NUMBERS;
    const size_t n = classes->count;
    double *value = malloc((n + 1) * sizeof *value);
    bool all = value != NULL;
    for (size_t i = 0; i < n && all; i++) {
        char name[64] = "", *end = name;
        const clade_folder *c = &classes->items[i];
        if (c->length < sizeof name) memcpy(name, c->name, c->length);
        value[i] = strtod(name, &end);
        all = end != name && !*end && isfinite(value[i]);
    }
    for (size_t i = 0; i < n && all; i++) {
        classes->items[i].label = 0;
        for (size_t j = 0; j < n; j++)
            classes->items[i].label += value[j] < value[i] || (value[j] <= value[i] && j < i);
    }
    free(value);
}

/* Finds the classes of all splits: the expected ones, or those of the first split. Of the latter,
 * only the test split may lack some, since nothing is trained on it; with several labels per image,
 * also the validation split. With a list or pattern the test split may lack all: Kaggle's have no
 * labels. */
static clade_status find_classes(const clade_data_options *options,
                                 const clade_split_root roots[CLADE_SPLITS], const labeller *by,
                                 clade_folders *classes)
{
    char first[512] = "the classifier", hint[CLADE_LABEL_HINT];
    const clade_split_root *known = NULL; /* a split with classes */
    clade_status status = list_known(options, classes);
    for (int s = 0; s < CLADE_SPLITS && !status; s++) {
        clade_folders own = {0};
        if (!roots[s].prefix) continue;
        status = list_classes(&roots[s], by, &own);
        if (!status && !own.count) {
            if (s == CLADE_TEST && has_labels(by) && known) continue;
            status = fail_without_classes(&roots[s], by);
        }
        if (!status && classes->count)
            status = compare_classes(classes, first, &roots[s], &own,
                                     options->class_count > 0 || s == CLADE_TEST || by->several);
        known = &roots[s];
        if (status || classes->count) {
            free(own.items);
            continue;
        }
        *classes = own;
        if (options->task == CLADE_TASK_ORDINAL) order_by_numbers(classes);
        snprintf(first, sizeof first, "%s/%s", roots[s].source->path, roots[s].prefix);
    }
    if (status || classes->count > 1) return status;
    const bool folders = known && !has_labels(by);
    return clade_fail(CLADE_EINVAL, "%s: only one class, '%.*s': a classifier needs two%s%s%s",
                      first, (int)classes->items[0].length, classes->items[0].name,
                      folders ? " (" : "", folders ? clade_label_hint(known->source, hint) : "",
                      folders ? ")" : "");
}

/* Finds the targets: the expected ones, each a column of the list, or else all columns. A single
 * target may have any name. */
static clade_status find_targets(const clade_data_options *options, const labeller *by,
                                 clade_folders *targets)
{
    const size_t columns = clade_label_list_columns(by->list);
    clade_folders own = {0};
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < columns && !status; i++) {
        const char *name = clade_label_list_column(by->list, i);
        clade_folder *f = clade_folders_take(&own, name, strlen(name));
        if (!f) status = out_of_memory();
        if (f) f->label = (int32_t)i;
    }
    if (!status && own.count < columns)
        status = clade_fail(CLADE_EINVAL, "%s: two columns of numbers have the same name",
                            options->labels);
    if (!status && own.count > 0) qsort(own.items, own.count, sizeof *own.items, by_name);
    if (!status) status = list_known(options, targets);
    for (size_t i = 0; i < targets->count && !status; i++) {
        const clade_folder *t = &targets->items[i];
        if (lookup(&own, t->name, t->length) || (targets->count == 1 && columns == 1)) continue;
        status = clade_fail(CLADE_EINVAL, "%s: has no column of numbers '%.*s'", options->labels,
                            (int)t->length, t->name);
    }
    if (!status && !targets->count) status = clade_label_numbers_check(by->list, options->labels);
    if (!status && !targets->count)
        *targets = own;
    else
        free(own.items);
    return status;
}

static clade_status add_classes(clade_dataset *dataset, const clade_folders *classes)
{
    clade_status status = CLADE_OK;
    for (int32_t label = 0; (size_t)label < classes->count && !status; label++) {
        const clade_folder *c = classes->items;
        while (c->label != label) c++;
        status = clade_dataset_add_class(dataset, c->name, c->length);
    }
    return status;
}

/* Opens the source of the classes, and finds the splits: by a list, or by folders. */
static clade_status find_splits(clade_dataset *dataset, const clade_data_options *options,
                                labeller *by, clade_split_root roots[CLADE_SPLITS])
{
    clade_status status = CLADE_OK;
    by->several = options->task == CLADE_TASK_MULTI_LABEL;
    by->numbers = options->task == CLADE_TASK_REGRESSION;
    if (by->numbers && !options->labels)
        return clade_fail(CLADE_EINVAL,
                          "%s: numbers (task: regression) need a list of them: expected labels: "
                          "FILE",
                          options->path);
    if (by->several && !options->labels)
        return clade_fail(CLADE_EINVAL,
                          "%s: several labels of an image (task: multi_label) need a list of them: "
                          "expected labels: FILE",
                          options->path);
    if (options->label_pattern && options->labels)
        return clade_fail(CLADE_EINVAL,
                          "classes both from a label pattern and from a list; expected only one");
    if (options->label_pattern)
        status = clade_label_pattern_create(options->label_pattern, &by->pattern);
    if (options->labels)
        status = clade_label_list_read(options->labels,
                                       &(clade_label_options){.columns = options->label_columns,
                                                              .several = by->several,
                                                              .numbers = by->numbers},
                                       &by->list);
    if (status) return status;
    if (!by->list || !clade_label_list_splits(by->list))
        return clade_find_splits(dataset->sources, has_labels(by), roots);
    if (dataset->sources[CLADE_VALIDATION] || dataset->sources[CLADE_TEST])
        return clade_fail(CLADE_EINVAL,
                          "%s: has a column of splits, so no split can be given separately",
                          options->labels);
    for (size_t i = 0; i < clade_label_list_count(by->list); i++) {
        const clade_label_row *row = clade_label_list_row(by->list, i);
        if (clade_split_of_word(row->split, strlen(row->split)) == CLADE_SPLITS)
            return clade_fail(CLADE_EFORMAT,
                              "%s%zu: split '%.100s': expected train, validation or test",
                              clade_label_list_place(by->list), row->line, row->split);
    }
    roots[0] = (clade_split_root){dataset->sources[0], strdup("")};
    return roots[0].prefix ? CLADE_OK : out_of_memory();
}

/* Lists the rows without an image as skipped. */
static clade_status skip_rows(clade_dataset *dataset, const clade_label_list *list)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < clade_label_list_count(list) && !status; i++) {
        const clade_label_row *row = clade_label_list_row(list, i);
        char name[512];
        if (row->used || (i && !strcmp(row->file, clade_label_list_row(list, i - 1)->file)))
            continue;
        snprintf(name, sizeof name, "%.200s%zu: %.200s", clade_label_list_place(list), row->line,
                 row->file);
        status = clade_dataset_skip(dataset, name, "no image has this name");
    }
    return status;
}

/* Lists the columns of 0 and 1 in which no image has a 1 as skipped. */
static clade_status skip_columns(clade_dataset *dataset, const char *path,
                                 const clade_label_list *list, const clade_folders *classes)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < clade_label_list_columns(list) && !status; i++) {
        const char *column = clade_label_list_column(list, i);
        char name[512];
        if (lookup(classes, column, strlen(column))) continue;
        snprintf(name, sizeof name, "%.300s: column '%.100s'", path, column);
        status = clade_dataset_skip(dataset, name, "no image has a 1: not a class");
    }
    return status;
}

/* Reports that a column of weights is not a target, if it might be meant as one. */
static clade_status skip_weight(clade_dataset *dataset, const char *path,
                                const clade_label_list *list)
{
    char name[512];
    const char *column = clade_label_list_doubtful(list);
    if (!column) return CLADE_OK;
    snprintf(name, sizeof name, "%.300s: column '%.100s'", path, column);
    return clade_dataset_skip(
        dataset, name,
        "used as the images' weights; --label-columns FILE,TARGET,… makes it a target");
}

clade_status clade_layout_read(clade_dataset *dataset, const clade_data_options *options)
{
    clade_split_root roots[CLADE_SPLITS] = {0};
    clade_folders classes = {0};
    labeller by = {0};
    clade_status status = find_splits(dataset, options, &by, roots);
    if (!status)
        status = by.numbers ? find_targets(options, &by, &classes)
                            : find_classes(options, roots, &by, &classes);
    if (!status) status = add_classes(dataset, &classes);
    for (int s = 0; s < CLADE_SPLITS && !status; s++)
        if (dataset->sources[s])
            status = assign(dataset, dataset->sources[s], roots, &classes, &by, options->labels);
    if (by.list) dataset->weighted = clade_label_list_weighs(by.list);
    if (!status && by.list) status = skip_rows(dataset, by.list);
    if (!status && by.several) status = skip_columns(dataset, options->labels, by.list, &classes);
    if (!status && by.numbers) status = skip_weight(dataset, options->labels, by.list);
    for (int s = 0; s < CLADE_SPLITS; s++) {
        free(roots[s].prefix);
        clade_images *p = &dataset->split[s];
        if (p->count) qsort(p->items, p->count, sizeof *p->items, by_label);
    }
    clade_label_pattern_destroy(&by.pattern);
    clade_label_list_destroy(&by.list);
    free(classes.items);
    return status;
}
