/* Shards side by side: from stop to stop one after the other, then their gradients pairwise. */
#include "train/lanes.h"
#include "train/copy.h"

#include <stdlib.h>

static clade_tensor gradients_of(const clade_model *model, const clade_bucket *bucket)
{
    clade_tensor g = *clade_model_gradients(model);
    g.offset += bucket->first;
    g.dim[0] = (int32_t)bucket->count;
    return g;
}

/* A lane's gradients to those of others, bucket by bucket. */
static clade_status prepare_sums(const clade_lanes *l, int32_t own)
{
    clade_lane *lane = &l->lane[own];
    clade_status status = CLADE_OK;
    while (own >> lane->levels) lane->levels++;
    lane->add = calloc(l->buckets * (size_t)lane->levels, sizeof *lane->add);
    if (!lane->add) return clade_fail(CLADE_ENOMEM, "out of memory for sums of gradients");
    for (size_t i = 0; i < l->buckets; i++)
        for (int32_t k = 0; k < lane->levels && !status; k++) {
            const clade_tensor sum = gradients_of(l->lane[own - (1 << k)].model, &l->bucket[i]);
            const clade_tensor g = gradients_of(lane->model, &l->bucket[i]);
            clade_call *call = &lane->add[i * (size_t)lane->levels + (size_t)k];
            *call = (clade_call){.op = CLADE_OP_add,
                                 .args.add = {.a = sum, .b = g, .y = sum, .alpha = 1, .beta = 1}};
            status = clade_call_prepare(l->first->device, call);
        }
    return status;
}

static clade_status add_lane(clade_lanes *l)
{
    clade_lane *lane = &l->lane[l->count];
    clade_upload_options to = l->upload;
    *lane = (clade_lane){.model = l->first->model, .upload = l->first->upload};
    if (l->count++ == 0) return CLADE_OK;
    lane->model = NULL;
    lane->upload = NULL;
    clade_status status = clade_model_create_sibling(l->first->model, &lane->model);
    to.model = lane->model;
    to.resident = false;
    if (!status) status = clade_upload_create(&to, &lane->upload);
    if (!status) status = prepare_sums(l, l->count - 1);
    return clade_context(status, "shard %d of several at a time", l->count);
}

clade_status clade_lanes_reserve(clade_lanes *l, int32_t count)
{
    clade_status status = CLADE_OK;
    if (count <= l->count) return CLADE_OK;
    clade_lane *lane = realloc(l->lane, (size_t)count * sizeof *lane);
    if (!lane) return clade_fail(CLADE_ENOMEM, "out of memory for %d shards", count);
    l->lane = lane;
    while (l->count < count && !status) status = add_lane(l);
    return status;
}

clade_status clade_lanes_create(const clade_replica *first, const clade_upload_options *upload,
                                const clade_bucket *buckets, size_t count, clade_lanes *out)
{
    *out = (clade_lanes){.first = first, .upload = *upload, .bucket = buckets, .buckets = count};
    return clade_lanes_reserve(out, 1);
}

void clade_lanes_clear(clade_lanes *l)
{
    for (int32_t i = l->count - 1; i > 0; i--) {
        clade_lane *lane = &l->lane[i];
        const size_t sums = lane->add ? l->buckets * (size_t)lane->levels : 0;
        for (size_t k = 0; k < sums; k++) clade_call_release(&lane->add[k]);
        free(lane->add);
        clade_upload_destroy(&lane->upload);
        clade_model_destroy(&lane->model);
    }
    free(l->lane);
    *l = (clade_lanes){0};
}

/* --- a batch --- */

/* Shards of a batch under way. */
typedef struct shards_in_lanes {
    const clade_lanes *lanes;
    const clade_batch *batch;
    uint32_t step;
    int32_t first, end, shards;
} shards_in_lanes;

static clade_model *model_of(const shards_in_lanes *s, int32_t shard)
{
    return s->lanes->lane[shard - s->first].model;
}

/* The first of a shard's images in the batch, and how many there are. */
static int32_t images_of(const shards_in_lanes *s, int32_t shard, int32_t *n)
{
    const int32_t size = clade_model_input(s->lanes->first->model)->dim[0], first = shard * size;
    *n = s->batch->count - first < size ? s->batch->count - first : size;
    return first;
}

