/* The memory that training takes of a device, planned for `clade train` and `clade summary`. */
#include "memory.h"

#include "json_print.h"
#include "session.h"
#include "shown.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

enum { rows_most = 34 }; /* 2^31 and its halves down to 1, and the recipe's own */

const char *memory_text(uint64_t bytes, char text[32])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes / 1024;
    int unit = 0;
    for (; value >= 1000 && unit < 3; unit++) value /= 1024;
    snprintf(text, 32, "%.*f %s", value < 10 ? 2 : 1, value, units[unit]);
    return text;
}

/* --- fitting --- */

/* Why a plan does not fit. */
static clade_status refuse(const clade_train_memory *m, const clade_device *device, uint64_t limit,
                           const char *instead)
{
    const clade_device_info *info = clade_device_describe(device);
    const uint64_t most = limit ? limit : info->memory_bytes;
    const char *plural = m->shard == 1 ? "" : "s";
    char total[32], largest[32], allowed[32];
    memory_text(m->total, total);
    if (most && m->total > most)
        return clade_fail(CLADE_ENOMEM, "computing %d image%s at a time needs %s on %s; %s %s: %s",
                          m->shard, plural, total, info->id, limit ? "--memory allows" : "it has",
                          memory_text(most, allowed), instead);
    return clade_fail(CLADE_ENOMEM,
                      "computing %d image%s at a time needs %s on %s, %s of it in one buffer; the "
                      "device allows %s: %s",
                      m->shard, plural, total, info->id, memory_text(m->largest, largest),
                      memory_text(info->max_alloc_bytes, allowed), instead);
}

/* What a shard takes of the device of which it takes most, first of those that it does not fit. */
static clade_status plan(const memory_request *r, int32_t shard, clade_train_memory *out,
                         const clade_device **misfit)
{
    const clade_train_options options = {.cache_bytes = r->cache_bytes,
                                         .memory_bytes = r->limit,
                                         .ranks = r->ranks,
                                         .further = r->devices + 1,
                                         .further_count = r->count - 1};
    *out = (clade_train_memory){.shard = shard};
    *misfit = NULL;
    for (size_t i = 0; i < r->count; i++) {
        clade_device *device = r->devices[i];
        clade_train_memory m;
        clade_status status =
            clade_train_plan_memory(r->recipe, r->dataset, 0, device, &options, shard, &m);
        if (status) return status;
        const bool fits = clade_train_memory_fits(&m, device, r->limit);
        if (fits && (*misfit || m.total <= out->total)) continue;
        if (!fits && *misfit && m.total <= out->total) continue;
        *out = m;
        if (!fits) *misfit = device;
    }
    return CLADE_OK;
}

clade_status memory_fit(const memory_request *r, clade_train_memory *m)
{
    const clade_device *misfit = NULL, *first_misfit = NULL;
    clade_train_memory first = {.shard = m->shard};
    uint64_t least = UINT64_MAX;
    int64_t misfits = 1;
    char instead[128], total[32];
    for (int32_t shard = m->shard; misfits; shard = (shard + 1) / 2) {
        clade_status status = plan(r, shard, m, &misfit);
        misfits = misfit != NULL;
        if (!status && r->ranks) status = clade_ranks_add(r->ranks, &misfits);
        if (status || (!misfits && (r->choose || shard == first.shard))) return status;
        if (shard == first.shard) {
            first = *m;
            first_misfit = misfit;
        }
        if (m->total < least) least = m->total;
        if (shard == 1) break;
    }
    if (misfits)
        snprintf(instead, sizeof instead, "no shard needs less than %s", memory_text(least, total));
    else if (r->resumed)
        snprintf(instead, sizeof instead, "a resumed run keeps its shards");
    else
        snprintf(instead, sizeof instead, "--shard %d needs %s", m->shard,
                 memory_text(m->total, total));
    return first_misfit
               ? refuse(&first, first_misfit, r->limit, instead)
               : clade_fail(
                     CLADE_ENOMEM,
                     "computing %d images at a time needs more than another rank's device has: %s",
                     first.shard, instead);
}

/* --- showing --- */

