/* Cases drawn at random: a listed case whose sizes and parameters are moved, a few at a time, to
 * where code may take another path, as long as the op's shape rule agrees and it stays small. The
 * rules of an op are nowhere written twice: what they refuse is drawn again. */
#include "conform/conform.h"

#include "base/random.h"
#include "op/call_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Vectors, tiles, blocks and chunks end at these; drawn are they and the numbers beside them, the
 * small ones more often. */
static const int32_t edges[] = {1,  2,  3,  4,  5,   6,   8,   10,   14,
                                16, 24, 32, 64, 128, 256, 512, 1024, 4096};
enum {
    edge_count = sizeof edges / sizeof *edges,
    most_steps = 6,   /* that change a listed case */
    most_tries = 200, /* for a case */
    most_small = 6,   /* of a parameter: mostly at most this */
    most_elements = 1 << 15,
    most_flops = 1 << 22
};

static int32_t edge(clade_random *r)
{
    const uint32_t i = clade_random_below(r, edge_count), j = clade_random_below(r, edge_count);
    const int32_t v =
        edges[i < j || !clade_random_below(r, 4) ? i : j] + (int32_t)clade_random_below(r, 3) - 1;
    return v < 1 ? 1 : v;
}

/* ---- what is small enough ---- */

static bool is_small(const clade_op_info *info, const clade_args *args)
{
    const clade_op_impl *impl = clade_op_reference(info->op);
    uint64_t elements = 0;
    for (size_t i = 0; i < info->slot_count; i++)
        if (clade_tensor_present(&args->slot[i])) elements += clade_tensor_count(&args->slot[i]);
    return elements <= most_elements && (!impl->flops || impl->flops(args) <= most_flops);
}

/* Is this a call of the op, and of all its gradients, and small? */
static bool agrees(const clade_op_info *info, const clade_args *args)
{
    char text[CLADE_CALL_TEXT_SIZE];
    clade_call_text(info->op, args, text);
    const clade_case test = {.text = text + strlen(info->name)};
    clade_args own, forward;
    for (int op = 0; op < CLADE_OPS; op++) {
        const clade_op_info *other = clade_op_describe((clade_op)op);
        if (clade_case_op(other) != info->op) continue;
        if (clade_case_args(other, &test, &own, &forward) || !is_small(other, &own)) return false;
    }
    return true;
}

/* ---- changes ---- */

/* Dimensions that the text of a case gives. */
static size_t list_dims(const clade_op_info *info, clade_args *args,
                        int32_t *dims[conform_slots * CLADE_MAX_RANK])
{
    size_t n = 0;
    for (size_t i = 0; i < info->slot_count; i++)
        for (int d = 0; clade_tensor_present(&args->slot[i]) && d < args->slot[i].rank; d++)
            dims[n++] = &args->slot[i].dim[d];
    return n;
}

/* A dimension; or all that are equal to it, as those that belong together are. */
static void change_dim(clade_random *r, int32_t **dims, size_t n)
{
    const size_t chosen = clade_random_below(r, (uint32_t)n);
    const int32_t old = *dims[chosen], now = edge(r);
    const bool all = clade_random_below(r, 2);
    for (size_t i = 0; i < n; i++)
        if (i == chosen || (all && *dims[i] == old)) *dims[i] = now;
}

/* A parameter that is a whole number, or -1. */
static int choose_param(clade_random *r, const clade_op_info *info)
{
    if (!info->param_count) return -1;
    const int i = (int)clade_random_below(r, (uint32_t)info->param_count);
    const clade_param_info *p = &info->params[i];
    const bool whole = p->type == CLADE_PARAM_int32_t || p->type == CLADE_PARAM_clade_act ||
                       p->type == CLADE_PARAM_clade_fill || p->type == CLADE_PARAM_clade_products;
    return whole && strcmp(p->name, "accumulate") != 0 ? i : -1;
}

