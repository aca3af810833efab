/* Training from images next to its bare steps: what reading, decoding and uploading cost. */
#ifndef CLADE_TOOLS_BENCH_TRAINING_H
#define CLADE_TOOLS_BENCH_TRAINING_H

#include "session.h"

typedef struct bench_training {
    const session_place *place;
    const char *recipe, *data;
    int64_t batch, epochs; /* 0: the recipe's, 3 */
    bool json;
} bench_training;

/* Trains for some epochs, without writing anything. Between them it times the step alone: the same
 * model on one batch of bytes that lies on the device. */
clade_status bench_train(const bench_training *request);

#endif
