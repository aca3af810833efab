/* Ground floor: sizes at which code takes another path: as they are for speed, or so small that
 * tails, last blocks and calls of several parts are met by small tensors. No result depends on them
 * in exact mode. "Wide" is for few wide cores, "narrow" for many narrow ones. */
#ifndef CLADE_OPENCL_LIMITS_H
#define CLADE_OPENCL_LIMITS_H

#include <clade/status.h>

#include <stddef.h>
#include <stdint.h>

typedef struct opencl_limits {
    /* at most: what the device has may be less */
    uint32_t group_size;    /* work-items */
    uint32_t compute_units; /* that work is cut for */

    uint64_t groups;        /* along a dimension of a grid whose work-items stride: enough for any
                             * device, and within what all of them accept */
    uint64_t images;        /* in one launch: some devices allow no more than 65535 groups */
    uint64_t pixels;        /* of an implicit product: they are counted in 32 bits, with a tile to
                             * spare */
    int32_t conv_groups;    /* of one: 64 chunks of each are what all devices accept */
    uint64_t block;         /* wide: floats that a work-item does, at most; … */
    uint64_t block_least;   /* … at least, even if there are then few; … */
    uint64_t block_vectors; /* … and vectors of rows of channels */
    size_t wide_batch;      /* floats that go from kernel to kernel at a time: they stay in a wide
                             * core's cache, … */
    size_t narrow_batch;    /* … or keep narrow ones busy */
    size_t columns;         /* bytes of column matrix at once */
    int64_t passes;         /* narrow: bytes of what lies between Winograd's kernels */
    int64_t winograd_cache; /* wide: bytes of a work-item's block of tiles, … */
    int64_t winograd_dw_cache; /* … and of a weight gradient's: as on the CPU */
    size_t line_tiles;         /* wide: tiles of a row that a work-item does */
    int32_t dense_tiles;       /* wide: the same of rows of x; at most DENSE_TILES */
    int32_t band_rows;         /* wide: of dy that a weight gradient takes at once, … */
    uint64_t band_floats;      /* … and floats of those, if they are several rows */
    int32_t teams, rows;       /* narrow: of a group's work-items that share a row of layer_norm; or
                                * rows of a group */
    int32_t fold;              /* rows of partial sums that a launch adds to one; a power of two, at
                                * most TREE_FOLD */
    uint64_t part;             /* floats that parts of the workspace begin at multiples of */
    size_t staging;            /* bytes that are copied, so that a write need not wait */
    size_t host_memory;        /* wide: bytes from which a buffer is memory of ours */
    uint32_t unflushed;        /* launches that the driver may hold back */
} opencl_limits;

/* NULL: those for speed; "tiny". Errors: EINVAL. */
clade_status clade_opencl_limits_find(const char *name, opencl_limits *out);

#endif
