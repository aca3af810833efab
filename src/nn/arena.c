/* The memory of a pass: live ranges of its values, in-place operation, and placement. */
#include "nn/build.h"
#include "nn/plan.h"

#include <stdlib.h>
#include <string.h>

static bool is_value(const clade_tensor *t) { return clade_tensor_present(t) && !t->buffer; }

static bool same_shape(const clade_tensor *a, const clade_tensor *b)
{
    if (a->rank != b->rank || a->dtype != b->dtype) return false;
    return !memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim);
}

/* Live ranges of values. Values that share memory have the same root, whose block has the union of
 * their live ranges. */
typedef struct live_ranges {
    clade_plan_block *block;
    size_t *root;
} live_ranges;

static void find_live_ranges(const clade_build *build, live_ranges *l)
{
    for (size_t v = 0; v < build->value_count; v++) {
        l->block[v] = (clade_plan_block){.bytes = build->value[v].bytes, .first = -1, .last = -1};
        l->root[v] = v;
    }
    for (size_t c = 0; c < build->call_count; c++) {
        const clade_call *call = &build->call[c].call;
        for (size_t s = 0; s < clade_op_describe(call->op)->slot_count; s++) {
            if (!is_value(&call->args.slot[s])) continue;
            clade_plan_block *block = &l->block[call->args.slot[s].offset];
            if (block->first < 0) block->first = (int64_t)c;
            block->last = (int64_t)c;
        }
    }
}

/* Returns whether output `y` of a call may use the memory of input `x`: only if x ends here, is as
 * large as y, and every slot in x's memory has y's shape. */
static bool may_replace(const clade_call *call, int64_t moment, const clade_tensor *x,
                        const clade_tensor *y, const live_ranges *l)
{
    const clade_op_info *info = clade_op_describe(call->op);
    size_t root = l->root[x->offset];
    if (l->block[root].last != moment || l->block[root].bytes != l->block[y->offset].bytes)
        return false;
    for (size_t s = 0; s < info->slot_count; s++) {
        const clade_tensor *t = &call->args.slot[s];
        if (!is_value(t) || l->root[t->offset] != root) continue;
        if (clade_slot_writes(info->slots[s].kind) || !same_shape(t, y)) return false;
    }
    return true;
}

/* Makes calls that may work in place do so. */
static void share_in_place(const clade_build *build, live_ranges *l)
{
    for (size_t c = 0; c < build->call_count; c++) {
        const clade_call *call = &build->call[c].call;
        const clade_op_info *info = clade_op_describe(call->op);
        for (size_t s = 0; (info->flags & CLADE_OP_INPLACE) && s < info->slot_count; s++) {
            const clade_tensor *y = &call->args.slot[s];
            if (!is_value(y) || !clade_slot_writes(info->slots[s].kind)) continue;
            if (l->root[y->offset] != y->offset || l->block[y->offset].first != (int64_t)c)
                continue;
            for (size_t i = 0; i < info->slot_count; i++) {
                const clade_tensor *x = &call->args.slot[i];
                if (!is_value(x) || clade_slot_writes(info->slots[i].kind)) continue;
                if (!may_replace(call, (int64_t)c, x, y, l)) continue;
                size_t root = l->root[x->offset];
                l->root[y->offset] = root;
                l->block[root].last = l->block[y->offset].last;
                break;
            }
        }
    }
}

clade_status clade_build_plan(const clade_build *build, uint64_t *offset, uint64_t *total,
                              uint64_t *unshared)
{
    size_t count = build->value_count, kept = 0;
    live_ranges l = {malloc((count + 1) * sizeof *l.block), malloc((count + 1) * sizeof *l.root)};
    clade_plan_block *block = malloc((count + 1) * sizeof *block);
    clade_status status = CLADE_OK;
    *total = *unshared = 0;
    if (!l.block || !l.root || !block) {
        status = clade_fail(CLADE_ENOMEM, "out of memory to plan %zu values", count);
        goto done;
    }
    find_live_ranges(build, &l);
    share_in_place(build, &l);
    for (size_t v = 0; v < count; v++) {
        *unshared += build->value[v].bytes;
        if (l.root[v] == v) block[kept++] = l.block[v];
    }
    status = clade_plan_place(block, kept, total);
    for (size_t v = 0, k = 0; v < count; v++)
        if (l.root[v] == v) l.block[v].offset = block[k++].offset;
    for (size_t v = 0; v < count; v++) offset[v] = l.block[l.root[v]].offset;
done:
    free(l.block);
    free(l.root);
    free(block);
    return status;
}
