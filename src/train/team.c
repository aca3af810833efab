/* Threads, one for each device but the model's own, that take runs of shards until none is left.
 *
 * A slow device leaves the last runs of a batch to faster ones, if these would be done sooner. */
#define _POSIX_C_SOURCE 200809L
#include "base/clock.h"
#include "base/file.h"
#include "train/lockstep.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool clade_team_is_device_failure(clade_status status)
{
    return status == CLADE_EDEVICE || status == CLADE_ENOMEM;
}

/* --- a device at work --- */

/* Waits for a run that this device had better take; -1: the batch is done, or given up. With the
 * mutex. */
static int32_t choose(clade_team *team, const member *m)
{
    while (team->queue.left > 0 && !team->own->status) {
        int32_t run = clade_run_queue_find(&team->queue, team->seconds, team->count,
                                           (size_t)(m - team->member));
        if (run >= 0) {
            team->queue.state[run] = CLADE_RUN_TAKEN;
            return run;
        }
        pthread_cond_wait(&team->changed, &team->mutex);
    }
    return -1;
}

/* With the mutex. */
static void note_speed(clade_team *team, member *m, int32_t run, double seconds)
{
    int32_t n = clade_run_queue_images(&team->queue, run);
    double *mean = &team->seconds[m - team->member], now = seconds / n;
    if (m->warm) *mean = *mean > 0 ? (*mean + now) / 2 : now;
    m->warm = true;
    m->busy += seconds;
    team->share[m - team->member].images += (uint64_t)n;
}

void clade_team_fail(member *m, clade_status status)
{
    m->status = status;
    m->team->seconds[m - m->team->member] = INFINITY;
    m->text = clade_string_join(clade_error(), "");
}

clade_status clade_team_bring_weights(const clade_team *team, const member *m)
{
    const clade_model *model = m->replica.own_model;
    if (!model) return CLADE_OK;
    const clade_tensor *scale = clade_model_loss_scale(model);
    clade_status status = clade_tensor_write(clade_model_trained(model), team->weights);
    return status || !clade_tensor_present(scale) ? status
                                                  : clade_tensor_write(scale, &team->scale);
}

/* Takes part in the batch under way. With the mutex, which is free while it computes. */
static void take_part(clade_team *team, member *m)
{
    int32_t run;
    m->busy = 0;
    team->seconds[m - team->member] *= 0.98; /* one that leaves all to others is tried again */
    pthread_mutex_unlock(&team->mutex);
    double begun;
    clade_status status = clade_team_bring_weights(team, m);
    pthread_mutex_lock(&team->mutex);
    if (status) clade_team_fail(m, status);
    while (!m->status && (run = choose(team, m)) >= 0) {
        pthread_mutex_unlock(&team->mutex);
        begun = clade_clock();
        status = clade_replica_run(&m->replica, team->batch, team->step->step,
                                   &team->queue.run[run], &team->results);
        double seconds = clade_clock() - begun;
        pthread_mutex_lock(&team->mutex);
        if (status) clade_team_fail(m, status);
        team->queue.state[run] = status ? CLADE_RUN_WAITS : CLADE_RUN_DONE;
        if (!status) {
            team->queue.left--;
            note_speed(team, m, run, seconds);
        }
        pthread_cond_broadcast(&team->changed);
    }
}

/* A run has added to a bucket. */
static void note_added(void *user, size_t bucket)
{
    clade_team *team = user;
    pthread_mutex_lock(&team->mutex);
    team->added[bucket]++;
    pthread_cond_broadcast(&team->changed);
    pthread_mutex_unlock(&team->mutex);
}

static void *work(void *user)
{
    member *m = user;
    clade_team *team = m->team;
    pthread_mutex_lock(&team->mutex);
    while (!team->stop) {
        if (m->seen == team->number) {
            pthread_cond_wait(&team->changed, &team->mutex);
            continue;
        }
        m->seen = team->number;
        if (!m->status) (team->meeting ? clade_lockstep_take_part : take_part)(team, m);
        team->at_work--;
        pthread_cond_broadcast(&team->changed);
    }
    pthread_mutex_unlock(&team->mutex);
    return NULL;
}

/* --- a batch --- */

/* Running statistics take in what the shards gave, in order. */
static void add_running(clade_team *team, int32_t shards)
{
    const clade_replica *r = &team->own->replica;
    for (int32_t shard = 0; shard < shards; shard++) {
        const float *x = team->results.statistics + (size_t)shard * team->results.statistics_count;
        float *value = team->running;
        for (size_t i = 0; i < r->runnings; i++)
            for (size_t n = clade_tensor_count(&r->running[i].value); n-- > 0; value++, x++)
                *value = fmaf(r->running[i].momentum, *value, *x);
    }
}

