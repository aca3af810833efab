/* What of an inspection is worth a look, in sentences. */
#define _POSIX_C_SOURCE 200809L
#include "data/inspect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clade_status add(clade_inspection *in, bool serious, const char *format, ...)
    CLADE_PRINTF(3, 4);

static clade_status add(clade_inspection *in, bool serious, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    clade_finding *list = realloc(in->findings, (in->finding_count + 1) * sizeof *list);
    if (list) in->findings = list;
    char *copy = list ? strdup(text) : NULL;
    if (!copy) return clade_fail(CLADE_ENOMEM, "out of memory for what was found");
    list[in->finding_count++] = (clade_finding){serious, copy};
    return CLADE_OK;
}

static const char *plural(size_t n) { return n == 1 ? "" : "s"; }
static const char *have(size_t n) { return n == 1 ? "has" : "have"; }

static size_t split_count(const clade_inspection *in, int split)
{
    size_t n = 0;
    for (size_t i = 0; i < in->count; i++)
        n += !in->images[i].fault && in->images[i].split == (clade_split)split;
    return n;
}

/* Images to judge by that are also among those to learn or to choose by. */
static clade_status judge_leaks(clade_inspection *in)
{
    clade_status status = CLADE_OK;
    for (int of = 1; of < CLADE_SPLITS && !status; of++)
        for (int also = 0; also < of && !status; also++) {
            size_t n = in->shared[of][also], count = split_count(in, of);
            if (n == 0) continue;
            status = add(in, true,
                         "%zu of the %zu %s image%s (%.1f %%) %s a duplicate in the %s split: "
                         "results there will look too good",
                         n, count, clade_split_word((clade_split)of), plural(count),
                         100.0 * (double)n / (double)count, have(n),
                         clade_split_word((clade_split)also));
        }
    if (!status && in->contradictions)
        status = add(in, true, "%zu pair%s of duplicates %s two different classes",
                     in->contradictions, plural(in->contradictions), have(in->contradictions));
    for (int s = 0; s < CLADE_SPLITS && !status; s++)
        if (in->shared[s][s])
            status = add(in, false,
                         "%zu image%s of the %s split %s a duplicate within it; a split by "
                         "fraction may separate them",
                         in->shared[s][s], plural(in->shared[s][s]),
                         clade_split_word((clade_split)s), have(in->shared[s][s]));
    return status;
}

static clade_status judge_classes(clade_inspection *in)
{
    const bool several = in->dataset->task == CLADE_TASK_MULTI_LABEL;
    clade_status status = CLADE_OK;
    for (int s = 0; s < CLADE_SPLITS && !status; s++) {
        const size_t *row = in->readable + (size_t)s * in->classes;
        size_t least = 0, most = 0;
        if (clade_dataset_count(in->dataset, (clade_split)s) == 0) continue;
        for (size_t c = 0; c < in->classes && !status; c++) {
            if (row[c] < row[least]) least = c;
            if (row[c] > row[most]) most = c;
            if (row[c] == 0 && (s == CLADE_TRAIN || !several))
                status =
                    add(in, true,
                        "class '%.100s' has no image that can be read in the %s split: training "
                        "will reject it",
                        clade_dataset_class_name(in->dataset, c), clade_split_word((clade_split)s));
        }
        if (!status && !several && s == CLADE_TRAIN && row[least] > 0 &&
            2 * row[most] >= 3 * row[least])
            status = add(in, false,
                         "class '%.100s' has %.1f times as many training images as '%.100s'; "
                         "`class_weight: balanced` weighs them alike",
                         clade_dataset_class_name(in->dataset, most),
                         (double)row[most] / (double)row[least],
                         clade_dataset_class_name(in->dataset, least));
    }
    if (!status && split_count(in, CLADE_VALIDATION) == 0)
        status = add(in, false,
                     "there is no validation split; the recipe's `validation_split` takes one from "
                     "the training split");
    return status;
}

/* Classes whose images are alike without being the same. */
static clade_status judge_alike(clade_inspection *in)
{
    size_t classes = 0, most = 0;
    for (size_t c = 0; c < in->classes && in->alike; c++) {
        classes += in->alike[c] > CLADE_LEAST_SIMILARITY;
        if (in->alike[c] > in->alike[most]) most = c;
    }
    if (!classes) return CLADE_OK;
    return add(in, false,
               "images of %zu class%s look much alike by chance: their near duplicates are not "
               "counted, and are listed only from a higher similarity, up to %.3f for '%.100s' "
               "(--similarity sets another)",
               classes, classes == 1 ? "" : "es", in->alike[most],
               clade_dataset_class_name(in->dataset, most));
}

