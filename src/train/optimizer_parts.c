/* The optimizer that a recipe names, with what differs between a model's parameters: rates, decay,
 * regulariser, and which are Muon's matrices and LAMB's layers. */
#include "train/optimizer.h"

#include "nn/graph.h"
#include "nn/layer.h"

#include <stdlib.h>
#include <string.h>

static bool is_decayed(const clade_optimizer *o, const clade_parameter *p)
{
    if (o->decay == CLADE_DECAY_WEIGHTS && p->value.rank < 2) return false;
    for (size_t i = 0; i < o->exclude_count; i++)
        if (strstr(p->name, o->exclude[i])) return false;
    return true;
}

/* Of the L2 regulariser of a kernel; 0: there is none. */
static float l2_of(const clade_model *model, const clade_parameter *p)
{
    const char *name = strrchr(p->name, '/');
    const clade_layer *layer = clade_graph_layer(clade_model_graph(model), p->layer);
    return name && strstr(name, "kernel") ? clade_layer_l2(layer) : 0;
}

static bool is_regularised(const clade_model *model)
{
    for (size_t i = 0; i < clade_model_parameters(model); i++)
        if (l2_of(model, clade_model_parameter(model, i)) != 0) return true;
    return false;
}

/* Columns of what Muon takes for a matrix, one for each output of a kernel; 0: it is none. */
static int32_t columns_of(const clade_optimizer *o, const clade_parameter *p)
{
    const char *word = strrchr(p->name, '/');
    if (o->kind != CLADE_MUON || p->value.rank < 2 || !word || strcmp(word, "/kernel")) return 0;
    for (size_t i = 0; i < o->no_muon_count; i++)
        if (strstr(p->name, o->no_muon[i])) return 0;
    return p->value.dim[p->value.rank - 1];
}

/* Of the rate of a parameter of this layer. */
static float rate_of(const clade_recipe *recipe, const clade_parameter *p, int32_t layer)
{
    const clade_transfer *transfer = clade_recipe_transfer(recipe);
    const clade_optimizer *o = &clade_recipe_training(recipe)->optimizer;
    float scale = layer <= transfer->layers ? transfer->lr_scale[layer - 1] : 1;
    for (size_t i = 0; i < o->lr_scale_count; i++)
        if (strstr(p->name, o->lr_scale[i].name)) scale *= o->lr_scale[i].scale;
    return scale;
}

/* The part of w that a trained parameter is. */
static clade_updater_part part_of(const clade_recipe *recipe, const clade_model *model,
                                  const clade_parameter *p, const clade_graph *first,
                                  uint64_t unfrozen_step)
{
    int32_t layer = p->layer + clade_model_graph(model)->offset;
    bool late = first && clade_graph_layer(first, layer)->frozen;
    const clade_optimizer *optimizer = &clade_recipe_training(recipe)->optimizer;
    const int32_t columns = columns_of(optimizer, p);
    const bool adams = optimizer->kind == CLADE_MUON && columns == 0;
    return (clade_updater_part){.first = p->gradient.offset,
                                .count = clade_tensor_count(&p->value),
                                .scale = rate_of(recipe, p, layer),
                                .began = late ? unfrozen_step : 0,
                                .spared = adams || !is_decayed(optimizer, p),
                                .l2 = l2_of(model, p),
                                .columns = columns};
}

/* Divides the flat parameters where the rate, the count of steps or the decay changes, for LAMB
 * everywhere, for Muon around matrices. */
static clade_status divide(clade_updater *updater, const clade_recipe *recipe,
                           const clade_model *model, const clade_graph *first,
                           uint64_t unfrozen_step)
{
    const bool apart = clade_recipe_training(recipe)->optimizer.kind == CLADE_LAMB;
    size_t parameters = clade_model_parameters(model), count = 0;
    clade_updater_part *part = malloc((parameters + 1) * sizeof *part);
    if (!part) return clade_fail(CLADE_ENOMEM, "out of memory for an optimizer");
    for (size_t i = 0; i < parameters; i++) {
        const clade_parameter *p = clade_model_parameter(model, i);
        if (!clade_tensor_present(&p->gradient)) continue;
        clade_updater_part next = part_of(recipe, model, p, first, unfrozen_step);
        clade_updater_part *last = count ? &part[count - 1] : NULL;
        if (last && !apart && !last->columns && !next.columns && last->scale == next.scale &&
            last->began == next.began && last->spared == next.spared && last->l2 == next.l2)
            last->count += next.count;
        else
            part[count++] = next;
    }
    clade_status status = clade_updater_divide(updater, part, count);
    free(part);
    return status;
}

clade_status clade_updater_create_by(const clade_recipe *recipe, const clade_model *model,
                                     const clade_graph *first, uint64_t unfrozen_step,
                                     clade_updater **out)
{
    const clade_optimizer *o = &clade_recipe_training(recipe)->optimizer;
    const bool parts = clade_recipe_transfer(recipe)->layers > 0 || o->decay != CLADE_DECAY_ALL ||
                       o->exclude_count > 0 || o->lr_scale_count > 0 || o->kind == CLADE_LAMB ||
                       o->kind == CLADE_MUON || is_regularised(model);
    clade_status status =
        clade_updater_create(o, clade_model_device(model), clade_model_trained(model),
                             clade_model_gradients(model), out);
    if (!status && parts) status = divide(*out, recipe, model, first, unfrozen_step);
    if (status) clade_updater_destroy(out);
    return status;
}
