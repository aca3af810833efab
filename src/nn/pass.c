/* Builds a pass over a graph: layers forwards, the loss, layers backwards, then the division into
 * slices. */
#include "nn/fuse.h"
#include "nn/layer.h"
#include "nn/loss.h"
#include "nn/precision.h"
#include "nn/slice.h"

#include <stdlib.h>

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

/* Copies a value of the watched layer. */
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
    clade_set_products(build);
    clade_narrow(build);
    if (!blueprint->tapped) clade_slice(build);
    return build->status;
}
