/* Making models of what a recipe trains, and rates for its parts. */
#include "train/learner.h"
#include "data/source.h"
#include "nn/graph.h"
#include "nn/layer.h"
#include "nn/sync.h"
#include "train/copy.h"

#include <stdlib.h>
#include <string.h>

/* --- the models --- */

/* Without augmentation an image's features are the same in every epoch; are they worth keeping,
 * and is there room? Then *cut is the layer that gives them; else 0. */
static void find_cut(const clade_learner_options *o, const clade_graph *graph, int32_t *cut)
{
    uint64_t room = o->cache_bytes ? o->cache_bytes : clade_memory_free() / 2, bytes = 0;
    *cut = 0;
    const bool still = !clade_augment_changes(clade_recipe_augment(o->recipe));
    int32_t found = still ? clade_graph_find_cut(graph) : 0, dim[3];
    uint64_t size = sizeof(float);
    for (int32_t i = 0; found && i < clade_graph_shape(graph, found, dim); i++)
        size *= (uint64_t)dim[i];
    for (int split = CLADE_TRAIN; split <= CLADE_VALIDATION && o->dataset; split++)
        bytes += size * clade_dataset_count(o->dataset, (clade_split)split);
    if (bytes <= room) *cut = found;
}

static clade_status make_models(const clade_learner_options *o, const clade_graph *graph,
                                clade_learner *l)
{
    const clade_training *s = clade_recipe_training(o->recipe);
    const bool several = clade_recipe_data(o->recipe)->task == CLADE_TASK_MULTI_LABEL;
    const int32_t images = clade_training_shard(s);
    l->options = (clade_model_options){
        .batch = images,
        .seed = s->seed,
        .loss = s->loss,
        .label_smoothing = s->label_smoothing,
        .soft_labels = several || clade_augment_mixes(clade_recipe_augment(o->recipe))};
    const clade_model_options bare = {.batch = images, .seed = s->seed};
    const bool synced = s->sync_batchnorm && images < s->batch;
    clade_status (*const create)(const clade_graph *, clade_device *, const clade_model_options *,
                                 clade_model **) =
        synced ? clade_model_create_synced : clade_model_create;
    int32_t cut;
    find_cut(o, graph, &cut);
    if (!cut) return create(graph, o->device, &l->options, &l->model);
    clade_graph *tail = NULL;
    clade_status status = clade_graph_split(graph, cut, &l->head, &tail);
    if (!status) status = create(tail, o->device, &l->options, &l->model);
    if (!status) status = clade_model_create(graph, o->device, &bare, &l->whole);
    clade_graph_destroy(&tail);
    return status;
}

/* --- rates --- */

static bool is_decayed(const clade_optimizer *o, const clade_parameter *p)
{
    if (o->decay == CLADE_DECAY_WEIGHTS && p->value.rank < 2) return false;
    for (size_t i = 0; i < o->exclude_count; i++)
        if (strstr(p->name, o->exclude[i])) return false;
    return true;
}

/* Of the L2 regulariser of a kernel; 0: there is none. */
static float l2_of(const clade_learner *l, const clade_parameter *p)
{
    const char *name = strrchr(p->name, '/');
    const clade_layer *layer = clade_graph_layer(clade_model_graph(l->model), p->layer);
    return name && strstr(name, "kernel") ? clade_layer_l2(layer) : 0;
}

