/* Broadcast on the CPU: loops over rows, and sums over stretched dimensions. For family files. */
#ifndef CLADE_CPU_BROADCAST_H
#define CLADE_CPU_BROADCAST_H

#include "cpu/tree.h"
#include "op/broadcast.h"

#include "../../kernels/broadcast.clh"

/* The loop that follows has no dependence from one step to the next but through the same element,
 * as when it works in place. */
#if defined(__clang__)
#define EACH_ALONE _Pragma("clang loop vectorize(assume_safety)")
#else
#define EACH_ALONE _Pragma("GCC ivdep")
#endif

/* An element-wise op: row() makes n elements of y from those of a and b, stretched where `a_step`
 * or `b_step`, else 1, is 0. */
typedef struct broadcast_job {
    broadcast_space space;
    float *y;
    const float *a, *b, *same; /* same: what else is read, of y's shape, or NULL */
    float alpha, beta;
    int accumulate;
    void (*row)(const struct broadcast_job *job, float *y, const float *a, const float *b,
                size_t n);
} broadcast_job;

static inline row_walk walk_space(const broadcast_space *s)
{
    return (row_walk){.size = {s->size[0], s->size[1], s->size[2]},
                      .a_step = {s->a[0], s->a[1], s->a[2]},
                      .b_step = {s->b[0], s->b[1], s->b[2]}};
}

/* Elements [first, end) of y. */
static inline void broadcast_rows(const void *user, size_t first, size_t end)
{
    const broadcast_job *job = user;
    const broadcast_space *s = &job->space;
    const size_t width = (size_t)s->size[3];
    row_walk w = walk_space(s);
    walk_to(&w, first / width);
    for (size_t i = first, k = first % width; i < end; k = 0, walk_next(&w)) {
        size_t n = width - k < end - i ? width - k : end - i;
        job->row(job, job->y + i, job->a + w.a + k * s->a[3], job->b + w.b + k * s->b[3], n);
        i += n;
    }
}

/* Keeps a job whose row, factors and `accumulate` are set as a plan's state; b may be NULL. */
static inline clade_status plan_broadcast(broadcast_job job, const clade_tensor *y,
                                          const clade_tensor *a, const clade_tensor *b,
                                          clade_plan *plan)
{
    broadcast_job *kept = clade_cpu_state(plan, sizeof *kept);
    if (!kept) return CLADE_ENOMEM;
    *kept = job;
    clade_broadcast_space(y, a, b, &kept->space);
    return CLADE_OK;
}

static inline clade_status run_broadcast(cpu_context *cpu, broadcast_job job, const clade_tensor *y,
                                         const clade_tensor *a, const clade_tensor *b)
{
    enum { grain = 16384 };
    job.y = clade_tensor_host(y);
    job.a = clade_tensor_host(a);
    job.b = b ? clade_tensor_host(b) : job.a;
    clade_cpu_range(cpu, (cpu_range){broadcast_rows, &job, clade_tensor_count(y), grain});
    return CLADE_OK;
}

/* target = scale Σ x, or scale Σ x b, with `below` of b that are not above 0, or added to it. */
typedef struct sum_job {
    broadcast_sum s;
    cpu_tree tree;
    const float *x, *b; /* b: NULL where there is no factor */
    float *target;
    float *part; /* the runs' sums, [rows, runs, lanes, width], where there are several */
    float scale;
    int accumulate;
    bool below;
    size_t width, rows;     /* outputs side by side; rows of them */
    size_t columns, strips; /* of a unit; units in a row. Set when it runs */
} sum_job;

/* All in reduce.c. A job without pointers and `below`; b may be NULL. sum_workspace: the bytes of
 * `part`. */
sum_job CPU_NAME(plan_sum)(const clade_tensor *x, const clade_tensor *b, const clade_tensor *target,
                           float scale, int32_t accumulate);
size_t CPU_NAME(sum_workspace)(const sum_job *job);
void CPU_NAME(sum)(cpu_context *cpu, const sum_job *job);

#endif
