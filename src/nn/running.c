/* Finds running statistics: what the calls of a training step both read and write, except values in
 * the arena. */
#include "nn/running.h"
#include "nn/build.h"

#include <stdlib.h>
#include <string.h>

/* Returns a call's momentum; NULL: it has no such parameter. */
static const float *find_momentum(const clade_call *call)
{
    const clade_op_info *info = clade_op_describe(call->op);
    for (size_t i = 0; i < info->param_count; i++)
        if (!strcmp(info->params[i].name, "momentum"))
            return (const float *)(const void *)((const char *)&call->args +
                                                 info->params[i].offset);
    return NULL;
}

clade_status clade_running_list(const clade_model *model, clade_running **out, size_t *count)
{
    size_t calls, n = 0;
    const clade_layer_call *call = clade_model_calls(model, CLADE_PASS_TRAIN, &calls);
    clade_running *list = *out = malloc((calls * CLADE_MOST_SLOTS + 1) * sizeof *list);
    *count = 0;
    if (!list) return clade_fail(CLADE_ENOMEM, "out of memory for running statistics");
    for (size_t i = 0; i < calls; i++) {
        const clade_op_info *info = clade_op_describe(call[i].call.op);
        const float *momentum = find_momentum(&call[i].call);
        for (size_t s = 0; s < info->slot_count && momentum; s++)
            if ((info->slots[s].kind & CLADE_SLOT_STATE) == CLADE_SLOT_STATE)
                list[n++] = (clade_running){call[i].call.args.slot[s], *momentum};
    }
    *count = n;
    return CLADE_OK;
}
