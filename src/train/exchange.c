/* Reduce-scatter and allgather in stages (stages.h), with sums in a fixed order.
 *
 * Whoever holds a chunk has added up the shards of neighbouring ranks, which are a few aligned runs
 * (one, where the numbers of shards and ranks are powers of two): whole parts of the tree, which is
 * finished by whoever owns the last chunk, his slice. */
#include "train/exchange.h"
#include "train/stages.h"

#include <stdlib.h>
#include <string.h>

struct clade_exchange {
    clade_ranks *ranks;
    const clade_bucket *bucket;
    size_t buckets;
    clade_stages stages;
    clade_tree **tree; /* [buckets, stages]: this rank's chunk as it is added up */
    bool *asked;       /* [ranks]: to stop */
};

static int32_t own(const clade_exchange *x) { return clade_ranks_own(x->ranks); }
static int32_t count(const clade_exchange *x) { return clade_ranks_count(x->ranks); }

static clade_chunk chunk_of(const clade_exchange *x, size_t bucket, int32_t rank, size_t stages)
{
    return clade_stages_chunk(&x->stages, (size_t)x->bucket[bucket].count, rank, stages);
}

/* The shards that a rank has added up before stage s: those of `stride` neighbours. */
static void shards_of(const clade_exchange *x, const clade_stage *s, int32_t rank, int32_t shards,
                      int32_t *first, int32_t *end)
{
    int32_t other;
    const int32_t begin = rank / s->stride * s->stride;
    clade_exchange_part(x->ranks, begin, shards, first, &other);
    clade_exchange_part(x->ranks, begin + s->stride - 1, shards, &other, end);
}

/* --- making one --- */

static clade_status make(clade_exchange *x)
{
    clade_stages_find(count(x), &x->stages);
    x->asked = malloc((size_t)count(x) * sizeof *x->asked);
    x->tree = calloc(x->buckets * x->stages.count, sizeof(clade_tree *));
    if (!x->asked || !x->tree) return clade_fail(CLADE_ENOMEM, "out of memory for an exchange");
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < x->buckets * x->stages.count && !status; i++) {
        const clade_chunk c = chunk_of(x, i / x->stages.count, own(x), i % x->stages.count + 1);
        status = clade_tree_create(c.count, x->ranks, &x->tree[i]);
    }
    return status;
}

clade_status clade_exchange_create(clade_ranks *ranks, const clade_bucket *buckets, size_t number,
                                   clade_exchange **out)
{
    clade_exchange *x = *out = calloc(1, sizeof *x);
    if (!x) return clade_fail(CLADE_ENOMEM, "out of memory for an exchange");
    x->ranks = ranks;
    x->bucket = buckets;
    x->buckets = number;
    clade_status status = make(x);
    if (status) clade_exchange_destroy(out);
    return status;
}

void clade_exchange_destroy(clade_exchange **handle)
{
    clade_exchange *x = *handle;
    if (!x) return;
    for (size_t i = 0; i < x->buckets * x->stages.count && x->tree; i++)
        clade_tree_destroy(&x->tree[i]);
    free(x->tree);
    free(x->asked);
    free(x);
    *handle = NULL;
}

void clade_exchange_part(const clade_ranks *ranks, int32_t rank, int32_t shards, int32_t *first,
                         int32_t *end)
{
    int64_t n = clade_ranks_count(ranks);
    *first = (int32_t)(shards * (int64_t)rank / n);
    *end = (int32_t)(shards * ((int64_t)rank + 1) / n);
}

/* --- small things --- */

/* An array with a row for each shard, each image, or each rank. */
typedef enum row_kind { of_shards, of_images, of_ranks } row_kind;

typedef struct shared_rows {
    void *at;
    size_t bytes; /* of one */
    row_kind kind;
} shared_rows;

static int32_t images_before(const clade_sharding *b, int32_t shard)
{
    int64_t n = (int64_t)shard * b->shard_size;
    return (int32_t)(n < b->images ? n : b->images);
}

/* Sends to, or receives from, a rank the rows of `ranks` neighbours from `first` on. */
static clade_status pass_rows(clade_exchange *x, const clade_sharding *b, const shared_rows *r,
                              int32_t first, int32_t ranks, int32_t peer, bool send)
{
    int32_t begin = first, end = first + ranks, other;
    if (r->kind != of_ranks) {
        clade_exchange_part(x->ranks, first, b->shards, &begin, &other);
        clade_exchange_part(x->ranks, first + ranks - 1, b->shards, &other, &end);
    }
    if (r->kind == of_images) begin = images_before(b, begin), end = images_before(b, end);
    char *at = (char *)r->at + (size_t)begin * r->bytes;
    const size_t bytes = (size_t)(end - begin) * r->bytes;
    return send ? clade_ranks_send(x->ranks, peer, at, bytes)
                : clade_ranks_receive(x->ranks, peer, at, bytes);
}

