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
} conv_problem;

/* Where a call finds its tensors; NULL: it has not got that one. */
typedef struct conv_memory {
    const float *x, *w, *dy;
    const uint8_t *index; /* of a pooled dy */
    float *y, *dx, *dw, *db;
    uint8_t *taken; /* the index of a pooled y */
    conv_epilogue epilogue;
    float *workspace;
} conv_memory;

typedef struct conv_algorithm {
    const char *name;
    bool (*can)(const conv_problem *p);
    /* Makes a state that begins with a conv_state. */
    clade_status (*plan)(const cpu_context *cpu, const conv_problem *p, clade_plan *plan);
    void (*run)(cpu_context *cpu, const void *state, const conv_memory *m);
} conv_algorithm;

/* What the state of a convolution's plan begins with; conv.c sets it. */
typedef struct conv_state {
    const conv_algorithm *algorithm;
} conv_state;

/* One filter per channel, in depthwise.c. */
extern const conv_algorithm CPU_NAME(depthwise), CPU_NAME(depthwise_dx), CPU_NAME(depthwise_dw);
/* Winograd's tiles, in winograd.c. */
extern const conv_algorithm CPU_NAME(winograd), CPU_NAME(winograd_dx), CPU_NAME(winograd_dw);
/* Register tiles over packed weights, for all convolutions, in conv_direct.c and conv_dw.c; with
 * 1 x 1 taps, all images as one row of pixels. */
extern const conv_algorithm CPU_NAME(pointwise), CPU_NAME(direct), CPU_NAME(direct_dx),
    CPU_NAME(direct_dw);

#endif
