/* Every op of the table refuses what it cannot work on: each valid case is broken in one place at a
 * time, and clade_call_prepare must say EINVAL, naming the op and the slot. */
#include "../test.h"

#include "conform/conform.h"

#include <ctype.h>
#include <limits.h>

/* A valid call on a device, with memory of its own for each slot, and what names it in a message.
 */
typedef struct subject {
    clade_device *device, *other;
    const clade_op_info *info;
    const char *case_name;
    clade_args args;
    clade_buffer *buffer[conform_slots], *elsewhere;
    size_t room; /* bytes of each buffer: twice what all slots need */
} subject;

/* ---- checks ---- */

/* Is `word` in the text, not as a part of a longer word? */
static bool names(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = strstr(text, word); p; p = strstr(p + 1, word)) {
        bool before = p > text && (isalnum((unsigned char)p[-1]) || p[-1] == '_');
        bool after = isalnum((unsigned char)p[n]) || p[n] == '_';
        if (!before && !after) return true;
    }
    return false;
}

/* A slot, or what it disagrees with: a parameter, or the window that a kernel or `window` is. */
static bool names_the_matter(const clade_op_info *info, const char *text)
{
    bool found = names(text, "window");
    for (size_t i = 0; i < info->slot_count; i++) found = found || names(text, info->slots[i].name);
    for (size_t i = 0; i < info->param_count; i++)
        found = found || names(text, info->params[i].name);
    return found;
}

static void report(const subject *s, const char *slot, const char *what, const char *problem)
{
    test_failures++;
    printf("%s:%d: %s, case %s: %s %s: %s\n", __FILE__, __LINE__, s->info->name, s->case_name, slot,
           what, problem);
}

/* The broken call must be EINVAL; the text begins with the op's name and names the slot, or unless
 * `exactly` what else tells what is wrong. */
static void refuse(const subject *s, const clade_args *broken, size_t slot, bool exactly,
                   const char *what)
{
    const char *name = s->info->slots[slot].name;
    clade_call call = {.op = s->info->op, .args = *broken};
    clade_status status = clade_call_prepare(s->device, &call);
    size_t n = strlen(s->info->name);
    test_checks++;
    if (status != CLADE_EINVAL)
        report(s, name, what, status ? clade_error() : "was accepted");
    else if (strncmp(clade_error(), s->info->name, n) || clade_error()[n] != ':')
        report(s, name, what, clade_error());
    else if (exactly ? !names(clade_error(), name) : !names_the_matter(s->info, clade_error()))
        report(s, name, what, clade_error());
    clade_call_release(&call);
}

/* The changed call may be good, or must be refused as one that names the op. */
static void tolerate(const subject *s, const clade_args *changed, const char *name,
                     const char *what)
{
    clade_call call = {.op = s->info->op, .args = *changed};
    clade_status status = clade_call_prepare(s->device, &call);
    test_checks++;
    if (status &&
        (status != CLADE_EINVAL || strncmp(clade_error(), s->info->name, strlen(s->info->name))))
        report(s, name, what, clade_error());
    clade_call_release(&call);
}

/* ---- one slot ---- */

static void break_presence(const subject *s, size_t slot)
{
    clade_args a = s->args;
    memset(&a.slot[slot], 0, sizeof a.slot[slot]);
    if (clade_slot_is_optional(s->info->slots[slot].kind))
        tolerate(s, &a, s->info->slots[slot].name, "absent");
    else
        refuse(s, &a, slot, true, "absent");
    a = s->args;
    a.slot[slot].buffer = NULL;
    refuse(s, &a, slot, true, "without memory");
    a.slot[slot].buffer = s->elsewhere;
    a.slot[slot].offset = 0;
    refuse(s, &a, slot, true, "on another device");
}

