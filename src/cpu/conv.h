/* Convolutions on the CPU: what the ops hand to the algorithms that compute them. */
#ifndef CLADE_CPU_CONV_H
#define CLADE_CPU_CONV_H

#include "cpu/cpu.h"
#include "op/conv.h"

#include "../../kernels/conv_epilogue.clh"

/* A convolution, or a gradient of one, as it is planned. */
typedef struct conv_problem {
    clade_args args; /* of conv2d, conv2d_dx or conv2d_dw. In the pooled ops y, or dy, has the shape
                      * of the full tensor, which lies nowhere */
    bool pooled;     /* y, or dy, is in memory as that of 2 x 2 maxima */
    bool indexed;    /* which elements they took is written too */
    bool pairs;      /* all tensors but dw and db are bfloat16, and so may factors of products be */
} conv_problem;

/* Where a call finds its tensors; NULL: it has not got that one. */
typedef struct conv_memory {
    const void *x, *dy, *w; /* of the problem's dtypes, */
    void *y, *dx;           /* as these are */
    float *dw, *db;
    const uint8_t *index; /* of a pooled dy */
    uint8_t *taken;       /* the index of a pooled y */
    conv_epilogue epilogue;
    float *workspace;
} conv_memory;

typedef struct conv_algorithm {
    const char *name;
    bool halves; /* takes what tensors the problem has of 16 bits; else they are to be float32 */
    bool (*can)(const conv_problem *p);
    /* Makes a state that begins with a conv_state. */
    clade_status (*plan)(const cpu_context *cpu, const conv_problem *p, clade_plan *plan);
    void (*run)(cpu_context *cpu, const void *state, const conv_memory *m);
} conv_algorithm;

/* What the state of a convolution's plan begins with; conv.c sets it. */
typedef struct conv_state {
    const conv_algorithm *algorithm;
} conv_state;

/* Images of which threads read rows, each in a float32 copy of its own where they are of 16 bits.
 */
typedef struct conv_images {
    clade_dtype dtype;
    int32_t rows;       /* of an image */
    size_t row;         /* elements of one */
    size_t copy_floats; /* of a thread's copy of some images; 0: there is none */
} conv_images;

static inline conv_images conv_images_of(const clade_tensor *t, bool pooled, int32_t images)
{
    conv_images i = {.dtype = t->dtype};
    i.rows = pooled ? t->dim[1] / 2 : t->dim[1];
    i.row = (size_t)(pooled ? t->dim[2] / 2 : t->dim[2]) * (size_t)t->dim[3];
    if (clade_dtype_is_half(t->dtype)) i.copy_floats = (size_t)images * (size_t)i.rows * i.row;
    return i;
}

/* Image n of `data`, of which rows first … end − 1 will be read: they may go on into further
 * images, as many as a copy has. */
static inline const float *conv_images_read(const conv_images *i, const void *data, int64_t n,
                                            int32_t first, int32_t end, float *copy)
{
    const size_t at = (size_t)n * (size_t)i->rows * i->row, skip = (size_t)first * i->row;
    if (!i->copy_floats) return (const float *)data + at;
    const uint16_t *from = (const uint16_t *)data + at + skip;
    const size_t count = first < end ? (size_t)(end - first) * i->row : 0;
    CPU_NAME(widen)(i->dtype, from, count, copy + skip);
    return copy;
}

/* One filter per channel, in depthwise.c. */
extern const conv_algorithm CPU_NAME(depthwise), CPU_NAME(depthwise_dx), CPU_NAME(depthwise_dw);
/* Winograd's tiles, in winograd.c. */
extern const conv_algorithm CPU_NAME(winograd), CPU_NAME(winograd_dx), CPU_NAME(winograd_dw);
/* The same of bfloat16 factors, in winograd_pairs.c. */
extern const conv_algorithm CPU_NAME(winograd_pairs), CPU_NAME(winograd_pairs_dx),
    CPU_NAME(winograd_pairs_dw);
/* Direct ones of bfloat16 factors, in direct_pairs.c and direct_pairs_dw.c. */
extern const conv_algorithm CPU_NAME(direct_pairs), CPU_NAME(direct_pairs_dw);
/* Register tiles over packed weights, for all convolutions, in conv_direct.c and conv_dw.c; with
 * 1 x 1 taps, all images as one row of pixels. */
extern const conv_algorithm CPU_NAME(pointwise), CPU_NAME(direct), CPU_NAME(direct_dx),
    CPU_NAME(direct_dw);

#endif
