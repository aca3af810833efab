/* What training takes of a device's memory, found by making all of it on a device that only plans.
 */
#include "data/dataset.h"
#include "dist/sum.h"
#include "nn/build.h"
#include "recipe/recipe.h"
#include "train/lanes.h"
#include "train/learner.h"
#include "train/results.h"
#include "train/upload.h"

typedef struct planning {
    const clade_recipe *recipe; /* with the shard that is asked about */
    const clade_training *settings;
    const clade_dataset *dataset; /* or NULL */
    const clade_train_options *options;
    clade_device *planner;
    bool helps; /* it computes shards, and another device has the images and validates */
    int32_t classes, shard;
    clade_learner learner;
    clade_upload *upload[2]; /* of the training and the validation split */
    clade_results *results;
    clade_shard_sum *sum;
    clade_replica replica;  /* of shards that go through a batch together, */
    clade_bucket gradients; /* all of theirs in one, */
    clade_lanes lanes;      /* and their lanes */
} planning;

/* Without a data set: one full batch, and one full pass of the validation split. */
static size_t count_images(const planning *p, clade_split split)
{
    if (p->dataset) return clade_dataset_count(p->dataset, split);
    return (size_t)(split == CLADE_TRAIN ? p->settings->batch : p->shard);
}

/* Plans a model's pass over so many images, a shard at a time. */
static clade_status plan_images(const planning *p, clade_model *model, clade_upload *upload,
                                clade_pass pass, size_t images)
{
    const size_t shard = (size_t)p->shard;
    const size_t sizes[] = {images < shard ? images : shard, images % shard};
    clade_status status = CLADE_OK;
    for (int i = 0; i < 2 && !status; i++) {
        const int32_t n = (int32_t)sizes[i];
        if (n == 0) continue;
        status = clade_upload_prepare(upload, n);
        if (!status)
            status = pass == CLADE_PASS_TRAIN
                         ? clade_model_gradient(model, n, 0, 0)
                         : clade_model_infer(model, n, pass == CLADE_PASS_LOSS);
    }
    return status;
}

/* The model that computes features is there for that alone. */
static clade_status plan_features(const planning *p, clade_split split)
{
    const clade_model_options options = {.batch = p->shard, .precision = p->settings->precision};
    clade_model *model = NULL;
    clade_upload *upload = NULL;
    clade_status status = clade_model_create(p->learner.head, p->planner, &options, &model);
    const clade_upload_options plain = {.dataset = p->dataset,
                                        .split = split,
                                        .model = model,
                                        .preprocessing = clade_recipe_preprocessing(p->recipe)};
    if (!status) status = clade_upload_create(&plain, &upload);
    if (!status) status = plan_images(p, model, upload, CLADE_PASS_INFER, count_images(p, split));
    clade_upload_destroy(&upload);
    clade_model_destroy(&model);
    return status;
}

static int32_t divide_up(int32_t a, size_t b) { return (int32_t)(((size_t)a + b - 1) / b); }

/* A device's shards of a batch, where these go through it together. */
static clade_status plan_lanes(planning *p, const clade_upload_options *upload)
{
    const clade_train_options *o = p->options;
    const size_t ranks = o->ranks ? (size_t)clade_ranks_count(o->ranks) : 1;
    const int32_t shards = divide_up(p->settings->batch, (size_t)p->shard);
    const int32_t own = divide_up(divide_up(shards, ranks), o->further_count + 1);
    size_t stops;
    clade_model_syncs(p->learner.model, &stops);
    if (stops == 0) return CLADE_OK;
    p->replica = (clade_replica){
        .device = p->planner, .model = p->learner.model, .upload = p->upload[CLADE_TRAIN]};
    p->gradients.count = clade_tensor_count(clade_model_gradients(p->learner.model));
    clade_status status = clade_lanes_create(&p->replica, upload, &p->gradients, 1, &p->lanes);
    if (!status) status = clade_lanes_reserve(&p->lanes, own);
    for (int32_t i = 0; i < p->lanes.count && !status; i++)
        status = clade_upload_prepare(p->lanes.lane[i].upload, p->shard);
    return status;
}

