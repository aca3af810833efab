/* Fuzz target: an earlier run's results, to which `clade bench` shows ratios. */
#define _XOPEN_SOURCE 700
#include "base/file.h"
#include "bench_earlier.h"

#include "temporary.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is found, by the names in it, are times. */
static void look_up(const cJSON *earlier)
{
    const cJSON *entry;
    int few = 0;
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(earlier, "results"))
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "name"));
        const double ms = bench_earlier_ms(earlier, name ? name : "", "op", 0);
        if (!(ms >= 0 && isfinite(ms))) abort();
        if (++few == 8) break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    cJSON *earlier = NULL;
    fuzz_temporary("bench", path);
    if (clade_file_write(path, data, size)) abort();
    if (!bench_earlier_read(path, &earlier))
        look_up(earlier);
    else if (earlier)
        abort();
    cJSON_Delete(earlier);
    if (remove(path)) abort();
    return 0;
}
