/* clade predict: classes of images. */
#define _XOPEN_SOURCE 700
#include "json_print.h"
#include "session.h"
#include "shown.h"
#include "together.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* The files to look at, owned. */
typedef struct file_list {
    char **path;
    size_t count, room;
} file_list;

static clade_status add_file(file_list *list, const char *folder, const char *name)
{
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        char **grown = realloc(list->path, room * sizeof *grown);
        if (!grown) return clade_fail(CLADE_ENOMEM, "out of memory for %zu files", room);
        list->path = grown;
        list->room = room;
    }
    size_t size = strlen(name) + (folder ? strlen(folder) + 1 : 0) + 1;
    char *path = malloc(size);
    if (!path) return clade_fail(CLADE_ENOMEM, "out of memory");
    snprintf(path, size, "%s%s%s", folder ? folder : "", folder ? "/" : "", name);
    list->path[list->count++] = path;
    return CLADE_OK;
}

static bool looks_like_image(const char *name)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".png"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (!strcasecmp(dot, endings[i])) return true;
    return false;
}

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* All images in a folder and below, in the order of their names. */
static clade_status add_folder(file_list *list, const char *folder, int depth)
{
    enum { deepest = 32 };
    struct dirent **entries;
    int count = depth < deepest ? scandir(folder, &entries, is_visible, alphasort) : 0;
    if (count < 0) return clade_fail(CLADE_EIO, "%s: cannot read the folder", folder);
    clade_status status = CLADE_OK;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        file_list one = {0};
        struct stat info;
        if (!status) status = add_file(&one, folder, name);
        if (!status && lstat(one.path[0], &info))
            status = clade_fail(CLADE_EIO, "%s: %s", one.path[0], strerror(errno));
        else if (!status && S_ISDIR(info.st_mode))
            status = add_folder(list, one.path[0], depth + 1);
        else if (!status && looks_like_image(name))
            status = add_file(list, NULL, one.path[0]);
        if (one.count) free(one.path[0]);
        free(one.path);
        free(entries[i]);
    }
    if (count > 0) free(entries);
    return status;
}

static clade_status list_files(char **arguments, int count, file_list *out)
{
    clade_status status = CLADE_OK;
    for (int i = 0; i < count && !status; i++) {
        struct stat info;
        bool folder = !stat(arguments[i], &info) && S_ISDIR(info.st_mode);
        status = folder ? add_folder(out, arguments[i], 0) : add_file(out, NULL, arguments[i]);
    }
    if (!status && out->count == 0)
        status = clade_fail(CLADE_EINVAL, "%s: there are no images in it", arguments[0]);
    return status;
}

/* The first rank's list becomes everyone's. */
static clade_status share_files(clade_ranks *ranks, file_list *list)
{
    const bool lead = clade_ranks_own(ranks) == 0;
    uint64_t size = 0;
    for (size_t i = 0; i < list->count; i++) size += strlen(list->path[i]) + 1;
    clade_status status = clade_ranks_broadcast(ranks, &size, sizeof size);
    char *text = status ? NULL : malloc(size), *at = text;
    if (!status && !text) status = clade_fail(CLADE_ENOMEM, "out of memory");
    for (size_t i = 0; i < list->count && !status; i++) at = stpcpy(at, list->path[i]) + 1;
    if (!status) status = clade_ranks_broadcast(ranks, text, size);
    for (at = text; !lead && !status && at < text + size; at += strlen(at) + 1)
        status = add_file(list, NULL, at);
    free(text);
    return status;
}

/* --- output --- */

/* The class with the rank-th largest probability, of equals the first. */
static int32_t nth_class(const float *p, int32_t classes, int32_t rank)
{
    for (int32_t c = 0; c < classes; c++) {
        int32_t above = 0;
        for (int32_t i = 0; i < classes; i++) above += p[i] > p[c] || (p[i] == p[c] && i < c);
        if (above == rank) return c;
    }
    return 0;
}

typedef struct printer {
    const clade_classifier *classifier;
    int32_t top;
    bool json;
    cJSON *list;
} printer;

static void print_one(printer *out, const char *path, const float *p)
{
    int32_t classes = clade_classifier_classes(out->classifier);
    cJSON *entry = NULL, *ranks = NULL;
    if (out->json) {
        entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "file", path);
        ranks = cJSON_AddArrayToObject(entry, "classes");
        clade_json_append(out->list, entry);
    } else {
        printf("%s:", shown(path));
    }
    for (int32_t k = 0; k < out->top && k < classes; k++) {
        int32_t c = nth_class(p, classes, k);
        const char *name = clade_classifier_class_name(out->classifier, c);
        if (out->json) {
            cJSON *item = cJSON_CreateObject();
            cJSON_AddStringToObject(item, "class", name);
            cJSON_AddNumberToObject(item, "probability", (double)p[c]);
            clade_json_append(ranks, item);
        } else {
            printf("%s %s %.4f", k ? "," : "", shown(name), (double)p[c]);
        }
    }
    if (!out->json) printf("\n");
}

enum { at_once = 64 };

/* What some files at a time gave: first which of them could be read, then their probabilities. */
typedef struct file_results {
    uint8_t *pixels;
    float *own, *all; /* [at_once + at_once, classes]; of each rank */
    size_t floats;
} file_results;

