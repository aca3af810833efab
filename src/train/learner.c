/* Making models of what a recipe trains, and their optimizer. */
#include "train/learner.h"
#include "data/source.h"
#include "nn/graph.h"
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
    const clade_task task = clade_recipe_data(o->recipe)->task;
    const bool weighs = s->balanced || s->class_weights > 0;
    const int32_t images = clade_training_shard(s);
    l->options =
        (clade_model_options){.batch = images,
                              .seed = s->seed,
                              .loss = s->loss,
                              .numbers = s->loss_numbers,
                              .precision = s->precision,
                              .label_smoothing = s->label_smoothing,
                              .label_weights = task == CLADE_TASK_MULTI_LABEL && weighs,
                              .soft_labels = task != CLADE_TASK_CLASS ||
                                             clade_augment_mixes(clade_recipe_augment(o->recipe))};
    const clade_model_options bare = {.batch = images, .seed = s->seed, .precision = s->precision};
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

/* --- the optimizer --- */

static clade_status make_updater(const clade_learner_options *o, clade_learner *l)
{
    const clade_training *t = clade_recipe_training(o->recipe);
    const clade_tensor *w = clade_model_trained(l->model);
    clade_graph *first = NULL;
    if (!clade_tensor_present(w) || clade_tensor_count(w) == 0)
        return clade_fail(CLADE_EINVAL, "%s: there is nothing to train: every layer is frozen",
                          clade_recipe_name(o->recipe));
    clade_status status =
        o->unfrozen ? clade_recipe_graph(o->recipe, o->classes, &first) : CLADE_OK;
    if (!status)
        status = clade_updater_create_by(o->recipe, l->model, first, o->unfrozen_step, &l->updater);
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
    if (!status) status = clade_loss_scaler_create(out->model, &out->scaler);
    if (status) clade_learner_clear(out);
    return status;
}

void clade_learner_clear(clade_learner *l)
{
    clade_loss_scaler_destroy(&l->scaler);
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