/* A bucket, or -1: what is still under way of those before. With the mutex, which is free while
 * messages are under way. */
static clade_status exchange(clade_team *team, clade_sharding batch, int64_t bucket)
{
    clade_device_share *share = &team->share[team->own - team->member];
    const double before = share->exchanged;
    pthread_mutex_unlock(&team->mutex);
    clade_status status = bucket < 0 ? clade_team_settle_exchange(team)
                                     : clade_team_exchange_bucket(team, batch, (size_t)bucket);
    pthread_mutex_lock(&team->mutex);
    if (team->at_work) share->hidden += share->exchanged - before;
    return status;
}

/* The buckets one by one to the other ranks, as they get ready. With the mutex. */
static clade_status exchange_buckets(clade_team *team, clade_sharding batch)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < team->results.buckets && !status; i++) {
        if (team->added[i] < team->queue.runs && i > 0) status = exchange(team, batch, -1);
        while (team->added[i] < team->queue.runs && !team->own->status)
            pthread_cond_wait(&team->changed, &team->mutex);
        if (team->own->status) return status; /* which is told of later */
        if (!status) status = exchange(team, batch, (int64_t)i);
    }
    return status ? status : exchange(team, batch, -1);
}

/* This rank's shards. */
static void fill_queue(clade_team *team, clade_sharding batch)
{
    int32_t first = 0, end = batch.shards;
    if (team->ranks)
        clade_exchange_part(team->ranks, clade_ranks_own(team->ranks), end, &first, &end);
    clade_run_queue_fill(&team->queue, team->count, first, end, batch.shards, batch.images,
                         batch.shard_size);
    team->results.lent = team->in_place && team->queue.runs == 1;
}

void clade_team_note_times(clade_team *team, double seconds)
{
    for (size_t i = 0; i < team->count; i++) {
        if (team->share[i].failed) continue;
        team->share[i].busy += team->member[i].busy;
        team->share[i].waited += seconds - team->member[i].busy;
    }
}

static clade_status compute(clade_team *team, const clade_batch *batch, const clade_team_step *step,
                            clade_sharding cut_as)
{
    double begun = clade_clock();
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < team->results.buckets; i++)
        clade_tree_start(team->results.bucket[i].sum, cut_as.shards);
    pthread_mutex_lock(&team->mutex);
    memset(team->added, 0, team->results.buckets * sizeof *team->added);
    team->batch = batch;
    team->step = step;
    fill_queue(team, cut_as);
    team->number++;
    team->at_work = 0;
    for (size_t i = 0; i < team->count; i++) team->at_work += team->member[i].started;
    pthread_cond_broadcast(&team->changed);
    if (team->exchange)
        status = exchange_buckets(team, cut_as);
    else
        take_part(team, team->own);
    while (team->at_work > 0) pthread_cond_wait(&team->changed, &team->mutex);
    pthread_mutex_unlock(&team->mutex);
    clade_team_note_times(team, clade_clock() - begun);
    return status;
}

/* Says of those that failed in this batch that they did. */
static clade_status note_failed(clade_team *team, const char **note)
{
    for (size_t i = 0; i < team->count; i++) {
        const member *m = &team->member[i];
        if (m == team->own || !m->status || team->share[i].failed) continue;
        team->share[i].failed = true;
        const char *reason = m->text ? m->text : clade_status_name(m->status);
        size_t old = team->note ? strlen(team->note) : 0, size = old + strlen(reason) + 128;
        char *text = realloc(team->note, size);
        if (!text) return clade_fail(CLADE_ENOMEM, "out of memory for an error: %s", reason);
        team->note = text;
        snprintf(text + old, size - old, "%s%s failed, the others compute its shards: %s",
                 old ? "; " : "", team->share[i].id, reason);
    }
    *note = team->note;
    return CLADE_OK;
}

/* The batch's gradients, from where they were added up, become the model's. */
static clade_status write_gradients(const clade_team *team)
{
    const clade_tensor *g = clade_model_gradients(team->own->replica.model);
    clade_status status = CLADE_OK;
    size_t parts;
    if (team->exchange) return clade_team_take_exchanged(team);
    for (size_t i = 0; i < team->results.buckets && !status; i++) {
        const clade_bucket *b = &team->results.bucket[i];
        const float *sum = clade_tree_parts(b->sum, &parts)->sum;
        assert(parts == 1);
        status = clade_buffer_write(g->buffer, (size_t)(g->offset + b->first) * sizeof *sum, sum,
                                    (size_t)b->count * sizeof *sum);
    }
    return status;
}

