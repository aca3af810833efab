/* What this processor can do at most: fused multiply-adds of all threads, and a triad of vectors.
 */
#include "base/clock.h"
#include "cpu/cpu.h"

#include "../../kernels/peak.clh"

#include <stdlib.h>

enum { blocks = 64, steps = 200000, triad_floats = 16 << 20 };

typedef struct triad {
    float *a, *b, *c;
} triad;

static void fma_block(void *user, size_t i, int thread)
{
    (void)thread;
    float *sums = user;
    V_STORE(sums + i * VW, peak_chains(0.5f, steps));
}

static void triad_block(void *user, size_t i, int thread)
{
    (void)thread;
    const triad *t = user;
    size_t each = triad_floats / blocks, end = (i + 1) * each;
    for (size_t k = i * each; k < end; k += VW)
        V_STORE(t->a + k, V_FMA(V_SPLAT(0.5f), V_LOAD(t->c + k), V_LOAD(t->b + k)));
}

/* Seconds of a loop over all blocks: the best of a few. */
static double best_time(cpu_context *cpu, void (*body)(void *user, size_t i, int thread),
                        void *user)
{
    enum { runs = 5 };
    double best = 0;
    for (int run = 0; run < runs; run++) {
        double begun = clade_clock();
        clade_pool_for(cpu->pool, blocks, body, user);
        double took = clade_clock() - begun;
        if (!run || took < best) best = took;
    }
    return best;
}

clade_status CPU_NAME(peak)(void *context, double *flops, double *bytes)
{
    cpu_context *cpu = context;
    float sums[blocks * VW];
    triad t = {.a = calloc(triad_floats, sizeof(float)),
               .b = malloc(triad_floats * sizeof(float)),
               .c = malloc(triad_floats * sizeof(float))};
    clade_status status = CLADE_OK;
    if (t.a && t.b && t.c) {
        for (size_t i = 0; i < triad_floats; i++) t.b[i] = t.c[i] = 1;
        *flops = 2.0 * PEAK_CHAINS * VW * steps * blocks / best_time(cpu, fma_block, sums);
        *bytes = 3.0 * sizeof(float) * triad_floats / best_time(cpu, triad_block, &t);
    } else {
        status = clade_fail(CLADE_ENOMEM, "out of memory to measure the processor");
    }
    free(t.a);
    free(t.b);
    free(t.c);
    return status;
}
