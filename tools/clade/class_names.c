#define _POSIX_C_SOURCE 200809L
#include "class_names.h"

#include "base/file.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { most_names = 1 << 20, most_bytes = 1 << 26 };

static clade_status add_name(class_names *names, const char *name)
{
    char **grown = realloc(names->name, ((size_t)names->count + 1) * sizeof *grown);
    if (grown) names->name = grown;
    char *copy = grown ? strdup(name) : NULL;
    if (!copy) return clade_fail(CLADE_ENOMEM, "out of memory for class names");
    grown[names->count++] = copy;
    return CLADE_OK;
}

static bool is_utf8(const char *text)
{
    uint32_t c;
    size_t n = 1;
    while (*text && n) text += n = clade_utf8_read(text, &c);
    return n > 0;
}

static clade_status check_name(const char *path, const char *name, size_t size, int32_t line)
{
    if (size == 0 || strlen(name) != size)
        return clade_fail(CLADE_EFORMAT, "%s:%d: expected a class name", path, line);
    if (!is_utf8(name))
        return clade_fail(CLADE_EFORMAT, "%s:%d: the name is not UTF-8", path, line);
    if (line > most_names)
        return clade_fail(CLADE_EFORMAT, "%s: expected at most %d class names", path, most_names);
    return CLADE_OK;
}

clade_status class_names_read(const char *path, class_names *out)
{
    void *text;
    size_t size;
    clade_status status = clade_file_read(path, most_bytes, &text, &size);
    if (status) return status;
    char *line = text, *end = line + size;
    if (size >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) line += 3;
    while (line < end && !status) {
        char *next = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((next ? next : end) - line);
        while (n && (line[n - 1] == '\r' || line[n - 1] == ' ')) n--;
        line[n] = 0;
        status = check_name(path, line, n, out->count + 1);
        if (!status) status = add_name(out, line);
        line = next ? next + 1 : end;
    }
    if (!status && out->count == 0) status = clade_fail(CLADE_EFORMAT, "%s: no class names", path);
    free(text);
    return status;
}

void class_names_clear(class_names *names)
{
    for (int32_t i = 0; i < names->count; i++) free(names->name[i]);
    free(names->name);
    *names = (class_names){0};
}
