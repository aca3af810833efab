/* Runs a model layer by layer, and shows each output. */
#include "nn/tap.h"
#include "nn/build.h"

#include <string.h>

/* The result of a layer's last call is named y. */
static const clade_tensor *output_of(const clade_call *call)
{
    const clade_op_info *info = clade_op_describe(call->op);
    size_t s = info->slot_count - 1;
    while (s && strcmp(info->slots[s].name, "y") != 0) s--;
    return &call->args.slot[s];
}

clade_status clade_model_infer_tapped(clade_model *model, clade_tap *tap, void *user)
{
    size_t count;
    const clade_layer_call *call = clade_model_calls(model, CLADE_PASS_INFER, &count);
    clade_status status = tap(user, 0, clade_model_input(model));
    for (size_t i = 0; i < count && !status; i++) {
        status = clade_call_run(&call[i].call);
        if (!status && (i + 1 == count || call[i + 1].layer != call[i].layer))
            status = tap(user, call[i].layer, output_of(&call[i].call));
    }
    return status;
}
