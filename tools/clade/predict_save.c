/* Images that `clade predict` keeps: where they go, and what is written on them. */
#define _XOPEN_SOURCE 700
#include "predict_save.h"
#include "predictions.h"
#include "session.h"

#include <clade/report.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An image's name without folder and ending. */
static const char *name_of(const char *path, size_t *length)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (!strcmp(name, "-")) name = "stdin";
    const char *dot = strrchr(name, '.');
    *length = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    return name;
}

/* --- names, of which no two are the same --- */

typedef struct name_set {
    const char **path;
    size_t *number; /* the last that was given to files of this name */
    size_t room;    /* a power of two */
} name_set;

static size_t place_of(const name_set *set, const char *path)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (const char *c = path; *c; c++) hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    size_t at = (size_t)hash & (set->room - 1);
    while (set->path[at] && strcmp(set->path[at], path)) at = (at + 1) & (set->room - 1);
    return at;
}

static char *format_path(const char *folder, const char *name, size_t length, size_t number)
{
    size_t size = strlen(folder) + length + 40;
    char *path = malloc(size);
    if (!path) return NULL;
    if (number > 1)
        snprintf(path, size, "%s/%.*s-%zu.jpg", folder, (int)length, name, number);
    else
        snprintf(path, size, "%s/%.*s.jpg", folder, (int)length, name);
    return path;
}

/* The first of NAME.jpg, NAME-2.jpg, … that no file before has. */
static char *choose_path(const char *folder, const char *file, const name_set *set)
{
    size_t length, first = 0;
    const char *name = name_of(file, &length);
    for (size_t number = 1;; number++) {
        char *path = format_path(folder, name, length, number);
        if (!path) return NULL;
        size_t at = place_of(set, path);
        if (number == 1) first = at;
        if (!set->path[at]) {
            set->path[at] = path;
            set->number[first] = number;
            return path;
        }
        free(path);
        if (number == 1) number = set->number[first];
    }
}

static clade_status choose_paths(saved_images *s, const image_files *files)
{
    name_set set = {.room = 16};
    while (set.room < 2 * files->count) set.room *= 2;
    set.path = calloc(set.room, sizeof *set.path);
    set.number = calloc(set.room, sizeof *set.number);
    s->path = calloc(files->count + 1, sizeof *s->path);
    clade_status status = CLADE_OK;
    if (!set.path || !set.number || !s->path) status = clade_fail(CLADE_ENOMEM, "out of memory");
    for (; s->count < files->count && !status; s->count++) {
        s->path[s->count] = choose_path(s->folder, files->item[s->count].path, &set);
        if (!s->path[s->count]) status = clade_fail(CLADE_ENOMEM, "out of memory");
    }
    free(set.path);
    free(set.number);
    return status;
}

/* --- nothing that is there is lost --- */

/* Does the file, links followed, lie in the folder? */
static bool lies_in(const char *file, const char *folder)
{
    char full[PATH_MAX];
    struct stat own, other;
    if (!realpath(file, full) || stat(folder, &own)) return false;
    char *slash = strrchr(full, '/');
    if (!slash) return false;
    slash[slash == full] = 0;
    return !stat(full, &other) && own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

static clade_status check(const saved_images *s, const image_files *files)
{
    for (size_t i = 0; i < s->count; i++) {
        struct stat info;
        if (!files->item[i].bytes && lies_in(files->item[i].path, s->folder))
            return clade_fail(CLADE_EINVAL, "%s: contains the input %s; expected another folder",
                              s->folder, files->item[i].path);
        if (!s->force && !lstat(s->path[i], &info))
            return clade_fail(CLADE_EINVAL, "%s already exists; --force overwrites it", s->path[i]);
    }
    return CLADE_OK;
}

clade_status saved_images_plan(saved_images *s, const image_files *files)
{
    if (!s->folder) return CLADE_OK;
    clade_status status = choose_paths(s, files);
    if (!status) status = check(s, files);
    if (!status) status = session_make_folder(s->folder);
    return clade_context(status, "--save");
}

/* "cat, dog": the classes that are told of an image, as far as there is room, or "none". */
static void list_labels(const clade_classifier *classifier, const float *p, char *text, size_t size)
{
    const float *thresholds = clade_classifier_thresholds(classifier);
    size_t n = 0;
    snprintf(text, size, "none");
    for (int32_t c = 0; c < clade_classifier_classes(classifier) && n < size; c++)
        if (p[c] > thresholds[c])
            n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "",
                                  clade_classifier_class_name(classifier, c));
}

/* "age 31.2, weight 70": as far as there is room. */
static void list_numbers(const clade_classifier *classifier, const float *p, char *text,
                         size_t size)
{
    size_t n = 0;
    for (int32_t k = 0; k < clade_classifier_classes(classifier) && n < size; k++)
        n += (size_t)snprintf(text + n, size - n, "%s%s %.4g", n ? ", " : "",
                              clade_classifier_class_name(classifier, k), (double)p[k]);
}

clade_status saved_images_write(saved_images *s, const image_files *files, size_t i,
                                const clade_classifier *classifier, const float *p)
{
    if (!s->folder) return CLADE_OK;
    const int32_t best = prediction_class(p, clade_classifier_classes(classifier), 0);
    const image_file *file = &files->item[i];
    char value[32];
    if (clade_classifier_gives_probabilities(classifier))
        snprintf(value, sizeof value, "%.1f %%", 100 * (double)p[best]);
    else
        snprintf(value, sizeof value, "%.4g", (double)p[best]);
    char labels[256];
    const bool numbers = clade_classifier_task(classifier) == CLADE_TASK_REGRESSION;
    if (numbers)
        list_numbers(classifier, p, labels, sizeof labels);
    else if (clade_classifier_thresholds(classifier))
        list_labels(classifier, p, labels, sizeof labels);
    else
        snprintf(labels, sizeof labels, "%s", clade_classifier_class_name(classifier, best));
    const clade_caption caption = {.bytes = file->bytes,
                                   .size = file->size,
                                   .name = strcmp(file->path, "-") ? file->path : "standard input",
                                   .label = labels,
                                   .value = numbers ? "" : value};
    clade_status status = clade_caption_write(&caption, s->path[i]);
    s->saved += !status;
    return status;
}

void saved_images_clear(saved_images *s)
{
    for (size_t i = 0; i < s->count; i++) free(s->path[i]);
    free(s->path);
    s->path = NULL;
    s->count = 0;
}
