/* Repeating a call whose inputs a verification has kept. */
#include "base/file.h"
#include "dev/device.h"
#include "op/npy.h"
#include "op/op.h"

#include <clade/verify.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { most_text = CLADE_CALL_TEXT_SIZE + 1 };

static clade_status read_call(const char *folder, clade_call *out)
{
    void *bytes = NULL;
    size_t size;
    char text[most_text + 1], *path = clade_path_join(folder, "call");
    if (!path) return clade_fail(CLADE_ENOMEM, "out of memory");
    clade_status status = clade_file_read(path, most_text, &bytes, &size);
    if (!status) {
        snprintf(text, sizeof text, "%.*s", (int)size, (const char *)bytes);
        text[strcspn(text, "\n")] = 0;
        status = clade_context(clade_call_parse(text, out), "%s", path);
    }
    free(bytes);
    free(path);
    return status;
}

/* Memory of its own for a slot, with what was kept of it, else zeros. */
static clade_status place_slot(clade_device *device, const char *folder, const char *slot,
                               clade_tensor *t)
{
    const size_t bytes = clade_tensor_count(t) * clade_dtype_size(t->dtype);
    bool exists = false;
    char *name = clade_string_join(slot, ".in.npy");
    char *path = name ? clade_path_join(folder, name) : NULL;
    void *block = calloc(1, bytes + 1);
    clade_status status =
        path && block ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory to repeat a call");
    if (!status) status = clade_buffer_create(device, bytes, &t->buffer);
    if (!status) status = clade_file_exists(path, &exists);
    if (!status && exists) status = clade_npy_read(path, t, false, block);
    if (!status) status = clade_tensor_write(t, block);
    free(name);
    free(path);
    free(block);
    return status;
}

clade_status clade_verify_repeat(clade_device *device, const char *folder)
{
    clade_call call = {.op = CLADE_OP_none};
    clade_status status = read_call(folder, &call);
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
