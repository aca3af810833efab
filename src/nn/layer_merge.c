/* Layers with several inputs: add, multiply (both with broadcast), concat. */
#include "nn/layer.h"

/* Returns a tensor with `rank` dimensions: [n, c] becomes [n, 1, 1, c]. */
static clade_tensor widen(clade_tensor t, int32_t rank)
{
    int32_t more = rank - t.rank;
    if (more <= 0) return t;
    for (int32_t i = t.rank - 1; i > 0; i--) t.dim[i + more] = t.dim[i];
    for (int32_t i = 1; i <= more; i++) t.dim[i] = 1;
    t.rank = rank;
    return t;
}

static bool same_shape(const clade_tensor *a, const clade_tensor *b)
{
    if (a->rank != b->rank) return false;
    for (int32_t i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

static clade_status merge_shape(const clade_graph *graph, clade_node *node)
{
    const clade_layer *layer = &node->layer;
    int32_t rank = 0;
    for (int32_t i = 0; i < layer->input_count; i++) {
        const clade_node *x = clade_node_input(graph, node, i);
        if (x->rank + 1 > rank) rank = x->rank + 1;
    }
    clade_tensor y = widen(clade_node_tensor(clade_node_input(graph, node, 0), 1), rank);
    for (int32_t i = 1; i < layer->input_count; i++) {
        clade_tensor x = widen(clade_node_tensor(clade_node_input(graph, node, i), 1), rank);
        for (int32_t d = 1; d < rank; d++) {
            char a[64], b[64];
            if (x.dim[d] != y.dim[d] && x.dim[d] != 1 && y.dim[d] != 1)
                return clade_fail(
                    CLADE_EINVAL,
                    "%s (%s) and %s (%s) differ in size; only sizes of 1 are stretched",
                    clade_node_input(graph, node, 0)->layer.name,
                    clade_node_text(clade_node_input(graph, node, 0), a),
                    clade_node_input(graph, node, i)->layer.name,
                    clade_node_text(clade_node_input(graph, node, i), b));
            if (x.dim[d] > y.dim[d]) y.dim[d] = x.dim[d];
        }
    }
    clade_node_set_shape(node, &y);
    /* broadcasting in different dimensions may give a tensor too large for any op */
    clade_args args = {.add = {.a = y, .b = y, .alpha = 1, .beta = 1}};
    return clade_op_shape(CLADE_OP_add, &args);
}

static clade_tensor input_of(const clade_build *build, int32_t number, int32_t i)
{
    const clade_graph *graph = build->blueprint->graph;
    return widen(clade_build_input(build, number, i), graph->node[number].rank + 1);
}

/* Combines the inputs from the first to the last; saved[i] is the result for inputs 0 to i. */
static void merge_forward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    clade_build_node *node = &build->node[number];
    node->saved[0] = input_of(build, number, 0);
    for (int32_t i = 1; i < layer->input_count; i++) {
        clade_tensor a = node->saved[i - 1], b = input_of(build, number, i), y = a;
        for (int32_t d = 0; d < y.rank; d++)
            if (b.dim[d] > y.dim[d]) y.dim[d] = b.dim[d];
        y = i == layer->input_count - 1 ? clade_build_output(build, number)
                                        : clade_build_like(build, &y);
        node->saved[i] = y;
        if (layer->kind == CLADE_LAYER_ADD)
            CLADE_BUILD_CALL(build, number, add, .a = a, .b = b, .y = y, .alpha = 1, .beta = 1);
        else
            CLADE_BUILD_CALL(build, number, mul, .a = a, .b = b, .y = y);
    }
    node->y = node->saved[layer->input_count - 1];
}

/* Returns the gradient of input i, to write or add to, in the op's shape. */
static clade_tensor gradient_of(clade_build *build, int32_t number, int32_t i, int32_t *accumulate)
{
    const clade_graph *graph = build->blueprint->graph;
    const clade_layer *layer = clade_build_layer(build, number);
    return widen(clade_build_gradient(build, layer->input[i], accumulate),
                 graph->node[number].rank + 1);
}

static void add_backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    const clade_build_node *node = &build->node[number];
    int32_t last = -1; /* this one may take over dy itself, once nothing else reads it */
    for (int32_t i = 0; i < layer->input_count; i++) {
        clade_tensor x = input_of(build, number, i);
        if (clade_build_needs(build, layer->input[i]) && same_shape(&x, &node->y)) last = i;
    }
    for (int32_t i = 0; i < layer->input_count; i++) {
        int32_t accumulate;
        if (i == last || !clade_build_needs(build, layer->input[i])) continue;
        clade_tensor da = gradient_of(build, number, i, &accumulate);
        CLADE_BUILD_CALL(build, number, add_dx, .dy = node->dy, .da = da, .alpha = 1, .beta = 1,
                         .accumulate = accumulate);
    }
    if (last >= 0) clade_build_pass_back(build, number, layer->input[last]);
}

