/* Writing YAML: creating scalar nodes, and printing a tree through libyaml's emitter. */
#define _XOPEN_SOURCE 700
#include "base/file.h"
#include "base/locale.h"
#include "recipe/yaml.h"
#include "recipe/yaml_node.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* --- scalars --- */

static clade_yaml *create_scalar(const char *text, bool quoted)
{
    clade_yaml *node = clade_yaml_create(CLADE_YAML_SCALAR);
    if (!node) return NULL;
    node->quoted = quoted;
    node->text = clade_string_join(text, "");
    if (!node->text) clade_yaml_destroy(&node);
    return node;
}

clade_yaml *clade_yaml_create_text(const char *text)
{
    bool truth;
    double number;
    return create_scalar(text, clade_yaml_text_is_null(text) ||
                                   clade_yaml_text_is_bool(text, &truth) ||
                                   clade_yaml_text_is_number(text, &number));
}

clade_yaml *clade_yaml_create_number(double value)
{
    char text[32] = "";
    assert(isfinite(value));
    CLADE_PLAIN_NUMBERS;
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    return create_scalar(text, false);
}

clade_yaml *clade_yaml_create_int(int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    return create_scalar(text, false);
}

clade_yaml *clade_yaml_create_bool(bool value)
{
    return create_scalar(value ? "true" : "false", false);
}

/* --- text --- */

typedef struct buffer {
    char *text;
    size_t size, room;
    bool full; /* out of memory */
} buffer;

static int collect(void *user, unsigned char *bytes, size_t size)
{
    buffer *b = user;
    if (b->room - b->size <= size) {
        size_t room = 2 * b->room + size + 256;
        char *grown = realloc(b->text, room);
        if (!grown) {
            b->full = true;
            return 0;
        }
        b->text = grown;
        b->room = room;
    }
    memcpy(b->text + b->size, bytes, size);
    b->size += size;
    b->text[b->size] = 0;
    return 1;
}

/* Returns the approximate number of characters of the node in brackets on one line, up to
 * `limit`. */
static size_t width_of(const clade_yaml *node, size_t limit)
{
    size_t width = node->text ? strlen(node->text) : 4;
    for (size_t i = 0; i < node->count && width < limit; i++) {
        if (node->member[i].key) width += strlen(node->member[i].key) + 2;
        width += 2 + width_of(node->member[i].value, limit);
    }
    return width;
}

/* Returns whether to write in brackets: what was read so and fits on a line, and lists of scalars
 * created in memory. */
static bool is_flow(const clade_yaml *node)
{
    enum { line = 90 };
    bool flow = node->flow;
    if (!flow && node->kind == CLADE_YAML_LIST && node->line == 0) {
        flow = true;
        for (size_t i = 0; i < node->count; i++) flow = flow && node->member[i].value->count == 0;
    }
    return flow && width_of(node, line) < line;
}

static int emit_scalar(yaml_emitter_t *emitter, const char *text, yaml_scalar_style_t style)
{
    yaml_event_t event;
    return yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
                                        (int)strlen(text), 1, 1, style) &&
           yaml_emitter_emit(emitter, &event);
}

static int emit_node(yaml_emitter_t *emitter, const clade_yaml *node)
{
    yaml_event_t event;
    int good = 1;
    switch (node->kind) {
    case CLADE_YAML_NULL: return emit_scalar(emitter, "null", YAML_PLAIN_SCALAR_STYLE);
    case CLADE_YAML_SCALAR:
        return emit_scalar(emitter, node->text,
                           node->quoted ? YAML_SINGLE_QUOTED_SCALAR_STYLE
                                        : YAML_PLAIN_SCALAR_STYLE);
    case CLADE_YAML_LIST:
        good = yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
                                                    is_flow(node) ? YAML_FLOW_SEQUENCE_STYLE
                                                                  : YAML_BLOCK_SEQUENCE_STYLE) &&
               yaml_emitter_emit(emitter, &event);
        for (size_t i = 0; i < node->count && good; i++)
            good = emit_node(emitter, node->member[i].value);
        return good && yaml_sequence_end_event_initialize(&event) &&
               yaml_emitter_emit(emitter, &event);
    case CLADE_YAML_MAP:
        good = yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
                                                   is_flow(node) ? YAML_FLOW_MAPPING_STYLE
                                                                 : YAML_BLOCK_MAPPING_STYLE) &&
               yaml_emitter_emit(emitter, &event);
        for (size_t i = 0; i < node->count && good; i++)
            good = emit_scalar(emitter, node->member[i].key, YAML_PLAIN_SCALAR_STYLE) &&
                   emit_node(emitter, node->member[i].value);
        return good && yaml_mapping_end_event_initialize(&event) &&
               yaml_emitter_emit(emitter, &event);
    }
    return 0;
}

clade_status clade_yaml_emit(const clade_yaml *node, char **text, size_t *size)
{
    assert(node && text && size);
    *text = NULL;
    *size = 0;
    yaml_emitter_t emitter;
    yaml_event_t event;
    buffer out = {0};
    errno = 0; /* libyaml does not say why it cannot create an event */
    if (!yaml_emitter_initialize(&emitter)) return clade_fail(CLADE_ENOMEM, "yaml: out of memory");
    yaml_emitter_set_output(&emitter, collect, &out);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_indent(&emitter, 2);
    yaml_emitter_set_width(&emitter, -1);
    int good = yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
               yaml_emitter_emit(&emitter, &event) &&
               yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
               yaml_emitter_emit(&emitter, &event) && emit_node(&emitter, node) &&
               yaml_document_end_event_initialize(&event, 1) &&
               yaml_emitter_emit(&emitter, &event) && yaml_stream_end_event_initialize(&event) &&
               yaml_emitter_emit(&emitter, &event);
    clade_status status = CLADE_OK;
    if (out.full || (!good && (emitter.error == YAML_MEMORY_ERROR || errno == ENOMEM)))
        status = clade_fail(CLADE_ENOMEM, "yaml: out of memory");
    else if (!good)
        status = clade_fail(CLADE_EINVAL, "yaml: cannot write this: %s",
                            emitter.problem ? emitter.problem : "text that is not UTF-8");
    yaml_emitter_delete(&emitter);
    if (status) {
        free(out.text);
        return status;
    }
    *text = out.text;
    *size = out.size;
    return CLADE_OK;
}

clade_status clade_yaml_write(const clade_yaml *node, const char *path)
{
    char *text;
    size_t size;
    clade_status status = clade_yaml_emit(node, &text, &size);
    if (status) return clade_context(status, "%s", path);
    status = clade_file_write(path, text, size);
    free(text);
    return status;
}
