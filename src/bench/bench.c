/* The list of items to time, and the rounds of timing them. */
#include "bench/bench.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

clade_status clade_bench_create(clade_device *device, clade_bench **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return clade_fail(CLADE_ENOMEM, "out of memory for a benchmark");
    (*out)->device = device;
    return CLADE_OK;
}

void clade_bench_destroy(clade_bench **handle)
{
    clade_bench *bench = *handle;
    if (!bench) return;
    for (size_t i = 0; i < bench->count; i++) {
        if (bench->thing[i].destroy) bench->thing[i].destroy(bench->thing[i].user);
        free(bench->thing[i].seconds);
    }
    free(bench->thing);
    free(bench);
    *handle = NULL;
}

clade_status clade_bench_add(clade_bench *bench, const bench_thing *thing)
{
    bench_thing *grown = realloc(bench->thing, (bench->count + 1) * sizeof *grown);
    if (!grown) {
        if (thing->destroy) thing->destroy(thing->user);
        return clade_fail(CLADE_ENOMEM, "out of memory for a benchmark");
    }
    bench->thing = grown;
    bench->thing[bench->count++] = *thing;
    return CLADE_OK;
}

/* Gives the seconds of one of several calls in a row. */
static clade_status take_time(clade_bench *bench, const bench_thing *thing, double *seconds)
{
    double begun = clade_clock();
    clade_status status = CLADE_OK;
    for (unsigned i = 0; i < thing->calls && !status; i++) status = thing->run(thing->user);
    if (!status) status = clade_device_finish(bench->device);
    *seconds = (clade_clock() - begun) / thing->calls;
    return clade_context(status, "%s", thing->result.name);
}

/* Runs everything twice, and finds how many calls in a row can be timed well. */
static clade_status warm_up(clade_bench *bench)
{
    static const double enough = 5e-3;
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < bench->count && !status; i++) {
        bench_thing *thing = &bench->thing[i];
        double seconds;
        thing->calls = 1;
        status = take_time(bench, thing, &seconds);
        if (!status) status = take_time(bench, thing, &seconds);
        if (seconds < enough)
            thing->calls = seconds > 5e-6 ? (unsigned)(enough / seconds) + 1 : 1000;
    }
    return status;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Returns the value below which a share of the sorted values lies, interpolated between
 * neighbours. */
static double quantile(const double *sorted, int n, double share)
{
    double at = share * (n - 1);
    int below = (int)at;
    if (below == n - 1) return sorted[below];
    return sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]);
}

static void sum_up(bench_thing *thing, int rounds)
{
    clade_bench_result *r = &thing->result;
    qsort(thing->seconds, (size_t)rounds, sizeof *thing->seconds, ascending);
    double range = quantile(thing->seconds, rounds, 0.75) - quantile(thing->seconds, rounds, 0.25);
    /* differences of noisy times may be negative */
    r->median = fmax(quantile(thing->seconds, rounds, 0.5), 0);
    r->least = fmax(thing->seconds[0], 0);
    r->spread = r->median > 0 ? range / r->median : 0;
}

clade_status clade_bench_run(clade_bench *bench, int rounds)
{
    if (rounds < 1) return clade_fail(CLADE_EINVAL, "%d rounds, expected at least 1", rounds);
    for (size_t i = 0; i < bench->count; i++) {
        free(bench->thing[i].seconds);
        bench->thing[i].seconds = calloc((size_t)rounds, sizeof(double));
        if (!bench->thing[i].seconds)
            return clade_fail(CLADE_ENOMEM, "out of memory for %d rounds", rounds);
    }
    clade_status status = warm_up(bench);
    for (int round = 0; round < rounds && !status; round++) {
        for (size_t i = 0; i < bench->count && !status; i++)
            status = take_time(bench, &bench->thing[i], &bench->thing[i].seconds[round]);
        for (size_t i = bench->count; i-- > 0 && !status;) {
            bench_thing *thing = &bench->thing[i];
            if (thing->less < 0) continue;
            thing->seconds[round] -= bench->thing[thing->less].seconds[round];
        }
    }
    for (size_t i = 0; i < bench->count && !status; i++) sum_up(&bench->thing[i], rounds);
    return status;
}

size_t clade_bench_results(const clade_bench *bench) { return bench->count; }

const clade_bench_result *clade_bench_result_at(const clade_bench *bench, size_t i)
{
    return &bench->thing[i].result;
}