static void multiply_backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    const clade_build_node *node = &build->node[number];
    int32_t first = 0; /* the first input whose gradient is needed */
    while (!clade_build_needs(build, layer->input[first])) first++;
    clade_tensor dy = node->dy;
    for (int32_t i = layer->input_count - 1; i > 0 && i >= first; i--) {
        clade_tensor a = node->saved[i - 1], b = input_of(build, number, i);
        int32_t accumulate = 0;
        if (clade_build_needs(build, layer->input[i])) {
            clade_tensor db = gradient_of(build, number, i, &accumulate);
            CLADE_BUILD_CALL(build, number, mul_dx, .dy = dy, .a = a, .b = b, .db = db,
                             .accumulate = accumulate);
        }
        if (first >= i) break;
        accumulate = 0;
        clade_tensor da =
            i == 1 ? gradient_of(build, number, 0, &accumulate) : clade_build_like(build, &a);
        CLADE_BUILD_CALL(build, number, mul_dx, .dy = dy, .a = a, .b = b, .da = da,
                         .accumulate = accumulate);
        dy = da;
    }
}

/* Joins along the channels. */
static clade_status concat_shape(const clade_graph *graph, clade_node *node)
{
    const clade_node *first = clade_node_input(graph, node, 0);
    int64_t channels = 0;
    for (int32_t i = 0; i < node->layer.input_count; i++) {
        const clade_node *x = clade_node_input(graph, node, i);
        bool same = x->rank == first->rank;
        for (int32_t d = 0; d < first->rank - 1; d++) same = same && x->dim[d] == first->dim[d];
        char a[64], b[64];
        if (!same)
            return clade_fail(CLADE_EINVAL, "%s (%s) and %s (%s) differ in more than channels",
                              first->layer.name, clade_node_text(first, a), x->layer.name,
                              clade_node_text(x, b));
        channels += x->dim[x->rank - 1];
    }
    if (channels > INT32_MAX) return clade_fail(CLADE_EINVAL, "has more than 2^31 channels");
    clade_tensor y = clade_node_tensor(first, 1);
    y.dim[y.rank - 1] = (int32_t)channels;
    clade_node_set_shape(node, &y);
    return CLADE_OK;
}

static void concat_forward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    clade_tensor y = clade_build_output(build, number);
    int32_t start = 0, axis = y.rank - 1;
    for (int32_t i = 0; i < layer->input_count; i++) {
        clade_tensor x = clade_build_input(build, number, i);
        CLADE_BUILD_CALL(build, number, concat, .x = x, .y = y, .axis = axis, .start = start);
        start += x.dim[axis];
    }
    build->node[number].y = y;
}

static void concat_backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    clade_tensor dy = build->node[number].dy;
    int32_t start = 0, axis = dy.rank - 1;
    for (int32_t i = 0; i < layer->input_count; i++) {
        clade_tensor x = clade_build_input(build, number, i);
        if (clade_build_needs(build, layer->input[i])) {
            int32_t accumulate;
            clade_tensor dx = clade_build_gradient(build, layer->input[i], &accumulate);
            CLADE_BUILD_CALL(build, number, concat_dx, .dy = dy, .dx = dx, .axis = axis,
                             .start = start, .accumulate = accumulate);
        }
        start += x.dim[axis];
    }
}

const clade_layer_record clade_add_record = {
    .key = "add",
    .name = "add",
    .type = "Add",
    .about = "The sum of its inputs; sizes of 1 are broadcast.",
    .main = "inputs",
    .inputs = {2, CLADE_MAX_INPUTS},
    .features = true,
    .shape = merge_shape,
    .forward = merge_forward,
    .backward = add_backward,
};

const clade_layer_record clade_multiply_record = {
    .key = "multiply",
    .name = "multiply",
    .type = "Multiply",
    .about = "The product of its inputs; sizes of 1 are broadcast.",
    .main = "inputs",
    .inputs = {2, CLADE_MAX_INPUTS},
    .features = true,
    .shape = merge_shape,
    .forward = merge_forward,
    .backward = multiply_backward,
};

const clade_layer_record clade_concat_record = {
    .key = "concat",
    .name = "concatenate",
    .type = "Concatenate",
    .about = "The channels of its inputs, one after the other.",
    .main = "inputs",
    .inputs = {1, CLADE_MAX_INPUTS},
    .features = true,
    .shape = concat_shape,
    .forward = concat_forward,
    .backward = concat_backward,
};
