/* Bands of results of a direct convolution or an input gradient, which conv.c and conv_pool.c are
 * made of. */
#ifndef CLADE_CPU_CONV_BAND_H
#define CLADE_CPU_CONV_BAND_H

#include "cpu/conv.h"
#include "cpu/cpu.h"

#include "../../kernels/conv_epilogue.clh"

typedef struct conv_job {
    const float *src, *weights;
    const uint8_t
        *index; /* src is the gradient of 2 x 2 maxima that took these; NULL: it is full */
    float *out;
    float *rows; /* each thread's copies of source rows, row_floats apart */
    size_t row_floats;
    conv_axis row, column;
    int32_t out_h, out_w;
    int32_t groups, cin, cout; /* channels per group */
    int32_t window;            /* taps in a row of weights */
    int32_t lanes, blocks;     /* results in a block, blocks per group */
    int64_t w_block, w_tap;    /* distances in weights */
    int32_t w_step;
    conv_epilogue epilogue;
    int32_t accumulate;
    int32_t segment, segments; /* results per item of work, items per row */
    int32_t parts;             /* items that share a segment's blocks */
    int32_t band;              /* rows of results that share copied source rows */
} conv_job;

/* Results first … first + count − 1 of rows j0 … j1 − 1 of image n; where they are pooled, these
 * are two whole rows of 2 x 2 windows. */
typedef struct conv_band {
    int64_t n;
    int32_t j0, j1, first, count;
    int32_t b0, b1;  /* blocks of each group */
    bool pooled;     /* what is stored is the largest of each window */
    uint8_t *index;  /* where pooled: which one it was, placed as out; or NULL */
    float *out;      /* where the first row's first result's first channel goes */
    int64_t out_row; /* from one row to the next */
} conv_band;

void CPU_NAME(conv_band)(const conv_job *job, const conv_band *band, int thread);

/* What there is to know of a convolution but for its weights. */
conv_job CPU_NAME(conv_forward_job)(const clade_conv2d_args *a, const conv_epilogue *epilogue);
/* Packs the weights into workspace, behind which the copies of rows then lie. */
void CPU_NAME(conv_pack)(cpu_context *cpu, conv_job *job, const clade_tensor *w, bool backward,
                         float *to);

/* Bias and activation alone. */
static inline conv_epilogue conv_epilogue_of(const clade_conv2d_args *a)
{
    return (conv_epilogue){.b = clade_tensor_present(&a->b) ? clade_tensor_host(&a->b) : NULL,
                           .act = a->act,
                           .alpha = a->alpha};
}

/* The ops themselves. */
clade_status CPU_NAME(conv2d)(void *context, const clade_conv2d_args *a, void *workspace);
clade_status CPU_NAME(conv2d_dx)(void *context, const clade_conv2d_dx_args *a, void *workspace);
clade_status CPU_NAME(conv2d_dw)(void *context, const clade_conv2d_dw_args *a, void *workspace);

/* The gradients of convolutions that are not depthwise. With `index`, a->dy has the shape of the
 * full gradient but the memory of the pooled one. conv_dw is in conv_dw.c. */
clade_status CPU_NAME(conv_dx)(cpu_context *cpu, const clade_conv2d_dx_args *a,
                               const uint8_t *index, void *workspace);
clade_status CPU_NAME(conv_dw)(cpu_context *cpu, const clade_conv2d_dw_args *a,
                               const uint8_t *index, void *workspace);

/* Those that are computed by Winograd's tiles, in winograd.c; `index` as above. The forward one
 * writes the pooled results and, unless NULL, index where `pooled`. */
clade_status CPU_NAME(winograd)(cpu_context *cpu, const clade_conv2d_args *a,
                                const conv_epilogue *epilogue, float *y, uint8_t *index,
                                bool pooled, void *workspace);
clade_status CPU_NAME(winograd_dx)(cpu_context *cpu, const clade_conv2d_dx_args *a,
                                   const uint8_t *index, void *workspace);
clade_status CPU_NAME(winograd_dw)(cpu_context *cpu, const clade_conv2d_dw_args *a,
                                   const uint8_t *index, void *workspace);

/* A row of the full gradient from pooled ones, in conv_pool.c: `width` columns from `left` on,
 * zeros where they lie outside and for what no window covers. [columns, channels]. */
typedef struct conv_unpool {
    const float *dy;      /* of the image, [h / 2, w / 2, channels] */
    const uint8_t *index; /* the same */
    int32_t h, w, channels;
} conv_unpool;
void CPU_NAME(conv_unpool_row)(const conv_unpool *s, int32_t row, int32_t left, int32_t width,
                               float *to);

#endif