static const struct {
    const char *title, *key;
    size_t offset;
} columns[] = {
    {"Total", "total", offsetof(clade_train_memory, total)},
    {"Parameters", "parameters", offsetof(clade_train_memory, parameters)},
    {"Gradients", "gradients", offsetof(clade_train_memory, gradients)},
    {"Optimizer", "optimizer", offsetof(clade_train_memory, optimizer)},
    {"Activations", "activations", offsetof(clade_train_memory, activations)},
    {"Workspace", "workspace", offsetof(clade_train_memory, workspace)},
    {"Other", "other", offsetof(clade_train_memory, other)},
    {"Largest", "largest", offsetof(clade_train_memory, largest)},
};
enum { column_count = sizeof columns / sizeof *columns };

static uint64_t value_of(const clade_train_memory *m, int column)
{
    uint64_t value;
    memcpy(&value, (const char *)m + columns[column].offset, sizeof value);
    return value;
}

static void print_table(const clade_recipe *recipe, const clade_dataset *dataset,
                        const clade_device *device, const clade_train_memory *m, int rows)
{
    const clade_device_info *info = clade_device_describe(device);
    char text[32];
    printf("Recipe: %s, batch %d\n", shown(clade_recipe_name(recipe)),
           clade_recipe_training(recipe)->batch);
    printf("Device: %s (%s), %s math", info->id, shown(info->name),
           session_math_words[clade_device_math(device)]);
    if (info->memory_bytes) printf(", %s of memory", memory_text(info->memory_bytes, text));
    if (info->max_alloc_bytes)
        printf(", at most %s in one buffer", memory_text(info->max_alloc_bytes, text));
    printf("\n\n  Shard");
    for (int c = 0; c < column_count; c++) printf("%12s", columns[c].title);
    printf("  Fits\n");
    for (int i = 0; i < rows; i++) {
        printf("%7d", m[i].shard);
        for (int c = 0; c < column_count; c++)
            printf("%12s", memory_text(value_of(&m[i], c), text));
        printf("  %s\n", clade_train_memory_fits(&m[i], device, 0) ? "yes" : "no");
    }
    if (!dataset && !info->host_memory)
        printf("\nImages that stay on the device, in up to a quarter of its memory, are not "
               "counted without --data.\n");
}

static void print_json(const clade_recipe *recipe, const clade_device *device,
                       const clade_train_memory *m, int rows)
{
    const clade_device_info *info = clade_device_describe(device);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "name", clade_recipe_name(recipe));
    cJSON_AddStringToObject(root, "device", info->id);
    cJSON_AddStringToObject(root, "math", session_math_words[clade_device_math(device)]);
    cJSON_AddNumberToObject(root, "memory_bytes", (double)info->memory_bytes);
    cJSON_AddNumberToObject(root, "max_alloc_bytes", (double)info->max_alloc_bytes);
    cJSON_AddNumberToObject(root, "batch", clade_recipe_training(recipe)->batch);
    cJSON *list = cJSON_AddArrayToObject(root, "shards");
    for (int i = 0; i < rows; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddNumberToObject(row, "shard", m[i].shard);
        for (int c = 0; c < column_count; c++)
            cJSON_AddNumberToObject(row, columns[c].key, (double)value_of(&m[i], c));
        cJSON_AddBoolToObject(row, "fits", clade_train_memory_fits(&m[i], device, 0));
        cJSON_AddItemToArray(list, row);
    }
    json_print(root, false);
}

clade_status memory_show(const clade_recipe *recipe, const clade_dataset *dataset, int32_t classes,
                         clade_device *device, bool json)
{
    clade_train_memory m[rows_most];
    const clade_training *t = clade_recipe_training(recipe);
    const int32_t own = clade_training_shard(t);
    clade_status status = CLADE_OK;
    int rows = 0;
    for (int32_t shard = t->batch, half; shard && !status; shard = half) {
        half = shard > 1 ? (shard + 1) / 2 : 0;
        status = clade_train_plan_memory(recipe, dataset, classes, device, NULL, shard, &m[rows++]);
        if (!status && half < own && own < shard)
            status =
                clade_train_plan_memory(recipe, dataset, classes, device, NULL, own, &m[rows++]);
    }
    if (!status && json) print_json(recipe, device, m, rows);
    if (!status && !json) print_table(recipe, dataset, device, m, rows);
    return status;
}