/* Brings in a split; resident images, as the training split is first, take their share. */
static clade_status plan_split(planning *p, clade_split split, uint64_t *share)
{
    static const float row; /* where features are is all the same */
    if (count_images(p, split) == 0 || (p->helps && split == CLADE_VALIDATION)) return CLADE_OK;
    clade_upload_options options = {.dataset = p->dataset,
                                    .split = split,
                                    .model = p->learner.model,
                                    .preprocessing = clade_recipe_preprocessing(p->recipe),
                                    .rows = p->learner.head ? &row : NULL};
    options.resident = p->dataset && !options.rows && !p->helps &&
                       clade_upload_is_resident(p->dataset, split, p->planner, *share);
    if (options.resident) *share -= clade_upload_bytes(p->dataset, split);
    clade_status status = options.rows && !p->helps ? plan_features(p, split) : CLADE_OK;
    if (!status) status = clade_upload_create(&options, &p->upload[split]);
    return status || split == CLADE_VALIDATION ? status : plan_lanes(p, &options);
}

/* The passes over full batches and over what is left at the end of an epoch. */
static clade_status plan_passes(const planning *p)
{
    const size_t images = count_images(p, CLADE_TRAIN), batch = (size_t)p->settings->batch;
    clade_model *model = p->learner.model;
    clade_upload *train = p->upload[CLADE_TRAIN], *validation = p->upload[CLADE_VALIDATION];
    clade_status status = CLADE_OK;
    if (images >= batch) status = plan_images(p, model, train, CLADE_PASS_TRAIN, batch);
    if (!status) status = plan_images(p, model, train, CLADE_PASS_TRAIN, images % batch);
    if (!status && validation)
        status =
            plan_images(p, model, validation, CLADE_PASS_LOSS, count_images(p, CLADE_VALIDATION));
    return status;
}

static void drop_stream(planning *p)
{
    clade_lanes_clear(&p->lanes);
    clade_shard_sum_destroy(&p->sum);
    clade_results_destroy(&p->results);
    clade_upload_destroy(&p->upload[CLADE_TRAIN]);
    clade_upload_destroy(&p->upload[CLADE_VALIDATION]);
}

/* Everything from the making of a learner to the end of an epoch; a learner that there was before
 * goes once the next is there. */
static clade_status plan_epoch(planning *p, bool unfrozen)
{
    const clade_learner_options options = {.recipe = p->recipe,
                                           .classes = p->classes,
                                           .device = p->planner,
                                           .unfrozen = unfrozen,
                                           .dataset = p->dataset,
                                           .cache_bytes = p->options->cache_bytes};
    const uint64_t memory = p->options->memory_bytes;
    uint64_t share = (memory ? memory : clade_device_describe(p->planner)->memory_bytes) / 4;
    clade_learner next;
    drop_stream(p);
    clade_status status = clade_learner_create(&options, &next);
    if (status) return status;
    clade_learner_clear(&p->learner);
    p->learner = next;
    status = plan_split(p, CLADE_TRAIN, &share);
    if (!status) status = plan_split(p, CLADE_VALIDATION, &share);
    if (!status) status = clade_results_create(next.model, &p->results);
    if (!status && p->lanes.count == 0)
        status = clade_shard_sum_create(p->planner, clade_model_gradients(next.model),
                                        divide_up(p->settings->batch, (size_t)p->shard), &p->sum);
    return status ? status : plan_passes(p);
}

static clade_status plan_training(planning *p)
{
    const int32_t unfreeze = clade_recipe_transfer(p->recipe)->unfreeze;
    clade_status status = plan_epoch(p, false);
    if (!status && unfreeze > 0 && unfreeze <= p->settings->epochs) status = plan_epoch(p, true);
    return status;
}

