/* 2 x 2 maxima of a convolution's results, and the full gradient from that of the maxima. */
#ifndef CLADE_CPU_CONV_POOL_H
#define CLADE_CPU_CONV_POOL_H

#include "cpu/cpu.h"

/* The gradient of 2 x 2 maxima, of one image or several. */
typedef struct conv_unpool {
    const float *dy;      /* [h / 2, w / 2, channels] of each */
    const uint8_t *index; /* the same */
    int32_t h, w, channels;
} conv_unpool;

/* A row of an image's full gradient: `width` columns from `left` on, zeros where they lie outside
 * and for what no window covers. [columns, channels]. */
void CPU_NAME(conv_unpool_row)(const conv_unpool *s, int32_t row, int32_t left, int32_t width,
                               float *to);
/* The full gradient of some images, [images, h, w, channels]. */
void CPU_NAME(conv_unpool)(cpu_context *cpu, const conv_unpool *s, int32_t images, float *to);

/* An image's maxima. */
typedef struct conv_pooling {
    const float *x; /* [h, w, channels] */
    float *y;       /* [h / 2, w / 2, channels] */
    uint8_t *index; /* the same, or NULL */
    int32_t h, w, channels;
    bool relu;
} conv_pooling;
void CPU_NAME(conv_pool)(cpu_context *cpu, const conv_pooling *job);

#endif
