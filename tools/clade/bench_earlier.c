/* Results as `clade bench --json` writes them: {"results": [{"name", "part", "ms", …}, …]}. */
#include "bench_earlier.h"

#include "base/file.h"
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

clade_status bench_earlier_read(const char *path, cJSON **out)
{
    enum { most = 16 << 20 };
    void *text;
    size_t size;
    clade_status status = clade_file_read(path, most, &text, &size);
    if (status) return status;
    status = clade_json_parse(text, size, path, NULL, out);
    free(text);
    if (status || cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(*out, "results"))) return status;
    cJSON_Delete(*out);
    *out = NULL;
    return clade_fail(CLADE_EFORMAT,
                      "%s: expected the output of `clade bench --json`, found no array 'results'",
                      path);
}

static bool says(const cJSON *entry, const char *key, const char *text)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, key));
    return value && !strcmp(value, text);
}

double bench_earlier_ms(const cJSON *earlier, const char *name, const char *part, int images)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(earlier, "results"))
    {
        const cJSON *ms = cJSON_GetObjectItemCaseSensitive(entry, "ms");
        const cJSON *batch = cJSON_GetObjectItemCaseSensitive(entry, "batch");
        if (cJSON_IsNumber(batch) && batch->valuedouble != images) continue;
        if (says(entry, "name", name) && says(entry, "part", part) && cJSON_IsNumber(ms) &&
            ms->valuedouble > 0 && isfinite(ms->valuedouble))
            return ms->valuedouble;
    }
    return 0;
}
