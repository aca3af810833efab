/* Building a pass: its calls, the values they read and write, and their gradients. */
#include "nn/build.h"

#include <stdlib.h>
#include <string.h>

static void fail(clade_build *build, clade_status status)
{
    if (!build->status) build->status = status;
}

/* Makes room for one more element in an array that doubles. */
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

void clade_build_sync(clade_build *build, const clade_sync *sync)
{
    void *array = build->sync;
    bool room = grow(build, &array, sizeof *build->sync, build->sync_count, &build->sync_capacity);
    build->sync = array;
    if (!room) return;
    build->sync[build->sync_count] = *sync;
    build->sync[build->sync_count++].call = build->call_count;
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
    const bool output = shape->buffer && shape->buffer == build->blueprint->output.buffer;
    build->value[build->value_count++] =
        (clade_value){.bytes = bytes, .narrow = t.dtype == CLADE_F32 && !output};
    return t;
}

clade_tensor clade_build_float(clade_build *build, const clade_tensor *shape)
{
    const clade_tensor t = clade_build_like(build, shape);
    if (!build->status) build->value[t.offset].narrow = false;
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
    return (is_last(build, number) ? clade_build_float : clade_build_like)(build, &shape);
}

/* Returns the same memory in the shape of layer `number`'s output. */
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
    if (!*accumulate)
        node->dy = (is_last(build, number) ? clade_build_float : clade_build_like)(build, &node->y);
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

void clade_build_destroy(clade_build *build)
{
    free(build->node);
    free(build->call);
    free(build->value);
    free(build->sync);
    free(build->halves);
    *build = (clade_build){0};
}
