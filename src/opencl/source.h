/* Ground floor: the kernels' sources, embedded at build time by kernels/embed.py. */
#ifndef CLADE_OPENCL_SOURCE_H
#define CLADE_OPENCL_SOURCE_H

#include <stddef.h>

typedef struct opencl_source {
    const char *family;       /* "conv" for kernels/conv.cl */
    const char *const *lines; /* its text with includes expanded, ended by NULL */
} opencl_source;

/* Ended by an entry whose family is NULL. */
extern const opencl_source clade_opencl_sources[];

#endif
