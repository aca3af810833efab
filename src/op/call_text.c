/* Calls as text, and as a hash. */
#define _POSIX_C_SOURCE 200809L
#include "op/call_text.h"
#include "op/op.h"

#include "base/locale.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const dtype_names[] = {[CLADE_F32] = "f32",
                                          [CLADE_U8] = "u8",
                                          [CLADE_I32] = "i32",
                                          [CLADE_BF16] = "bf16",
                                          [CLADE_F16] = "f16"};

static size_t element_size(const clade_param_info *p)
{
    return p->type == CLADE_PARAM_uint64_t ? 8 : 4;
}

/* Returns the address of element i of a parameter. */
static void *element_of(const clade_param_info *p, const clade_args *args, size_t i)
{
    return (char *)args + p->offset + i * element_size(p);
}

static bool is_zero(const clade_param_info *p, const clade_args *args)
{
    const char *bytes = element_of(p, args, 0);
    for (size_t i = 0; i < p->count * element_size(p); i++)
        if (bytes[i]) return false;
    return true;
}

/* Returns the name of a parameter's value; NULL: the parameter is a number. */
static const char *name_of(const clade_param_info *p, int32_t value)
{
    switch (p->type) {
    case CLADE_PARAM_clade_act: return clade_activation_name((clade_activation)value);
    case CLADE_PARAM_clade_fill: return clade_fill_mode_name((clade_fill_mode)value);
    case CLADE_PARAM_clade_products: return clade_factors_name((clade_factors)value);
    default: return NULL;
    }
}

static int32_t names_of(const clade_param_info *p)
{
    return p->type == CLADE_PARAM_clade_act    ? (int32_t)CLADE_ACTIVATIONS
           : p->type == CLADE_PARAM_clade_fill ? (int32_t)CLADE_FILL_MODES
                                               : (int32_t)CLADE_FACTORS;
}

/* ---- to text ---- */

typedef struct call_writer {
    char *text;
    size_t at;
} call_writer;

CLADE_PRINTF(2, 3) static void add(call_writer *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(w->text + w->at, CLADE_CALL_TEXT_SIZE - w->at, format, args);
    va_end(args);
    if (n > 0) w->at += (size_t)n;
    if (w->at >= CLADE_CALL_TEXT_SIZE) w->at = CLADE_CALL_TEXT_SIZE - 1;
}

/* Writes the decimal number with the fewest digits that gives this float. */
static void add_float(call_writer *w, float value)
{
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) break;
    }
    add(w, "%s", text);
}

static void add_tensor(call_writer *w, const clade_slot_info *slot, const clade_tensor *t)
{
    add(w, " %s", slot->name);
    if (t->dtype != clade_slot_usual(slot->dtype)) add(w, ":%s", dtype_names[t->dtype]);
    for (int i = 0; i < t->rank; i++) add(w, "%c%d", i ? 'x' : '=', t->dim[i]);
    if (!t->rank) add(w, "=scalar");
}

static void add_element(call_writer *w, const clade_param_info *p, const void *value)
{
    const int32_t number = *(const int32_t *)value;
    switch (p->type) {
    case CLADE_PARAM_clade_act:
    case CLADE_PARAM_clade_fill:
    case CLADE_PARAM_clade_products: add(w, "%s", name_of(p, number)); break;
    case CLADE_PARAM_int32_t: add(w, "%" PRId32, number); break;
    case CLADE_PARAM_uint32_t: add(w, "%" PRIu32, *(const uint32_t *)value); break;
    case CLADE_PARAM_uint64_t: add(w, "%" PRIu64, *(const uint64_t *)value); break;
    case CLADE_PARAM_float: add_float(w, *(const float *)value); break;
    }
}

static void add_call(call_writer *w, clade_op op, const clade_args *args)
{
    const clade_op_info *info = clade_op_describe(op);
    add(w, "%s", info->name);
    for (size_t i = 0; i < info->slot_count; i++)
        if (clade_tensor_present(&args->slot[i])) add_tensor(w, &info->slots[i], &args->slot[i]);
    for (size_t i = 0; i < info->param_count; i++) {
        const clade_param_info *p = &info->params[i];
        if (is_zero(p, args)) continue;
        add(w, " %s", p->name);
        for (size_t k = 0; k < p->count; k++) {
            add(w, "%c", k ? ',' : '=');
            add_element(w, p, element_of(p, args, k));
        }
    }
}

/* ---- from text ---- */

