/* NumPy's files: a line of Python that describes the array, padded to 64 bytes, then the numbers,
 * with the last index fastest. */
#include "op/npy.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { head_size = 192, before_line = 10 };

static size_t block_size(const clade_tensor *shape, bool wide)
{
    return clade_tensor_count(shape) * (wide ? sizeof(double) : clade_dtype_size(shape->dtype));
}

/* Writes the first head_size bytes, and a zero after them. */
static void make_head(const clade_tensor *shape, bool wide, char head[head_size + 1])
{
    const char *type = wide                        ? "<f8"
                       : shape->dtype == CLADE_F32 ? "<f4"
                       : shape->dtype == CLADE_U8  ? "|u1"
                       : shape->dtype == CLADE_F16 ? "<f2"
                       : shape->dtype == CLADE_I32 ? "<i4"
                                                   : "<u2"; /* NumPy has no bfloat16 */
    char line[head_size - before_line];
    int n = snprintf(line, sizeof line, "{'descr': '%s', 'fortran_order': False, 'shape': (", type);
    for (int d = 0; d < shape->rank; d++)
        n += snprintf(line + n, sizeof line - (size_t)n, "%d, ", (int)shape->dim[d]);
    snprintf(line + n, sizeof line - (size_t)n, "), }");
    snprintf(head, head_size + 1, "\x93NUMPY%c%c%c%c%-*s\n", 1, 0, head_size - before_line, 0,
             head_size - before_line - 1, line);
}

clade_status clade_npy_write(const char *path, const clade_tensor *shape, bool wide,
                             const void *block)
{
    size_t size = block_size(shape, wide);
    char *bytes = malloc(head_size + 1 + size);
    if (!bytes) return clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
    make_head(shape, wide, bytes);
    memcpy(bytes + head_size, block, size);
    clade_status status = clade_file_write(path, bytes, head_size + size);
    free(bytes);
    return status;
}

clade_status clade_npy_read(const char *path, const clade_tensor *shape, bool wide, void *block)
{
    char head[head_size + 1];
    void *bytes = NULL;
    size_t size = 0, expected = block_size(shape, wide);
    make_head(shape, wide, head);
    clade_status status = clade_file_read(path, head_size + expected, &bytes, &size);
    if (!status && (size != head_size + expected || memcmp(bytes, head, head_size) != 0))
        status = clade_fail(CLADE_EFORMAT, "%s: expected %.*s", path,
                            (int)strcspn(head + before_line, "}") + 1, head + before_line);
    if (!status) memcpy(block, (const char *)bytes + head_size, expected);
    free(bytes);
    return status;
}
