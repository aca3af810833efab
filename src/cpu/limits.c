/* The two sets of limits. */
#include "cpu/limits.h"

#include <string.h>

clade_status clade_cpu_limits_find(const char *name, cpu_limits *out)
{
    static const cpu_limits fast = {
        .vector_width = 16,
        .grain = SIZE_MAX,
        .block = 16384,
        .columns = 1024,
        .strip = 4096,
        .channels = 256,
        .items = 8,
        .tiles = 16,
        .band_rows = 8,
        .band_floats = 1 << 16,
        .slice_floats = 1 << 19,
        .dense_depth = 128,
        .dense_tiles = 4,
        .dense_dx_tiles = 8,
        .dense_dw_rows = 256,
        .winograd_cache = 600 << 10,
        .winograd_dw_cache = 1200 << 10,
    };
    static const cpu_limits tiny = {
        .vector_width = 4,
        .grain = 4,
        .block = 5,
        .columns = 5,
        .strip = 6,
        .channels = 3,
        .items = 1,
        .tiles = 1,
        .band_rows = 2,
        .band_floats = 500,
        .slice_floats = 300,
        .dense_depth = 5,
        .dense_tiles = 2,
        .dense_dx_tiles = 1,
        .dense_dw_rows = 3,
        .winograd_cache = 1,
        .winograd_dw_cache = 5000,
    };
    if (name && strcmp(name, "tiny") != 0)
        return clade_fail(CLADE_EINVAL, "there are no limits '%s'; expected tiny", name);
    *out = name ? tiny : fast;
    return CLADE_OK;
}
