/* Reduce-scatter and allgather with sums in a fixed order. A rank's shards are a few aligned runs
 * (one, where the numbers of shards and ranks are powers of two), so that what it sends are whole
 * parts of the tree, which is finished by whoever owns the slice. */
#include "train/exchange.h"

#include <stdlib.h>
#include <string.h>

struct clade_exchange {
    clade_ranks *ranks;
    const clade_bucket *bucket;
    size_t buckets;
    clade_tree **slice; /* of each, that this rank adds up */
    bool *asked;        /* [ranks]: to stop */
};

static int32_t own(const clade_exchange *x) { return clade_ranks_own(x->ranks); }
static int32_t count(const clade_exchange *x) { return clade_ranks_count(x->ranks); }

/* Where a rank's slice of a bucket begins in it. */
static size_t begin_of(const clade_exchange *x, size_t bucket, int32_t rank)
{
    size_t length = (size_t)x->bucket[bucket].count, n = (size_t)count(x);
    return length / n * (size_t)rank + length % n * (size_t)rank / n;
}

static size_t size_of(const clade_exchange *x, size_t bucket, int32_t rank)
{
    return begin_of(x, bucket, rank + 1) - begin_of(x, bucket, rank);
}

static clade_status make(clade_exchange *x)
{
    x->asked = malloc((size_t)count(x) * sizeof *x->asked);
    x->slice = calloc(x->buckets, sizeof(clade_tree *));
    if (!x->asked || !x->slice) return clade_fail(CLADE_ENOMEM, "out of memory for an exchange");
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < x->buckets && !status; i++)
        status = clade_tree_create(size_of(x, i, own(x)), &x->slice[i]);
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
    for (size_t i = 0; i < x->buckets && x->slice; i++) clade_tree_destroy(&x->slice[i]);
    free(x->slice);
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

static int32_t images_before(const clade_sharding *b, int32_t shard)
{
    int64_t n = (int64_t)shard * b->shard_size;
    return (int32_t)(n < b->images ? n : b->images);
}

/* Sends `own` rank's rows of an array that has one for each shard, or each image, and receives the
 * others' into theirs. */
static clade_status share_rows(clade_exchange *x, const clade_sharding *b, float *rows, size_t row,
                               bool per_image, int32_t from, int32_t to)
{
    int32_t first, end;
    clade_exchange_part(x->ranks, from, b->shards, &first, &end);
    if (per_image) first = images_before(b, first), end = images_before(b, end);
    float *at = rows + (size_t)first * row;
    size_t bytes = (size_t)(end - first) * row * sizeof *rows;
    return from == own(x) ? clade_ranks_send(x->ranks, to, at, bytes)
                          : clade_ranks_receive(x->ranks, from, at, bytes);
}

static clade_status share_small(clade_exchange *x, const clade_sharding *b,
                                const clade_shard_results *r, int32_t from, int32_t to)
{
    clade_status status = share_rows(x, b, r->statistics, r->statistics_count, false, from, to);
    if (!status && to == 0) status = share_rows(x, b, r->y, r->outputs, true, from, to);
    if (!status && to == 0) status = share_rows(x, b, r->loss, 1, true, from, to);
    if (status) return status;
    return from == own(x) ? clade_ranks_send(x->ranks, to, &x->asked[from], sizeof *x->asked)
                          : clade_ranks_receive(x->ranks, from, &x->asked[from], sizeof *x->asked);
}

/* --- gradients --- */

/* The part of the gradients that begins with that shard. */
static const float *find_part(const clade_tree *tree, int32_t first)
{
    size_t parts;
    const clade_tree_part *part = clade_tree_parts(tree, &parts);
    while (parts-- > 0)
        if (part[parts].first == first) return part[parts].sum;
    return NULL;
}

static clade_status send_parts(clade_exchange *x, const clade_sharding *b, size_t bucket)
{
    int32_t first, end;
    clade_status status = CLADE_OK;
    clade_exchange_part(x->ranks, own(x), b->shards, &first, &end);
    for (; first < end && !status; first += 1 << clade_tree_level(first, end, b->shards)) {
        const float *part = find_part(x->bucket[bucket].sum, first);
        for (int32_t to = 0; to < count(x) && !status; to++)
            if (to != own(x))
                status = clade_ranks_send(x->ranks, to, part + begin_of(x, bucket, to),
                                          size_of(x, bucket, to) * sizeof *part);
    }
    return status;
}

/* Slices of parts that are on their way. */
typedef struct arrivals {
    clade_tree_part *part; /* [shards] */
    size_t count;
} arrivals;

