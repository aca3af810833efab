/* Sizes at which the CPU's code takes another path: as they are for speed, or so small that tails,
 * last blocks and paths of several parts are met by small tensors. No result depends on them in
 * exact mode. What the compiler must know (register tiles, strips of 64) is not among them. */
#ifndef CLADE_CPU_LIMITS_H
#define CLADE_CPU_LIMITS_H

#include <clade/status.h>

#include <stddef.h>
#include <stdint.h>

typedef struct cpu_limits {
    int32_t vector_width;   /* floats, at most, of the instruction set that is chosen */
    size_t grain;           /* elements, rows or units that a thread takes at once, at most; a
                             * multiple of 4 */
    size_t block;           /* elements of a long row that are copied at once */
    size_t columns;         /* that are summed side by side; at most 1024 */
    int32_t strip;          /* of a row of layer_norm's gradients, elements */
    int32_t channels;       /* of group_norm's blocks, at least */
    int32_t items;          /* of work for each thread, for which work is cut smaller */
    int32_t tiles;          /* of pixels in a segment of a row of a convolution's results */
    int32_t band_rows;      /* of a convolution, … */
    size_t band_floats;     /* … and floats of a thread's copy of them, if that is several rows */
    size_t slice_floats;    /* of the float32 copies of a slice of tensors of 16 bits */
    int32_t dense_depth;    /* inputs summed over at a time */
    int32_t dense_tiles;    /* of rows of x in an item; at most 4 */
    int32_t dense_dx_tiles; /* of inputs in an item */
    int32_t dense_dw_rows;  /* of x copied at a time; at most 256 */
    int64_t winograd_cache; /* bytes of a thread's block of tiles, … */
    int64_t winograd_dw_cache; /* … and of a weight gradient's: they stay in most second-level
                                * caches, and sums go through these less often by larger ones */
} cpu_limits;

/* NULL: those for speed; "tiny". Errors: EINVAL. */
clade_status clade_cpu_limits_find(const char *name, cpu_limits *out);

#endif
