/* The images that a command is given. */
#define _XOPEN_SOURCE 700
#include "image_files.h"

#include "base/file.h"
#include "shown.h"

#include <clade/data.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { deepest = 32, named = 10 };

/* What is left out of folders: the first are named. */
typedef struct left_out {
    size_t count;
} left_out;

static clade_status no_memory(void) { return clade_fail(CLADE_ENOMEM, "out of memory"); }

static clade_status add_file(image_files *list, const char *folder, const char *name)
{
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        image_file *grown = realloc(list->item, room * sizeof *grown);
        if (!grown) return clade_fail(CLADE_ENOMEM, "out of memory for %zu files", room);
        list->item = grown;
        list->room = room;
    }
    size_t size = strlen(name) + (folder ? strlen(folder) + 1 : 0) + 1;
    char *path = malloc(size);
    if (!path) return no_memory();
    snprintf(path, size, "%s%s%s", folder ? folder : "", folder ? "/" : "", name);
    list->item[list->count++] = (image_file){.path = path};
    return CLADE_OK;
}

/* Says that a file, which clade_error names, is left out. */
static void tell_left_out(image_files *list, bool named_as_image, left_out *left)
{
    if (named_as_image || left->count < named)
        fprintf(stderr, "clade predict: %s; skipped\n", shown(clade_error()));
    left->count += !named_as_image;
    list->unread += named_as_image;
}

/* Keeps the list's last file if it is an image, or cannot be read, which is said later. */
static void judge_last(image_files *list, left_out *left)
{
    char *path = list->item[list->count - 1].path;
    bool like;
    if (clade_image_recognize(path, &like) != CLADE_EFORMAT) return;
    tell_left_out(list, like, left);
    free(path);
    list->count--;
}

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static clade_status add_folder(image_files *list, const char *folder, int depth, left_out *left)
{
    struct dirent **entries;
    if (depth > deepest)
        return clade_fail(CLADE_EINVAL, "%s: folders nested more than %d deep, or a loop of links",
                          folder, deepest);
    int count = scandir(folder, &entries, is_visible, alphasort);
    if (count < 0) return clade_fail(CLADE_EIO, "%s: %s", folder, strerror(errno));
    clade_status status = CLADE_OK;
    for (int i = 0; i < count; i++) {
        struct stat info;
        if (!status) status = add_file(list, folder, entries[i]->d_name);
        free(entries[i]);
        if (status) continue;
        char *path = list->item[list->count - 1].path;
        if (stat(path, &info)) {
            status = clade_fail(CLADE_EIO, "%s: %s", path, strerror(errno));
        } else if (S_ISDIR(info.st_mode)) {
            list->count--;
            status = add_folder(list, path, depth + 1, left);
            free(path);
        } else if (S_ISREG(info.st_mode)) {
            judge_last(list, left);
        } else {
            fprintf(stderr, "clade predict: %s: a special file; skipped\n", shown(path));
            list->count--;
            free(path);
        }
    }
    free(entries);
    return status;
}

static clade_status add_archive(image_files *list, const char *path, clade_archive *archive,
                                left_out *left)
{
    clade_status status = CLADE_OK;
    clade_archive **grown = realloc(list->archive, (list->archives + 1) * sizeof(clade_archive *));
    if (!grown) {
        clade_archive_close(&archive);
        return no_memory();
    }
    list->archive = grown;
    list->archive[list->archives++] = archive;
    for (size_t i = 0; i < clade_archive_count(archive) && !status; i++) {
        bool like;
        const char *name = clade_archive_name(archive, i);
        const char *reason = clade_archive_reason(archive, i, &like);
        if (reason) {
            (void)clade_fail(CLADE_EFORMAT, "%s/%s: %s", path, name, reason);
            tell_left_out(list, like, left);
            continue;
        }
        status = add_file(list, path, name);
        if (status) break;
        image_file *file = &list->item[list->count - 1];
        file->bytes = clade_archive_bytes(archive, i, &file->size);
    }
    return status;
}

/* `alone`: without other ranks, which do not have what is in memory here. */
static clade_status add_path(image_files *list, const char *path, bool alone, left_out *left)
{
    struct stat info;
    bool folder;
    clade_archive *archive = NULL;
    clade_status status = clade_folder_exists(path, &folder);
    if (status) return status;
    if (folder) return add_folder(list, path, 0, left);
    const bool there = !stat(path, &info);
    if (!there && strstr(path, "://"))
        return clade_fail(
            CLADE_EIO,
            "%s: not a file; for an address, use `curl -s ADDRESS | clade predict MODEL -`", path);
    if (!there || !S_ISREG(info.st_mode) || !clade_image_recognize(path, NULL))
        return add_file(list, NULL, path);
    status = clade_archive_open(path, &archive);
    if (!status && !alone)
        status = clade_fail(
            CLADE_EINVAL, "%s: an archive cannot be divided among ranks; expected a folder", path);
    if (!status) return add_archive(list, path, archive, left);
    clade_archive_close(&archive);
    return status == CLADE_EINVAL && alone ? add_file(list, NULL, path) : status;
}

