/* Schedules: the prepared calls of one pass over a number of images. */
#include "nn/schedule.h"

#include <stdlib.h>
#include <string.h>

/* Returns a call's parameter of this name that may change between runs, or NULL. */
static uint32_t *find_param(clade_call *call, const char *name)
{
    const clade_op_info *info = clade_op_describe(call->op);
    for (size_t i = 0; i < info->param_count; i++)
        if (info->params[i].per_run && !strcmp(info->params[i].name, name))
            return (uint32_t *)(void *)((char *)&call->args + info->params[i].offset);
    return NULL;
}

static void place_value(clade_tensor *t, clade_buffer *arena, const uint64_t *offset)
{
    if (!clade_tensor_present(t) || t->buffer) return;
    t->buffer = arena;
    t->offset = offset[t->offset] / clade_dtype_size(t->dtype);
}

static void place(clade_layer_call *c, clade_buffer *arena, const uint64_t *offset,
                  const clade_value *value)
{
    for (size_t s = 0; s < clade_op_describe(c->call.op)->slot_count; s++) {
        clade_tensor *t = &c->call.args.slot[s];
        if (!clade_tensor_present(t) || t->buffer) continue;
        const uint64_t v = t->offset, row = clade_tensor_count(t) / (uint64_t)t->dim[0];
        place_value(t, arena, offset);
        if (!value[v].sliced && !value[v].shared) t->offset += (uint64_t)c->first * row;
    }
}

static clade_status find_random(clade_schedule *schedule)
{
    for (size_t i = 0; i < schedule->count; i++)
        if (find_param(&schedule->call[i].call, "step")) schedule->randoms++;
    if (!schedule->randoms) return CLADE_OK;
    schedule->random = malloc(schedule->randoms * sizeof *schedule->random);
    if (!schedule->random) return clade_fail(CLADE_ENOMEM, "out of memory for a schedule");
    size_t n = 0;
    for (size_t i = 0; i < schedule->count; i++) {
        clade_call *call = &schedule->call[i].call;
        uint32_t *step = find_param(call, "step");
        if (!step) continue;
        schedule->random[n].step = step;
        schedule->random[n++].first = find_param(call, "first");
    }
    return CLADE_OK;
}

clade_status clade_schedule_create(clade_build *build, clade_device *device, clade_buffer *arena,
                                   const clade_buffer *trained, const clade_buffer *gradients,
                                   const uint64_t *offset, clade_schedule **out)
{
    *out = NULL;
    clade_schedule *schedule = calloc(1, sizeof *schedule);
    if (!schedule) return clade_fail(CLADE_ENOMEM, "out of memory for a schedule");
    schedule->n = build->n;
    schedule->call = build->call;
    schedule->count = build->call_count;
    build->call = NULL;
    build->call_count = build->call_capacity = 0;
    schedule->sync = build->sync;
    schedule->sync_count = build->sync_count;
    build->sync = NULL;
    for (size_t i = 0; i < schedule->sync_count; i++) {
        place_value(&schedule->sync[i].sums, arena, offset);
        place_value(&schedule->sync[i].means, arena, offset);
    }
    clade_status status = find_random(schedule);
    for (size_t i = 0; !status && i < schedule->count; i++) {
        place(&schedule->call[i], arena, offset, build->value);
        status = clade_call_prepare(device, &schedule->call[i].call);
        if (status)
            clade_context(status, "%s", clade_build_layer(build, schedule->call[i].layer)->name);
    }
    if (!status && build->pass == CLADE_PASS_TRAIN)
        status = clade_ready_list(schedule->call, schedule->count, trained, gradients,
                                  &schedule->ready, &schedule->ready_count);
    if (status)
        clade_schedule_destroy(&schedule);
    else
        *out = schedule;
    return status;
}

void clade_schedule_destroy(clade_schedule **handle)
{
    clade_schedule *schedule = *handle;
    if (!schedule) return;
    for (size_t i = 0; i < schedule->count; i++) clade_call_release(&schedule->call[i].call);
    free(schedule->call);
    free(schedule->random);
    free(schedule->ready);
    free(schedule->sync);
    free(schedule);
    *handle = NULL;
}

static void set_random(clade_schedule *schedule, uint32_t step, uint32_t first)
{
    for (size_t i = 0; i < schedule->randoms; i++) {
        *schedule->random[i].step = step;
        *schedule->random[i].first = first;
    }
}

static clade_status run_call(clade_schedule *schedule, const clade_graph *graph, size_t i)
{
    clade_status status = clade_call_run(&schedule->call[i].call);
    return clade_context(status, "%s", graph->node[schedule->call[i].layer].layer.name);
}

clade_status clade_schedule_run(clade_schedule *schedule, const clade_graph *graph, uint32_t step,
                                uint32_t first, clade_ready_call *ready, void *user)
{
    size_t next = 0;
    set_random(schedule, step, first);
    for (size_t i = 0; i < schedule->count; i++) {
        clade_status status = run_call(schedule, graph, i);
        if (status) return status;
        if (!ready || next == schedule->ready_count || schedule->ready[next].call != i) continue;
        status = ready(user, schedule->ready[next++].first);
        if (status) return status;
    }
    return CLADE_OK;
}

clade_status clade_schedule_run_part(clade_schedule *schedule, const clade_graph *graph,
                                     uint32_t step, uint32_t first, size_t part)
{
    const size_t begin = part ? schedule->sync[part - 1].call : 0;
    const size_t end = part < schedule->sync_count ? schedule->sync[part].call : schedule->count;
    clade_status status = CLADE_OK;
    set_random(schedule, step, first);
    for (size_t i = begin; i < end && !status; i++) status = run_call(schedule, graph, i);
    return status;
}