static void break_dtype(const subject *s, size_t slot)
{
    clade_slot_dtype wanted = s->info->slots[slot].dtype;
    for (int dtype = CLADE_F32; dtype <= CLADE_F16 + 1; dtype++) {
        const bool label = wanted == CLADE_SLOT_LABEL && (dtype == CLADE_F32 || dtype == CLADE_I32);
        const bool any = wanted == CLADE_SLOT_FLOAT &&
                         (dtype == CLADE_F32 || dtype == CLADE_BF16 || dtype == CLADE_F16);
        const bool factor = wanted == CLADE_SLOT_FACTOR && dtype == CLADE_F32;
        if (dtype == (int)wanted || label || any || factor) continue;
        clade_args a = s->args;
        a.slot[slot].dtype = (clade_dtype)dtype;
        refuse(s, &a, slot, true, "of a wrong dtype");
    }
}

static void break_place(const subject *s, size_t slot)
{
    clade_args a = s->args;
    clade_tensor *t = &a.slot[slot];
    size_t n = clade_tensor_count(t), room = s->room / clade_dtype_size(t->dtype);
    t->offset = room - n + 1;
    refuse(s, &a, slot, true, "one element beyond its buffer");
    t->offset = room + 1;
    refuse(s, &a, slot, true, "behind its buffer");
    t->offset = UINT64_MAX - n + 1;
    refuse(s, &a, slot, true, "at an offset whose end overflows");
    t->offset = UINT64_MAX / 4 + 1;
    refuse(s, &a, slot, true, "at an offset whose bytes overflow");
    t->offset = UINT64_MAX;
    refuse(s, &a, slot, true, "at the largest offset");
}

/* ---- shapes ---- */

/* Dimensions that may change alone, as nothing else follows from them. */
static const struct open_dims {
    clade_op op;
    const char *slot;
    unsigned dims; /* bit d: dimension d; ~0u also the rank */
} open_dims[] = {
    {CLADE_OP_fill, "y", ~0u},
    {CLADE_OP_norm_clip, "g", ~0u},
    {CLADE_OP_topk_count, "y", 1u << 1},
    {CLADE_OP_global_avgpool, "x", 1u << 1 | 1u << 2},
    {CLADE_OP_global_avgpool_dx, "dx", 1u << 1 | 1u << 2},
    {CLADE_OP_global_maxpool, "x", 1u << 1 | 1u << 2},
    {CLADE_OP_global_maxpool_dx, "dx", 1u << 1 | 1u << 2},
};

static bool is_open(const subject *s, size_t slot, int dim)
{
    const clade_op op = s->info->op;
    const char *name = s->info->slots[slot].name;
    for (size_t i = 0; i < sizeof open_dims / sizeof *open_dims; i++)
        if (open_dims[i].op == op && !strcmp(open_dims[i].slot, name) &&
            (open_dims[i].dims == ~0u || (dim >= 0 && open_dims[i].dims >> dim & 1)))
            return true;
    switch (op) {
    case CLADE_OP_copy:
    case CLADE_OP_index_pack:
    case CLADE_OP_index_unpack: return dim < 0; /* a reshape */
    case CLADE_OP_reduce: return dim >= 0 && !strcmp(name, "x") && s->args.reduce.y.dim[dim] == 1;
    case CLADE_OP_reduce_dx:
        return dim >= 0 && !strcmp(name, "dx") && s->args.reduce_dx.dy.dim[dim] == 1;
    case CLADE_OP_concat: return dim == s->args.concat.axis && !strcmp(name, "y");
    case CLADE_OP_concat_dx: return dim == s->args.concat_dx.axis && !strcmp(name, "dy");
    case CLADE_OP_split: return dim == s->args.split.axis && !strcmp(name, "x");
    case CLADE_OP_split_dx: return dim == s->args.split_dx.axis && !strcmp(name, "dx");
    case CLADE_OP_affine_sample: {
        bool index = clade_tensor_present(&s->args.affine_sample.index);
        if (!strcmp(name, "x")) return dim == 1 || dim == 2 || (dim == 0 && index);
        return !strcmp(name, "y") && (dim == 1 || dim == 2);
    }
    default: return false;
    }
}

