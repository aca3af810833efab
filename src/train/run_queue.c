/* Runs in the order of their shards. */
#include "train/run_queue.h"

#include <math.h>
#include <stdlib.h>

clade_status clade_run_queue_create(int32_t shards, clade_run_queue *out)
{
    *out = (clade_run_queue){.run = malloc((size_t)shards * sizeof *out->run),
                             .state = malloc((size_t)shards * sizeof *out->state)};
    if (out->run && out->state) return CLADE_OK;
    clade_run_queue_clear(out);
    return clade_fail(CLADE_ENOMEM, "out of memory for %d shards", shards);
}

void clade_run_queue_clear(clade_run_queue *q)
{
    free(q->run);
    free(q->state);
    *q = (clade_run_queue){0};
}

/* Few enough to be worth a transfer each, and enough to share out evenly. */
int32_t clade_run_queue_level(size_t devices, int32_t shards)
{
    const int64_t runs = devices > 1 ? 4 * (int64_t)devices : 1;
    int32_t level = 0;
    while (runs << level < shards) level++;
    return level;
}

void clade_run_queue_fill(clade_run_queue *q, size_t devices, int32_t first, int32_t end,
                          int32_t shards, int32_t images, int32_t shard_size)
{
    const int32_t longest = clade_run_queue_level(devices, end - first);
    q->images = images;
    q->shard_size = shard_size;
    q->runs = 0;
    while (first < end) {
        int32_t most = clade_tree_level(first, end, shards);
        int32_t level = most < longest ? most : longest;
        int32_t next = end - first > 1 << level ? first + (1 << level) : end;
        q->state[q->runs] = CLADE_RUN_WAITS;
        q->run[q->runs++] = (clade_shard_run){first, next, level, 0};
        first = next;
    }
    q->left = q->runs;
}

int32_t clade_run_queue_images(const clade_run_queue *q, int32_t run)
{
    int64_t first = (int64_t)q->run[run].first * q->shard_size;
    int64_t end = (int64_t)q->run[run].end * q->shard_size;
    return (int32_t)((end < q->images ? end : q->images) - first);
}

static bool leave_to_others(const clade_run_queue *q, const double *seconds, size_t devices,
                            size_t own, int32_t run, int32_t waiting)
{
    const double n = clade_run_queue_images(q, run);
    double rate = 0, least = INFINITY;
    for (size_t i = 0; i < devices; i++) {
        if (i == own) continue;
        if (seconds[i] == 0) return false;
        rate += 1 / seconds[i];
        least = fmin(least, seconds[i]);
    }
    return rate > 0 && seconds[own] * n > fmax(least * n, n * waiting / rate);
}

int32_t clade_run_queue_find(const clade_run_queue *q, const double *seconds, size_t devices,
                             size_t own)
{
    int32_t first = -1, waiting = 0;
    for (int32_t i = q->runs; i-- > 0;) {
        if (q->state[i] != CLADE_RUN_WAITS) continue;
        first = i;
        waiting++;
    }
    return first < 0 || leave_to_others(q, seconds, devices, own, first, waiting) ? -1 : first;
}
