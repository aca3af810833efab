/* (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24; where the product is rounded, 0. */
#include "train/rounding.h"

static clade_status compute(clade_device *device, float *y)
{
    static const float a = 1 + 0x1p-12F, b = 1 + 0x1p-11F;
    clade_buffer *memory = NULL;
    clade_tensor x[3];
    clade_status status = clade_buffer_create(device, 3 * sizeof *y, &memory);
    if (status) return status;
    for (uint64_t i = 0; i < 3; i++) {
        x[i] = clade_shape(1, 1);
        x[i].buffer = memory;
        x[i].offset = i;
    }
    status = clade_tensor_write(&x[0], &a);
    if (!status) status = clade_tensor_write(&x[1], &b);
    const clade_args args = {.add = {.a = x[0], .b = x[1], .y = x[2], .alpha = a, .beta = -1}};
    if (!status) status = clade_op_run(device, CLADE_OP_add, &args);
    if (!status) status = clade_tensor_read(&x[2], y);
    clade_buffer_destroy(&memory);
    return status;
}

clade_status clade_rounding_check(clade_device *const *devices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float y;
        if (clade_device_math(devices[i]) != CLADE_EXACT || compute(devices[i], &y) ||
            y == 0x1p-24F)
            continue;
        const clade_device_info *info = clade_device_describe(devices[i]);
        return clade_fail(CLADE_EUNSUPPORTED,
                          "%s (%s) does not round fma correctly: in exact math its gradients are "
                          "others; expected devices that do, or fast math",
                          info->id, info->name);
    }
    return CLADE_OK;
}
