/* Sums over all shards of a batch, pairwise in their order, and what follows from them. */
#define _POSIX_C_SOURCE 200809L
#include "train/meeting.h"
#include "base/clock.h"
#include "base/divide.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

struct clade_meeting {
    const clade_sync *sync;
    size_t count;
    clade_exchange *exchange; /* or NULL */
    clade_sharding batch;
    size_t widest;
    size_t *place;       /* [count]: of a stop's means */
    float *sums;         /* [shards, widest] */
    float *means, *kept; /* of all stops; kept: what running statistics take in */

    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t changed;
    size_t found; /* stops whose means are there */
    size_t devices, arrived;
    bool lost;
};

static size_t width_of(const clade_sync *sync) { return clade_tensor_count(&sync->sums); }

static clade_status allocate(clade_meeting *m, int32_t shards)
{
    size_t all = 0;
    m->place = malloc(m->count * sizeof *m->place);
    if (!m->place) return clade_fail(CLADE_ENOMEM, "out of memory for batch statistics");
    for (size_t i = 0; i < m->count; i++) {
        const size_t width = width_of(&m->sync[i]);
        m->place[i] = all;
        all += width;
        if (width > m->widest) m->widest = width;
    }
    m->sums = malloc((size_t)shards * m->widest * sizeof *m->sums);
    m->means = malloc(all * sizeof *m->means);
    m->kept = malloc(all * sizeof *m->kept);
    if (m->sums && m->means && m->kept) return CLADE_OK;
    return clade_fail(CLADE_ENOMEM, "out of memory for batch statistics of %d shards", shards);
}

clade_status clade_meeting_create(const clade_model *model, int32_t shards,
                                  clade_exchange *exchange, clade_meeting **out)
{
    clade_meeting *m = *out = calloc(1, sizeof *m);
    if (!m) return clade_fail(CLADE_ENOMEM, "out of memory for batch statistics");
    pthread_mutex_init(&m->mutex, NULL);
    pthread_cond_init(&m->changed, NULL);
    m->sync = clade_model_syncs(model, &m->count);
    m->exchange = exchange;
    clade_status status = allocate(m, shards);
    if (status) clade_meeting_destroy(out);
    return status;
}

void clade_meeting_destroy(clade_meeting **handle)
{
    clade_meeting *m = *handle;
    if (!m) return;
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->mutex);
    free(m->place);
    free(m->sums);
    free(m->means);
    free(m->kept);
    free(m);
    *handle = NULL;
}

void clade_meeting_start(clade_meeting *m, clade_sharding batch)
{
    m->batch = batch;
    m->found = 0;
}

void clade_meeting_begin(clade_meeting *m, size_t devices)
{
    m->devices = devices;
    m->arrived = 0;
    m->lost = false;
}

/* --- the caller --- */

/* Adds the rows up; the first one becomes the sum. */
static void add_rows(float *rows, size_t width, int32_t count)
{
    for (int64_t step = 1; step < count; step *= 2)
        for (int64_t i = 0; i + step < count; i += 2 * step) {
            float *to = rows + (size_t)i * width;
            const float *from = rows + (size_t)(i + step) * width;
            for (size_t k = 0; k < width; k++) to[k] += from[k];
        }
}

static void find_means(clade_meeting *m, size_t stop)
{
    const clade_sync *sync = &m->sync[stop];
    const int64_t rows = sync->rows * m->batch.images;
    const float all = (float)rows, inverse = clade_divide(1, all);
    float *mean = m->means + m->place[stop], *kept = m->kept + m->place[stop];
    add_rows(m->sums, width_of(sync), m->batch.shards);
    for (size_t k = 0; k < width_of(sync); k++) {
        const float sum = m->sums[k];
        const bool unbiased = sync->kind == CLADE_SYNC_VARIANCE && rows > 1;
        mean[k] = sync->kind == CLADE_SYNC_GRADIENT ? sum * inverse : clade_divide(sum, all);
        kept[k] = unbiased ? clade_divide(sum, (float)(rows - 1)) : mean[k];
    }
}

clade_status clade_meeting_hold(clade_meeting *m, clade_meeting_found *found, void *user,
                                bool *lost)
{
    clade_status status = CLADE_OK;
    pthread_mutex_lock(&m->mutex);
    while (m->found < m->count && !m->lost) {
        if (m->arrived < m->devices) {
            pthread_cond_wait(&m->changed, &m->mutex);
            continue;
        }
        pthread_mutex_unlock(&m->mutex);
        if (m->exchange)
            status =
                clade_exchange_sums(m->exchange, m->batch, m->sums, width_of(&m->sync[m->found]));
        if (!status) find_means(m, m->found);
        pthread_mutex_lock(&m->mutex);
        m->arrived = 0;
        m->found++;
        m->lost = status != CLADE_OK;
        pthread_cond_broadcast(&m->changed);
        if (status || !found) continue;
        pthread_mutex_unlock(&m->mutex);
        status = found(user, m->found - 1);
        if (status) clade_meeting_leave(m);
        pthread_mutex_lock(&m->mutex);
    }
    *lost = m->lost;
    pthread_mutex_unlock(&m->mutex);
    return status;
}

clade_status clade_meeting_end(const clade_meeting *m)
{
    clade_status status = CLADE_OK;
    float *value = malloc(m->widest * sizeof *value);
    if (!value) return clade_fail(CLADE_ENOMEM, "out of memory for running statistics");
    for (size_t i = 0; i < m->count && !status; i++) {
        const clade_sync *sync = &m->sync[i];
        const float *kept = m->kept + m->place[i];
        if (!clade_tensor_present(&sync->running)) continue;
        status = clade_tensor_read(&sync->running, value);
        for (size_t k = 0; k < width_of(sync); k++)
            value[k] = fmaf(sync->momentum, value[k], (1 - sync->momentum) * kept[k]);
        if (!status) status = clade_tensor_write(&sync->running, value);
    }
    free(value);
    return status;
}

/* --- devices --- */

float *clade_meeting_sums(clade_meeting *m, size_t stop, int32_t shard)
{
    pthread_mutex_lock(&m->mutex);
    const bool found = m->found > stop;
    pthread_mutex_unlock(&m->mutex);
    return found ? NULL : m->sums + (size_t)shard * width_of(&m->sync[stop]);
}

const float *clade_meeting_wait(clade_meeting *m, size_t stop, double *waited)
{
    const double begun = clade_clock();
    pthread_mutex_lock(&m->mutex);
    if (m->found <= stop) {
        m->arrived++;
        pthread_cond_broadcast(&m->changed);
    }
    while (m->found <= stop && !m->lost) pthread_cond_wait(&m->changed, &m->mutex);
    const bool found = m->found > stop && !m->lost;
    pthread_mutex_unlock(&m->mutex);
    *waited += clade_clock() - begun;
    return found ? m->means + m->place[stop] : NULL;
}

void clade_meeting_leave(clade_meeting *m)
{
    pthread_mutex_lock(&m->mutex);
    m->lost = true;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->mutex);
}
