/* A team as one of several ranks: what its devices have added up goes to the others bucket by
 * bucket, and comes back as the sum of all, or as parameters that have taken their step. */
#define _POSIX_C_SOURCE 200809L
#include "base/clock.h"
#include "train/team_state.h"

#include <clade/borrow.h>

#include <stdlib.h>

enum { moved_g, moved_w };

static clade_status move(clade_team *team, int which, const clade_tensor *t, void *memory)
{
    clade_status status = clade_buffer_move(t->buffer, memory);
    if (!status) team->moved[which] = t->buffer;
    return status;
}

/* Where the exchange has a tensor's values, *out: memory that ranks on this host see, where the
 * tensor itself then lies if the team works in place. */
static clade_status find_memory(clade_team *team, int which, const clade_tensor *t, float **out)
{
    clade_status status = CLADE_OK;
    if (!team->in_place || clade_ranks_have_local(team->ranks)) {
        *out = clade_ranks_memory(team->ranks, clade_buffer_bytes(t->buffer));
        if (!*out) return clade_fail(CLADE_ENOMEM, "out of memory for an exchange");
        if (team->in_place) status = move(team, which, t, *out);
    }
    if (team->in_place) *out = (float *)clade_buffer_host(t->buffer) + t->offset;
    return status;
}

/* Where all ranks can, they have the weights in one place. An average would take the weights' place
 * on one rank while the others train on. */
static clade_status share_weights(clade_team *team, const clade_team_options *o)
{
    const clade_tensor *w = clade_model_trained(o->model);
    int64_t can = team->in_place && clade_ranks_are_local(team->ranks) &&
                  !clade_updater_has_average(o->updater);
    void *memory;
    clade_status status = clade_ranks_add(team->ranks, &can);
    team->one_copy = !status && can == clade_ranks_count(team->ranks);
    if (!team->one_copy) return status;
    status = clade_ranks_common(team->ranks, clade_buffer_bytes(w->buffer), &memory);
    /* all write the same values, and before any reads them or takes a step all have */
    if (!status) status = move(team, moved_w, w, memory);
    if (!status) status = clade_ranks_add(team->ranks, &can);
    if (!status) team->w = (float *)memory + w->offset;
    return status;
}

static clade_status make_slices(clade_team *team, const clade_team_options *o)
{
    const clade_tensor *w = clade_model_trained(o->model);
    const bool scaled = clade_tensor_present(clade_model_loss_scale(o->model));
    if (scaled || !clade_updater_is_elementwise(o->updater)) return CLADE_OK;
    const clade_device *device = clade_model_device(o->model);
    clade_status status = share_weights(team, o);
    if (!status && !team->one_copy) status = find_memory(team, moved_w, w, &team->w);
    if (!status && !team->in_place) status = clade_tensor_read(w, team->w);
    if (status) return status;
    return clade_slices_create(
        &(clade_slices_options){.updater = o->updater,
                                .exchange = team->exchange,
                                .buckets = team->results.buckets,
                                .w = team->w,
                                .g = team->sum,
                                .math = clade_device_math(device),
                                /* beside its own threads, which compute */
                                .threads =
                                    clade_device_describe(device)->cpu_like ? 1 : o->threads},
        &team->slices);
}

clade_status clade_team_make_exchange(clade_team *team, const clade_team_options *o)
{
    const clade_tensor *w = clade_model_trained(o->model), *g = clade_model_gradients(o->model);
    const clade_shard_results *r = &team->results;
    /* another device could leave its shards to this one, which then needs w as it was */
    team->in_place =
        team->count == 1 && clade_buffer_host(g->buffer) && clade_buffer_host(w->buffer);
    clade_status status = find_memory(team, moved_g, g, &team->sum);
    if (!status)
        status = clade_exchange_create(team->ranks, r->bucket, r->buckets, &team->exchange);
    return status ? status : make_slices(team, o);
}

/* The model lives longer than the team, and perhaps than the ranks. */
static void move_back(clade_team *team, int which)
{
    clade_buffer *buffer = team->moved[which];
    void *memory = buffer ? clade_buffer_host(buffer) : NULL;
    if (!buffer || clade_buffer_move(buffer, NULL)) return;
    if (which == moved_g || !team->one_copy) clade_ranks_free(team->ranks, memory);
}

void clade_team_clear_exchange(clade_team *team)
{
    clade_slices_destroy(&team->slices);
    clade_exchange_destroy(&team->exchange);
    move_back(team, moved_g);
    move_back(team, moved_w);
    if (team->in_place) return;
    clade_ranks_free(team->ranks, team->sum);
    clade_ranks_free(team->ranks, team->w);
}

/* With one copy of the weights nobody may take a step while another rank still reads them, as the
 * first one does for a checkpoint. A rank that has shards is done with all of that before it gives
 * its gradients, without which no sum is whole; for one that has none the others wait here. */
clade_status clade_team_await_readers(clade_team *team, int32_t shards)
{
    int64_t number = 0;
    if (!team->one_copy || shards >= clade_ranks_count(team->ranks)) return CLADE_OK;
    return clade_ranks_add(team->ranks, &number);
}

/* One copy of the weights needs no spreading: each rank writes its slices where the others read
 * them, and what it writes of a bucket comes after all have given their gradients of it, for which
 * they have read it for the last time, and before it tells of the batch's results, without which
 * nobody goes on to the next one. What goes through a ring or MPI is seen after all that was
 * written before it was sent. */
clade_status clade_team_exchange_bucket(clade_team *team, clade_sharding batch, size_t bucket)
{
    clade_device_share *share = &team->share[team->own - team->member];
    const double begun = clade_clock();
    clade_status status = clade_exchange_reduce(team->exchange, batch, bucket, team->sum);
    if (!status && team->slices)
        status = clade_slices_step(team->slices, bucket, team->step->lr, team->step->update);
    if (!status && !team->one_copy)
        status = clade_exchange_spread(team->exchange, bucket, team->slices ? team->w : team->sum);
    share->exchanged += clade_clock() - begun;
    return status;
}

clade_status clade_team_settle_exchange(clade_team *team)
{
    const double begun = clade_clock();
    clade_status status = clade_exchange_settle(team->exchange);
    team->share[team->own - team->member].exchanged += clade_clock() - begun;
    return status;
}

clade_status clade_team_take_exchanged(const clade_team *team)
{
    const clade_model *model = team->own->replica.model;
    if (team->in_place) return CLADE_OK;
    return team->slices ? clade_tensor_write(clade_model_trained(model), team->w)
                        : clade_tensor_write(clade_model_gradients(model), team->sum);
}

bool clade_team_takes_steps(const clade_team *team) { return team->slices != NULL; }

bool clade_team_is_gathered(const clade_team *team) { return !team->slices || team->gathered; }

clade_status clade_team_gather(clade_team *team)
{
    if (clade_team_is_gathered(team)) return CLADE_OK;
    clade_status status = clade_slices_gather(team->slices);
    team->gathered = !status;
    return status;
}