/* All of standard input, with a 0 behind it. */
static clade_status read_input(char **out, size_t *size)
{
    enum { most = 1 << 28 };
    size_t room = 1 << 16, n = 0;
    char *bytes = malloc(room + 1);
    while (bytes) {
        n += fread(bytes + n, 1, room - n, stdin);
        if (n < room) break;
        if (room == most) {
            free(bytes);
            return clade_fail(CLADE_EFORMAT,
                              "standard input: %d bytes or more; expected an image "
                              "or the names of files",
                              most);
        }
        char *more = realloc(bytes, 2 * room + 1);
        if (!more) free(bytes);
        bytes = more;
        room *= 2;
    }
    if (!bytes) return clade_fail(CLADE_ENOMEM, "standard input: out of memory");
    bytes[n] = 0;
    *out = bytes;
    *size = n;
    if (!ferror(stdin)) return CLADE_OK;
    free(bytes);
    return clade_fail(CLADE_EIO, "standard input: %s", strerror(errno));
}

static clade_status add_input(image_files *list, bool alone, left_out *left)
{
    int32_t hwc[3];
    char *text = NULL;
    size_t size = 0;
    if (list->input) return clade_fail(CLADE_EINVAL, "standard input is given twice");
    clade_status status = read_input(&text, &size);
    if (status) return status;
    bool lines = clade_image_size(text, size, "standard input", hwc) && strlen(text) == size;
    if (!lines && !alone)
        status = clade_fail(CLADE_EINVAL, "an image on standard input cannot be divided among "
                                          "ranks; expected the names of files");
    if (!lines && !status) {
        list->input = text;
        status = add_file(list, NULL, "-");
        if (status) return status;
        list->item[list->count - 1].bytes = text;
        list->item[list->count - 1].size = size;
        return CLADE_OK;
    }
    for (char *line = text, *end; *line && !status; line = end) {
        end = line + strcspn(line, "\n");
        if (*end) *end++ = 0;
        size_t n = strlen(line);
        if (n && line[n - 1] == '\r') line[--n] = 0;
        if (n) status = add_path(list, line, alone, left);
    }
    free(text);
    return status;
}

static clade_status list_all(char *const *arguments, int count, bool alone, image_files *out)
{
    clade_status status = CLADE_OK;
    left_out left = {0};
    for (int i = 0; i < count && !status; i++)
        status = strcmp(arguments[i], "-") ? add_path(out, arguments[i], alone, &left)
                                           : add_input(out, alone, &left);
    if (left.count > named)
        fprintf(stderr, "clade predict: and %zu more files that are not images; skipped\n",
                left.count - named);
    if (!status && out->count == 0)
        status = clade_fail(CLADE_EINVAL, "%s: contains no images", arguments[0]);
    return status;
}

/* The first rank's list becomes everyone's. */
static clade_status share(clade_ranks *ranks, image_files *list)
{
    const bool lead = clade_ranks_own(ranks) == 0;
    uint64_t size = 0;
    for (size_t i = 0; i < list->count; i++) size += strlen(list->item[i].path) + 1;
    clade_status status = clade_ranks_broadcast(ranks, &size, sizeof size);
    char *text = status ? NULL : malloc(size), *at = text;
    if (!status && !text) status = no_memory();
    for (size_t i = 0; i < list->count && !status; i++) at = stpcpy(at, list->item[i].path) + 1;
    if (!status) status = clade_ranks_broadcast(ranks, text, size);
    for (at = text; !lead && !status && at < text + size; at += strlen(at) + 1)
        status = add_file(list, NULL, at);
    free(text);
    return status;
}

clade_status image_files_list(char *const *arguments, int count, clade_ranks *ranks,
                              image_files *out)
{
    clade_status status = CLADE_OK;
    if (!ranks || clade_ranks_own(ranks) == 0) status = list_all(arguments, count, !ranks, out);
    return status || !ranks ? status : share(ranks, out);
}

void image_files_clear(image_files *files)
{
    for (size_t i = 0; i < files->count; i++) free(files->item[i].path);
    for (size_t i = 0; i < files->archives; i++) clade_archive_close(&files->archive[i]);
    free(files->item);
    free(files->archive);
    free(files->input);
}