clade_status clade_team_run(clade_team *team, const clade_batch *batch, const clade_team_step *step,
                            bool *stop, const char **note)
{
    const clade_replica *own = &team->own->replica;
    const int32_t size = team->shard_size, shards = (batch->count + size - 1) / size;
    const clade_sharding cut_as = {batch->count, size, shards};
    *note = NULL;
    free(team->note);
    team->note = NULL;
    team->gathered = false;
    clade_status status = clade_replica_read_running(own, team->running);
    if (!status && team->count > 1) /* the others have those of the step before */
        status = clade_tensor_read(clade_model_trained(own->model), team->weights);
    const clade_tensor *scale = clade_model_loss_scale(own->model);
    if (!status && clade_tensor_present(scale)) status = clade_tensor_read(scale, &team->scale);
    if (!status && team->ranks) status = clade_team_await_readers(team, shards);
    if (status) return status;
    clade_status exchanged =
        (team->meeting ? clade_lockstep_run : compute)(team, batch, step, cut_as);
    status = note_failed(team, note);
    if (!status && team->own->status)
        status = clade_fail(team->own->status, "%s", team->own->text ? team->own->text : "failed");
    if (!status) status = exchanged;
    if (!status && team->exchange)
        status = clade_exchange_results(team->exchange, cut_as, &team->results, stop);
    if (status) return status;
    add_running(team, shards);
    status = team->meeting ? clade_meeting_end(team->meeting)
                           : clade_replica_write_running(own, team->running);
    return status ? status : write_gradients(team);
}

const float *clade_team_outputs(const clade_team *team) { return team->results.y; }
const float *clade_team_losses(const clade_team *team) { return team->results.loss; }

/* --- making one --- */

/* Gradients move bucket by bucket. */
static clade_status make_buckets(clade_team *team, const clade_team_options *o)
{
    enum {
        bucket_size = 1 << 18
    }; /* floats: long against a message's latency, short to the net's */
    clade_shard_results *r = &team->results;
    const uint64_t length = clade_tensor_count(clade_model_trained(o->model));
    r->added = note_added;
    r->user = team;
    r->buckets = (size_t)((length - 1) / bucket_size + 1);
    r->bucket = calloc(r->buckets, sizeof *r->bucket);
    team->added = calloc(r->buckets, sizeof *team->added);
    if (!r->bucket || !team->added)
        return clade_fail(CLADE_ENOMEM, "out of memory for gradients in buckets");
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < r->buckets && !status; i++) {
        uint64_t end = length - length * i / r->buckets;
        r->bucket[i].first = length - length * (i + 1) / r->buckets;
        r->bucket[i].count = end - r->bucket[i].first;
        status = clade_tree_create((size_t)r->bucket[i].count, o->ranks, &r->bucket[i].sum);
    }
    return status;
}

/* Where the shards of a batch go through it together, and lanes for them. */
static clade_status make_lockstep(clade_team *team, const clade_team_options *o)
{
    clade_status status =
        clade_meeting_create(o->model, team->shards, team->exchange, &team->meeting);
    if (!status) clade_lockstep_deal(team, team->shards);
    for (size_t i = 0; i < team->count && !status; i++) {
        member *m = &team->member[i];
        if (m->status) continue;
        status = clade_lanes_create(&m->replica, &o->upload, team->results.bucket,
                                    team->results.buckets, &m->lanes);
        if (!status) status = clade_lanes_reserve(&m->lanes, m->end - m->first);
        if (!clade_team_is_device_failure(status) || m == team->own) continue;
        clade_team_fail(m, status);
        status = CLADE_OK;
    }
    return status;
}

static clade_status allocate(clade_team *team, const clade_team_options *o)
{
    const clade_tensor *w = clade_model_trained(o->model), *y = clade_model_output(o->model);
    clade_shard_results *r = &team->results;
    const clade_replica *own = &team->own->replica;
    size_t batch = (size_t)o->batch, shards = (size_t)team->shards, length = clade_tensor_count(w);
    for (size_t i = 0; i < own->runnings; i++)
        r->statistics_count += clade_tensor_count(&own->running[i].value);
    r->outputs = clade_tensor_count(y) / (size_t)y->dim[0];
    team->weights = malloc(length * sizeof(float));
    team->running = malloc((r->statistics_count + 1) * sizeof(float));
    r->statistics = malloc((shards * r->statistics_count + 1) * sizeof(float));
    r->y = malloc(batch * r->outputs * sizeof(float));
    r->loss = malloc(batch * sizeof(float));
    if (!team->weights || !team->running || !r->statistics || !r->y || !r->loss)
        return clade_fail(CLADE_ENOMEM, "out of memory for %zu shards", shards);
    clade_status status = clade_run_queue_create(team->shards, &team->queue);
    if (!status && team->ranks) status = clade_team_make_exchange(team, o);
    return status || !team->synced ? status : make_lockstep(team, o);
}

