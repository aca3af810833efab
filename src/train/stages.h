/* The stages in which ranks exchange a bucket.
 *
 * The number of ranks is a product, of one factor for each stage. In the first one neighbours, as
 * many as the factor says, cut a bucket into as many chunks: each sends the others theirs and adds
 * up its own. In the next one those who hold the same chunk, a group's distance apart, cut that,
 * and so on; the allgather goes the same way back. One stage of all ranks is one message straight
 * to everyone, which waits least; stages of two are recursive halving and doubling. */
#ifndef CLADE_TRAIN_STAGES_H
#define CLADE_TRAIN_STAGES_H

#include <stddef.h>
#include <stdint.h>

/* Groups of `size` ranks, `stride` apart. */
typedef struct clade_stage {
    int32_t size, stride;
} clade_stage;

enum { CLADE_MOST_STAGES = 32 };

typedef struct clade_stages {
    clade_stage stage[CLADE_MOST_STAGES];
    size_t count;
} clade_stages;

/* Part of a bucket. */
typedef struct clade_chunk {
    size_t first, count;
} clade_chunk;

/* Of so many ranks. */
void clade_stages_find(int32_t ranks, clade_stages *out);
/* Who has that digit, from 0 to size - 1, in a stage, and is like `rank` otherwise. */
int32_t clade_stage_peer(const clade_stage *stage, int32_t rank, int32_t digit);
/* What a rank holds of a bucket of `length` after so many of the stages. */
clade_chunk clade_stages_chunk(const clade_stages *stages, size_t length, int32_t rank,
                               size_t count);

#endif
