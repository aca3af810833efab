/* Calls as text, and as a number. */
#include "op/call_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_whole(const clade_param_info *p) { return p->type == CLADE_PARAM_int32_t; }

static const int32_t *values_of(const clade_param_info *p, const clade_args *args)
{
    return (const int32_t *)(const void *)((const char *)args + p->offset);
}

static bool is_zero(const clade_param_info *p, const int32_t *v)
{
    for (size_t i = 0; i < p->count; i++)
        if (v[i]) return false;
    return true;
}

static size_t add_numbers(char *text, size_t at, const char *name, const int32_t *v, size_t count,
                          char between)
{
    for (size_t i = 0; i < count && at < CLADE_CALL_TEXT_SIZE; i++)
        at += (size_t)(i ? snprintf(text + at, CLADE_CALL_TEXT_SIZE - at, "%c%d", between, v[i])
                         : snprintf(text + at, CLADE_CALL_TEXT_SIZE - at, " %s=%d", name, v[i]));
    return at;
}

const char *clade_call_text(clade_op op, const clade_args *args, char text[CLADE_CALL_TEXT_SIZE])
{
    const clade_op_info *info = clade_op_describe(op);
    size_t at = (size_t)snprintf(text, CLADE_CALL_TEXT_SIZE, "%s", info->name);
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &args->slot[i];
        if (clade_tensor_present(t))
            at = add_numbers(text, at, info->slots[i].name, t->dim, (size_t)t->rank, 'x');
    }
    for (size_t i = 0; i < info->param_count; i++) {
        const clade_param_info *p = &info->params[i];
        if (is_whole(p) && !is_zero(p, values_of(p, args)))
            at = add_numbers(text, at, p->name, values_of(p, args), p->count, ',');
    }
    return text;
}

static uint64_t mix(uint64_t h, uint64_t v) { return (h ^ v) * UINT64_C(0x100000001b3); }

uint64_t clade_call_hash(clade_op op, const clade_args *args)
{
    const clade_op_info *info = clade_op_describe(op);
    uint64_t h = mix(UINT64_C(0xcbf29ce484222325), (uint64_t)op);
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &args->slot[i];
        h = mix(h, clade_tensor_present(t) ? 1 + (uint64_t)t->rank : 0);
        for (int k = 0; clade_tensor_present(t) && k < t->rank; k++)
            h = mix(h, (uint32_t)t->dim[k]);
    }
    for (size_t i = 0; i < info->param_count; i++) {
        const clade_param_info *p = &info->params[i];
        for (size_t k = 0; is_whole(p) && k < p->count; k++)
            h = mix(h, (uint32_t)values_of(p, args)[k]);
    }
    return h ^ h >> 32;
}

/* ---- the way back ---- */

/* "3x4" or "1,1" to numbers; 0 when it is not that. */
static size_t read_numbers(const char *text, char between, int32_t *v, size_t most)
{
    for (size_t n = 0; n < most;) {
        char *end;
        long number = strtol(text, &end, 10);
        if (end == text || number < INT32_MIN || number > INT32_MAX) return 0;
        v[n++] = (int32_t)number;
        if (!*end) return n;
        if (*end != between) return 0;
        text = end + 1;
    }
    return 0;
}

static clade_dtype dtype_of(const clade_slot_info *slot)
{
    return slot->dtype == CLADE_SLOT_LABEL ? CLADE_I32 : (clade_dtype)slot->dtype;
}

/* One "name=numbers". */
static bool read_word(const clade_op_info *info, char *word, clade_args *args)
{
    char *numbers = strchr(word, '=');
    if (!numbers) return false;
    *numbers++ = 0;
    for (size_t i = 0; i < info->slot_count; i++) {
        clade_tensor *t = &args->slot[i];
        if (strcmp(info->slots[i].name, word) != 0) continue;
        t->dtype = dtype_of(&info->slots[i]);
        t->rank = (int32_t)read_numbers(numbers, 'x', t->dim, CLADE_MAX_RANK);
        return t->rank > 0;
    }
    for (size_t i = 0; i < info->param_count; i++) {
        const clade_param_info *p = &info->params[i];
        if (strcmp(p->name, word) != 0 || !is_whole(p)) continue;
        int32_t *v = (int32_t *)(void *)((char *)args + p->offset);
        return read_numbers(numbers, ',', v, p->count) == p->count;
    }
    return false;
}

clade_status clade_call_parse(const char *text, clade_call *call)
{
    char copy[CLADE_CALL_TEXT_SIZE], *at = copy;
    if (strlen(text) >= sizeof copy)
        return clade_fail(CLADE_EFORMAT, "'%.40s…' is too long for a call", text);
    strcpy(copy, text);
    at += strcspn(at, " ");
    if (*at) *at++ = 0;
    *call = (clade_call){.op = clade_op_find(copy)};
    if (call->op == CLADE_OP_none) return clade_fail(CLADE_EFORMAT, "there is no op '%s'", copy);
    while (*at) {
        char *word = at;
        at += strcspn(at, " ");
        if (*at) *at++ = 0;
        if (!read_word(clade_op_describe(call->op), word, &call->args))
            return clade_fail(CLADE_EFORMAT, "'%s' is no call: '%s'", text, word);
    }
    return clade_op_shape(call->op, &call->args);
}
