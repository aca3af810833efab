/* The machine that reads pickles: a stack, a memo, and the opcodes that torch.save writes
 * (protocols 2 and 4; Python 2's strings). */
#include "weights/pickle_stack.h"

#include <stdlib.h>
#include <string.h>

enum {
    most_steps = 8 << 20,
    most_text = 64 << 20, /* bytes of all texts */
    most_name = 200       /* of a global */
};

static clade_status take_number(clade_pickle *p, int size, uint64_t *out)
{
    uint8_t bytes[8];
    clade_status status = clade_pickle_take(p, bytes, (size_t)size);
    *out = status ? 0 : clade_blob_number(bytes, size);
    return status;
}

static clade_status push_new(clade_pickle *p, clade_pickle_kind kind, int64_t number)
{
    clade_pickle_value *value;
    clade_status status = clade_pickle_make(p, kind, &value);
    if (status) return status;
    value->number = number;
    return clade_pickle_push(p, value);
}

/* Where the values above the last mark begin on the stack. */
static clade_status find_mark(const clade_pickle *p, size_t *first)
{
    size_t i = p->depth;
    while (i > 0 && p->stack[i - 1]) i--;
    *first = i;
    return i ? CLADE_OK : clade_pickle_damaged(p, "a mark is missing");
}

/* Moves the values from `first` on into `to`. */
static clade_status gather(clade_pickle *p, size_t first, clade_pickle_value *to)
{
    clade_status status = CLADE_OK;
    for (size_t i = first; i < p->depth && !status; i++)
        status = clade_pickle_add_item(p, to, p->stack[i]);
    p->depth = first;
    return status;
}

static clade_status push_text(clade_pickle *p, uint64_t size)
{
    clade_pickle_value *value;
    if (size > p->end - p->at) return clade_pickle_damaged(p, "a text that is cut short");
    p->text_bytes += (size_t)size < most_text ? (size_t)size : most_text;
    if (size > most_text || p->text_bytes > most_text) return clade_pickle_too_large(p);
    clade_status status = clade_pickle_make(p, CLADE_PICKLE_TEXT, &value);
    if (status) return status;
    char *text = malloc((size_t)size + 1);
    if (!text) return clade_pickle_no_memory(p);
    value->text = text;
    text[size] = 0;
    if ((status = clade_pickle_take(p, text, (size_t)size))) return status;
    if (memchr(text, 0, (size_t)size)) return clade_pickle_damaged(p, "a text with a zero in it");
    return clade_pickle_push(p, value);
}

static clade_status push_tuple(clade_pickle *p, size_t first)
{
    clade_pickle_value *tuple;
    for (size_t i = first; i < p->depth; i++)
        if (!p->stack[i]) return clade_pickle_damaged(p, "a value is missing");
    clade_status status = clade_pickle_make(p, CLADE_PICKLE_TUPLE, &tuple);
    if (!status) status = gather(p, first, tuple);
    return status ? status : clade_pickle_push(p, tuple);
}

static clade_status push_small_tuple(clade_pickle *p, size_t count)
{
    return p->depth < count ? clade_pickle_damaged(p, "a value is missing")
                            : push_tuple(p, p->depth - count);
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
    if (!to || to->kind != kind) return clade_pickle_damaged(p, "items without a list or dict");
    if (kind == CLADE_PICKLE_DICT && (p->depth - first) % 2)
        return clade_pickle_damaged(p, "a key alone");
    status = gather(p, first, to);
    p->depth = first - 1;
    return status;
}

static clade_status set_item(clade_pickle *p, clade_pickle_kind kind)
{
    clade_pickle_value *key = NULL, *value;
    clade_status status = clade_pickle_pop(p, &value);
    if (!status && kind == CLADE_PICKLE_DICT) status = clade_pickle_pop(p, &key);
    if (status) return status;
    clade_pickle_value *to = clade_pickle_top(p);
    if (!to || to->kind != kind) return clade_pickle_damaged(p, "an item without a list or dict");
    if (key) status = clade_pickle_add_item(p, to, key);
    return status ? status : clade_pickle_add_item(p, to, value);
}

static clade_status put(clade_pickle *p, uint64_t index)
{
    if (!clade_pickle_top(p)) return clade_pickle_damaged(p, "a value is missing");
    if (index >= clade_pickle_most) return clade_pickle_too_large(p);
    if (index >= p->memo_size) {
        size_t size = 256;
        while (size <= index) size *= 2;
        clade_pickle_value **grown = realloc(p->memo, size * sizeof *grown);
        if (!grown) return clade_pickle_no_memory(p);
        memset(grown + p->memo_size, 0, (size - p->memo_size) * sizeof *grown);
        p->memo = grown;
        p->memo_size = size;
    }
    p->memo[index] = clade_pickle_top(p);
    if (index >= p->memo_count) p->memo_count = (size_t)index + 1;
    return CLADE_OK;
}