static clade_status receive_parts(clade_exchange *x, const clade_sharding *b, size_t bucket,
                                  int32_t from, arrivals *a)
{
    const size_t bytes = size_of(x, bucket, own(x)) * sizeof(float);
    int32_t first, end;
    clade_status status = CLADE_OK;
    clade_exchange_part(x->ranks, from, b->shards, &first, &end);
    while (first < end && !status) {
        const int32_t level = clade_tree_level(first, end, b->shards);
        float *slice = clade_tree_take(x->slice[bucket]);
        if (!slice) return CLADE_ENOMEM;
        a->part[a->count++] = (clade_tree_part){first, level, slice};
        status = clade_ranks_receive(x->ranks, from, slice, bytes);
        first += 1 << level;
    }
    return status;
}

/* This rank's own slices, to those that have come. */
static clade_status add_own(clade_exchange *x, const clade_sharding *b, size_t bucket)
{
    int32_t first, end;
    clade_status status = CLADE_OK;
    clade_exchange_part(x->ranks, own(x), b->shards, &first, &end);
    while (first < end && !status) {
        const int32_t level = clade_tree_level(first, end, b->shards);
        status = clade_tree_add_copy(x->slice[bucket], first, level,
                                     find_part(x->bucket[bucket].sum, first) +
                                         begin_of(x, bucket, own(x)));
        first += 1 << level;
    }
    return status;
}

/* Everyone's slices to their owners, who add them up. */
static clade_status reduce(clade_exchange *x, const clade_sharding *b, size_t bucket, float *sum)
{
    clade_tree *slice = x->slice[bucket];
    size_t parts;
    arrivals a = {.part = malloc((size_t)b->shards * sizeof *a.part)};
    if (!a.part) return clade_fail(CLADE_ENOMEM, "out of memory for an exchange");
    clade_tree_start(slice, b->shards);
    clade_status status = send_parts(x, b, bucket);
    for (int32_t from = 0; from < count(x) && !status; from++)
        if (from != own(x)) status = receive_parts(x, b, bucket, from, &a);
    if (!status) status = clade_ranks_wait(x->ranks);
    for (size_t i = 0; i < a.count; i++)
        clade_tree_add(slice, a.part[i].first, a.part[i].level, a.part[i].sum);
    free(a.part);
    if (!status) status = add_own(x, b, bucket);
    if (!status)
        memcpy(sum + begin_of(x, bucket, own(x)), clade_tree_parts(slice, &parts)->sum,
               size_of(x, bucket, own(x)) * sizeof *sum);
    return status;
}

/* The owners' slices to everyone. */
static clade_status spread(clade_exchange *x, size_t bucket, float *sum)
{
    const int32_t me = own(x);
    clade_status status = CLADE_OK;
    for (int32_t r = 0; r < count(x) && !status; r++) {
        if (r == me) continue;
        status = clade_ranks_send(x->ranks, r, sum + begin_of(x, bucket, me),
                                  size_of(x, bucket, me) * sizeof *sum);
        if (!status)
            status = clade_ranks_receive(x->ranks, r, sum + begin_of(x, bucket, r),
                                         size_of(x, bucket, r) * sizeof *sum);
    }
    return status ? status : clade_ranks_wait(x->ranks);
}

clade_status clade_exchange_bucket(clade_exchange *x, clade_sharding batch, size_t bucket,
                                   float *sum)
{
    float *at = sum + x->bucket[bucket].first;
    clade_status status = reduce(x, &batch, bucket, at);
    return status ? status : spread(x, bucket, at);
}

clade_status clade_exchange_sums(clade_exchange *x, clade_sharding batch, float *sums, size_t width)
{
    clade_status status = CLADE_OK;
    for (int32_t r = 0; r < count(x) && !status; r++) {
        if (r == own(x)) continue;
        status = share_rows(x, &batch, sums, width, false, own(x), r);
        if (!status) status = share_rows(x, &batch, sums, width, false, r, own(x));
    }
    return status ? status : clade_ranks_wait(x->ranks);
}

clade_status clade_exchange_results(clade_exchange *x, clade_sharding batch,
                                    const clade_shard_results *results, bool *stop)
{
    clade_status status = CLADE_OK;
    x->asked[own(x)] = *stop;
    for (int32_t r = 0; r < count(x) && !status; r++) {
        if (r == own(x)) continue;
        status = share_small(x, &batch, results, own(x), r);
        if (!status) status = share_small(x, &batch, results, r, own(x));
    }
    if (!status) status = clade_ranks_wait(x->ranks);
    *stop = false;
    for (int32_t r = 0; r < count(x) && !status; r++) *stop |= x->asked[r];
    return status;
}
