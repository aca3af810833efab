/* Reduce-scatter and allgather with sums in a fixed order. A rank's shards are a few aligned runs
 * (one, where the numbers of shards and ranks are powers of two), so that what it sends are whole
 * parts of the tree, which is finished by whoever owns the slice. */
#include "train/exchange.h"

#include <stdlib.h>
#include <string.h>

struct clade_exchange {
    clade_ranks *ranks;
    size_t length;
    clade_tree *slice; /* of the gradients, that this rank adds up */
    bool *asked;       /* [ranks]: to stop */
};

/* What a step needs of the arguments. */
typedef struct batch_shape {
    int32_t images, shard_size, shards;
} batch_shape;

static int32_t own(const clade_exchange *x) { return clade_ranks_own(x->ranks); }
static int32_t count(const clade_exchange *x) { return clade_ranks_count(x->ranks); }

/* Where a rank's slice begins. */
static size_t begin_of(const clade_exchange *x, int32_t rank)
{
    return x->length / (size_t)count(x) * (size_t)rank +
           x->length % (size_t)count(x) * (size_t)rank / (size_t)count(x);
}

static size_t size_of(const clade_exchange *x, int32_t rank)
{
    return begin_of(x, rank + 1) - begin_of(x, rank);
}

clade_status clade_exchange_create(clade_ranks *ranks, size_t length, clade_exchange **out)
{
    clade_exchange *x = *out = calloc(1, sizeof *x);
    if (!x) return clade_fail(CLADE_ENOMEM, "out of memory for an exchange");
    x->ranks = ranks;
    x->length = length;
    x->asked = malloc((size_t)count(x) * sizeof *x->asked);
    clade_status status = x->asked ? clade_tree_create(size_of(x, own(x)), &x->slice)
                                   : clade_fail(CLADE_ENOMEM, "out of memory for an exchange");
    if (status) clade_exchange_destroy(out);
    return status;
}

void clade_exchange_destroy(clade_exchange **handle)
{
    clade_exchange *x = *handle;
    if (!x) return;
    clade_tree_destroy(&x->slice);
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

static int32_t images_before(const batch_shape *b, int32_t shard)
{
    int64_t n = (int64_t)shard * b->shard_size;
    return (int32_t)(n < b->images ? n : b->images);
}

/* Sends `own` rank's rows of an array that has one for each shard, or each image, and receives the
 * others' into theirs. */
static clade_status share_rows(clade_exchange *x, const batch_shape *b, float *rows, size_t row,
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

static clade_status share_small(clade_exchange *x, const batch_shape *b,
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

static clade_status send_parts(clade_exchange *x, const batch_shape *b, const clade_tree *gradients)
{
    int32_t first, end;
    clade_status status = CLADE_OK;
    clade_exchange_part(x->ranks, own(x), b->shards, &first, &end);
    for (; first < end && !status; first += 1 << clade_tree_level(first, end, b->shards)) {
        const float *part = find_part(gradients, first);
        for (int32_t to = 0; to < count(x) && !status; to++)
            if (to != own(x))
                status = clade_ranks_send(x->ranks, to, part + begin_of(x, to),
                                          size_of(x, to) * sizeof *part);
    }
    return status;
}

/* Slices of parts that are on their way; [shards] is enough for all. */
typedef struct arrivals {
    clade_tree_part *part;
    size_t count;
} arrivals;

static clade_status receive_parts(clade_exchange *x, const batch_shape *b,
                                  const clade_tree *gradients, int32_t from, arrivals *a)
{
    const size_t bytes = size_of(x, own(x)) * sizeof(float);
    int32_t first, end;
    clade_status status = CLADE_OK;
    clade_exchange_part(x->ranks, from, b->shards, &first, &end);
    while (first < end && !status) {
        const int32_t level = clade_tree_level(first, end, b->shards);
        float *slice = clade_tree_take(x->slice);
        if (!slice) return CLADE_ENOMEM;
        a->part[a->count++] = (clade_tree_part){first, level, slice};
        if (from == own(x))
            memcpy(slice, find_part(gradients, first) + begin_of(x, from), bytes);
        else
            status = clade_ranks_receive(x->ranks, from, slice, bytes);
        first += 1 << level;
    }
    return status;
}

/* Everyone's slices to their owners, who add them up. */
static clade_status reduce(clade_exchange *x, const batch_shape *b, const clade_tree *gradients,
                           float *sum)
{
    size_t parts;
    arrivals a = {.part = malloc((size_t)b->shards * sizeof *a.part)};
    if (!a.part) return clade_fail(CLADE_ENOMEM, "out of memory for an exchange");
    clade_tree_start(x->slice, b->shards);
    clade_status status = send_parts(x, b, gradients);
    for (int32_t from = 0; from < count(x) && !status; from++)
        status = receive_parts(x, b, gradients, from, &a);
    if (!status) status = clade_ranks_wait(x->ranks);
    for (size_t i = 0; i < a.count; i++)
        clade_tree_add(x->slice, a.part[i].first, a.part[i].level, a.part[i].sum);
    free(a.part);
    if (!status)
        memcpy(sum + begin_of(x, own(x)), clade_tree_parts(x->slice, &parts)->sum,
               size_of(x, own(x)) * sizeof *sum);
    return status;
}

/* The owners' slices to everyone. */
static clade_status spread(clade_exchange *x, float *sum)
{
    clade_status status = CLADE_OK;
    for (int32_t r = 0; r < count(x) && !status; r++) {
        if (r == own(x)) continue;
        status = clade_ranks_send(x->ranks, r, sum + begin_of(x, own(x)),
                                  size_of(x, own(x)) * sizeof *sum);
        if (!status)
            status =
                clade_ranks_receive(x->ranks, r, sum + begin_of(x, r), size_of(x, r) * sizeof *sum);
    }
    return status ? status : clade_ranks_wait(x->ranks);
}

clade_status clade_exchange_run(clade_exchange *x, const clade_shard_results *results,
                                int32_t images, int32_t shard_size, float *sum, bool *stop)
{
    const batch_shape b = {images, shard_size, (images + shard_size - 1) / shard_size};
    clade_status status = CLADE_OK;
    x->asked[own(x)] = *stop;
    for (int32_t r = 0; r < count(x) && !status; r++) {
        if (r == own(x)) continue;
        status = share_small(x, &b, results, own(x), r);
        if (!status) status = share_small(x, &b, results, r, own(x));
    }
    if (!status) status = reduce(x, &b, results->gradients, sum);
    if (!status) status = spread(x, sum);
    *stop = false;
    for (int32_t r = 0; r < count(x) && !status; r++) *stop |= x->asked[r];
    return status;
}
