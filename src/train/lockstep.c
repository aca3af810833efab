/* A batch whose shards go through it together. All of a device's are under way at once, so that it
 * is said beforehand who computes which: the same number for each device, however fast it is. */
#define _POSIX_C_SOURCE 200809L
#include "train/lockstep.h"
#include "base/clock.h"

static size_t count_devices(const clade_team *team)
{
    size_t devices = 0;
    for (size_t i = 0; i < team->count; i++) devices += !team->member[i].status;
    return devices;
}

void clade_lockstep_deal(clade_team *team, int32_t shards)
{
    const int64_t devices = (int64_t)count_devices(team);
    int32_t first = 0, end = shards;
    if (team->ranks)
        clade_exchange_part(team->ranks, clade_ranks_own(team->ranks), shards, &first, &end);
    const int64_t own = end - first;
    int64_t before = 0;
    for (size_t i = 0; i < team->count; i++) {
        member *m = &team->member[i];
        if (m->status) continue;
        m->first = first + (int32_t)(own * before / devices);
        before++;
        m->end = first + (int32_t)(own * before / devices);
    }
}

void clade_lockstep_take_part(clade_team *team, member *m)
{
    const int32_t count = m->end - m->first;
    const int32_t shards = (team->batch->count - 1) / team->shard_size + 1;
    const double begun = clade_clock();
    double waited = 0;
    bool left = false;
    pthread_mutex_unlock(&team->mutex);
    clade_status status = clade_team_bring_weights(team, m);
    if (!status) status = clade_lanes_reserve(&m->lanes, count);
    if (!status)
        status = clade_lanes_run(&m->lanes, team->batch, team->step->step, m->first, m->end, shards,
                                 team->exchanged, team->meeting, &team->results, &waited, &left);
    if (status) clade_meeting_leave(team->meeting);
    pthread_mutex_lock(&team->mutex);
    if (status) clade_team_fail(m, status);
    m->busy += clade_clock() - begun - waited;
    if (status || left) return;
    const int64_t first = (int64_t)m->first * team->shard_size;
    const int64_t end = (int64_t)m->end * team->shard_size, all = team->batch->count;
    team->share[m - team->member].images += (uint64_t)((end < all ? end : all) - first);
}

/* Exchanges the buckets that are final after this part of the pass, which all have done. */
static clade_status exchange_ready(void *user, size_t part)
{
    clade_team *team = user;
    const clade_model *model = team->own->replica.model;
    clade_device_share *share = &team->share[team->own - team->member];
    const double before = share->exchanged;
    clade_status status = CLADE_OK;
    while (team->exchanged < team->results.buckets && !status &&
           clade_model_ready_part(model, team->results.bucket[team->exchanged].first) <= part)
        status = clade_team_exchange_bucket(team, team->cut_as, team->exchanged++);
    if (!status) status = clade_team_settle_exchange(team);
    share->hidden += share->exchanged - before;
    return status;
}

/* Those of the last part. */
static clade_status exchange_rest(clade_team *team)
{
    clade_status status = CLADE_OK;
    while (team->exchanged < team->results.buckets && !status)
        status = clade_team_exchange_bucket(team, team->cut_as, team->exchanged++);
    return status ? status : clade_team_settle_exchange(team);
}

/* *lost: a device was, and there is nothing to go on with. */
static clade_status attempt(clade_team *team, bool *lost)
{
    const size_t devices = count_devices(team);
    for (size_t i = team->exchanged; i < team->results.buckets; i++)
        clade_tree_start(team->results.bucket[i].sum, team->cut_as.shards);
    clade_lockstep_deal(team, team->cut_as.shards);
    clade_meeting_begin(team->meeting, devices);
    pthread_mutex_lock(&team->mutex);
    team->number++;
    team->at_work = 0;
    for (size_t i = 0; i < team->count; i++) team->at_work += team->member[i].started;
    pthread_cond_broadcast(&team->changed);
    pthread_mutex_unlock(&team->mutex);
    clade_status status =
        clade_meeting_hold(team->meeting, team->exchange ? exchange_ready : NULL, team, lost);
    pthread_mutex_lock(&team->mutex);
    while (team->at_work > 0) pthread_cond_wait(&team->changed, &team->mutex);
    pthread_mutex_unlock(&team->mutex);
    *lost = count_devices(team) < devices;
    return status;
}

clade_status clade_lockstep_run(clade_team *team, const clade_batch *batch,
                                const clade_team_step *step, clade_sharding cut_as)
{
    const double begun = clade_clock();
    clade_status status = CLADE_OK;
    bool lost = true;
    team->batch = batch;
    team->step = step;
    team->cut_as = cut_as;
    team->exchanged = 0;
    clade_meeting_start(team->meeting, cut_as);
    for (size_t i = 0; i < team->count; i++) team->member[i].busy = 0;
    while (lost && !status && !team->own->status) status = attempt(team, &lost);
    if (!status && !team->own->status && team->exchange) status = exchange_rest(team);
    clade_team_note_times(team, clade_clock() - begun);
    return status;
}