static uint64_t bytes_of(const clade_tensor *t)
{
    return clade_tensor_present(t) ? clade_tensor_count(t) * clade_dtype_size(t->dtype) : 0;
}

static void add_model(const clade_model *model, clade_train_memory *m)
{
    uint64_t arena, unshared;
    if (!model) return;
    for (size_t i = 0; i < clade_model_parameters(model); i++)
        m->parameters += bytes_of(&clade_model_parameter(model, i)->value);
    m->gradients += bytes_of(clade_model_gradients(model));
    clade_model_memory(model, &arena, &unshared);
    m->activations += arena;
}

/* Its parameters are another's. */
static void add_sibling(const clade_model *model, clade_train_memory *m)
{
    const uint64_t parameters = m->parameters;
    add_model(model, m);
    m->parameters = parameters;
}

static void measure(const planning *p, clade_train_memory *m)
{
    clade_tensor moment[CLADE_MOST_MOMENTS];
    const char *name[CLADE_MOST_MOMENTS];
    uint64_t now;
    add_model(p->learner.model, m);
    add_model(p->learner.whole, m);
    if (p->sum) m->gradients += clade_shard_sum_bytes(p->sum);
    for (int32_t i = 1; i < p->lanes.count; i++) add_sibling(p->lanes.lane[i].model, m);
    const size_t moments = clade_updater_moments(p->learner.updater, moment, name);
    for (size_t i = 0; i < moments; i++) m->optimizer += bytes_of(&moment[i]);
    m->workspace = clade_device_workspace(p->planner);
    m->largest = clade_device_largest(p->planner);
    clade_device_memory(p->planner, &now, &m->total);
    m->other =
        m->total - m->parameters - m->gradients - m->optimizer - m->activations - m->workspace;
}

clade_status clade_train_plan_memory(const clade_recipe *recipe, const clade_dataset *dataset,
                                     int32_t classes, clade_device *device,
                                     const clade_train_options *options, int32_t shard,
                                     clade_train_memory *out)
{
    static const clade_train_options defaults;
    if (!recipe || !device || !out)
        return clade_fail(CLADE_EINVAL, "a plan of memory needs a recipe and a device");
    *out = (clade_train_memory){.shard = shard};
    const int32_t batch = clade_recipe_training(recipe)->batch;
    if (shard < 1 || shard > batch)
        return clade_fail(CLADE_EINVAL, "a shard of %d images, expected 1 to %d", shard, batch);
    if (clade_recipe_training(recipe)->loss == CLADE_LOSS_NONE)
        return clade_fail(CLADE_EINVAL, "%s: the recipe has no train.loss",
                          clade_recipe_name(recipe));
    clade_recipe with_shard = *recipe; /* which owns nothing */
    with_shard.training.shard = shard;
    planning p = {.recipe = &with_shard,
                  .settings = &with_shard.training,
                  .dataset = dataset,
                  .options = options ? options : &defaults,
                  .classes = dataset ? (int32_t)clade_dataset_classes(dataset) : classes,
                  .shard = shard};
    for (size_t i = 0; i < p.options->further_count && p.options->further; i++)
        p.helps = p.helps || p.options->further[i] == device;
    clade_status status = clade_device_create_planner(device, &p.planner);
    if (!status) status = plan_training(&p);
    if (!status) measure(&p, out);
    drop_stream(&p);
    clade_learner_clear(&p.learner);
    clade_device_close(&p.planner);
    return status;
}

bool clade_train_memory_fits(const clade_train_memory *m, const clade_device *device,
                             uint64_t limit)
{
    const clade_device_info *info = clade_device_describe(device);
    if (limit == 0) limit = info->memory_bytes ? info->memory_bytes : UINT64_MAX;
    return m->total <= limit && (!info->max_alloc_bytes || m->largest <= info->max_alloc_bytes);
}