/* Reads an integer up to a character of `ends`; NULL if it is not one, or out of range. */
static const char *read_whole(const char *text, int64_t least, int64_t most, int64_t *value)
{
    char *end;
    if (*text != '-' && (*text < '0' || *text > '9')) return NULL;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return end == text || errno || *value < least || *value > most ? NULL : end;
}

static const char *read_unsigned(const char *text, uint64_t most, uint64_t *value)
{
    char *end;
    if (*text < '0' || *text > '9') return NULL;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno || *value > most ? NULL : end;
}

static const char *read_float(const char *text, float *value)
{
    char *end;
    if (*text <= ' ') return NULL;
    *value = strtof(text, &end);
    return end == text ? NULL : end;
}

/* Reads a name, followed by a comma or the end, as a number, for a parameter whose values have
 * names. */
static const char *read_name(const clade_param_info *p, const char *text, int32_t *value)
{
    size_t n = strcspn(text, ",");
    for (int32_t i = 0; i < names_of(p); i++) {
        const char *name = name_of(p, i);
        if (strlen(name) != n || strncmp(name, text, n) != 0) continue;
        *value = i;
        return text + n;
    }
    return NULL;
}

static const char *read_element(const clade_param_info *p, const char *text, void *value)
{
    int64_t whole = 0;
    uint64_t number = 0;
    switch (p->type) {
    case CLADE_PARAM_clade_act:
    case CLADE_PARAM_clade_fill:
    case CLADE_PARAM_clade_products: return read_name(p, text, value);
    case CLADE_PARAM_float: return read_float(text, value);
    case CLADE_PARAM_int32_t:
        text = read_whole(text, INT32_MIN, INT32_MAX, &whole);
        if (text) *(int32_t *)value = (int32_t)whole;
        return text;
    case CLADE_PARAM_uint32_t:
        text = read_unsigned(text, UINT32_MAX, &number);
        if (text) *(uint32_t *)value = (uint32_t)number;
        return text;
    default:
        text = read_unsigned(text, UINT64_MAX, &number);
        if (text) *(uint64_t *)value = number;
        return text;
    }
}

/* Describes a parameter's values, for messages. */
static const char *kind_of(const clade_param_info *p)
{
    switch (p->type) {
    case CLADE_PARAM_clade_act: return "activation";
    case CLADE_PARAM_clade_fill: return "fill mode";
    case CLADE_PARAM_clade_products: return "of float32, tf32, bfloat16, float16";
    case CLADE_PARAM_float: return "number";
    default: return "whole number";
    }
}

static clade_status read_param(const clade_op_info *info, const clade_param_info *p,
                               const char *word, const char *text, clade_args *args)
{
    for (size_t i = 0; i < p->count; i++) {
        text = read_element(p, text, element_of(p, args, i));
        const char end = i + 1 < p->count ? ',' : 0;
        if (!text || *text != end)
            return clade_fail(CLADE_EFORMAT, "%s: '%s': expected %zu %s%s", info->name, word,
                              p->count, kind_of(p), p->count > 1 ? "s with commas between" : "");
        text++;
    }
    return CLADE_OK;
}

static clade_status read_tensor(const clade_op_info *info, const clade_slot_info *slot,
                                const char *word, const char *dtype, const char *text,
                                clade_tensor *t)
{
    clade_dtype given = clade_slot_usual(slot->dtype);
    if (dtype) {
        for (int d = CLADE_F32; d <= CLADE_F16; d++)
            if (clade_slot_takes(slot->dtype, (clade_dtype)d) && !strcmp(dtype, dtype_names[d]))
                given = (clade_dtype)d;
        if (strcmp(dtype, dtype_names[given]) != 0)
            return clade_fail(CLADE_EFORMAT, "%s: '%s': %s is %s", info->name, word, slot->name,
                              slot->dtype == CLADE_SLOT_FLOAT   ? "f32, bf16 or f16"
                              : slot->dtype == CLADE_SLOT_LABEL ? "i32 or f32"
                                                                : dtype_names[given]);
    }
    *t = (clade_tensor){.dtype = given};
    if (!strcmp(text, "scalar")) return CLADE_OK;
    while (text && t->rank < CLADE_MAX_RANK) {
        int64_t dim = 0;
        text = read_whole(text, INT32_MIN, INT32_MAX, &dim);
        t->dim[t->rank++] = (int32_t)dim;
        if (text && !*text) return CLADE_OK;
        text = text && *text == 'x' ? text + 1 : NULL;
    }
    return clade_fail(CLADE_EFORMAT, "%s: '%s': expected up to %d dimensions, as 32x28x28x3",
                      info->name, word, CLADE_MAX_RANK);
}

