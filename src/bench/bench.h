/* Benchmarks' inside: the list of things to be timed, and what a call costs. */
#ifndef CLADE_BENCH_BENCH_H
#define CLADE_BENCH_BENCH_H

#include "nn/build.h"

#include <clade/bench.h>

/* Something to be timed. */
typedef struct bench_thing {
    clade_bench_result result;
    clade_status (*run)(void *user); /* queues it once */
    void *user;
    void (*destroy)(void *user); /* gives `user` back */
    int less;        /* the time of this thing in the same round is taken off; -1: none */
    unsigned calls;  /* in a row in each round */
    double *seconds; /* of one call, in each round */
} bench_thing;

struct clade_bench {
    clade_device *device;
    bench_thing *thing;
    size_t count;
};

/* Takes over `thing->user`, also when it fails. */
clade_status clade_bench_add(clade_bench *bench, const bench_thing *thing);

/* What a call must do: operations of matrix products and convolutions, and bytes of its operands.
 */
typedef struct bench_cost {
    double flops, bytes;
} bench_cost;

bench_cost clade_bench_call_cost(const clade_call *call);
/* Of all calls of a pass over the full batch. */
bench_cost clade_bench_pass_cost(const clade_model *model, clade_pass pass);

#endif
