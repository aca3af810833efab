/* Flattening a recipe by the events of libyaml. */
#define _XOPEN_SOURCE 700
#include "report/settings.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { depth_most = 32, path_size = 512 };

/* A map or list that is open. */
typedef struct level {
    bool list, has_key; /* of a map: its key has come, the value is next */
    bool filled;        /* a map has a key */
    size_t position;    /* of a list's next item */
    size_t length;      /* of the path to it */
} level;

typedef struct walk {
    clade_settings *out;
    level level[depth_most];
    int depth;
    char path[path_size];
    clade_status status;
} walk;

static void fail(walk *w, clade_status status, const char *text)
{
    if (!w->status) w->status = clade_fail(status, "recipe: %s", text);
}

static void add(walk *w, const char *value)
{
    clade_settings *s = w->out;
    if (s->count == s->room) {
        size_t room = s->room ? 2 * s->room : 64;
        char **key = realloc(s->key, room * sizeof *key);
        if (key) s->key = key;
        char **values = realloc(s->value, room * sizeof *values);
        if (values) s->value = values;
        if (!key || !values) {
            fail(w, CLADE_ENOMEM, "out of memory");
            return;
        }
        s->room = room;
    }
    s->key[s->count] = strdup(w->path);
    s->value[s->count] = strdup(value);
    if (!s->key[s->count] || !s->value[s->count]) fail(w, CLADE_ENOMEM, "out of memory");
    s->count++;
}

/* Makes the path that of this part of the open map or list. */
static void extend(walk *w, const char *part)
{
    size_t length = w->level[w->depth - 1].length;
    int n = snprintf(w->path + length, path_size - length, "%s%s", length ? "." : "", part);
    if (n < 0 || (size_t)n >= path_size - length) fail(w, CLADE_EFORMAT, "a key is too long");
}

/* Before a value: its path. */
static void place(walk *w)
{
    if (w->depth == 0) return;
    level *l = &w->level[w->depth - 1];
    l->has_key = false;
    if (!l->list) return;
    char number[24];
    snprintf(number, sizeof number, "%zu", l->position++);
    extend(w, number);
}

static void open_level(walk *w, bool list)
{
    place(w);
    if (w->depth == depth_most)
        fail(w, CLADE_EFORMAT, "too deep");
    else
        w->level[w->depth++] = (level){.list = list, .length = strlen(w->path)};
}

/* A map without keys is a value too: `adam: {}`. */
static void close_map(walk *w)
{
    const level *l = &w->level[--w->depth];
    w->path[l->length] = 0;
    if (!l->filled && w->depth > 0) add(w, "{}");
}

static void take_scalar(walk *w, const char *value)
{
    level *l = w->depth ? &w->level[w->depth - 1] : NULL;
    if (l && !l->list && !l->has_key) {
        l->has_key = l->filled = true;
        extend(w, value);
        return;
    }
    place(w);
    add(w, value);
}

clade_status clade_settings_read(const char *yaml, clade_settings *out)
{
    *out = (clade_settings){0};
    walk w = {.out = out};
    yaml_parser_t parser;
    yaml_event_t event;
    if (!yaml_parser_initialize(&parser)) return clade_fail(CLADE_ENOMEM, "recipe: out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml, strlen(yaml));
    for (bool end = false; !end && !w.status;) {
        if (!yaml_parser_parse(&parser, &event)) {
            fail(&w, CLADE_EFORMAT, parser.problem ? parser.problem : "no YAML");
            break;
        }
        switch (event.type) {
        case YAML_SCALAR_EVENT: take_scalar(&w, (const char *)event.data.scalar.value); break;
        case YAML_SEQUENCE_START_EVENT: open_level(&w, true); break;
        case YAML_MAPPING_START_EVENT: open_level(&w, false); break;
        case YAML_SEQUENCE_END_EVENT: w.depth--; break;
        case YAML_MAPPING_END_EVENT: close_map(&w); break;
        case YAML_STREAM_END_EVENT: end = true; break;
        default: break;
        }
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (w.status) clade_settings_clear(out);
    return w.status;
}

void clade_settings_clear(clade_settings *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->key[i]);
        free(s->value[i]);
    }
    free(s->key);
    free(s->value);
    *s = (clade_settings){0};
}

const char *clade_settings_find(const clade_settings *s, const char *key)
{
    for (size_t i = 0; i < s->count; i++)
        if (!strcmp(s->key[i], key)) return s->value[i];
    return NULL;
}
