/* How devices with few wide cores (the CPU, and OpenCL on CPUs) cut Winograd's tiles into blocks
 * and lay out their workspace. Results do not depend on it. */
#ifndef CLADE_OP_WINOGRAD_PLAN_H
#define CLADE_OP_WINOGRAD_PLAN_H

#include "op/conv.h"

enum { winograd_points = 36 };

static inline int32_t winograd_round(int32_t n, int32_t to) { return (n + to - 1) / to * to; }

/* Plans for vectors of `vw` floats: rows of whole vectors, two vectors of filters at a time, and as
 * many tiles at a time as fit `cache` bytes while all workers have enough blocks; a multiple of the
 * tiles in a product. */
static inline void winograd_plan(winograd_job *job, int32_t vw, int32_t workers, int64_t cache)
{
    job->cs = winograd_round(job->c, vw);
    job->lanes = job->k > vw ? 2 * vw : vw;
    int64_t each = winograd_points * (int64_t)sizeof(float) * ((int64_t)job->cs + job->lanes);
    int32_t fit = (int32_t)(cache / each), share = (job->tiles - 1) / (2 * workers) + 1;
    int32_t tile = vw == 16 ? 14 : 6; /* WINOGRAD_PB */
    if (fit > share) fit = share + tile - 1;
    job->block = fit < tile ? tile : fit / tile * tile;
}

/* Plans the same for a weight gradient, whose chunks are cut evenly. */
static inline void winograd_plan_dw(winograd_job *job, int32_t vw, int64_t cache)
{
    job->cs = winograd_round(job->c, vw);
    job->ks = winograd_round(job->k, vw);
    int64_t each = winograd_points * (int64_t)sizeof(float) * ((int64_t)job->cs + job->ks);
    int32_t fit = (int32_t)(cache / each);
    int32_t parts = fit ? (job->per_chunk - 1) / fit + 1 : job->per_chunk;
    job->block = (job->per_chunk - 1) / parts + 1;
}

/* ---- floats of workspace ---- */

static inline size_t winograd_filter_floats(const winograd_job *job)
{
    return (size_t)winograd_points * (size_t)job->c * (size_t)winograd_round(job->k, job->lanes);
}
/* One worker's u and m. */
static inline size_t winograd_block_floats(const winograd_job *job)
{
    return (size_t)winograd_points * (size_t)job->block * (size_t)(job->cs + job->lanes);
}
/* Sums of dw and db of all chunks. */
static inline size_t winograd_sum_floats(const winograd_job *job)
{
    return (size_t)job->chunks * (size_t)winograd_points * (size_t)job->cs * (size_t)job->ks;
}
static inline size_t winograd_db_floats(const winograd_job *job)
{
    return (size_t)job->chunks * (size_t)job->ks;
}
/* One worker's u and e. */
static inline size_t winograd_dw_floats(const winograd_job *job)
{
    return (size_t)winograd_points * (size_t)job->block * (size_t)(job->cs + job->ks);
}

#endif