static void break_rank(const subject *s, size_t slot)
{
    static const int32_t impossible[] = {-1, CLADE_MAX_RANK + 1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
        clade_args a = s->args;
        a.slot[slot].rank = impossible[i];
        refuse(s, &a, slot, true, "of an impossible rank");
    }
    clade_args a = s->args;
    clade_tensor *t = &a.slot[slot];
    if (is_open(s, slot, -1)) return;
    if (t->rank < CLADE_MAX_RANK) {
        t->dim[t->rank++] = 1;
        refuse(s, &a, slot, false, "of one more dimension");
    }
    a = s->args;
    /* the same elements in one dimension less */
    if (t->rank > 1) {
        t->dim[t->rank - 2] *= t->dim[t->rank - 1];
        t->rank--;
        refuse(s, &a, slot, false, "of one dimension less");
    }
}

static void break_dims(const subject *s, size_t slot)
{
    static const int32_t impossible[] = {0, -1, INT32_MIN};
    clade_args a = s->args;
    clade_tensor *t = &a.slot[slot];
    for (int d = 0; d < t->rank; d++) {
        for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
            a = s->args;
            t->dim[d] = impossible[i];
            refuse(s, &a, slot, true, "of an impossible size");
        }
        a = s->args;
        t->dim[d] = INT32_MAX;
        refuse(s, &a, slot, false, "of the largest size");
        a = s->args;
        t->dim[d] = t->dim[d] * 3 + 7;
        if (is_open(s, slot, d))
            tolerate(s, &a, s->info->slots[slot].name, "of another size");
        else
            refuse(s, &a, slot, false, "of another size");
    }
    a = s->args;
    for (int d = 0; d < t->rank; d++) t->dim[d] = INT32_MAX;
    if (t->rank > 1) refuse(s, &a, slot, true, "of sizes whose product overflows");
    a = s->args;
    t->rank = CLADE_MAX_RANK;
    for (int d = 0; d < CLADE_MAX_RANK; d++) t->dim[d] = 1 << 16; /* the product is 2^64 */
    refuse(s, &a, slot, true, "of sizes whose product wraps to 0");
}

/* ---- two slots ---- */

/* Lets slot i begin at the last element of slot j, or where j begins. */
static void break_pair(const subject *s, size_t i, size_t j)
{
    const clade_slot_info *si = &s->info->slots[i], *sj = &s->info->slots[j];
    bool wi = clade_slot_writes(si->kind), wj = clade_slot_writes(sj->kind);
    if (!wi && !wj) return;
    clade_args a = s->args;
    clade_tensor *t = &a.slot[i];
    const clade_tensor *u = &a.slot[j];
    size_t size = clade_dtype_size(t->dtype), last = clade_tensor_count(u) - 1;
    size_t count = clade_tensor_count(t);
    t->buffer = u->buffer;
    t->offset = u->offset * clade_dtype_size(u->dtype) / size;
    bool in_place = (s->info->flags & CLADE_OP_INPLACE) && wi != wj && t->dtype == u->dtype &&
                    count == last + 1;
    clade_call call = {.op = s->info->op, .args = a};
    test_checks++;
    if (!in_place)
        refuse(s, &a, i, true, "upon another slot");
    else if (clade_call_prepare(s->device, &call))
        report(s, si->name, "in place", clade_error());
    clade_call_release(&call);
    t->offset = (u->offset + last) * clade_dtype_size(u->dtype) / size;
    if (in_place && last == 0) return;
    refuse(s, &a, i, true, "over the end of another slot");
    refuse(s, &a, j, true, "under the beginning of another slot");
}

/* ---- parameters ---- */

/* Numbers of which none may be negative. */
static const char *const counts[] = {"stride", "dilation", "groups", "window", "axis",
                                     "start",  "k",        "size",   "act",    "fill"};

