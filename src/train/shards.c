/* The gradient of a batch, shard by shard, on one device. */
#include "train/trainer.h"

/* Of one shard, of n images from `first` on, added to those before it. */
static clade_status run_shard(clade_trainer *t, const clade_batch *batch, int32_t first, int32_t n,
                              clade_take *take)
{
    clade_model *model = t->learner.model;
    clade_status status =
        clade_results_full(t->results) ? clade_results_flush(t->results, take, t) : CLADE_OK;
    if (!status) status = clade_feed_load(t->train, batch, first, n);
    if (!status) status = clade_model_gradient(model, n, (uint32_t)t->progress.step, first);
    if (!status)
        status = clade_results_push(t->results, (uint64_t)t->progress.batch, n,
                                    batch->label + first, batch->weight + first);
    return status ? status
                  : clade_shard_sum_add(t->sum, first / clade_model_input(model)->dim[0],
                                        first + n == batch->count);
}

clade_status clade_trainer_run_shards(clade_trainer *t, const clade_batch *batch, clade_take *take)
{
    const int32_t shard = clade_model_input(t->learner.model)->dim[0];
    clade_status status = CLADE_OK;
    for (int32_t first = 0; first < batch->count && !status; first += shard) {
        int32_t left = batch->count - first;
        status = run_shard(t, batch, first, left < shard ? left : shard, take);
    }
    return status;
}
