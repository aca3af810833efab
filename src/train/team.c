/* Threads, one for each device but the model's own, that take runs of shards until none is left.
 *
 * A slow device leaves the last runs of a batch to faster ones, if these would be done sooner. */
#define _POSIX_C_SOURCE 200809L
#include "train/team.h"
#include "base/clock.h"
#include "base/file.h"
#include "train/exchange.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum run_state { WAITS, UNDER_WAY, DONE } run_state;

typedef struct member {
    clade_replica replica;
    clade_team *team;
    pthread_t thread;
    bool started;
    uint64_t seen;    /* the last batch that the thread took up */
    double per_image; /* seconds, as of late; 0: not measured yet */
    double busy;      /* seconds of this batch */
    bool warm;        /* has done a run: the first one compiles kernels and tells no speed */
    clade_status status;
    char *text; /* what its error says */
} member;

struct clade_team {
    member *member;
    size_t count;
    member *own;               /* of the model's device, at work in the caller's thread */
    clade_device_share *share; /* the caller's */
    clade_shard_results results;
    clade_ranks *ranks;
    clade_exchange *exchange;       /* NULL: no ranks */
    float *weights, *running, *sum; /* sum: of all ranks' gradients */
    clade_shard_run *run;
    run_state *state;
    int32_t shards, shard_size; /* most in a batch; images in one */
    char *note;

    pthread_mutex_t mutex; /* of all below, of state, and of the members' figures */
    pthread_cond_t changed;
    uint64_t number; /* of the batch under way, from 1 */
    const clade_batch *batch;
    uint32_t step;
    int32_t runs, left; /* of this batch, and those of them that are not done */
    size_t at_work;     /* threads */
    bool stop;
};

bool clade_team_is_device_failure(clade_status status)
{
    return status == CLADE_EDEVICE || status == CLADE_ENOMEM;
}

/* --- who computes what --- */

static int32_t images_of(const clade_team *team, int32_t run)
{
    int32_t end = team->run[run].end * team->shard_size;
    return (end < team->batch->count ? end : team->batch->count) -
           team->run[run].first * team->shard_size;
}

/* Would the others have finished all that waits before this one had finished one run? */
static bool leave_to_others(const clade_team *team, const member *m, int32_t run, int32_t waiting)
{
    double rate = 0, least = INFINITY;
    for (size_t i = 0; i < team->count; i++) {
        const member *other = &team->member[i];
        if (other == m || other->status) continue;
        if (other->per_image == 0) return false;
        rate += 1 / other->per_image;
        least = fmin(least, other->per_image);
    }
    double n = images_of(team, run);
    return rate > 0 && m->per_image * n > fmax(least * n, n * waiting / rate);
}

/* The next run that waits; -1: none. */
static int32_t find_waiting(const clade_team *team, int32_t *waiting)
{
    int32_t first = -1;
    *waiting = 0;
    for (int32_t i = team->runs; i-- > 0;) {
        if (team->state[i] != WAITS) continue;
        first = i;
        ++*waiting;
    }
    return first;
}

/* Waits for a run that this device had better take; -1: the batch is done, or given up. With the
 * mutex. */
static int32_t choose(clade_team *team, const member *m)
{
    while (team->left > 0 && !team->own->status) {
        int32_t waiting, run = find_waiting(team, &waiting);
        if (run >= 0 && !leave_to_others(team, m, run, waiting)) {
            team->state[run] = UNDER_WAY;
            return run;
        }
        pthread_cond_wait(&team->changed, &team->mutex);
    }
    return -1;
}

/* With the mutex. */
static void note_speed(clade_team *team, member *m, int32_t run, double seconds)
{
    int32_t n = images_of(team, run);
    double per_image = seconds / n;
    if (m->warm) m->per_image = m->per_image > 0 ? (m->per_image + per_image) / 2 : per_image;
    m->warm = true;
    m->busy += seconds;
    team->share[m - team->member].images += (uint64_t)n;
}

