/* What direct convolutions of bfloat16 tensors, by products of pairs, have in common: one group,
 * taps side by side in a row. */
#ifndef CLADE_CPU_DIRECT_PAIRS_H
#define CLADE_CPU_DIRECT_PAIRS_H

#include "cpu/pairs.h" /* says what kernels' tensors are */

#include "cpu/conv.h"
#include "cpu/tile.h"

typedef struct pairs_geometry {
    int32_t h, w, c, oh, ow, k; /* oh and ow in full where results are pooled */
    int32_t kh, kw, stride[2], top, left, dilation;
    int32_t lanes; /* filters, rounded up to whole vectors */
    int32_t run;   /* numbers that a row of taps reads */
    int32_t span;  /* columns that a row of results reads */
} pairs_geometry;

static inline bool direct_pairs_can(const conv_problem *p, const conv_geometry *g)
{
    return p->pairs && g->groups == 1 && g->dilation[1] == 1;
}

static inline pairs_geometry direct_pairs_geometry(const conv_geometry *g, const clade_tensor *x,
                                                   const clade_tensor *w, const clade_tensor *y)
{
    return (pairs_geometry){
        .h = x->dim[1],
        .w = x->dim[2],
        .c = x->dim[3],
        .oh = y->dim[1],
        .ow = y->dim[2],
        .k = y->dim[3],
        .kh = w->dim[0],
        .kw = w->dim[1],
        .stride = {g->stride[0], g->stride[1]},
        .top = g->pad[0],
        .left = g->pad[1],
        .dilation = g->dilation[0],
        .lanes = (y->dim[3] + VW - 1) / VW * VW,
        .run = w->dim[1] * x->dim[3],
        .span = (y->dim[2] - 1) * g->stride[1] + w->dim[1],
    };
}

static inline size_t direct_pairs_row(const pairs_geometry *g)
{
    return cpu_product((size_t)g->span, (size_t)g->c);
}

/* Row of an image from column −left on, zeros where it lies outside: span · c numbers. */
static inline void direct_pairs_copy(const pairs_geometry *g, const bf16 *row, bf16 *to)
{
    const size_t c = (size_t)g->c, span = (size_t)g->span, w = (size_t)g->w;
    const size_t left = (size_t)g->left < span ? (size_t)g->left : span;
    const size_t middle = span - left < w ? span - left : w;
    memset(to, 0, left * c * sizeof *to);
    memcpy(to + left * c, row, middle * c * sizeof *to);
    memset(to + (left + middle) * c, 0, (span - left - middle) * c * sizeof *to);
}

/* Where row r of taps is in the source for row `oh` of results. */
static inline int64_t direct_pairs_source(const pairs_geometry *g, int32_t oh, int32_t r)
{
    return (int64_t)oh * g->stride[0] - g->top + (int64_t)r * g->dilation;
}

#endif