static clade_status run_part(const shards_in_lanes *s, size_t part)
{
    clade_status status = CLADE_OK;
    for (int32_t shard = s->first; shard < s->end && !status; shard++) {
        int32_t n, first = images_of(s, shard, &n);
        if (part == 0)
            status = clade_upload_run(s->lanes->lane[shard - s->first].upload, s->batch, first, n);
        if (!status)
            status = clade_model_gradient_part(model_of(s, shard), n, s->step, first, part);
    }
    return status;
}

/* Brings the sums and takes the means. */
static clade_status meet(const shards_in_lanes *s, clade_meeting *meeting, size_t stop,
                         double *waited, bool *left)
{
    clade_status status = CLADE_OK;
    size_t count;
    for (int32_t shard = s->first; shard < s->end && !status; shard++) {
        float *sums = clade_meeting_sums(meeting, stop, shard);
        const clade_sync *sync = &clade_model_syncs(model_of(s, shard), &count)[stop];
        if (sums) status = clade_tensor_read(&sync->sums, sums);
    }
    const float *means = status ? NULL : clade_meeting_wait(meeting, stop, waited);
    *left = !status && !means;
    for (int32_t shard = s->first; shard < s->end && means && !status; shard++) {
        const clade_sync *sync = &clade_model_syncs(model_of(s, shard), &count)[stop];
        status = clade_tensor_write(&sync->means, means);
    }
    return status;
}

static clade_status read_results(const shards_in_lanes *s, const clade_shard_results *to)
{
    clade_status status = CLADE_OK;
    for (int32_t shard = s->first; shard < s->end && !status; shard++) {
        int32_t n, first = images_of(s, shard, &n);
        const clade_model *model = model_of(s, shard);
        status = clade_tensor_read_rows(clade_model_output(model), n,
                                        to->y + (size_t)first * to->outputs);
        if (!status)
            status = clade_tensor_read_rows(clade_model_losses(model), n, to->loss + first);
    }
    return status;
}

/* An aligned run of shards: their gradients in a bucket are added up in the first one's lane. */
static clade_status add_run(const shards_in_lanes *s, clade_shard_run run, size_t bucket)
{
    const clade_bucket *to = &s->lanes->bucket[bucket];
    clade_status status = CLADE_OK;
    for (int32_t k = 0; k < run.level; k++)
        for (int64_t i = run.first + (1 << k); i < run.end && !status; i += 2 << k) {
            const clade_lane *lane = &s->lanes->lane[i - s->first];
            status = clade_call_run(&lane->add[bucket * (size_t)lane->levels + (size_t)k]);
        }
    float *values = status ? NULL : clade_tree_take(to->sum);
    if (!values) return status ? status : CLADE_ENOMEM;
    const clade_tensor sum = gradients_of(model_of(s, run.first), to);
    status = clade_tensor_read(&sum, values);
    if (status)
        clade_tree_give_back(to->sum, values);
    else
        status = clade_tree_add(to->sum, run.first, run.level, values);
    return status;
}

static clade_status add_bucket(const shards_in_lanes *s, size_t bucket)
{
    clade_status status = CLADE_OK;
    for (int32_t first = s->first, next; first < s->end && !status; first = next) {
        const int32_t level = clade_tree_level(first, s->end, s->shards);
        next = s->end - first > 1 << level ? first + (1 << level) : s->end;
        status = add_run(s, (clade_shard_run){first, next, level, 0}, bucket);
    }
    return status;
}

/* The buckets that this part of the pass has made final. */
static clade_status add_ready(const shards_in_lanes *s, size_t part, size_t *next)
{
    const clade_lanes *l = s->lanes;
    clade_status status = CLADE_OK;
    while (*next < l->buckets && !status &&
           clade_model_ready_part(l->first->model, l->bucket[*next].first) <= part)
        status = add_bucket(s, (*next)++);
    return status;
}

clade_status clade_lanes_run(const clade_lanes *lanes, const clade_batch *batch, uint32_t step,
                             int32_t first, int32_t end, int32_t shards, size_t done,
                             clade_meeting *meeting, const clade_shard_results *results,
                             double *waited, bool *left)
{
    const shards_in_lanes s = {lanes, batch, step, first, end, shards};
    clade_status status = CLADE_OK;
    size_t stops;
    clade_model_syncs(lanes->first->model, &stops);
    *left = false;
    for (size_t part = 0; part <= stops && !status && !*left; part++) {
        status = run_part(&s, part);
        if (!status) status = add_ready(&s, part, &done);
        if (!status && part < stops) status = meet(&s, meeting, part, waited, left);
    }
    return status || *left ? status : read_results(&s, results);
}
