/* A call that lies in a folder, as a verification keeps it or a reduction has written it. */
#include "conform/reduce.h"

#include "base/file.h"
#include "op/npy.h"

#include <stdlib.h>
#include <string.h>

/* A block of a slot's shape from FOLDER/SLOT.in.npy; NULL where there is no such file. */
static clade_status read_block(const char *folder, const char *slot, const clade_tensor *t,
                               void **block)
{
    bool exists = false;
    char *name = clade_string_join(slot, ".in.npy");
    char *path = name ? clade_path_join(folder, name) : NULL;
    clade_status status =
        path ? clade_file_exists(path, &exists) : clade_fail(CLADE_ENOMEM, "out of memory");
    if (!status && exists) {
        *block = malloc(clade_tensor_count(t) * clade_dtype_size(t->dtype) + 1);
        status = *block ? clade_npy_read(path, t, false, *block)
                        : clade_fail(CLADE_ENOMEM, "out of memory");
    }
    free(name);
    free(path);
    return status;
}

static clade_status read_call(const char *folder, clade_call *call)
{
    void *text = NULL;
    size_t size;
    char *path = clade_path_join(folder, "call");
    clade_status status = path ? clade_file_read(path, CLADE_CALL_TEXT_SIZE, &text, &size)
                               : clade_fail(CLADE_ENOMEM, "out of memory");
    if (!status) {
        ((char *)text)[strcspn(text, "\n")] = 0;
        status = clade_context(clade_call_parse(text, call), "%s", path);
    }
    free(text);
    free(path);
    return status;
}

clade_status clade_recorded_read(const char *folder, clade_call *call, conform_values *values)
{
    clade_status status = read_call(folder, call);
    if (status) return status;
    const clade_op_info *info = clade_op_describe(call->op);
    values->args = call->args;
    for (size_t i = 0; i < info->slot_count && !status; i++)
        if (clade_tensor_present(&call->args.slot[i]))
            status =
                read_block(folder, info->slots[i].name, &call->args.slot[i], &values->block[i]);
    return status;
}
