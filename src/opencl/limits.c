/* The two sets of limits. */
#include "opencl/limits.h"

#include <string.h>

clade_status clade_opencl_limits_find(const char *name, opencl_limits *out)
{
    static const opencl_limits fast = {
        .group_size = UINT32_MAX,
        .compute_units = UINT32_MAX,
        .groups = 32768,
        .images = 32768,
        .pixels = INT32_MAX / 2,
        .conv_groups = 512,
        .block = 16384,
        .block_least = 1024,
        .block_vectors = 1024,
        .wide_batch = 1 << 18,
        .narrow_batch = 1 << 24,
        .columns = 64 << 20,
        .passes = 48 << 20,
        .winograd_cache = 600 << 10,
        .winograd_dw_cache = 1200 << 10,
        .line_tiles = 32,
        .dense_tiles = 4,
        .band_rows = 8,
        .band_floats = 1 << 16,
        .teams = 16,
        .rows = 4,
        .fold = 256,
        .part = 64,
        .staging = 64 << 20,
        .host_memory = 1 << 20,
        .unflushed = 16,
    };
    static const opencl_limits tiny = {
        .group_size = 64,
        .compute_units = 1,
        .groups = 2,
        .images = 2,
        .pixels = 600,
        .conv_groups = 2,
        .block = 64,
        .block_least = 16,
        .block_vectors = 3,
        .wide_batch = 1500,
        .narrow_batch = 1500,
        .columns = 10000,
        .passes = 17000,
        .winograd_cache = 1,
        .winograd_dw_cache = 5000,
        .line_tiles = 1,
        .dense_tiles = 2,
        .band_rows = 2,
        .band_floats = 200,
        .teams = 1,
        .rows = 2,
        .fold = 2,
        .part = 1,
        .staging = 4096,
        .host_memory = 4096,
        .unflushed = 2,
    };
    if (name && strcmp(name, "tiny") != 0)
        return clade_fail(CLADE_EINVAL, "there are no limits '%s'; expected tiny", name);
    *out = name ? tiny : fast;
    return CLADE_OK;
}
