/* Filling a model's parameters by name. */
#include <clade/interchange.h>

#include "nn/graph.h"

#include <stdlib.h>
#include <string.h>

static const clade_parameter *find(const clade_model *model, const char *name, size_t *number)
{
    for (size_t i = 0; i < clade_model_parameters(model); i++) {
        const clade_parameter *p = clade_model_parameter(model, i);
        *number = i;
        if (!strcmp(p->name, name)) return p;
    }
    return NULL;
}

static clade_status load_one(clade_model *model, const clade_network_weight *weight, bool *loaded)
{
    size_t number;
    const clade_parameter *p = find(model, weight->name, &number);
    if (!p) return clade_fail(CLADE_EINVAL, "the model has no parameter '%s'", weight->name);
    bool same = weight->rank == p->value.rank;
    for (int32_t d = 0; d < p->value.rank && same; d++) same = weight->dim[d] == p->value.dim[d];
    char expected[64];
    if (!same)
        return clade_fail(CLADE_EINVAL, "'%s' has another shape than the model's %s", weight->name,
                          clade_shape_text(&p->value, expected));
    if (loaded[number]) return clade_fail(CLADE_EINVAL, "'%s' is given twice", weight->name);
    loaded[number] = true;
    return clade_context(clade_tensor_write(&p->value, weight->data), "%s", weight->name);
}

clade_status clade_model_load(clade_model *model, const clade_network_weight *weights, size_t count,
                              bool all)
{
    size_t parameters = clade_model_parameters(model);
    bool *loaded = calloc(parameters ? parameters : 1, sizeof *loaded);
    if (!loaded) return clade_fail(CLADE_ENOMEM, "out of memory for %zu parameters", parameters);
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < count && !status; i++) status = load_one(model, &weights[i], loaded);
    for (size_t i = 0; i < parameters && all && !status; i++)
        if (!loaded[i])
            status = clade_fail(CLADE_EINVAL, "the weights have no '%s'",
                                clade_model_parameter(model, i)->name);
    free(loaded);
    return status;
}
