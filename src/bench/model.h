/* A recipe's model with its optimizer and a batch of random images. */
#ifndef CLADE_BENCH_MODEL_H
#define CLADE_BENCH_MODEL_H

#include "bench/bench.h"
#include "train/optimizer.h"

typedef struct bench_model {
    clade_model *model;
    clade_updater *updater;
    clade_buffer *bytes, *matrix; /* of a batch of images */
    clade_call sample;            /* converts them to the model's input */
    char *name;
    int32_t batch;
    uint32_t step;
    int users;
} bench_model;

/* Creates one, with one user. batch 0: the recipe's. */
clade_status clade_bench_model_create(clade_device *device, const clade_recipe *recipe,
                                      int32_t batch, bench_model **out);
/* Removes a user; with the last one it is destroyed. */
void clade_bench_model_release(void *model);
/* Queues a whole training step. */
clade_status clade_bench_model_step(void *model);

#endif
