/* Parameters from one model to another, and rows of tensors. */
#include "train/copy.h"

#include <string.h>

const clade_parameter *clade_model_find(const clade_model *model, const char *name)
{
    for (size_t i = 0; i < clade_model_parameters(model); i++)
        if (!strcmp(clade_model_parameter(model, i)->name, name))
            return clade_model_parameter(model, i);
    return NULL;
}

clade_status clade_model_copy(const clade_model *from, clade_model *to)
{
    for (size_t i = 0; i < clade_model_parameters(from); i++) {
        const clade_parameter *x = clade_model_parameter(from, i);
        const clade_parameter *y = clade_model_find(to, x->name);
        if (!y) continue;
        clade_status status = clade_op_run(clade_model_device(from), CLADE_OP_copy,
                                           &(clade_args){.copy = {.x = x->value, .y = y->value}});
        if (status) return clade_context(status, "%s", x->name);
    }
    return CLADE_OK;
}

clade_status clade_tensor_read_rows(const clade_tensor *t, int32_t n, float *values)
{
    size_t row = clade_tensor_count(t) / (size_t)t->dim[0];
    return clade_buffer_read(t->buffer, (size_t)t->offset * sizeof *values, values,
                             (size_t)n * row * sizeof *values);
}