static void fail(member *m, clade_status status)
{
    m->status = status;
    m->text = clade_string_join(clade_error(), "");
}

/* Takes part in the batch under way. With the mutex, which is free while it computes. */
static void take_part(clade_team *team, member *m)
{
    int32_t run;
    m->busy = 0;
    m->per_image *= 0.98; /* one that leaves all to others is tried again now and then */
    pthread_mutex_unlock(&team->mutex);
    double begun = clade_clock();
    clade_status status = CLADE_OK;
    if (m->replica.own)
        status = clade_tensor_write(clade_model_trained(m->replica.model), team->weights);
    pthread_mutex_lock(&team->mutex);
    if (status) fail(m, status);
    while (!m->status && (run = choose(team, m)) >= 0) {
        pthread_mutex_unlock(&team->mutex);
        begun = clade_clock();
        status =
            clade_replica_run(&m->replica, team->batch, team->step, team->run[run], &team->results);
        double seconds = clade_clock() - begun;
        pthread_mutex_lock(&team->mutex);
        if (status) fail(m, status);
        team->state[run] = status ? WAITS : DONE;
        if (!status) {
            team->left--;
            note_speed(team, m, run, seconds);
        }
        pthread_cond_broadcast(&team->changed);
    }
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
        if (!m->status) take_part(team, m);
        team->at_work--;
        pthread_cond_broadcast(&team->changed);
    }
    pthread_mutex_unlock(&team->mutex);
    return NULL;
}

/* --- a batch --- */

/* Runs of 2^level shards are few enough to be worth a transfer each, and enough to share out
 * evenly. */
static int32_t level_of_runs(size_t devices, int32_t shards)
{
    enum { for_each = 4 };
    int32_t level = 0;
    while ((int64_t)devices * for_each << level < shards) level++;
    return level;
}

/* The shards of this rank, of so many in the batch. */
static void cut(clade_team *team, int32_t shards)
{
    int32_t first = 0, end = shards;
    if (team->ranks)
        clade_exchange_part(team->ranks, clade_ranks_own(team->ranks), shards, &first, &end);
    const int32_t level = level_of_runs(team->count, end - first);
    team->runs = 0;
    while (first < end) {
        int32_t most = clade_tree_level(first, end, shards), l = most < level ? most : level;
        int32_t next = end - first > 1 << l ? first + (1 << l) : end;
        team->state[team->runs] = WAITS;
        team->run[team->runs++] = (clade_shard_run){first, next, l};
        first = next;
    }
    team->left = team->runs;
}

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