static void change_param(clade_random *r, const clade_op_info *info, clade_args *args)
{
    const int i = choose_param(r, info);
    if (i < 0) return;
    const clade_param_info *p = &info->params[i];
    int32_t *value = clade_param_of(info, args, p->name), now;
    if (p->type == CLADE_PARAM_clade_act)
        now = (int32_t)clade_random_below(r, CLADE_ACTIVATIONS);
    else if (p->type == CLADE_PARAM_clade_fill)
        now = (int32_t)clade_random_below(r, CLADE_FILL_MODES);
    else if (p->type == CLADE_PARAM_clade_products)
        now = (int32_t)clade_random_below(r, CLADE_FACTORS);
    else
        now = clade_random_below(r, 4) ? (int32_t)clade_random_below(r, most_small) : edge(r);
    const size_t chosen = clade_random_below(r, (uint32_t)p->count);
    const bool all = clade_random_below(r, 2);
    for (size_t k = 0; k < p->count; k++)
        if (all || k == chosen) value[k] = now;
}

/* A parameter that divides dimensions, as groups do, with some of these. */
static void change_divisor(clade_random *r, const clade_op_info *info, clade_args *args,
                           int32_t **dims, size_t n)
{
    const int i = choose_param(r, info);
    if (i < 0 || info->params[i].type != CLADE_PARAM_int32_t || info->params[i].count != 1) return;
    int32_t *value = clade_param_of(info, args, info->params[i].name);
    const int32_t old = *value < 1 ? 1 : *value, now = 1 + (int32_t)clade_random_below(r, 8);
    *value = now;
    for (size_t d = 0; d < n; d++)
        if (*dims[d] % old == 0 && clade_random_below(r, 2)) *dims[d] = *dims[d] / old * now;
}

static void change(clade_random *r, const clade_op_info *info, clade_args *args)
{
    int32_t *dims[conform_slots * CLADE_MAX_RANK];
    const size_t n = list_dims(info, args, dims);
    const uint32_t kind = clade_random_below(r, 8);
    if (kind < 4 && n)
        change_dim(r, dims, n);
    else if (kind < 7)
        change_param(r, info, args);
    else
        change_divisor(r, info, args, dims, n);
}

/* ---- cases ---- */

/* The text of a case; false if none was found. */
static bool draw(clade_random *r, const clade_op_info *info, char text[CLADE_CALL_TEXT_SIZE])
{
    const clade_op_impl *impl = clade_op_reference(info->op);
    const clade_case *from = &impl->cases[clade_random_below(r, (uint32_t)impl->case_count)];
    clade_args args;
    if (clade_args_parse(info->op, from->text, &args)) return false;
    uint32_t left = 1 + clade_random_below(r, most_steps);
    for (int i = 0; i < most_tries && left; i++) {
        clade_args changed = args;
        for (uint32_t k = clade_random_below(r, 2) + 1; k; k--) change(r, info, &changed);
        if (!memcmp(&changed, &args, sizeof args) || !agrees(info, &changed)) continue;
        args = changed;
        left--;
    }
    clade_call_text(info->op, &args, text);
    return agrees(info, &args);
}

static bool has(const conform_drawn *drawn, const char *text)
{
    for (size_t i = 0; i < drawn->count; i++)
        if (!strcmp(drawn->cases[i].name, text)) return true;
    return false;
}

clade_status clade_conform_drawn_fill(conform_drawn *drawn, const clade_op_info *info, size_t n,
                                      uint64_t seed)
{
    enum { most_draws = 20 }; /* for each case */
    clade_conform_drawn_clear(drawn);
    drawn->op = info->op;
    drawn->cases = calloc(n, sizeof *drawn->cases);
    drawn->texts = malloc(n * sizeof *drawn->texts);
    if (!drawn->cases || !drawn->texts)
        return clade_fail(CLADE_ENOMEM, "out of memory for %zu cases", n);
    clade_random r = clade_conform_random(seed, info->name, "", "", "case");
    for (size_t i = 0; i < n * most_draws && drawn->count < n; i++) {
        char *text = drawn->texts[drawn->count];
        if (!draw(&r, info, text) || has(drawn, text)) continue;
        drawn->cases[drawn->count++] =
            (clade_case){.kind = CASE_QUICK, .name = text, .text = text + strlen(info->name)};
    }
    return CLADE_OK;
}

void clade_conform_drawn_clear(conform_drawn *drawn)
{
    free(drawn->cases);
    free(drawn->texts);
    *drawn = (conform_drawn){.op = CLADE_OP_none};
}
