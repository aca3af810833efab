/* Compares training from images with its bare steps: the cost of reading, decoding and
 * uploading. */
#ifndef CLADE_TOOLS_BENCH_TRAINING_H
#define CLADE_TOOLS_BENCH_TRAINING_H

#include "session.h"

typedef struct bench_training {
    const session_place *place;
    const char *recipe, *data;
    int64_t batch, epochs; /* 0: the recipe's, 3 */
    bool json;
} bench_training;

/* Trains for some epochs, without writing anything. Between epochs it times the step alone: the
 * same model on one batch of bytes that is already on the device. */
clade_status bench_train(const bench_training *request);

#endif