static clade_status allocate(const clade_classifier *classifier, size_t ranks, file_results *r)
{
    const clade_preprocessing *p = clade_recipe_preprocessing(clade_classifier_recipe(classifier));
    size_t image = (size_t)p->height * (size_t)p->width * (size_t)p->channels;
    r->floats = at_once * ((size_t)clade_classifier_classes(classifier) + 1);
    r->pixels = malloc(at_once * image);
    r->own = malloc(r->floats * sizeof *r->own);
    r->all = malloc(ranks * r->floats * sizeof *r->all);
    return r->pixels && r->own && r->all ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory");
}

/* Those that cannot be read are named. */
static clade_status predict_some(clade_classifier *classifier, char *const *path, size_t count,
                                 const file_results *r)
{
    const clade_preprocessing *p = clade_recipe_preprocessing(clade_classifier_recipe(classifier));
    size_t image = (size_t)p->height * (size_t)p->width * (size_t)p->channels, n = 0;
    for (size_t i = 0; i < count; i++) {
        bool read = !clade_image_read(path[i], p->height, p->width, p->channels, p->interpolation,
                                      r->pixels + n * image);
        if (!read) fprintf(stderr, "clade predict: %s\n", shown(clade_error()));
        r->own[i] = read;
        n += read;
    }
    return clade_classifier_predict_pixels(classifier, r->pixels, n, r->own + at_once);
}

/* Adds those that could not be read to *unread. */
static void print_some(printer *out, char *const *path, size_t count, const float *result,
                       size_t *unread)
{
    const size_t classes = (size_t)clade_classifier_classes(out->classifier);
    const float *p = result + at_once;
    for (size_t i = 0; i < count; i++) {
        if (result[i] == 0) {
            ++*unread;
            continue;
        }
        print_one(out, path[i], p);
        p += classes;
    }
}

/* Files that are taken at a time, from one of them on. */
static size_t count_some(const file_list *files, size_t first)
{
    if (first >= files->count) return 0;
    return files->count - first < at_once ? files->count - first : at_once;
}

/* In turns, in each of which every rank takes the next files; the first rank prints. */
static clade_status predict(clade_classifier *classifier, const file_list *files,
                            clade_ranks *ranks, printer *out, size_t *unread)
{
    const size_t count = ranks ? (size_t)clade_ranks_count(ranks) : 1;
    const size_t own = ranks ? (size_t)clade_ranks_own(ranks) : 0;
    file_results r = {0};
    clade_status status = allocate(classifier, count, &r);
    *unread = 0;
    for (size_t turn = 0; turn < files->count && !status; turn += count * at_once) {
        size_t first = turn + own * at_once, n = count_some(files, first);
        if (n > 0) status = predict_some(classifier, files->path + first, n, &r);
        if (!status && ranks)
            status = clade_ranks_gather(ranks, r.own, r.floats * sizeof *r.own, r.all);
        for (size_t k = 0; k < count && !status; k++) {
            first = turn + k * at_once;
            n = count_some(files, first);
            if (n > 0)
                print_some(out, files->path + first, n, ranks ? r.all + k * r.floats : r.own,
                           unread);
        }
    }
    free(r.pixels);
    free(r.own);
    free(r.all);
    return status;
}

int command_predict(int argc, char **argv)
{
    session_place place = {.math = session_math_default};
    int64_t top = 3;
    printer out = {.json = false};
    const command_option options[] = {
        OPTION_INTEGER("top", "K", &top, 1, 1e6, "how many classes to name; default: 3"),
        SESSION_PLACE_OPTIONS(&place),
        OPTION_FLAG("json", &out.json, "print JSON"),
    };
    static const command_usage usage = {
        .name = "predict",
        .arguments = "MODEL IMAGE|FOLDER...",
        .least = 2,
        .most = COMMAND_ANY,
        .about =
            "Says what images show, with probabilities. MODEL is a run folder or a .safetensors\n"
            "file; a folder stands for the JPEG and PNG files in it and below.",
        .example = "clade predict runs/first photo.jpg holiday/",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    clade_device *device = NULL;
    clade_classifier *classifier = NULL;
    file_list files = {0};
    size_t unread = 0;
    clade_ranks *ranks = NULL;
    clade_status status = together_join(0, &ranks);
    if (!status && (!ranks || clade_ranks_own(ranks) == 0))
        status = list_files(argv + 2, count - 1, &files);
    if (!status && ranks) status = share_files(ranks, &files);
    if (!status) status = session_open_device(&place, &device);
    if (!status) status = clade_classifier_open(argv[1], device, &classifier);
    if (!status) {
        out.classifier = classifier;
        out.top = (int32_t)top;
        if (out.json) out.list = cJSON_CreateArray();
        status = predict(classifier, &files, ranks, &out, &unread);
    }
    if (!status && out.json)
        json_print(out.list, false);
    else
        cJSON_Delete(out.list);
    for (size_t i = 0; i < files.count; i++) free(files.path[i]);
    free(files.path);
    clade_classifier_destroy(&classifier);
    clade_device_close(&device);
    if (status && together_speak(ranks)) command_fail("predict");
    if (status) return together_leave(&ranks, COMMAND_FAILED);
    fflush(stdout); /* a launcher may end ranks once one exits with an error */
    clade_ranks_leave(&ranks);
    return unread ? COMMAND_FAILED : COMMAND_OK;
}