/* Lists an op's slots and parameters, for messages. */
static void list_names(const clade_op_info *info, char text[256])
{
    size_t at = 0;
    for (size_t i = 0; i < info->slot_count + info->param_count && at < 256; i++)
        at += (size_t)snprintf(text + at, 256 - at, "%s%s", i ? ", " : "",
                               i < info->slot_count ? info->slots[i].name
                                                    : info->params[i - info->slot_count].name);
}

/* Reads one "name=value"; bit i of `seen` marks the i-th of slots and parameters. */
static clade_status read_pair(const clade_op_info *info, const char *word, uint64_t *seen,
                              clade_args *args)
{
    char name[CLADE_CALL_TEXT_SIZE], list[256];
    snprintf(name, sizeof name, "%s", word);
    char *value = strchr(name, '='), *dtype = NULL;
    if (!value) return clade_fail(CLADE_EFORMAT, "%s: '%s': expected NAME=VALUE", info->name, word);
    *value++ = 0;
    size_t i = 0, count = info->slot_count + info->param_count;
    if ((dtype = strchr(name, ':'))) *dtype++ = 0;
    while (i < count &&
           strcmp(name, i < info->slot_count ? info->slots[i].name
                                             : info->params[i - info->slot_count].name) != 0)
        i++;
    list_names(info, list);
    if (i == count || (dtype && i >= info->slot_count))
        return clade_fail(CLADE_EFORMAT, "%s: '%s': expected one of %s", info->name, word, list);
    if (*seen >> i & 1)
        return clade_fail(CLADE_EFORMAT, "%s: '%s': %s is given twice", info->name, word, name);
    *seen |= UINT64_C(1) << i;
    if (i < info->slot_count)
        return read_tensor(info, &info->slots[i], word, dtype, value, &args->slot[i]);
    return read_param(info, &info->params[i - info->slot_count], word, value, args);
}

static clade_status read_words(clade_op op, const char *text, clade_args *args)
{
    char word[CLADE_CALL_TEXT_SIZE];
    uint64_t seen = 0;
    clade_status status = CLADE_OK;
    memset(args, 0, sizeof *args);
    while (!status && *(text += strspn(text, " "))) {
        size_t n = strcspn(text, " ");
        if (n >= sizeof word)
            return clade_fail(CLADE_EFORMAT, "%s: '%.40s…' is too long for a word of a call",
                              clade_op_describe(op)->name, text);
        memcpy(word, text, n);
        word[n] = 0;
        text += n;
        status = read_pair(clade_op_describe(op), word, &seen, args);
    }
    return status;
}

/* ---- both ---- */

const char *clade_call_text(clade_op op, const clade_args *args, char text[CLADE_CALL_TEXT_SIZE])
{
    call_writer w = {.text = text};
    CLADE_PLAIN_NUMBERS;
    add_call(&w, op, args);
    return text;
}

clade_status clade_args_parse(clade_op op, const char *text, clade_args *args)
{
    CLADE_PLAIN_NUMBERS;
    return read_words(op, text, args);
}

clade_status clade_call_split(const char *text, clade_op *op, const char **words)
{
    char name[64];
    size_t n = strcspn(text, " ");
    snprintf(name, sizeof name, "%.*s", n < sizeof name ? (int)n : (int)sizeof name - 1, text);
    *words = text + n;
    *op = n < sizeof name ? clade_op_find(name) : CLADE_OP_none;
    return *op == CLADE_OP_none ? clade_fail(CLADE_EFORMAT, "there is no op '%s'", name) : CLADE_OK;
}

clade_status clade_call_parse(const char *text, clade_call *call)
{
    const char *words;
    *call = (clade_call){0};
    clade_status status = clade_call_split(text, &call->op, &words);
    if (!status) status = clade_args_parse(call->op, words, &call->args);
    return status ? status : clade_op_shape(call->op, &call->args);
}

/* ---- ---- to a hash ---- ---- */

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
        if (element_size(p) != 4 || p->type == CLADE_PARAM_uint32_t || p->type == CLADE_PARAM_float)
            continue;
        if (p->type == CLADE_PARAM_clade_products && is_zero(p, args)) continue;
        for (size_t k = 0; k < p->count; k++) h = mix(h, *(const uint32_t *)element_of(p, args, k));
    }
    return h ^ h >> 32;
}