static clade_status add_member(clade_team *team, const clade_team_options *o, clade_device *device)
{
    size_t i = team->count;
    member *m = &team->member[i];
    const char *id = clade_device_describe(device)->id;
    m->team = team;
    snprintf(team->share[i].id, sizeof team->share[i].id, "%s", id);
    if (team->share[i].failed) {
        clade_team_fail(m, CLADE_EDEVICE);
        team->count++;
        return CLADE_OK;
    }
    clade_status status =
        clade_replica_create(o->model, &o->like, device, &o->upload, o->feeds,
                             team->synced ? 1 : 1 << clade_run_queue_level(o->count, team->shards),
                             team->results.bucket, team->results.buckets, &m->replica);
    if (clade_team_is_device_failure(status) && device != clade_model_device(o->model))
        clade_team_fail(m, status);
    else if (status)
        return clade_context(status, "%s", id);
    if (device == clade_model_device(o->model)) team->own = m;
    team->count++;
    return CLADE_OK;
}

static clade_status make(clade_team *team, const clade_team_options *o)
{
    team->shard_size = clade_model_input(o->model)->dim[0];
    team->shards = (o->batch + team->shard_size - 1) / team->shard_size;
    team->ranks = o->ranks;
    size_t stops;
    clade_model_syncs(o->model, &stops);
    team->synced = stops > 0;
    team->member = calloc(o->count, sizeof *team->member);
    team->seconds = calloc(o->count, sizeof *team->seconds);
    team->share = o->share;
    if (!team->member || !team->seconds)
        return clade_fail(CLADE_ENOMEM, "out of memory for %zu devices", o->count);
    clade_status status = make_buckets(team, o);
    for (size_t i = 0; i < o->count && !status; i++) status = add_member(team, o, o->devices[i]);
    if (!status) status = allocate(team, o);
    for (size_t i = 0; i < team->count && !status; i++) {
        member *m = &team->member[i];
        /* or it failed before */
        if ((m == team->own && !team->exchange && !team->meeting) || m->status) continue;
        m->started = !pthread_create(&m->thread, NULL, work, m);
        if (!m->started) status = clade_fail(CLADE_ENOMEM, "no thread for %s", team->share[i].id);
    }
    return status;
}

clade_status clade_team_create(const clade_team_options *options, clade_team **out)
{
    clade_team *team = *out = calloc(1, sizeof *team);
    if (!team) return clade_fail(CLADE_ENOMEM, "out of memory for several devices");
    pthread_mutex_init(&team->mutex, NULL);
    pthread_cond_init(&team->changed, NULL);
    clade_status status = make(team, options);
    if (status) clade_team_destroy(out);
    return status;
}

void clade_team_destroy(clade_team **handle)
{
    clade_team *team = *handle;
    if (!team) return;
    pthread_mutex_lock(&team->mutex);
    team->stop = true;
    pthread_cond_broadcast(&team->changed);
    pthread_mutex_unlock(&team->mutex);
    for (size_t i = 0; i < team->count; i++) {
        if (team->member[i].started) pthread_join(team->member[i].thread, NULL);
        clade_lanes_clear(&team->member[i].lanes);
        clade_replica_clear(&team->member[i].replica);
        free(team->member[i].text);
    }
    pthread_cond_destroy(&team->changed);
    pthread_mutex_destroy(&team->mutex);
    clade_meeting_destroy(&team->meeting);
    clade_team_clear_exchange(team);
    for (size_t i = 0; i < team->results.buckets && team->results.bucket; i++)
        clade_tree_destroy(&team->results.bucket[i].sum);
    free(team->results.bucket);
    free(team->added);
    free(team->results.y);
    free(team->results.loss);
    free(team->results.statistics);
    free(team->weights);
    free(team->running);
    free(team->seconds);
    clade_run_queue_clear(&team->queue);
    free(team->note);
    free(team->member);
    free(team);
    *handle = NULL;
}