static bool is_regularised(const clade_learner *l)
{
    for (size_t i = 0; i < clade_model_parameters(l->model); i++)
        if (l2_of(l, clade_model_parameter(l->model, i)) != 0) return true;
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

/* The part of w that a trained parameter is; `first` is the graph before something was unfrozen, or
 * NULL. */
static clade_updater_part part_of(const clade_learner_options *o, const clade_learner *l,
                                  const clade_parameter *p, const clade_graph *first)
{
    int32_t layer = p->layer + clade_model_graph(l->model)->offset;
    bool late = first && clade_graph_layer(first, layer)->frozen;
    const clade_optimizer *optimizer = &clade_recipe_training(o->recipe)->optimizer;
    const int32_t columns = columns_of(optimizer, p);
    const bool adams = optimizer->kind == CLADE_MUON && columns == 0;
    return (clade_updater_part){.first = p->gradient.offset,
                                .count = clade_tensor_count(&p->value),
                                .scale = rate_of(o->recipe, p, layer),
                                .began = late ? o->unfrozen_step : 0,
                                .spared = adams || !is_decayed(optimizer, p),
                                .l2 = l2_of(l, p),
                                .columns = columns};
}

/* Divides the flat parameters where the rate, the count of steps or the decay changes, for LAMB
 * everywhere, for Muon around matrices. */
static clade_status divide(const clade_learner_options *o, const clade_learner *l,
                           const clade_graph *first)
{
    const bool apart = clade_recipe_training(o->recipe)->optimizer.kind == CLADE_LAMB;
    size_t parameters = clade_model_parameters(l->model), count = 0;
    clade_updater_part *part = malloc((parameters + 1) * sizeof *part);
    if (!part) return clade_fail(CLADE_ENOMEM, "out of memory for an optimizer");
    for (size_t i = 0; i < parameters; i++) {
        const clade_parameter *p = clade_model_parameter(l->model, i);
        if (!clade_tensor_present(&p->gradient)) continue;
        clade_updater_part next = part_of(o, l, p, first);
        clade_updater_part *last = count ? &part[count - 1] : NULL;
        if (last && !apart && !last->columns && !next.columns && last->scale == next.scale &&
            last->began == next.began && last->spared == next.spared && last->l2 == next.l2)
            last->count += next.count;
        else
            part[count++] = next;
    }
    clade_status status = clade_updater_divide(l->updater, part, count);
    free(part);
    return status;
}

static clade_status make_updater(const clade_learner_options *o, clade_learner *l)
{
    const clade_tensor *w = clade_model_trained(l->model);
    clade_graph *first = NULL;
    if (!clade_tensor_present(w) || clade_tensor_count(w) == 0)
        return clade_fail(CLADE_EINVAL, "%s: there is nothing to train: every layer is frozen",
                          clade_recipe_name(o->recipe));
    const clade_optimizer *optimizer = &clade_recipe_training(o->recipe)->optimizer;
    const bool parts = clade_recipe_transfer(o->recipe)->layers > 0 ||
                       optimizer->decay != CLADE_DECAY_ALL || optimizer->exclude_count > 0 ||
                       optimizer->lr_scale_count > 0 || optimizer->kind == CLADE_LAMB ||
                       optimizer->kind == CLADE_MUON || is_regularised(l);
    clade_status status =
        clade_updater_create(optimizer, o->device, w, clade_model_gradients(l->model), &l->updater);
    if (!status && o->unfrozen) status = clade_recipe_graph(o->recipe, o->classes, &first);
    if (!status && parts) status = divide(o, l, first);
    const clade_training *t = clade_recipe_training(o->recipe);
    if (!status && (t->ema > 0 || t->swa > 0)) status = clade_updater_average(l->updater, t->ema);
    clade_graph_destroy(&first);
    return status;
}

/* --- the whole --- */

clade_status clade_learner_create(const clade_learner_options *o, clade_learner *out)
{
    *out = (clade_learner){0};
    clade_graph *graph;
    clade_status status = (o->unfrozen ? clade_recipe_unfrozen_graph
                                       : clade_recipe_graph)(o->recipe, o->classes, &graph);
    if (status) return status;
    status = make_models(o, graph, out);
    clade_graph_destroy(&graph);
    if (!status) status = make_updater(o, out);
    if (status) clade_learner_clear(out);
    return status;
}

void clade_learner_clear(clade_learner *l)
{
    clade_updater_destroy(&l->updater);
    clade_model_destroy(&l->model);
    clade_model_destroy(&l->whole);
    clade_graph_destroy(&l->head);
}

clade_model *clade_learner_whole(const clade_learner *l) { return l->whole ? l->whole : l->model; }

clade_status clade_learner_gather(const clade_learner *l)
{
    return l->whole ? clade_model_copy(l->model, l->whole) : CLADE_OK;
}

clade_status clade_learner_spread(const clade_learner *l)
{
    return l->whole ? clade_model_copy(l->whole, l->model) : CLADE_OK;
}

/* The moments of one parameter. */
static clade_status pass_moments(const clade_learner *from, const clade_parameter *x,
                                 const clade_learner *to, const clade_parameter *y)
{
    clade_tensor a[CLADE_MOST_MOMENTS], b[CLADE_MOST_MOMENTS];
    const char *name[CLADE_MOST_MOMENTS];
    size_t count = clade_updater_moments(from->updater, a, name);
    clade_updater_moments(to->updater, b, name);
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < count && !status; i++) {
        a[i].offset += x->gradient.offset;
        b[i].offset += y->gradient.offset;
        a[i].dim[0] = b[i].dim[0] = (int32_t)clade_tensor_count(&x->value);
        status = clade_op_run(clade_model_device(to->model), CLADE_OP_copy,
                              &(clade_args){.copy = {.x = a[i], .y = b[i]}});
    }
    return status;
}

clade_status clade_learner_pass_on(const clade_learner *from, clade_learner *to)
{
    clade_status status = clade_learner_gather(from);
    if (!status) status = clade_model_copy(clade_learner_whole(from), clade_learner_whole(to));
    if (!status) status = clade_learner_spread(to);
    if (!status) status = clade_updater_begin_average(to->updater);
    for (size_t i = 0; i < clade_model_parameters(from->model) && !status; i++) {
        const clade_parameter *x = clade_model_parameter(from->model, i);
        const clade_parameter *y = clade_model_find(to->model, x->name);
        if (clade_tensor_present(&x->gradient) && y && clade_tensor_present(&y->gradient))
            status = pass_moments(from, x, to, y);
    }
    return status;
}
