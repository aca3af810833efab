/* Repeating a call whose inputs a verification has kept. */
#include "dev/device.h"
#include "op/op.h"
#include "op/recorded.h"

#include <clade/verify.h>

#include <stdlib.h>

/* Memory of its own for a slot, with what was kept of it, else zeros. */
static clade_status place_slot(clade_device *device, const char *folder, const char *slot,
                               clade_tensor *t)
{
    const size_t bytes = clade_tensor_count(t) * clade_dtype_size(t->dtype);
    void *block;
    clade_status status = clade_recorded_slot(folder, slot, t, &block);
    if (!status && !block && !(block = calloc(1, bytes + 1)))
        status = clade_fail(CLADE_ENOMEM, "out of memory to repeat a call");
    if (!status) status = clade_buffer_create(device, bytes, &t->buffer);
    if (!status) status = clade_tensor_write(t, block);
    free(block);
    return status;
}

clade_status clade_verify_repeat(clade_device *device, const char *folder)
{
    clade_call call = {.op = CLADE_OP_none};
    clade_status status = clade_recorded_call(folder, &call);
    if (status) return status;
    const clade_op_info *info = clade_op_describe(call.op);
    status = clade_device_verify(device, &(clade_verify_options){.rate = 1});
    for (size_t i = 0; i < info->slot_count && !status; i++)
        if (clade_tensor_present(&call.args.slot[i]))
            status = place_slot(device, folder, info->slots[i].name, &call.args.slot[i]);
    if (!status) status = clade_call_prepare(device, &call);
    clade_device_verify_step(device, 0);
    if (!status) status = clade_call_run(&call);
    clade_device_verify(device, NULL);
    clade_call_release(&call);
    for (size_t i = 0; i < info->slot_count; i++) clade_buffer_destroy(&call.args.slot[i].buffer);
    return status;
}
