/* The backbone that --backbone or --model names. */
#define _XOPEN_SOURCE 700
#include "backbone_option.h"
#include "session.h"
#include "shown.h"

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

static void set_label(backbone_option *b, const char *text, size_t length)
{
    if (length > sizeof b->label - 1) length = sizeof b->label - 1;
    memcpy(b->label, text, length);
    b->label[length] = 0;
}

clade_status backbone_option_read(const char *option, const char *text, backbone_option *out)
{
    const size_t slash_or_equals = strcspn(text, "=/");
    const bool named = text[slash_or_equals] == '=';
    const size_t name = named ? slash_or_equals : strlen(text);
    const char *path = named ? text + name + 1 : is_onnx(text) ? text : NULL;
    *out = (backbone_option){.path = path};
    if (named && (name == 0 || !*path))
        return clade_fail(CLADE_EINVAL, "%s %s: expected NAME, NAME=FILE or NET.onnx", option,
                          shown(text));
    if (named || !path) {
        set_label(out, text, name);
    } else { /* its name without folder and ending */
        const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
        set_label(out, base, strlen(base) - strlen(".onnx"));
    }
    out->net = path && (is_onnx(path) || !is_known(out->label));
    if (out->net && named && is_known(out->label))
        return clade_fail(CLADE_EINVAL,
                          "%s %s: an ONNX file is a whole net, not weights of %s; expected the "
                          "file alone, or another label",
                          option, shown(text), out->label);
    return CLADE_OK;
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
