/* Finds the last call that writes each gradient, and the last one that reads its parameter. */
#include "nn/ready.h"

#include <stdlib.h>

/* Part of the gradients, or the parameters, and a call that writes or reads it. */
typedef struct use {
    uint64_t first;
    size_t call;
} use;

/* Sorts from the end of the gradients to their beginning. */
static int by_place(const void *a, const void *b)
{
    uint64_t x = ((const use *)a)->first, y = ((const use *)b)->first;
    return (x < y) - (x > y);
}

static size_t list_uses(const clade_layer_call *calls, size_t count, const clade_buffer *trained,
                        const clade_buffer *gradients, use *out)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const clade_op_info *info = clade_op_describe(calls[i].call.op);
        for (size_t s = 0; s < info->slot_count; s++) {
            const clade_tensor *t = &calls[i].call.args.slot[s];
            if (clade_tensor_present(t) && (t->buffer == gradients || t->buffer == trained))
                out[n++] = (use){t->offset, i};
        }
    }
    return n;
}

clade_status clade_ready_list(const clade_layer_call *calls, size_t count,
                              const clade_buffer *trained, const clade_buffer *gradients,
                              clade_ready **out, size_t *points)
{
    use *list = malloc((count * CLADE_MOST_SLOTS + 1) * sizeof *list);
    clade_ready *ready = *out = malloc((count + 1) * sizeof *ready);
    *points = 0;
    if (!list || !ready) {
        free(list);
        return clade_fail(CLADE_ENOMEM, "out of memory for a schedule");
    }
    size_t n = list_uses(calls, count, trained, gradients, list), last = 0;
    qsort(list, n, sizeof *list, by_place);
    for (size_t i = 0; i < n; i++) {
        if (list[i].call > last) last = list[i].call;
        if (i + 1 < n && list[i + 1].first == list[i].first) continue; /* used by several calls */
        if (*points && ready[*points - 1].call == last) --*points;
        ready[(*points)++] = (clade_ready){last, list[i].first};
    }
    free(list);
    return CLADE_OK;
}
