#include "bench/tuning_file.h"

#include "base/file.h"
#include "base/json.h"
#include "config.h"
#include "dev/device.h"

#include <clade/bench.h>

#include <stdlib.h>
#include <string.h>

/* Returns whether any algorithm has done a call. */
static bool was_timed(const cJSON *entry)
{
    const cJSON *tried;
    cJSON_ArrayForEach(tried, cJSON_GetObjectItem(entry, "tried"))
    {
        if (cJSON_IsNumber(tried)) return true;
    }
    return false;
}

static void drop_untimed(const cJSON *kept)
{
    cJSON *calls = cJSON_GetObjectItem(kept, "calls"), *next;
    for (cJSON *entry = calls->child; entry; entry = next) {
        next = entry->next;
        if (!was_timed(entry)) cJSON_Delete(cJSON_DetachItemViaPointer(calls, entry));
    }
}

/* Moves the choices for all products, and for each call. */
static void move_choices(cJSON *from, cJSON *to)
{
    static const char *const names[] = {"gemm", "gemm_tried", "calls"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(from, names[i]);
        if (item) clade_json_put(to, names[i], item);
    }
}

/* Returns the file's text, to be freed with cJSON_free. */
static char *compose(const clade_device_info *info, cJSON *kept)
{
    clade_json_begin();
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "family", info->family);
    cJSON_AddStringToObject(root, "device", info->name);
    cJSON_AddStringToObject(root, "driver", info->driver);
    cJSON_AddStringToObject(root, "version", CLADE_VERSION);
    move_choices(kept, root);
    char *text = clade_json_end(root);
    cJSON_Delete(root);
    return text;
}

clade_status clade_tuning_file_write(const char *path, const clade_device_info *info,
                                     const char *kept)
{
    cJSON *tree = NULL;
    bool exists = false;
    clade_status status = clade_file_exists(path, &exists);
    if (!status && exists)
        status = clade_fail(CLADE_EINVAL, "%s already exists: expected a new file", path);
    if (!status) status = clade_json_parse(kept, strlen(kept), "choices", NULL, &tree);
    if (status) return status;
    drop_untimed(tree);
    if (!cJSON_GetArraySize(cJSON_GetObjectItem(tree, "calls"))) {
        cJSON_Delete(tree);
        return clade_fail(CLADE_EUNSUPPORTED,
                          "of no call on %s an algorithm was timed: `clade tune-device` does",
                          info->id);
    }
    char *text = compose(info, tree);
    char *line = text ? clade_string_join(text, "\n") : NULL;
    status = line ? clade_file_write(path, line, strlen(line))
                  : clade_fail(CLADE_ENOMEM, "out of memory for choices");
    free(line);
    cJSON_free(text);
    cJSON_Delete(tree);
    return status;
}

clade_status clade_tune_device_export(const char *name, const char *path, clade_device_info *info)
{
    const clade_device_options fast = {.math = CLADE_FAST};
    clade_device *device = NULL;
    char *kept = NULL;
    clade_status status = clade_device_open(name ? name : "opencl", &fast, &device);
    if (status) return status;
    *info = *clade_device_describe(device);
    status = clade_device_choices(device, &kept);
    if (!status) status = clade_tuning_file_write(path, info, kept);
    free(kept);
    clade_device_close(&device);
    return status;
}
