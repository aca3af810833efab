/* Building a schedule: the graph forwards, the loss, the graph backwards; then the live ranges of
 * the values and what may work in place. */
#include "nn/build.h"
#include "nn/fuse.h"
#include "nn/layer.h"
#include "nn/loss.h"
#include "nn/plan.h"
#include "nn/slice.h"

#include <stdlib.h>
#include <string.h>

static void fail(clade_build *build, clade_status status)
{
    if (!build->status) build->status = status;
}

/* Room for one more element of an array that doubles. */
static bool grow(clade_build *build, void **array, size_t size, size_t count, size_t *capacity)
{
    if (build->status) return false;
    if (count < *capacity) return true;
    size_t wanted = *capacity ? 2 * *capacity : 64;
    void *grown = realloc(*array, wanted * size);
    if (!grown) {
        fail(build, clade_fail(CLADE_ENOMEM, "out of memory for a schedule"));
        return false;
    }
    *array = grown;
    *capacity = wanted;
    return true;
}

void clade_build_add(clade_build *build, int32_t layer, clade_op op, const clade_args *args)
{
    void *array = build->call;
    bool room = grow(build, &array, sizeof *build->call, build->call_count, &build->call_capacity);
    build->call = array;
    if (!room) return;
    build->call[build->call_count++] =
        (clade_layer_call){.call = {.op = op, .args = *args}, .layer = layer};
}

clade_tensor clade_build_like(clade_build *build, const clade_tensor *shape)
{
    clade_tensor t = *shape;
    void *array = build->value;
    bool room =
        grow(build, &array, sizeof *build->value, build->value_count, &build->value_capacity);
    build->value = array;
    t.buffer = NULL;
    t.offset = build->value_count;
    if (!room) return t;
    uint64_t bytes = clade_tensor_count(&t) * clade_dtype_size(t.dtype);
    build->value[build->value_count++] = (clade_value){.bytes = bytes};
    return t;
}

clade_tensor clade_build_rows(const clade_build *build, const clade_tensor *full)
{
    clade_tensor t = *full;
    t.dim[0] = build->n;
    return t;
}

static bool is_last(const clade_build *build, int32_t number)
{
    return number == build->blueprint->graph->count - 1;
}

clade_tensor clade_build_output(clade_build *build, int32_t number)
{
    if (is_last(build, number) && build->bare < 0)
        return clade_build_rows(build, &build->blueprint->output);
    clade_tensor shape = clade_node_tensor(&build->blueprint->graph->node[number], build->n);
    return clade_build_like(build, &shape);
}

/* The same memory in the shape of layer `number`'s output. */
static clade_tensor reshaped(const clade_build *build, const clade_tensor *t, int32_t number)
{
    clade_tensor view = clade_node_tensor(&build->blueprint->graph->node[number], build->n);
    view.buffer = t->buffer;
    view.offset = t->offset;
    return view;
}

void clade_build_view(clade_build *build, int32_t number)
{
    clade_tensor x = clade_build_input(build, number, 0);
    build->node[number].y = reshaped(build, &x, number);
}

bool clade_build_needs(const clade_build *build, int32_t number)
{
    return build->pass == CLADE_PASS_TRAIN && build->blueprint->trained[number];
}

clade_tensor clade_build_gradient(clade_build *build, int32_t number, int32_t *accumulate)
{
    clade_build_node *node = &build->node[number];
    *accumulate = clade_tensor_present(&node->dy);
    if (!*accumulate) node->dy = clade_build_like(build, &node->y);
    return node->dy;
}

void clade_build_pass_back(clade_build *build, int32_t number, int32_t to)
{
    const clade_tensor *dy = &build->node[number].dy;
    if (!clade_build_needs(build, to)) return;
    if (!clade_tensor_present(&build->node[to].dy)) {
        build->node[to].dy = reshaped(build, dy, to);
        return;
    }
    CLADE_BUILD_CALL(build, number, copy, .x = *dy, .y = build->node[to].dy, .accumulate = 1);
}

static void add_forward(clade_build *build)
{
    const clade_blueprint *blueprint = build->blueprint;
    const clade_graph *graph = blueprint->graph;
    build->node[0].y = clade_build_rows(build, &blueprint->input);
    for (int32_t i = 1; i < graph->count; i++) {
        int32_t number = build->node[i].runs;
        if (number) clade_layer_record_of(graph->node[number].layer.kind)->forward(build, number);
    }
    int32_t last = graph->count - 1;
    const clade_tensor *y = &build->node[last].y;
    if (build->bare < 0 && y->buffer != blueprint->output.buffer)
        CLADE_BUILD_CALL(build, last, copy, .x = *y,
                         .y = clade_build_rows(build, &blueprint->output));
}

static void add_backward(clade_build *build)
{
    const clade_graph *graph = build->blueprint->graph;
    for (int32_t i = graph->count - 1; i > build->blueprint->watch; i--)
        if (build->blueprint->trained[i] && !build->node[i].absorbed)
            clade_layer_record_of(graph->node[i].layer.kind)->backward(build, i);
}

/* Keeps what is wanted of the watched layer. */
static void add_copy(clade_build *build, const clade_tensor *from, const clade_tensor *kept)
{
    CLADE_BUILD_CALL(build, build->blueprint->watch, copy, .x = *from,
                     .y = clade_build_rows(build, kept));
}

clade_status clade_build_pass(clade_build *build, const clade_blueprint *blueprint, clade_pass pass,
                              int32_t n)
{
    const clade_graph *graph = blueprint->graph;
    *build = (clade_build){.blueprint = blueprint, .pass = pass, .n = n, .bare = -1};
    build->node = calloc((size_t)graph->count, sizeof *build->node);
    if (!build->node) return clade_fail(CLADE_ENOMEM, "out of memory for a schedule");
    if (pass != CLADE_PASS_INFER && clade_loss_takes_activation(blueprint->loss))
        build->bare = graph->count - 1;
    clade_fuse(build);
    add_forward(build);
    if (pass != CLADE_PASS_INFER) clade_loss_forward(build);
    if (pass == CLADE_PASS_TRAIN) {
        if (blueprint->watch)
            add_copy(build, &build->node[blueprint->watch].y, &blueprint->watched_y);
        clade_loss_backward(build);
        add_backward(build);
        if (blueprint->watch)
            add_copy(build, &build->node[blueprint->watch].dy, &blueprint->watched_dy);
    }
    clade_slice(build);
    return build->status;
}

void clade_build_destroy(clade_build *build)
{
    free(build->node);
    free(build->call);
    free(build->value);
    *build = (clade_build){0};
}

/* ---- memory ---- */

static bool is_value(const clade_tensor *t) { return clade_tensor_present(t) && !t->buffer; }

static bool same_shape(const clade_tensor *a, const clade_tensor *b)
{
    if (a->rank != b->rank || a->dtype != b->dtype) return false;
    return !memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim);
}

/* What is known of the live ranges of values. Values that share memory have the same root, whose
 * block has the live range of them all. */
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

/* May output `y` of a call take the memory of input `x`? Only if x ends here, is as large as y, and
 * every slot that x's memory is in has y's shape. */
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

/* Lets calls that may work in place do so. */
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
