/* Bytes, values and the stack of the machine that reads pickles. */
#include "weights/pickle_stack.h"

#include <stdlib.h>
#include <string.h>

clade_status clade_pickle_damaged(const clade_pickle *p, const char *what)
{
    return clade_fail(CLADE_EFORMAT, "%s: damaged pickle, at byte %llu: %s", p->bytes->name,
                      (unsigned long long)p->at, what);
}

clade_status clade_pickle_too_large(const clade_pickle *p)
{
    return clade_fail(CLADE_EUNSUPPORTED, "%s: pickle: larger than any file of tensors",
                      p->bytes->name);
}

clade_status clade_pickle_no_memory(const clade_pickle *p)
{
    return clade_fail(CLADE_ENOMEM, "%s: out of memory", p->bytes->name);
}

/* --- bytes --- */

clade_status clade_pickle_take(clade_pickle *p, void *out, size_t size)
{
    if (size > p->end - p->at) return clade_pickle_damaged(p, "cut short");
    if (size > clade_pickle_window) {
        clade_status status = clade_blob_read(p->bytes, p->at, out, size);
        p->at += size;
        return status;
    }
    if (p->at < p->window_at || p->at + size > p->window_at + p->window_size) {
        uint64_t left = p->end - p->at;
        p->window_at = p->at;
        p->window_size = left < clade_pickle_window ? (size_t)left : clade_pickle_window;
        clade_status status = clade_blob_read(p->bytes, p->at, p->window, p->window_size);
        if (status) {
            p->window_size = 0;
            return status;
        }
    }
    memcpy(out, p->window + (p->at - p->window_at), size);
    p->at += size;
    return CLADE_OK;
}

/* --- values --- */

clade_status clade_pickle_make(clade_pickle *p, clade_pickle_kind kind, clade_pickle_value **out)
{
    if (++p->values > clade_pickle_most) return clade_pickle_too_large(p);
    if (!p->block || p->block->used == clade_pickle_block) {
        clade_pickle_values *block = malloc(sizeof *block);
        if (!block) return clade_pickle_no_memory(p);
        block->next = p->block;
        block->used = 0;
        p->block = block;
    }
    *out = &p->block->value[p->block->used++];
    **out = (clade_pickle_value){.kind = kind};
    return CLADE_OK;
}

clade_status clade_pickle_add_item(const clade_pickle *p, clade_pickle_value *to,
                                   clade_pickle_value *item)
{
    if (to->count == to->capacity) {
        size_t capacity = to->capacity ? 2 * to->capacity : 2;
        clade_pickle_value **grown = realloc(to->item, capacity * sizeof *grown);
        if (!grown) return clade_pickle_no_memory(p);
        to->item = grown;
        to->capacity = capacity;
    }
    to->item[to->count++] = item;
    return CLADE_OK;
}

clade_status clade_pickle_push(clade_pickle *p, clade_pickle_value *value)
{
    if (p->depth == p->stack_size) {
        size_t size = p->stack_size ? 2 * p->stack_size : 256;
        clade_pickle_value **grown =
            size > clade_pickle_most ? NULL : realloc(p->stack, size * sizeof *grown);
        if (!grown)
            return size > clade_pickle_most ? clade_pickle_too_large(p) : clade_pickle_no_memory(p);
        p->stack = grown;
        p->stack_size = size;
    }
    p->stack[p->depth++] = value;
    return CLADE_OK;
}

clade_pickle_value *clade_pickle_top(const clade_pickle *p)
{
    return p->depth ? p->stack[p->depth - 1] : NULL;
}

clade_status clade_pickle_pop(clade_pickle *p, clade_pickle_value **out)
{
    *out = clade_pickle_top(p);
    if (!*out) return clade_pickle_damaged(p, "a value is missing");
    p->depth--;
    return CLADE_OK;
}

/* --- the whole --- */

clade_status clade_pickle_create(const clade_blob *bytes, const char *const *globals,
                                 clade_pickle **out)
{
    clade_pickle *p = *out = malloc(sizeof *p);
    if (!p) return clade_fail(CLADE_ENOMEM, "%s: out of memory", bytes->name);
    memset(p, 0, sizeof *p);
    p->bytes = bytes;
    p->globals = globals;
    return CLADE_OK;
}

void clade_pickle_destroy(clade_pickle **handle)
{
    clade_pickle *p = *handle;
    if (!p) return;
    while (p->block) {
        clade_pickle_values *block = p->block;
        p->block = block->next;
        for (size_t i = 0; i < block->used; i++) {
            free((char *)(uintptr_t)block->value[i].text);
            free(block->value[i].item);
        }
        free(block);
    }
    free(p->stack);
    free(p->memo);
    free(p->outside.item);
    free(p);
    *handle = NULL;
}

const clade_pickle_value *clade_pickle_outside(const clade_pickle *p) { return &p->outside; }

bool clade_pickle_is(const clade_pickle_value *value, clade_pickle_kind kind)
{
    return value && value->kind == kind;
}

const clade_pickle_value *clade_pickle_find(const clade_pickle_value *dict, const char *key)
{
    if (!clade_pickle_is(dict, CLADE_PICKLE_DICT)) return NULL;
    for (size_t i = dict->count; i >= 2; i -= 2) /* the last one holds */
        if (clade_pickle_is(dict->item[i - 2], CLADE_PICKLE_TEXT) &&
            !strcmp(dict->item[i - 2]->text, key))
            return dict->item[i - 1];
    return NULL;
}
