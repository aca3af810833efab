/* Models like one another on several devices. */
#include "train/replica.h"
#include "nn/sync.h"
#include "train/copy.h"

#include <stdlib.h>
#include <string.h>

/* Gives `to` all parameters of `from`, which may be on another device. */
static clade_status copy_parameters(const clade_model *from, clade_model *to)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < clade_model_parameters(from) && !status; i++) {
        const clade_tensor *x = &clade_model_parameter(from, i)->value;
        float *values = malloc(clade_tensor_count(x) * sizeof *values);
        if (!values) return clade_fail(CLADE_ENOMEM, "out of memory for parameters");
        status = clade_tensor_read(x, values);
        if (!status) status = clade_tensor_write(&clade_model_parameter(to, i)->value, values);
        free(values);
    }
    return status;
}

static clade_status make_sums(clade_replica *r, int32_t shards, const clade_bucket *buckets,
                              size_t count)
{
    r->sum = calloc(count, sizeof(clade_shard_sum *));
    r->point = calloc(count, sizeof *r->point);
    if (!r->sum || !r->point)
        return clade_fail(CLADE_ENOMEM, "out of memory for sums of gradients");
    r->buckets = count;
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < count && !status; i++) {
        clade_tensor g = *clade_model_gradients(r->model);
        g.offset += buckets[i].first;
        g.dim[0] = (int32_t)buckets[i].count;
        status = clade_shard_sum_create(r->device, &g, shards, &r->sum[i]);
    }
    return status;
}

/* A model like that one, and its upload. */
static clade_status make_own(clade_model *model, const clade_model_options *options,
                             const clade_upload_options *upload, clade_replica *r)
{
    clade_upload_options to = *upload;
    size_t stops;
    clade_model_syncs(model, &stops);
    clade_status status = (stops ? clade_model_create_synced : clade_model_create)(
        clade_model_graph(model), r->device, options, &r->own_model);
    if (!status) status = copy_parameters(model, r->own_model);
    to.model = r->own_model;
    to.resident = false;
    return status ? status : clade_upload_create(&to, &r->own_upload);
}

clade_status clade_replica_create(clade_model *model, const clade_model_options *options,
                                  clade_device *device, const clade_upload_options *upload,
                                  clade_upload *feeds, int32_t shards, const clade_bucket *buckets,
                                  size_t count, clade_replica *out)
{
    const bool same = clade_model_device(model) == device;
    *out = (clade_replica){.device = device};
    clade_status status = same ? CLADE_OK : make_own(model, options, upload, out);
    out->model = same ? model : out->own_model;
    out->upload = same ? feeds : out->own_upload;
    if (!status) status = clade_running_list(out->model, &out->running, &out->runnings);
    if (!status) status = make_sums(out, shards, buckets, count);
    if (status) clade_replica_clear(out);
    return status;
}

void clade_replica_clear(clade_replica *r)
{
    free(r->running);
    for (size_t i = 0; i < r->buckets; i++) clade_shard_sum_destroy(&r->sum[i]);
    free(r->sum);
    free(r->point);
    clade_upload_destroy(&r->own_upload);
    clade_model_destroy(&r->own_model);
    *r = (clade_replica){0};
}

clade_status clade_replica_read_running(const clade_replica *r, float *values)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < r->runnings && !status; i++) {
        status = clade_tensor_read(&r->running[i].value, values);
        values += clade_tensor_count(&r->running[i].value);
    }
    return status;
}

clade_status clade_replica_write_running(const clade_replica *r, const float *values)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < r->runnings && !status; i++) {
        status = clade_tensor_write(&r->running[i].value, values);
        values += clade_tensor_count(&r->running[i].value);
    }
    return status;
}

/* A run of shards under way. */
typedef struct run_progress {
    clade_replica *replica;
    const clade_shard_results *to;
    clade_shard_run *run;
    int32_t shard;
    size_t ready; /* buckets of the last shard whose sums are queued */
} run_progress;

