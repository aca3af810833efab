/* Where a training step's time goes, as a table, as JSON or as a trace. */
#include "bench_profile.h"
#include "base/file.h"
#include "json_print.h"
#include "shown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The calls of one op for one layer, over all steps. */
typedef struct profile_line {
    clade_op op;
    const char *layer, *algorithm;
    size_t calls, launches;
    double seconds, flops, bytes;
} profile_line;

static int by_time(const void *a, const void *b)
{
    double x = ((const profile_line *)a)->seconds, y = ((const profile_line *)b)->seconds;
    return x > y ? -1 : x < y;
}

/* Lines, the longest first, to be freed, and all of them together. */
static clade_status add_up(const clade_profile *profile, profile_line **out, size_t *count,
                           profile_line *total)
{
    profile_line *lines = calloc(profile->count + 1, sizeof *lines);
    if (!lines) return clade_fail(CLADE_ENOMEM, "out of memory for a profile");
    *count = 0;
    *total = (profile_line){0};
    for (size_t i = 0; i < profile->count; i++) {
        const clade_profile_call *call = &profile->call[i];
        size_t at = 0;
        while (at < *count && (lines[at].op != call->op || strcmp(lines[at].layer, call->layer)))
            at++;
        if (at == *count)
            lines[(*count)++] =
                (profile_line){.op = call->op, .layer = call->layer, .algorithm = call->algorithm};
        lines[at].calls++;
        lines[at].launches += call->launches;
        lines[at].seconds += call->busy;
        lines[at].flops += call->flops;
        lines[at].bytes += call->bytes;
        total->calls++;
        total->launches += call->launches;
        total->seconds += call->busy;
    }
    qsort(lines, *count, sizeof *lines, by_time);
    *out = lines;
    return CLADE_OK;
}

clade_status profile_print_table(const clade_profile *profile, const char *name)
{
    profile_line *lines;
    size_t count;
    profile_line total;
    const size_t steps = (size_t)profile->steps;
    clade_status status = add_up(profile, &lines, &count, &total);
    if (status) return status;
    const double all = profile->seconds * profile->steps, between = all - total.seconds;
    printf("%s, batch %d: %.3f ms a step, mean of %d\n", shown(name), profile->batch,
           1e3 * profile->seconds, profile->steps);
    printf("%-18s %-10s %-28s %5s %8s %9s %6s %9s %8s\n", "op", "algorithm", "layer", "calls",
           "launches", "ms", "share", "GFLOP/s", "GB/s");
    for (size_t i = 0; i < count; i++) {
        const profile_line *l = &lines[i];
        printf("%-18s %-10s %-28s %5zu %8zu %9.3f %5.1f%%", clade_op_describe(l->op)->name,
               l->algorithm ? l->algorithm : "", shown(l->layer), l->calls / steps,
               l->launches / steps, 1e3 * l->seconds / profile->steps, 100 * l->seconds / all);
        if (l->flops > 0 && l->seconds > 0)
            printf(" %9.1f", 1e-9 * l->flops / l->seconds);
        else
            printf(" %9s", "");
        if (l->seconds > 0) printf(" %8.1f", 1e-9 * l->bytes / l->seconds);
        printf("\n");
    }
    printf("%-58s %5s %8s %9.3f %5.1f%%\n", "between the calls", "", "",
           1e3 * between / profile->steps, 100 * between / all);
    printf("%-58s %5zu %8zu %9.3f\n", "together", total.calls / steps, total.launches / steps,
           1e3 * profile->seconds);
    free(lines);
    return CLADE_OK;
}

clade_status profile_add_json(const clade_profile *profile, const char *name, cJSON *profiles)
{
    profile_line *lines;
    size_t count;
    profile_line total;
    clade_status status = add_up(profile, &lines, &count, &total);
    if (status) return status;
    cJSON *root = cJSON_CreateObject();
    clade_json_append(profiles, root);
    cJSON_AddStringToObject(root, "name", name);
    cJSON_AddNumberToObject(root, "batch", profile->batch);
    cJSON_AddNumberToObject(root, "steps", profile->steps);
    cJSON_AddNumberToObject(root, "step_ms", 1e3 * profile->seconds);
    cJSON_AddNumberToObject(root, "calls_ms", 1e3 * total.seconds / profile->steps);
    cJSON_AddNumberToObject(root, "launches", (double)(total.launches / (size_t)profile->steps));
    cJSON *array = cJSON_AddArrayToObject(root, "calls");
    for (size_t i = 0; i < count; i++) {
        const profile_line *l = &lines[i];
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "op", clade_op_describe(l->op)->name);
        if (l->algorithm) cJSON_AddStringToObject(entry, "algorithm", l->algorithm);
        cJSON_AddStringToObject(entry, "layer", l->layer);
        cJSON_AddNumberToObject(entry, "calls", (double)(l->calls / (size_t)profile->steps));
        cJSON_AddNumberToObject(entry, "launches", (double)(l->launches / (size_t)profile->steps));
        cJSON_AddNumberToObject(entry, "ms", 1e3 * l->seconds / profile->steps);
        cJSON_AddNumberToObject(entry, "flops", l->flops / profile->steps);
        cJSON_AddNumberToObject(entry, "bytes", l->bytes / profile->steps);
        clade_json_append(array, entry);
    }
    free(lines);
    return CLADE_OK;
}

/* All steps are in one row, as they follow each other. */
static cJSON *trace(const clade_profile *profile, const char *name)
{
    cJSON *root = cJSON_CreateObject(), *events = cJSON_AddArrayToObject(root, "traceEvents");
    cJSON_AddStringToObject(root, "displayTimeUnit", "ms");
    cJSON *process = cJSON_CreateObject();
    cJSON_AddStringToObject(process, "name", "process_name");
    cJSON_AddStringToObject(process, "ph", "M");
    cJSON_AddNumberToObject(process, "pid", 1);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(process, "args"), "name", name);
    clade_json_append(events, process);
    for (size_t i = 0; i < profile->count; i++) {
        const clade_profile_call *call = &profile->call[i];
        const clade_op_info *info = clade_op_describe(call->op);
        cJSON *event = cJSON_CreateObject(), *args = cJSON_CreateObject();
        cJSON_AddStringToObject(event, "name", info->name);
        cJSON_AddStringToObject(event, "cat", info->family);
        cJSON_AddStringToObject(event, "ph", "X");
        cJSON_AddNumberToObject(event, "pid", 1);
        cJSON_AddNumberToObject(event, "tid", 1);
        cJSON_AddNumberToObject(event, "ts", 1e6 * call->begin); /* microseconds */
        cJSON_AddNumberToObject(event, "dur", 1e6 * (call->end - call->begin));
        cJSON_AddStringToObject(args, "layer", call->layer);
        if (call->algorithm) cJSON_AddStringToObject(args, "algorithm", call->algorithm);
        cJSON_AddNumberToObject(args, "step", call->step);
        cJSON_AddNumberToObject(args, "flops", call->flops);
        cJSON_AddNumberToObject(args, "bytes", call->bytes);
        clade_json_put(event, "args", args);
        clade_json_append(events, event);
    }
    return root;
}

clade_status profile_write_trace(const clade_profile *profile, const char *name, const char *path)
{
    cJSON *root = trace(profile, name);
    char *text = json_text(root, false), *line = text ? clade_string_join(text, "\n") : NULL;
    clade_status status = line ? clade_file_write(path, line, strlen(line))
                               : clade_fail(CLADE_ENOMEM, "out of memory for a trace");
    free(line);
    cJSON_free(text);
    cJSON_Delete(root);
    return status;
}
