/* Fuzz target: sizes. The input's numbers become the shapes and parameters of an op, of a gradient
 * those of its forward op; what the shape rule takes is planned, or refused with a text. */
#include "conform/conform.h"
#include "op/call_text.h"

#include "plan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct numbers {
    const uint8_t *at, *end;
    int32_t pool[4]; /* shapes that agree have the same numbers */
} numbers;

static uint8_t byte(numbers *n) { return n->at < n->end ? *n->at++ : 0; }

/* Small, or near a power of two. */
static int32_t number(numbers *n)
{
    const uint8_t b = byte(n);
    if (b < 160) return b;
    const int64_t v = (INT64_C(1) << (b - 160) % 32) + (int8_t)byte(n);
    return v > INT32_MAX ? INT32_MAX : (int32_t)v;
}

static int32_t dimension(numbers *n)
{
    const uint8_t b = byte(n);
    const int32_t v = b < 64 ? n->pool[b % 4] : b < 160 ? b - 63 : number(n);
    return v < 1 ? 1 : v;
}

/* Text of at most CLADE_CALL_TEXT_SIZE. */
typedef struct text {
    char bytes[CLADE_CALL_TEXT_SIZE];
    size_t at;
} text;

CLADE_PRINTF(2, 3) static void add(text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->bytes + t->at, sizeof t->bytes - t->at, format, args);
    va_end(args);
    if (n > 0) t->at += (size_t)n;
    if (t->at >= sizeof t->bytes) t->at = sizeof t->bytes - 1;
}

static void add_slot(text *t, numbers *n, const clade_slot_info *slot)
{
    const uint8_t b = byte(n);
    const bool needed = clade_slot_reads(slot->kind) && !clade_slot_is_optional(slot->kind);
    if (!needed && b % 4) return;
    add(t, " %s", slot->name);
    for (int i = 0; i < 1 + b / 4 % 4; i++) add(t, "%c%" PRId32, i ? 'x' : '=', dimension(n));
}

static void add_param(text *t, numbers *n, const clade_param_info *p)
{
    if (byte(n) % 2) return;
    add(t, " %s", p->name);
    for (size_t i = 0; i < p->count; i++) {
        const int32_t v = number(n);
        add(t, "%c", i ? ',' : '=');
        if (p->type == CLADE_PARAM_clade_act)
            add(t, "%s",
                clade_activation_name((clade_activation)((uint32_t)v % CLADE_ACTIVATIONS)));
        else if (p->type == CLADE_PARAM_clade_fill)
            add(t, "%s", clade_fill_mode_name((clade_fill_mode)((uint32_t)v % CLADE_FILL_MODES)));
        else if (p->type == CLADE_PARAM_clade_products)
            add(t, "%s", clade_factors_name((clade_factors)((uint32_t)v % CLADE_FACTORS)));
        else if (p->type == CLADE_PARAM_float)
            add(t, "%g", (double)v / 256);
        else
            add(t, "%" PRId32, v);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    numbers n = {.at = data, .end = data + size};
    const clade_op_info *info = clade_op_describe((clade_op)(byte(&n) % CLADE_OPS));
    const clade_op_info *from =
        info->forward == CLADE_OP_none ? info : clade_op_describe(info->forward);
    for (int i = 0; i < 4; i++) n.pool[i] = number(&n);
    text t = {.at = 0};
    for (size_t i = 0; i < from->slot_count; i++) add_slot(&t, &n, &from->slots[i]);
    for (size_t i = 0; i < from->param_count; i++) add_param(&t, &n, &from->params[i]);

    clade_args args, forward;
    if (!clade_case_args(info, &(clade_case){.name = "fuzz", .text = t.bytes}, &args, &forward))
        fuzz_plan(info->op, &args);
    return 0;
}