static void compute(clade_team *team, const clade_batch *batch, uint32_t step, int32_t shards)
{
    double begun = clade_clock();
    clade_tree_start(team->results.gradients, shards);
    pthread_mutex_lock(&team->mutex);
    team->batch = batch;
    team->step = step;
    cut(team, shards);
    team->number++;
    team->at_work = 0;
    for (size_t i = 0; i < team->count; i++) team->at_work += team->member[i].started;
    pthread_cond_broadcast(&team->changed);
    take_part(team, team->own);
    while (team->at_work > 0) pthread_cond_wait(&team->changed, &team->mutex);
    pthread_mutex_unlock(&team->mutex);
    double seconds = clade_clock() - begun;
    for (size_t i = 0; i < team->count; i++) {
        if (team->share[i].failed) continue;
        team->share[i].busy += team->member[i].busy;
        team->share[i].waited += seconds - team->member[i].busy;
    }
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

/* The sum over all ranks, and everyone's statistics. */
static clade_status exchange(clade_team *team, int32_t images, bool *stop, const float **sum)
{
    size_t parts;
    *sum = team->sum;
    if (team->exchange)
        return clade_exchange_run(team->exchange, &team->results, images, team->shard_size,
                                  team->sum, stop);
    *sum = clade_tree_parts(team->results.gradients, &parts)->sum;
    return CLADE_OK;
}

clade_status clade_team_run(clade_team *team, const clade_batch *batch, uint32_t step, bool *stop,
                            const char **note)
{
    const clade_replica *own = &team->own->replica;
    const int32_t shards = (batch->count + team->shard_size - 1) / team->shard_size;
    const float *sum;
    *note = NULL;
    free(team->note);
    team->note = NULL;
    clade_status status = clade_tensor_read(clade_model_trained(own->model), team->weights);
    if (!status) status = clade_replica_read_running(own, team->running);
    if (status) return status;
    compute(team, batch, step, shards);
    status = note_failed(team, note);
    if (!status && team->own->status)
        status = clade_fail(team->own->status, "%s", team->own->text ? team->own->text : "failed");
    if (!status) status = exchange(team, batch->count, stop, &sum);
    if (status) return status;
    add_running(team, shards);
    status = clade_replica_write_running(own, team->running);
    if (status) return status;
    return clade_tensor_write(clade_model_gradients(own->model), sum);
}

const float *clade_team_outputs(const clade_team *team) { return team->results.y; }
const float *clade_team_losses(const clade_team *team) { return team->results.loss; }

/* --- making one --- */

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
    team->run = malloc(shards * sizeof *team->run);
    team->state = malloc(shards * sizeof *team->state);
    if (!team->weights || !team->running || !r->statistics || !r->y || !r->loss || !team->run ||
        !team->state)
        return clade_fail(CLADE_ENOMEM, "out of memory for %zu shards", shards);
    clade_status status = clade_tree_create(length, &r->gradients);
    if (status || !team->ranks) return status;
    team->sum = malloc(length * sizeof(float));
    if (!team->sum) return clade_fail(CLADE_ENOMEM, "out of memory for gradients");
    return clade_exchange_create(team->ranks, length, &team->exchange);
}

static clade_status add_member(clade_team *team, const clade_team_options *o, clade_device *device)
{
    size_t i = team->count;
    member *m = &team->member[i];
    const char *id = clade_device_describe(device)->id;
    m->team = team;
    snprintf(team->share[i].id, sizeof team->share[i].id, "%s", id);
    if (team->share[i].failed) {
        m->status = CLADE_EDEVICE;
        team->count++;
        return CLADE_OK;
    }
    clade_status status =
        clade_replica_create(o->model, &o->like, device, &o->upload,
                             1 << level_of_runs(o->count, team->shards), &m->replica);
    if (clade_team_is_device_failure(status) && device != clade_model_device(o->model))
        fail(m, status);
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
    size_t ranks = o->ranks ? (size_t)clade_ranks_count(o->ranks) : 1;
    if ((size_t)team->shards < ranks * o->count)
        return clade_fail(CLADE_EINVAL,
                          "a batch of %d images has %d shards of %d, expected at least one for "
                          "each of %zu %s: a smaller train.shard",
                          o->batch, team->shards, team->shard_size, ranks * o->count,
                          ranks > 1 ? "devices of all ranks" : "devices");
    team->member = calloc(o->count, sizeof *team->member);
    team->share = o->share;
    if (!team->member) return clade_fail(CLADE_ENOMEM, "out of memory for %zu devices", o->count);
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < o->count && !status; i++) status = add_member(team, o, o->devices[i]);
    if (!status) status = allocate(team, o);
    for (size_t i = 0; i < team->count && !status; i++) {
        member *m = &team->member[i];
        if (m == team->own || m->status) continue; /* or it failed before */
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
        clade_replica_clear(&team->member[i].replica);
        free(team->member[i].text);
    }
    pthread_cond_destroy(&team->changed);
    pthread_mutex_destroy(&team->mutex);
    clade_tree_destroy(&team->results.gradients);
    clade_exchange_destroy(&team->exchange);
    free(team->sum);
    free(team->results.y);
    free(team->results.loss);
    free(team->results.statistics);
    free(team->weights);
    free(team->running);
    free(team->run);
    free(team->state);
    free(team->note);
    free(team->member);
    free(team);
    *handle = NULL;
}