/* Everyone's rows to everyone: after each stage a rank has those of more neighbours. */
static clade_status share_rows(clade_exchange *x, const clade_sharding *b, const shared_rows *list,
                               size_t lists)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < x->stages.count && !status; i++) {
        const clade_stage *s = &x->stages.stage[i];
        for (int32_t digit = 0; digit < s->size && !status; digit++) {
            const int32_t peer = clade_stage_peer(s, own(x), digit), n = s->stride;
            if (peer == own(x)) continue;
            for (size_t k = 0; k < lists && !status; k++) {
                status = pass_rows(x, b, &list[k], own(x) / n * n, n, peer, true);
                if (!status) status = pass_rows(x, b, &list[k], peer / n * n, n, peer, false);
            }
        }
        if (!status) status = clade_ranks_wait(x->ranks);
    }
    return status;
}

/* Everyone's rows to the first rank. */
static clade_status collect_rows(clade_exchange *x, const clade_sharding *b, const shared_rows *r)
{
    if (own(x)) return pass_rows(x, b, r, own(x), 1, 0, true);
    clade_status status = CLADE_OK;
    for (int32_t from = 1; from < count(x) && !status; from++)
        status = pass_rows(x, b, r, from, 1, from, false);
    return status;
}

clade_status clade_exchange_sums(clade_exchange *x, clade_sharding batch, float *sums, size_t width)
{
    return share_rows(x, &batch, &(shared_rows){sums, width * sizeof *sums, of_shards}, 1);
}

clade_status clade_exchange_results(clade_exchange *x, clade_sharding batch,
                                    const clade_shard_results *r, bool *stop)
{
    const shared_rows everyones[] = {
        {r->statistics, r->statistics_count * sizeof(float), of_shards},
        {x->asked, sizeof *x->asked, of_ranks}};
    x->asked[own(x)] = *stop;
    clade_status status =
        collect_rows(x, &batch, &(shared_rows){r->y, r->outputs * sizeof(float), of_images});
    if (!status)
        status = collect_rows(x, &batch, &(shared_rows){r->loss, sizeof(float), of_images});
    if (!status) status = share_rows(x, &batch, everyones, 2);
    *stop = false;
    for (int32_t i = 0; i < count(x) && !status; i++) *stop |= x->asked[i];
    return status;
}

/* --- gradients --- */

/* The part of a sum that begins with that shard. */
static const float *find_part(const clade_tree *tree, int32_t first)
{
    size_t parts;
    const clade_tree_part *part = clade_tree_parts(tree, &parts);
    while (parts-- > 0)
        if (part[parts].first == first) return part[parts].sum;
    return NULL;
}

/* A part of the sum that is on its way: to a buffer of the tree's, or it is read where the rank
 * that has it shows it. */
typedef struct arrival {
    int32_t first, level;
    float *buffer; /* or NULL */
    const void *shown;
} arrival;

/* A bucket in a stage. */
typedef struct bucket_stage {
    clade_exchange *x;
    const clade_stage *stage;
    int32_t shards;
    size_t bucket, before;  /* stages before it */
    const clade_tree *from; /* what this rank holds before it, */
    size_t first;           /* from this element of the bucket on */
    clade_tree *to;
    float *sum; /* where this rank's chunk goes, which then is whole; NULL: another stage follows */
    arrival *part; /* [shards] */
    size_t parts;
} bucket_stage;

/* This rank's part that begins with that shard, at the chunk of `rank`. */
static const float *at_chunk(const bucket_stage *s, int32_t shard, clade_chunk c)
{
    return find_part(s->from, shard) + (c.first - s->first);
}

static clade_status send_parts(const bucket_stage *s, int32_t peer)
{
    const clade_chunk c = chunk_of(s->x, s->bucket, peer, s->before + 1);
    int32_t first, end;
    clade_status status = CLADE_OK;
    shards_of(s->x, s->stage, own(s->x), s->shards, &first, &end);
    for (; first < end && !status; first += 1 << clade_tree_level(first, end, s->shards))
        status =
            clade_ranks_show(s->x->ranks, peer, at_chunk(s, first, c), c.count * sizeof(float));
    return status;
}

static clade_status receive_parts(bucket_stage *s, int32_t peer)
{
    const clade_chunk c = chunk_of(s->x, s->bucket, own(s->x), s->before + 1);
    int32_t first, end;
    clade_status status = CLADE_OK;
    shards_of(s->x, s->stage, peer, s->shards, &first, &end);
    while (first < end && !status) {
        const int32_t level = clade_tree_level(first, end, s->shards);
        arrival *a = &s->part[s->parts++];
        *a = (arrival){.first = first, .level = level};
        if (clade_ranks_is_local(s->x->ranks, peer)) {
            status = clade_ranks_see(s->x->ranks, peer, &a->shown);
        } else {
            a->buffer = clade_tree_take(s->to);
            if (!a->buffer) return CLADE_ENOMEM;
            status = clade_ranks_receive(s->x->ranks, peer, a->buffer, c.count * sizeof(float));
        }
        first += 1 << level;
    }
    return status;
}

/* What is the other ranks', or this rank's own, stays there until the sum is whole; but what
 * another stage shows to others has to be the tree's. */
