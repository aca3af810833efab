/* The machine that reads pickles: a stack, a memo, and the opcodes that torch.save writes
 * (protocols 2 and 4; Python 2's strings). */
#include "weights/pickle.h"

#include <stdlib.h>
#include <string.h>

enum {
    most_values = 1 << 20, /* and so many steps, entries of the memo and of the stack */
    most_steps = 8 << 20,
    most_text = 64 << 20, /* bytes of all texts */
    most_name = 200,      /* of a global */
    block_values = 256,
    window_bytes = 4096
};

typedef struct value_block {
    struct value_block *next;
    size_t used;
    clade_pickle_value value[block_values];
} value_block;

struct clade_pickle {
    const clade_blob *bytes;
    const char *const *globals;
    value_block *block; /* of all values */
    size_t values, text_bytes, steps;
    uint64_t at, end; /* the next byte, and where there are none */
    uint8_t window[window_bytes];
    uint64_t window_at; /* place of the window's first byte */
    size_t window_size;
    clade_pickle_value **stack, **memo; /* NULL on the stack: a mark */
    size_t depth, stack_size, memo_count, memo_size;
    clade_pickle_value outside; /* a list of them all */
};

static clade_status damaged(const clade_pickle *p, const char *what)
{
    return clade_fail(CLADE_EFORMAT, "%s: damaged pickle, at byte %llu: %s", p->bytes->name,
                      (unsigned long long)p->at, what);
}

static clade_status too_large(const clade_pickle *p)
{
    return clade_fail(CLADE_EUNSUPPORTED, "%s: pickle: larger than any file of tensors",
                      p->bytes->name);
}

static clade_status no_memory(const clade_pickle *p)
{
    return clade_fail(CLADE_ENOMEM, "%s: out of memory", p->bytes->name);
}

/* --- bytes --- */