static clade_status get(clade_pickle *p, uint64_t index)
{
    if (index >= p->memo_count || !p->memo[index])
        return clade_pickle_damaged(p, "an entry of the memo");
    return clade_pickle_push(p, p->memo[index]);
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
    clade_status status = clade_pickle_make(p, CLADE_PICKLE_GLOBAL, &value);
    if (status) return status;
    char *text = malloc(m + n + 2);
    if (!text) return clade_pickle_no_memory(p);
    value->text = text;
    memcpy(text, module, m);
    text[m] = '.';
    memcpy(text + m + 1, name, n + 1);
    if (!is_expected(p, text))
        return clade_fail(CLADE_EUNSUPPORTED,
                          "%s: pickle: refers to %s: not a file of tensors; expected the output of "
                          "torch.save(model.state_dict(), FILE)",
                          p->bytes->name, text);
    return clade_pickle_push(p, value);
}

/* A line of a global's name, of printable ASCII. */
static clade_status take_line(clade_pickle *p, char line[most_name])
{
    for (size_t n = 0; n < most_name; n++) {
        clade_status status = clade_pickle_take(p, &line[n], 1);
        if (status) return status;
        if (line[n] == '\n') {
            line[n] = 0;
            return CLADE_OK;
        }
        if (line[n] <= ' ' || line[n] > '~') break;
    }
    return clade_pickle_damaged(p, "the name of a class");
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
    clade_status status = clade_pickle_pop(p, &name);
    if (!status) status = clade_pickle_pop(p, &module);
    if (status) return status;
    if (!is_name(module) || !is_name(name)) return clade_pickle_damaged(p, "the name of a class");
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
        if (!good) return clade_pickle_damaged(p, "an OrderedDict of no pairs");
        status = clade_pickle_add_item(p, dict, pair->item[0]);
        if (!status) status = clade_pickle_add_item(p, dict, pair->item[1]);
    }
    return status;
}

/* A call that is not made: those of collections (OrderedDict, defaultdict, Counter) give dicts, and
 * all else stays a call. */
static clade_status push_call(clade_pickle *p)
{
    clade_pickle_value *arguments, *function, *value;
    clade_status status = clade_pickle_pop(p, &arguments);
    if (!status) status = clade_pickle_pop(p, &function);
    if (status) return status;
    if (function->kind != CLADE_PICKLE_GLOBAL || arguments->kind != CLADE_PICKLE_TUPLE)
        return clade_pickle_damaged(p, "a call of something that is not a function");
    bool dict = !strncmp(function->text, "collections.", 12);
    status = clade_pickle_make(p, dict ? CLADE_PICKLE_DICT : CLADE_PICKLE_CALL, &value);
    for (size_t i = 0; i < arguments->count && !dict && !status; i++)
        status = clade_pickle_add_item(p, value, arguments->item[i]);
    if (dict && arguments->count && !status) status = add_pairs(p, value, arguments->item[0]);
    if (!status) value->function = function;
    return status ? status : clade_pickle_push(p, value);
}

static clade_status build(clade_pickle *p)
{
    clade_pickle_value *state;
    clade_status status = clade_pickle_pop(p, &state);
    if (status) return status;
    if (!clade_pickle_top(p)) return clade_pickle_damaged(p, "a value is missing");
    clade_pickle_top(p)->state = state;
    return CLADE_OK;
}

static clade_status push_outside(clade_pickle *p)
{
    clade_pickle_value *name, *value;
    clade_status status = clade_pickle_pop(p, &name);
    if (!status) status = clade_pickle_make(p, CLADE_PICKLE_OUTSIDE, &value);
    if (!status) status = clade_pickle_add_item(p, value, name);
    if (!status) status = clade_pickle_add_item(p, &p->outside, value);
    return status ? status : clade_pickle_push(p, value);
}

/* A whole number of `size` bytes, two's complement; what is longer than 8 is passed over. */
static clade_status push_long(clade_pickle *p, uint64_t size)
{
    uint8_t bytes[256];
    clade_status status = clade_pickle_take(p, bytes, (size_t)size);
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
    case '(': return clade_pickle_push(p, NULL);
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

clade_status clade_pickle_load(clade_pickle *p, uint64_t *at, uint64_t end,
                               const clade_pickle_value **out)
{
    p->at = *at;
    p->end = end;
    p->depth = p->memo_count = 0;
    if (p->memo) memset(p->memo, 0, p->memo_size * sizeof *p->memo);
    for (;;) {
        uint8_t opcode;
        clade_status status = clade_pickle_take(p, &opcode, 1);
        if (!status && ++p->steps > most_steps) status = clade_pickle_too_large(p);
        if (status) return status;
        if (opcode == '.') break;
        if ((status = step(p, opcode))) return status;
    }
    if (p->depth != 1 || !p->stack[0])
        return clade_pickle_damaged(p, "it does not end with one value");
    *out = p->stack[0];
    *at = p->at;
    return CLADE_OK;
}
