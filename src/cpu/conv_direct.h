/* What direct convolution is told of a tensor of results, and how one item of its work is done. */
#ifndef CLADE_CPU_CONV_DIRECT_H
#define CLADE_CPU_CONV_DIRECT_H

#include "cpu/conv.h"

typedef struct direct_job {
    conv_axis row, column;
    int32_t out_h, out_w;      /* where pooled: of the maxima */
    int32_t groups, cin, cout; /* channels per group */
    int32_t window;            /* taps in a row of weights */
    int32_t lanes, blocks;     /* results in a block, blocks per group */
    int64_t w_block, w_tap;    /* distances in weights */
    int32_t accumulate;
    bool pooled;               /* what is stored is the largest of each 2 x 2 window */
    bool unpool;               /* src is the gradient of such maxima */
    int32_t segment, segments; /* results per item of work, items per row */
    int32_t parts;             /* items that share a segment's blocks */
    int32_t band;              /* rows of results that share copied source rows */
    size_t items;              /* of work */
    size_t row_floats;         /* of a thread's copies of source rows */
    /* by run: */
    const float *src, *weights;
    const uint8_t *index; /* where unpool */
    float *out;
    uint8_t *taken; /* where pooled: which one it was, placed as out; or NULL */
    float *rows;    /* each thread's copies of source rows, row_floats apart */
    conv_epilogue epilogue;
} direct_job;

/* Computes one item; in conv_band.c. */
void CPU_NAME(direct_item)(void *user, size_t item, int thread);

#endif
