/* Kernels' sources as one text: the embedded ones, or those of a folder with their includes. */
#include "opencl/source.h"

#include "base/file.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { most_bytes = 1 << 22, most_depth = 16, most_files = 64 };

typedef struct source_text {
    char *text; /* NULL until the first line */
    size_t length, room;
    char *seen[most_files]; /* paths of headers */
    size_t seen_count;
} source_text;

static clade_status add(source_text *t, const char *line, size_t n)
{
    if (t->length + n + 1 > t->room) {
        const size_t room = 2 * (t->length + n + 1);
        char *grown = realloc(t->text, room);
        if (!grown) return clade_fail(CLADE_ENOMEM, "out of memory for kernels");
        t->text = grown;
        t->room = room;
    }
    memcpy(t->text + t->length, line, n);
    t->length += n;
    t->text[t->length] = 0;
    return CLADE_OK;
}

clade_status clade_opencl_source_join(const char *const *lines, char **text)
{
    source_text t = {0};
    clade_status status = add(&t, "", 0);
    for (; *lines && !status; lines++) status = add(&t, *lines, strlen(*lines));
    if (status) free(t.text);
    *text = status ? NULL : t.text;
    return status;
}

static clade_status add_place(source_text *t, size_t line, const char *path)
{
    const char *slash = strrchr(path, '/');
    char text[512];
    int n = snprintf(text, sizeof text, "#line %zu \"%.400s\"\n", line, slash ? slash + 1 : path);
    return add(t, text, (size_t)n);
}

/* Headers count once; a list, x.def, each time. */
static clade_status is_new(source_text *t, const char *path, bool *fresh)
{
    const size_t n = strlen(path);
    *fresh = true;
    if (n > 4 && !strcmp(path + n - 4, ".def")) return CLADE_OK;
    for (size_t i = 0; i < t->seen_count && *fresh; i++) *fresh = strcmp(t->seen[i], path) != 0;
    if (!*fresh) return CLADE_OK;
    if (t->seen_count == most_files) return clade_fail(CLADE_EFORMAT, "%s: too many files", path);
    t->seen[t->seen_count] = clade_string_join(path, "");
    return t->seen[t->seen_count++] ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory");
}

static clade_status add_file(source_text *t, const char *path, int depth);

/* `line` is #include "NAME", relative to the file at `path`. */
static clade_status add_included(source_text *t, const char *path, const char *line, int depth)
{
    const char *name = strchr(line, '"') + 1, *slash = strrchr(path, '/');
    char joined[4096];
    bool fresh;
    snprintf(joined, sizeof joined, "%.*s%.*s", slash ? (int)(slash + 1 - path) : 0, path,
             (int)strcspn(name, "\"\n"), name);
    if (depth == most_depth)
        return clade_fail(CLADE_EFORMAT, "%s: too many files include each other", joined);
    clade_status status = is_new(t, joined, &fresh);
    return status || !fresh ? status : add_file(t, joined, depth + 1);
}

static clade_status add_file(source_text *t, const char *path, int depth)
{
    void *bytes = NULL;
    size_t size, number = 1;
    clade_status status = clade_file_read(path, most_bytes, &bytes, &size);
    if (!status) status = add_place(t, 1, path);
    for (const char *line = bytes; !status && *line; number++) {
        const size_t n = strcspn(line, "\n");
        if (!strncmp(line, "#include \"", 10)) {
            status = add_included(t, path, line, depth);
            if (!status) status = add_place(t, number + 1, path);
        } else {
            status = add(t, line, n);
            if (!status) status = add(t, "\n", 1);
        }
        line += n + (line[n] != 0);
    }
    free(bytes);
    return status;
}

clade_status clade_opencl_source_expand(const char *folder, const char *family, char **text)
{
    source_text t = {0};
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.cl", folder, family);
    clade_status status = add_file(&t, path, 0);
    for (size_t i = 0; i < t.seen_count; i++) free(t.seen[i]);
    if (status) free(t.text);
    *text = status ? NULL : t.text;
    return status;
}