/* Brings a bucket that is final to the results, from where the host has it or by a copy. */
static clade_status add_bucket(run_progress *p)
{
    const clade_bucket *b = &p->to->bucket[p->run->added];
    const clade_tensor *g = clade_model_gradients(p->replica->model);
    float *host = clade_buffer_host(g->buffer);
    void *point = p->replica->point[p->run->added];
    clade_status status;
    p->replica->point[p->run->added] = NULL;
    if (host && !point) {
        host += g->offset + b->first;
        status = clade_device_finish(p->replica->device);
        if (!status && p->to->lent)
            status = clade_tree_lend(b->sum, p->run->first, p->run->level, host);
        else if (!status)
            status = clade_tree_add_copy(b->sum, p->run->first, p->run->level, host);
    } else {
        float *values = clade_tree_take(b->sum);
        status =
            clade_buffer_read_at(g->buffer, point, (size_t)(g->offset + b->first) * sizeof *values,
                                 values, (size_t)b->count * sizeof *values);
        if (!values) return CLADE_ENOMEM;
        if (status)
            clade_tree_give_back(b->sum, values);
        else
            status = clade_tree_add(b->sum, p->run->first, p->run->level, values);
    }
    if (!status) p->to->added(p->to->user, p->run->added++);
    return status;
}

/* Queues what makes the buckets from element `first` on final; a device that does not copy
 * meanwhile gives them now. */
static clade_status queue_ready(void *user, uint64_t first)
{
    run_progress *p = user;
    clade_replica *r = p->replica;
    clade_status status = CLADE_OK;
    while (p->ready < p->to->buckets && p->to->bucket[p->ready].first >= first && !status) {
        status = clade_shard_sum_add(r->sum[p->ready], p->shard - p->run->first, true);
        if (!status) status = clade_device_point(r->device, &r->point[p->ready]);
        const bool now = !status && !r->point[p->ready++];
        if (now) status = add_bucket(p);
    }
    return status;
}

/* Adds the buckets of the last shard that are queued, in the order in which they get final. */
static clade_status add_queued(run_progress *p, clade_status status)
{
    const clade_tensor *g = clade_model_gradients(p->replica->model);
    while (!status && p->run->added < p->ready) status = add_bucket(p);
    for (size_t i = 0; i < p->ready; i++) { /* after an error */
        clade_buffer_read_at(g->buffer, p->replica->point[i], 0, NULL, 0);
        p->replica->point[i] = NULL;
    }
    return status;
}

/* From zero, fma(momentum, 0, x) is x: what the shard alone gives. */
static clade_status run_shard(run_progress *p, const clade_batch *batch, uint32_t step)
{
    clade_replica *r = p->replica;
    const clade_shard_results *to = p->to;
    const int32_t size = clade_model_input(r->model)->dim[0], first = p->shard * size;
    const int32_t n = batch->count - first < size ? batch->count - first : size;
    const bool last = p->shard + 1 == p->run->end;
    float *statistics = to->statistics + (size_t)p->shard * to->statistics_count;
    memset(statistics, 0, to->statistics_count * sizeof *statistics);
    clade_status status = clade_replica_write_running(r, statistics);
    if (!status) status = clade_upload_run(r->upload, batch, first, n);
    if (!status)
        status =
            clade_model_gradient_in_parts(r->model, n, step, first, last ? queue_ready : NULL, p);
    if (!status && last) status = queue_ready(p, 0);
    if (last) status = add_queued(p, status);
    if (!status)
        status = clade_tensor_read_rows(clade_model_output(r->model), n,
                                        to->y + (size_t)first * to->outputs);
    if (!status) status = clade_tensor_read_rows(clade_model_losses(r->model), n, to->loss + first);
    return status ? status : clade_replica_read_running(r, statistics);
}

clade_status clade_replica_run(clade_replica *r, const clade_batch *batch, uint32_t step,
                               clade_shard_run *run, const clade_shard_results *to)
{
    run_progress p = {.replica = r, .to = to, .run = run, .shard = run->first, .ready = run->added};
    clade_status status = run_shard(&p, batch, step);
    while (!status && p.shard + 1 < run->end) {
        for (size_t i = run->added; i < to->buckets && !status; i++)
            status = clade_shard_sum_add(r->sum[i], p.shard - run->first, false);
        p.shard++;
        if (!status) status = run_shard(&p, batch, step);
    }
    return status;
}