static clade_status take(clade_pickle *p, void *out, size_t size)
{
    if (size > p->end - p->at) return damaged(p, "cut short");
    if (size > window_bytes) {
        clade_status status = clade_blob_read(p->bytes, p->at, out, size);
        p->at += size;
        return status;
    }
    if (p->at < p->window_at || p->at + size > p->window_at + p->window_size) {
        uint64_t left = p->end - p->at;
        p->window_at = p->at;
        p->window_size = left < window_bytes ? (size_t)left : window_bytes;
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

static clade_status take_number(clade_pickle *p, int size, uint64_t *out)
{
    uint8_t bytes[8];
    clade_status status = take(p, bytes, (size_t)size);
    *out = status ? 0 : clade_blob_number(bytes, size);
    return status;
}

/* --- values --- */

static clade_status make(clade_pickle *p, clade_pickle_kind kind, clade_pickle_value **out)
{
    if (++p->values > most_values) return too_large(p);
    if (!p->block || p->block->used == block_values) {
        value_block *block = malloc(sizeof *block);
        if (!block) return no_memory(p);
        block->next = p->block;
        block->used = 0;
        p->block = block;
    }
    *out = &p->block->value[p->block->used++];
    **out = (clade_pickle_value){.kind = kind};
    return CLADE_OK;
}

static clade_status add_item(const clade_pickle *p, clade_pickle_value *to,
                             clade_pickle_value *item)
{
    if (to->count == to->capacity) {
        size_t capacity = to->capacity ? 2 * to->capacity : 2;
        clade_pickle_value **grown = realloc(to->item, capacity * sizeof *grown);
        if (!grown) return no_memory(p);
        to->item = grown;
        to->capacity = capacity;
    }
    to->item[to->count++] = item;
    return CLADE_OK;
}

static clade_status push(clade_pickle *p, clade_pickle_value *value)
{
    if (p->depth == p->stack_size) {
        size_t size = p->stack_size ? 2 * p->stack_size : 256;
        clade_pickle_value **grown =
            size > most_values ? NULL : realloc(p->stack, size * sizeof *grown);
        if (!grown) return size > most_values ? too_large(p) : no_memory(p);
        p->stack = grown;
        p->stack_size = size;
    }
    p->stack[p->depth++] = value;
    return CLADE_OK;
}

static clade_status push_new(clade_pickle *p, clade_pickle_kind kind, int64_t number)
{
    clade_pickle_value *value;
    clade_status status = make(p, kind, &value);
    if (status) return status;
    value->number = number;
    return push(p, value);
}

/* The value on top of the stack; NULL: there is none. */
static clade_pickle_value *top(const clade_pickle *p)
{
    return p->depth ? p->stack[p->depth - 1] : NULL;
}

static clade_status pop(clade_pickle *p, clade_pickle_value **out)
{
    *out = top(p);
    if (!*out) return damaged(p, "a value is missing");
    p->depth--;
    return CLADE_OK;
}

/* Where the values above the last mark begin on the stack. */
static clade_status find_mark(const clade_pickle *p, size_t *first)
{
    size_t i = p->depth;
    while (i > 0 && p->stack[i - 1]) i--;
    *first = i;
    return i ? CLADE_OK : damaged(p, "a mark is missing");
}

/* Moves the values from `first` on into `to`. */
static clade_status gather(clade_pickle *p, size_t first, clade_pickle_value *to)
{
    clade_status status = CLADE_OK;
    for (size_t i = first; i < p->depth && !status; i++) status = add_item(p, to, p->stack[i]);
    p->depth = first;
    return status;
}

/* --- opcodes --- */

static clade_status push_text(clade_pickle *p, uint64_t size)
{
    clade_pickle_value *value;
    if (size > p->end - p->at) return damaged(p, "a text that is cut short");
    p->text_bytes += (size_t)size < most_text ? (size_t)size : most_text;
    if (size > most_text || p->text_bytes > most_text) return too_large(p);
    clade_status status = make(p, CLADE_PICKLE_TEXT, &value);
    if (status) return status;
    char *text = malloc((size_t)size + 1);
    if (!text) return no_memory(p);
    value->text = text;
    text[size] = 0;
    if ((status = take(p, text, (size_t)size))) return status;
    if (memchr(text, 0, (size_t)size)) return damaged(p, "a text with a zero in it");
    return push(p, value);
}

static clade_status push_tuple(clade_pickle *p, size_t first)
{
    clade_pickle_value *tuple;
    for (size_t i = first; i < p->depth; i++)
        if (!p->stack[i]) return damaged(p, "a value is missing");
    clade_status status = make(p, CLADE_PICKLE_TUPLE, &tuple);
    if (!status) status = gather(p, first, tuple);
    return status ? status : push(p, tuple);
}

static clade_status push_small_tuple(clade_pickle *p, size_t count)
{
    return p->depth < count ? damaged(p, "a value is missing") : push_tuple(p, p->depth - count);
}

/* The values above the mark become one tuple, or go into the list or dict below it. */
static clade_status close_mark(clade_pickle *p, clade_pickle_kind kind)
{
    size_t first;
    clade_status status = find_mark(p, &first);
    if (status) return status;
    if (kind == CLADE_PICKLE_TUPLE) {
        memmove(&p->stack[first - 1], &p->stack[first], (p->depth - first) * sizeof *p->stack);
        p->depth--;
        return push_tuple(p, first - 1);
    }
    clade_pickle_value *to = first > 1 ? p->stack[first - 2] : NULL;
    if (!to || to->kind != kind) return damaged(p, "items without a list or dict");
    if (kind == CLADE_PICKLE_DICT && (p->depth - first) % 2) return damaged(p, "a key alone");
    status = gather(p, first, to);
    p->depth = first - 1;
    return status;
}

static clade_status set_item(clade_pickle *p, clade_pickle_kind kind)
{
    clade_pickle_value *key = NULL, *value;
    clade_status status = pop(p, &value);
    if (!status && kind == CLADE_PICKLE_DICT) status = pop(p, &key);
    if (status) return status;
    clade_pickle_value *to = top(p);
    if (!to || to->kind != kind) return damaged(p, "an item without a list or dict");
    if (key) status = add_item(p, to, key);
    return status ? status : add_item(p, to, value);
}

static clade_status put(clade_pickle *p, uint64_t index)
{
    if (!top(p)) return damaged(p, "a value is missing");
    if (index >= most_values) return too_large(p);
    if (index >= p->memo_size) {
        size_t size = 256;
        while (size <= index) size *= 2;
        clade_pickle_value **grown = realloc(p->memo, size * sizeof *grown);
        if (!grown) return no_memory(p);
        memset(grown + p->memo_size, 0, (size - p->memo_size) * sizeof *grown);
        p->memo = grown;
        p->memo_size = size;
    }
    p->memo[index] = top(p);
    if (index >= p->memo_count) p->memo_count = (size_t)index + 1;
    return CLADE_OK;
}

static clade_status get(clade_pickle *p, uint64_t index)
{
    if (index >= p->memo_count || !p->memo[index]) return damaged(p, "an entry of the memo");
    return push(p, p->memo[index]);
}

static bool is_expected(const clade_pickle *p, const char *name)
{
    for (const char *const *g = p->globals; *g; g++) {
        size_t n = strlen(*g);
        if (!strcmp(name, *g) || ((*g)[n - 1] == '.' && !strncmp(name, *g, n))) return true;
    }
    return false;
}

static clade_status push_global(clade_pickle *p, const char *module, const char *name)
{
    clade_pickle_value *value;
    size_t m = strlen(module), n = strlen(name);
    clade_status status = make(p, CLADE_PICKLE_GLOBAL, &value);
    if (status) return status;
    char *text = malloc(m + n + 2);
    if (!text) return no_memory(p);
    value->text = text;
    memcpy(text, module, m);
    text[m] = '.';
    memcpy(text + m + 1, name, n + 1);
    if (!is_expected(p, text))
        return clade_fail(CLADE_EUNSUPPORTED,
                          "%s: pickle: refers to %s: not a file of tensors; expected what "
                          "torch.save(model.state_dict(), FILE) writes",
                          p->bytes->name, text);
    return push(p, value);
}

/* A line of a global's name, of printable ASCII. */
static clade_status take_line(clade_pickle *p, char line[most_name])
{
    for (size_t n = 0; n < most_name; n++) {
        clade_status status = take(p, &line[n], 1);
        if (status) return status;
        if (line[n] == '\n') {
            line[n] = 0;
            return CLADE_OK;
        }
        if (line[n] <= ' ' || line[n] > '~') break;
    }
    return damaged(p, "the name of a class");
}

static clade_status read_global(clade_pickle *p)
{
    char module[most_name], name[most_name];
    clade_status status = take_line(p, module);
    if (!status) status = take_line(p, name);
    return status ? status : push_global(p, module, name);
}

static bool is_name(const clade_pickle_value *value)
{
    if (value->kind != CLADE_PICKLE_TEXT || strlen(value->text) >= most_name) return false;
    for (const char *c = value->text; *c; c++)
        if (*c <= ' ' || *c > '~') return false;
    return true;
}

static clade_status stack_global(clade_pickle *p)
{
    clade_pickle_value *module, *name;
    clade_status status = pop(p, &name);
    if (!status) status = pop(p, &module);
    if (status) return status;
    if (!is_name(module) || !is_name(name)) return damaged(p, "the name of a class");
    return push_global(p, module->text, name->text);
}

/* Python 2 makes an OrderedDict of a list of pairs. */
static clade_status add_pairs(clade_pickle *p, clade_pickle_value *dict,
                              const clade_pickle_value *list)
{
    clade_status status = CLADE_OK;
    if (list->kind != CLADE_PICKLE_LIST) return CLADE_OK;
    for (size_t i = 0; i < list->count && !status; i++) {
        const clade_pickle_value *pair = list->item[i];
        bool good = (pair->kind == CLADE_PICKLE_LIST || pair->kind == CLADE_PICKLE_TUPLE) &&
                    pair->count == 2 && ++p->steps <= most_steps;
        if (!good) return damaged(p, "an OrderedDict of no pairs");
        status = add_item(p, dict, pair->item[0]);
        if (!status) status = add_item(p, dict, pair->item[1]);
    }
    return status;
}

/* A call that is not made: those of collections (OrderedDict, defaultdict, Counter) give dicts, and
 * all else stays a call. */
static clade_status push_call(clade_pickle *p)
{
    clade_pickle_value *arguments, *function, *value;
    clade_status status = pop(p, &arguments);
    if (!status) status = pop(p, &function);
    if (status) return status;
    if (function->kind != CLADE_PICKLE_GLOBAL || arguments->kind != CLADE_PICKLE_TUPLE)
        return damaged(p, "a call of what is no function");
    bool dict = !strncmp(function->text, "collections.", 12);
    status = make(p, dict ? CLADE_PICKLE_DICT : CLADE_PICKLE_CALL, &value);
    for (size_t i = 0; i < arguments->count && !dict && !status; i++)
        status = add_item(p, value, arguments->item[i]);
    if (dict && arguments->count && !status) status = add_pairs(p, value, arguments->item[0]);
    if (!status) value->function = function;
    return status ? status : push(p, value);
}

static clade_status build(clade_pickle *p)
{
    clade_pickle_value *state;
    clade_status status = pop(p, &state);
    if (status) return status;
    if (!top(p)) return damaged(p, "a value is missing");
    top(p)->state = state;
    return CLADE_OK;
}

static clade_status push_outside(clade_pickle *p)
{
    clade_pickle_value *name, *value;
    clade_status status = pop(p, &name);
    if (!status) status = make(p, CLADE_PICKLE_OUTSIDE, &value);
    if (!status) status = add_item(p, value, name);
    if (!status) status = add_item(p, &p->outside, value);
    return status ? status : push(p, value);
}

/* A whole number of `size` bytes, two's complement; what is longer than 8 is passed over. */
static clade_status push_long(clade_pickle *p, uint64_t size)
{
    uint8_t bytes[256];
    clade_status status = take(p, bytes, (size_t)size);
    if (status) return status;
    if (size > 8) return push_new(p, CLADE_PICKLE_NONE, 0);
    uint64_t value = clade_blob_number(bytes, (int)size);
    if (size && size < 8 && bytes[size - 1] & 0x80) value |= UINT64_MAX << (8 * size);
    return push_new(p, CLADE_PICKLE_INT, (int64_t)value);
}

/* Opcodes that a number follows, and its bytes. */
static int argument_bytes(uint8_t opcode)
{
    switch (opcode) {
    case 0x80: /* PROTO */
    case 'K':  /* BININT1 */
    case 'U':  /* SHORT_BINSTRING */
    case 'q':  /* BINPUT */
    case 'h':  /* BINGET */
    case 0x8a: /* LONG1 */
    case 0x8c: /* SHORT_BINUNICODE */ return 1;
    case 'M': /* BININT2 */ return 2;
    case 'J': /* BININT */
    case 'T': /* BINSTRING */
    case 'X': /* BINUNICODE */
    case 'r': /* LONG_BINPUT */
    case 'j': /* LONG_BINGET */ return 4;
    case 'G': /* BINFLOAT */
    case 0x95: /* FRAME */ return 8;
    default: return 0;
    }
}

/* Every opcode but STOP. */
static clade_status step(clade_pickle *p, uint8_t opcode)
{
    uint64_t n = 0;
    int bytes = argument_bytes(opcode);
    clade_status status = bytes ? take_number(p, bytes, &n) : CLADE_OK;
    if (status) return status;
    switch (opcode) {
    case 0x80:
        return n >= 2 && n <= 5 ? CLADE_OK
                                : clade_fail(CLADE_EUNSUPPORTED, "%s: pickle: protocol %u",
                                             p->bytes->name, (unsigned)n);
    case 0x95: return CLADE_OK;
    case '(': return push(p, NULL);
    case ')': return push_new(p, CLADE_PICKLE_TUPLE, 0);
    case ']': return push_new(p, CLADE_PICKLE_LIST, 0);
    case '}': return push_new(p, CLADE_PICKLE_DICT, 0);
    case 't': return close_mark(p, CLADE_PICKLE_TUPLE);
    case 0x85: return push_small_tuple(p, 1);
    case 0x86: return push_small_tuple(p, 2);
    case 0x87: return push_small_tuple(p, 3);
    case 'a': return set_item(p, CLADE_PICKLE_LIST);
    case 'e': return close_mark(p, CLADE_PICKLE_LIST);
    case 's': return set_item(p, CLADE_PICKLE_DICT);
    case 'u': return close_mark(p, CLADE_PICKLE_DICT);
    case 'N':
    case 'G': return push_new(p, CLADE_PICKLE_NONE, 0);
    case 0x88: return push_new(p, CLADE_PICKLE_BOOL, 1);
    case 0x89: return push_new(p, CLADE_PICKLE_BOOL, 0);
    case 'J': return push_new(p, CLADE_PICKLE_INT, (int32_t)(uint32_t)n);
    case 'K':
    case 'M': return push_new(p, CLADE_PICKLE_INT, (int64_t)n);
    case 0x8a: return push_long(p, n);
    case 'T':
    case 'U':
    case 'X':
    case 0x8c: return push_text(p, n);
    case 'c': return read_global(p);
    case 0x93: return stack_global(p);
    case 'R': /* REDUCE */
    case 0x81: /* NEWOBJ */ return push_call(p);
    case 'b': return build(p);
    case 'Q': return push_outside(p);
    case 'q':
    case 'r': return put(p, n);
    case 0x94: return put(p, p->memo_count); /* MEMOIZE */
    case 'h':
    case 'j': return get(p, n);
    default:
        return clade_fail(CLADE_EUNSUPPORTED,
                          "%s: pickle: opcode 0x%02x at byte %llu, which torch.save does not write "
                          "for tensors: not a file of tensors, or damaged",
                          p->bytes->name, opcode, (unsigned long long)p->at - 1);
    }
}

/* --- the reader --- */

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

clade_status clade_pickle_load(clade_pickle *p, uint64_t *at, uint64_t end,
                               const clade_pickle_value **out)
{
    p->at = *at;
    p->end = end;
    p->depth = p->memo_count = 0;
    if (p->memo) memset(p->memo, 0, p->memo_size * sizeof *p->memo);
    for (;;) {
        uint8_t opcode;
        clade_status status = take(p, &opcode, 1);
        if (!status && ++p->steps > most_steps) status = too_large(p);
        if (status) return status;
        if (opcode == '.') break;
        if ((status = step(p, opcode))) return status;
    }
    if (p->depth != 1 || !p->stack[0]) return damaged(p, "it does not end with one value");
    *out = p->stack[0];
    *at = p->at;
    return CLADE_OK;
}

void clade_pickle_destroy(clade_pickle **handle)
{
    clade_pickle *p = *handle;
    if (!p) return;
    while (p->block) {
        value_block *block = p->block;
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