static clade_status add_shown(const bucket_stage *s, int32_t first, int32_t level,
                              const float *values)
{
    return (s->sum ? clade_tree_lend : clade_tree_add_copy)(s->to, first, level, values);
}

/* This rank's own chunk, to those that have come. */
static clade_status add_own(const bucket_stage *s)
{
    const clade_chunk c = chunk_of(s->x, s->bucket, own(s->x), s->before + 1);
    int32_t first, end;
    clade_status status = CLADE_OK;
    shards_of(s->x, s->stage, own(s->x), s->shards, &first, &end);
    if (s->sum && first == end) /* of a small batch this rank has none */
        memcpy(s->sum, find_part(s->to, 0), c.count * sizeof *s->sum);
    for (int32_t next; first < end && !status; first = next) {
        const int32_t level = clade_tree_level(first, end, s->shards);
        const float *values = at_chunk(s, first, c);
        next = first + (1 << level);
        if (s->sum && next >= end)
            clade_tree_finish(s->to, first, level, values, s->sum);
        else
            status = add_shown(s, first, level, values);
    }
    return status;
}

/* A group's parts of each chunk to whose it is, and there to their sum. */
static clade_status reduce_stage(bucket_stage *s)
{
    clade_status status = CLADE_OK;
    clade_tree_start(s->to, s->shards);
    for (int32_t digit = 0; digit < s->stage->size && !status; digit++) {
        const int32_t peer = clade_stage_peer(s->stage, own(s->x), digit);
        if (peer == own(s->x)) continue;
        status = send_parts(s, peer);
        if (!status) status = receive_parts(s, peer);
    }
    if (!status) status = clade_ranks_wait(s->x->ranks);
    for (size_t i = 0; i < s->parts && !status; i++) {
        const arrival *a = &s->part[i];
        status = a->buffer ? clade_tree_add(s->to, a->first, a->level, a->buffer)
                           : add_shown(s, a->first, a->level, a->shown);
    }
    return status ? status : add_own(s);
}

clade_range clade_exchange_slice(const clade_exchange *x, size_t bucket)
{
    const clade_chunk c = chunk_of(x, bucket, own(x), x->stages.count);
    return (clade_range){x->bucket[bucket].first + c.first, c.count};
}

clade_status clade_exchange_reduce(clade_exchange *x, clade_sharding batch, size_t bucket,
                                   float *sum)
{
    const clade_range slice = clade_exchange_slice(x, bucket);
    const clade_tree *held = x->bucket[bucket].sum;
    arrival *part = malloc((size_t)batch.shards * sizeof *part);
    if (!part) return clade_fail(CLADE_ENOMEM, "out of memory for an exchange");
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < x->stages.count && !status; i++) {
        clade_tree *to = x->tree[bucket * x->stages.count + i];
        status =
            reduce_stage(&(bucket_stage){.x = x,
                                         .stage = &x->stages.stage[i],
                                         .shards = batch.shards,
                                         .bucket = bucket,
                                         .before = i,
                                         .from = held,
                                         .first = chunk_of(x, bucket, own(x), i).first,
                                         .to = to,
                                         .sum = i + 1 < x->stages.count ? NULL : sum + slice.first,
                                         .part = part});
        held = to;
    }
    free(part);
    return status;
}

typedef clade_status sender(clade_ranks *ranks, int32_t to, const void *bytes, size_t size);
typedef clade_status receiver(clade_ranks *ranks, int32_t from, void *bytes, size_t size);

/* A stage waits for the one before it, and the last one is under way afterwards. */
static clade_status spread(clade_exchange *x, size_t bucket, float *values, sender *give,
                           receiver *take)
{
    float *at = values + x->bucket[bucket].first;
    clade_status status = CLADE_OK;
    for (size_t i = x->stages.count; i-- > 0 && !status;) {
        const clade_stage *s = &x->stages.stage[i];
        const clade_chunk c = chunk_of(x, bucket, own(x), i + 1);
        for (int32_t digit = 0; digit < s->size && !status; digit++) {
            const int32_t peer = clade_stage_peer(s, own(x), digit);
            const clade_chunk theirs = chunk_of(x, bucket, peer, i + 1);
            if (peer == own(x)) continue;
            status = give(x->ranks, peer, at + c.first, c.count * sizeof *at);
            if (!status)
                status = take(x->ranks, peer, at + theirs.first, theirs.count * sizeof *at);
        }
        if (!status && i > 0) status = clade_ranks_wait(x->ranks);
    }
    return status;
}

clade_status clade_exchange_spread(clade_exchange *x, size_t bucket, float *values)
{
    return spread(x, bucket, values, clade_ranks_show, clade_ranks_fetch);
}

clade_status clade_exchange_gather(clade_exchange *x, float *values)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < x->buckets && !status; i++)
        status = spread(x, i, values, clade_ranks_send, clade_ranks_receive);
    return status ? status : clade_ranks_wait(x->ranks);
}

clade_status clade_exchange_settle(clade_exchange *x) { return clade_ranks_wait(x->ranks); }
