/* Reading a call from a folder. */
#include "op/recorded.h"

#include "base/file.h"
#include "op/npy.h"

#include <stdlib.h>
#include <string.h>

clade_status clade_recorded_call(const char *folder, clade_call *call)
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

clade_status clade_recorded_slot(const char *folder, const char *slot, const clade_tensor *shape,
                                 void **block)
{
    bool exists = false;
    *block = NULL;
    char *name = clade_string_join(slot, ".in.npy");
    char *path = name ? clade_path_join(folder, name) : NULL;
    clade_status status =
        path ? clade_file_exists(path, &exists) : clade_fail(CLADE_ENOMEM, "out of memory");
    if (!status && exists) {
        *block = malloc(clade_tensor_count(shape) * clade_dtype_size(shape->dtype) + 1);
        status = *block ? clade_npy_read(path, shape, false, *block)
                        : clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
    }
    if (status) {
        free(*block);
        *block = NULL;
    }
    free(name);
    free(path);
    return status;
}