static void break_params(const subject *s)
{
    static const int32_t wrong[] = {INT32_MIN, -1, INT32_MAX};
    const clade_op_info *info = s->info;
    for (size_t i = 0; i < info->param_count; i++) {
        const clade_param_info *p = &info->params[i];
        if (p->type == CLADE_PARAM_uint32_t || p->type == CLADE_PARAM_uint64_t ||
            p->type == CLADE_PARAM_float)
            continue;
        bool positive = false;
        for (size_t j = 0; j < sizeof counts / sizeof *counts; j++)
            positive = positive || !strcmp(p->name, counts[j]);
        for (size_t j = 0; j < p->count * 3; j++) {
            clade_args a = s->args;
            int32_t *v = (int32_t *)(void *)((char *)&a + p->offset) + j / 3;
            *v = wrong[j % 3];
            clade_call call = {.op = info->op, .args = a};
            tolerate(s, &a, p->name, "far off");
            test_checks++;
            if (positive && *v < 0 && !clade_call_prepare(s->device, &call))
                report(s, p->name, "negative", "was accepted");
        }
    }
}

/* ---- all of it ---- */

static bool give_memory(subject *s)
{
    size_t bytes = 64;
    for (size_t i = 0; i < s->info->slot_count; i++)
        if (clade_tensor_present(&s->args.slot[i]))
            bytes += clade_tensor_count(&s->args.slot[i]) * 4;
    s->room = 2 * bytes;
    bool all = !clade_buffer_create(s->other, s->room, &s->elsewhere);
    for (size_t i = 0; all && i < s->info->slot_count; i++) {
        if (!clade_tensor_present(&s->args.slot[i])) continue;
        all = !clade_buffer_create(s->device, s->room, &s->buffer[i]);
        s->args.slot[i].buffer = s->buffer[i];
        s->args.slot[i].offset = 1;
    }
    return all;
}

static void break_case(subject *s)
{
    const clade_op_info *info = s->info;
    clade_call call = {.op = info->op, .args = s->args};
    CHECK_OK(clade_call_prepare(s->device, &call));
    for (size_t i = 0; i < info->slot_count; i++) {
        if (!clade_tensor_present(&s->args.slot[i])) continue;
        break_presence(s, i);
        break_dtype(s, i);
        break_place(s, i);
        break_rank(s, i);
        break_dims(s, i);
        for (size_t j = 0; j < info->slot_count; j++)
            if (j != i && clade_tensor_present(&s->args.slot[j])) break_pair(s, i, j);
    }
    break_params(s);
    CHECK_OK(clade_call_prepare(s->device, &call));
    clade_call_release(&call);
}

static void break_op(clade_device *device, clade_device *other, const clade_op_info *info)
{
    const clade_op_impl *cases = clade_op_reference(clade_case_op(info));
    for (size_t i = 0; i < cases->case_count; i++) {
        const clade_case *test = &cases->cases[i];
        if (test->kind != CASE_QUICK) continue;
        subject s = {.device = device, .other = other, .info = info, .case_name = test->name};
        clade_args forward;
        CHECK_OK(clade_case_args(info, test, &s.args, &forward));
        bool ready = give_memory(&s);
        CHECK(ready);
        if (ready) break_case(&s);
        for (size_t j = 0; j < info->slot_count; j++) clade_buffer_destroy(&s.buffer[j]);
        clade_buffer_destroy(&s.elsewhere);
    }
}

int main(void)
{
    clade_device *device = NULL, *other = NULL;
    const clade_device_options options = {.threads = 1};
    CHECK_OK(clade_device_open("cpu", &options, &device));
    CHECK_OK(clade_device_open("cpu", &options, &other));
    if (!device || !other) return TEST_END();
    for (int op = 0; op < CLADE_OPS; op++) break_op(device, other, clade_op_describe((clade_op)op));
    clade_call none = {.op = CLADE_OP_none};
    CHECK_FAILS(clade_call_prepare(device, &none), CLADE_EINVAL, "no op");
    none.op = (clade_op)-1;
    CHECK_FAILS(clade_call_prepare(device, &none), CLADE_EINVAL, "no op");
    clade_device_close(&device);
    clade_device_close(&other);
    return TEST_END();
}