/* Classes that may be one. */
static clade_status judge_names(clade_inspection *in)
{
    clade_status status = CLADE_OK;
    for (size_t a = 0; a < in->classes && !status; a++)
        for (size_t b = a + 1; b < in->classes && !status; b++) {
            const char *x = clade_dataset_class_name(in->dataset, a);
            const char *y = clade_dataset_class_name(in->dataset, b);
            if (clade_names_alike(x, y))
                status = add(in, true,
                             "classes %zu and %zu are called '%.100s' and '%.100s': they differ "
                             "only in case or Unicode form",
                             a, b, x, y);
        }
    return status;
}

/* A folder in a class' folder. */
typedef struct inner {
    const char *name; /* not terminated */
    size_t length, label;
} inner;

static int by_folder(const void *a, const void *b)
{
    const inner *x = a, *y = b;
    int order = strncmp(x->name, y->name, x->length < y->length ? x->length : y->length);
    if (order) return order;
    if (x->length != y->length) return x->length < y->length ? -1 : 1;
    return (x->label > y->label) - (x->label < y->label);
}

/* Lists the folders in those classes' folders that hold no images themselves, each once. */
static size_t list_inner(const clade_inspection *in, bool *direct, inner *list)
{
    size_t n = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < in->count; i++) {
            const clade_inspected *p = &in->images[i];
            size_t label = (size_t)p->label;
            const char *name = in->dataset->split[p->split].items[p->index].key;
            name += strlen(in->dataset->names[label]) + 1;
            size_t length = strcspn(name, "/");
            if (!name[length]) direct[label] = true;
            if (pass == 0 || direct[label]) continue;
            const inner next = {name, length, label};
            if (n == 0 || by_folder(&list[n - 1], &next)) list[n++] = next;
        }
    if (n) qsort(list, n, sizeof *list, by_folder);
    return n;
}

/* Two or more folders that several classes have may be the classes, one level down. */
static clade_status judge_folders(clade_inspection *in)
{
    if (in->dataset->raw.height || in->count == 0) return CLADE_OK;
    bool *direct = calloc(in->classes, sizeof *direct);
    inner *list = malloc(in->count * sizeof *list);
    clade_status status = CLADE_OK;
    if (direct && list) {
        size_t n = list_inner(in, direct, list), shared = 0;
        const inner *first = NULL, *also = NULL;
        for (size_t i = 1; i < n; i++) {
            const inner *a = &list[i - 1], *b = &list[i];
            if (a->length != b->length || strncmp(a->name, b->name, a->length) != 0 ||
                a->label == b->label)
                continue;
            if (!first || first->length != a->length || strncmp(first->name, a->name, a->length))
                shared++;
            if (shared > 1) continue;
            first = a;
            also = b;
        }
        if (shared > 1)
            status = add(in, false,
                         "classes '%.100s' and '%.100s' both have a folder '%.*s' and others of "
                         "the same names: if these are the classes, they are a level too deep",
                         in->dataset->names[first->label], in->dataset->names[also->label],
                         first->length < 100 ? (int)first->length : 100, first->name);
    } else {
        status = clade_fail(CLADE_ENOMEM, "out of memory for what was found");
    }
    free(direct);
    free(list);
    return status;
}

clade_status clade_inspect_judge(clade_inspection *in)
{
    const bool several = in->dataset->task == CLADE_TASK_MULTI_LABEL;
    clade_status status = judge_leaks(in);
    if (!status) status = judge_alike(in);
    if (!status) status = judge_classes(in);
    if (!status) status = judge_names(in);
    if (!status && !several) status = judge_folders(in);
    if (!status && in->damaged)
        status =
            add(in, false, "%zu image%s damaged and cannot be decoded; training leaves %s out",
                in->damaged, in->damaged == 1 ? " is" : "s are", in->damaged == 1 ? "it" : "them");
    const size_t lost = in->unreadable - in->damaged;
    if (!status && lost)
        status =
            add(in, false, "%zu image%s cannot be read; training would stop", lost, plural(lost));
    if (!status && in->single_coloured)
        status = add(in, false, "%zu image%s of a single colour", in->single_coloured,
                     in->single_coloured == 1 ? " is" : "s are");
    if (!status && in->more)
        status = add(in, false,
                     "some images have more near duplicates than are listed: the images are much "
                     "alike, or the requested similarity is low");
    return status;
}
