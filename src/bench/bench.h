/* Internals of benchmarks: the list of items to time, and the cost of a call. */
#ifndef CLADE_BENCH_BENCH_H
#define CLADE_BENCH_BENCH_H

#include "nn/build.h"

#include <clade/bench.h>

/* An item to time. */
typedef struct bench_thing {
    clade_bench_result result;
    clade_status (*run)(void *user); /* queues it once */
    void *user;
    void (*destroy)(void *user); /* frees `user` */
    int less;        /* index of an item whose time in the same round is subtracted; -1: none */
    unsigned calls;  /* number in a row in each round */
    double *seconds; /* of one call, in each round */
} bench_thing;

struct clade_bench {
    clade_device *device;
    bench_thing *thing;
    size_t count;
};

/* Adds an item; takes over `thing->user`, also on failure. */
clade_status clade_bench_add(clade_bench *bench, const bench_thing *thing);

/* The work that a call must do: operations of matrix products and convolutions, and bytes of its
 * operands. */
typedef struct bench_cost {
    double flops, bytes;
} bench_cost;

bench_cost clade_bench_call_cost(const clade_call *call);
/* Returns the cost of all calls of a pass over the full batch. */
bench_cost clade_bench_pass_cost(const clade_model *model, clade_pass pass);

#endif
