/* Detects lack of memory in cJSON: malloc sets errno, and nothing here resets it. */
#include "base/json.h"

#include "base/utf8.h"

#include <errno.h>
#include <string.h>

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
    return root && errno != ENOMEM ? clade_json_repair(cJSON_Print(root)) : NULL;
}

char *clade_json_repair(char *text)
{
    uint32_t code;
    size_t bad = 0, n, length = 0;
    for (const char *p = text; p && *p; p += n ? n : 1) bad += (n = clade_utf8_read(p, &code)) == 0;
    if (bad == 0) return text;
    char *whole = cJSON_malloc(strlen(text) + 2 * bad + 1);
    for (const char *p = text; whole && *p; p += n ? n : 1) {
        n = clade_utf8_read(p, &code);
        memcpy(whole + length, n ? p : "\xef\xbf\xbd", n ? n : 3);
        length += n ? n : 3;
    }
    if (whole) whole[length] = 0;
    cJSON_free(text);
    return whole;
}

void clade_json_append(cJSON *array, cJSON *item)
{
    if (!cJSON_AddItemToArray(array, item)) cJSON_Delete(item);
}

void clade_json_put(cJSON *object, const char *key, cJSON *item)
{
    if (!cJSON_AddItemToObject(object, key, item)) cJSON_Delete(item);
}
