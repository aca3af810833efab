/* The backbone that --backbone or --model names. */
#define _XOPEN_SOURCE 700
#include "backbone_option.h"
#include "session.h"

#include <clade/backbone.h>

#include <stdlib.h>
#include <string.h>

static bool is_known(const char *name)
{
    for (const char *const *known = clade_backbone_names(); *known; known++)
        if (!strcmp(*known, name)) return true;
    return false;
}

static bool is_onnx(const char *path)
{
    size_t n = strlen(path);
    return n > 5 && !strcmp(path + n - 5, ".onnx");
}

backbone_option backbone_option_read(const char *text)
{
    const char *equals = strchr(text, '=');
    backbone_option b = {.path = equals ? equals + 1 : NULL};
    int length = equals ? (int)(equals - text) : (int)strlen(text);
    if (!equals && is_onnx(text)) { /* its name without folder and ending */
        const char *slash = strrchr(text, '/'), *base = slash ? slash + 1 : text;
        b.path = text;
        text = base;
        length = (int)strlen(base) - (int)strlen(".onnx");
    }
    snprintf(b.label, sizeof b.label, "%.*s", length, text);
    b.net = b.path && (is_onnx(b.path) || !is_known(b.label));
    return b;
}

static clade_status append(char **edits, size_t *count, char *edit)
{
    if (!edit) return clade_fail(CLADE_ENOMEM, "out of memory");
    edits[(*count)++] = edit;
    return CLADE_OK;
}

clade_status backbone_option_edits(const backbone_option *b, char **edits, size_t *count)
{
    char *full = b->path ? realpath(b->path, NULL) : NULL;
    const char *path = full ? full : b->path;
    clade_status status =
        append(edits, count, strdup(b->net ? "backbone.name=null" : "backbone.file=null"));
    if (!status)
        status = append(edits, count,
                        b->net ? session_text_edit("backbone.file", path)
                               : session_text_edit("backbone.name", b->label));
    if (!status && b->path)
        status = append(edits, count,
                        b->net ? strdup("backbone.weights=null")
                               : session_text_edit("backbone.weights", path));
    free(full);
    return status;
}
