/* Short memory seen through cJSON: malloc sets errno, and nothing here resets it. */
#include "base/json.h"

#include <errno.h>

clade_status clade_json_parse(const char *text, size_t size, const char *what, const char **end,
                              cJSON **root)
{
    const char *stopped = NULL;
    errno = 0;
    *root = cJSON_ParseWithLengthOpts(text, size, &stopped, 0);
    if (!stopped) stopped = text;
    if (end) *end = stopped;
    if (*root) return CLADE_OK;
    if (errno == ENOMEM) return clade_fail(CLADE_ENOMEM, "%s: out of memory", what);
    return clade_fail(CLADE_EFORMAT, "%s: expected JSON, at byte %zu", what,
                      (size_t)(stopped - text));
}

void clade_json_begin(void) { errno = 0; }

char *clade_json_end(const cJSON *root)
{
    return root && errno != ENOMEM ? cJSON_Print(root) : NULL;
}

void clade_json_append(cJSON *array, cJSON *item)
{
    if (!cJSON_AddItemToArray(array, item)) cJSON_Delete(item);
}

void clade_json_put(cJSON *object, const char *key, cJSON *item)
{
    if (!cJSON_AddItemToObject(object, key, item)) cJSON_Delete(item);
}
