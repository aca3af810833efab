/* What `clade bench` measured, as a table or as JSON, and next to an earlier run. */
#include "bench_format.h"

#include "bench_earlier.h"
#include "json_print.h"
#include "session.h"
#include "shown.h"

#include <stdio.h>
#include <string.h>

/* Above this share of its median a spread is worth a remark. */
static const double noisy = 0.1;

static const char *part_name(clade_bench_part part)
{
    static const char *const names[] = {"op", "forward", "backward", "step", "bytes"};
    return names[part];
}

/* The earlier median over this one: above 1 it has become faster; 0: there is none. */
static double ratio(const bench_report *report, const clade_bench_result *r)
{
    if (!report->earlier || r->median <= 0) return 0;
    return bench_earlier_ms(report->earlier, r->name, part_name(r->part), r->images) /
           (1e3 * r->median);
}

/* The least time that it could take by the device's peak, as a share of what it took: the share of
 * min(peak, bandwidth × operations per byte) that is reached. */
static double share(const bench_report *report, const clade_bench_result *r)
{
    if (report->flops <= 0 || report->bytes <= 0 || r->median <= 0) return 0;
    double compute = r->flops / report->flops, move = r->bytes / report->bytes;
    return (compute > move ? compute : move) / r->median;
}

/* ---- a table ---- */

static void print_number(double value, const char *unit)
{
    if (value > 0)
        printf(" %9.1f %s", value, unit);
    else
        printf(" %*s", 10 + (int)strlen(unit), "");
}

/* Milliseconds; 0 is a difference too small to measure. */
static void print_time(double seconds)
{
    if (seconds > 0)
        printf("%9.3f", 1e3 * seconds);
    else
        printf("%9s", "-");
}

static void print_result(const bench_report *report, const clade_bench_result *r)
{
    printf("%-20s %-8s ", r->name, part_name(r->part));
    print_time(r->median);
    printf(" ms (min ");
    print_time(r->least);
    printf(")");
    const double per_second = r->median > 0 ? 1 / r->median : 0;
    if (r->images && per_second > 0) printf(" %8.0f images/s", r->images * per_second);
    print_number(1e-9 * r->flops * per_second, "GFLOP/s");
    if (!r->images) print_number(1e-9 * r->bytes * per_second, "GB/s");
    double reached = share(report, r), faster = ratio(report, r);
    if (reached > 0) printf(" %4.0f%% of peak", 100 * reached);
    if (faster > 0) printf("  %.2f× as fast as before", faster);
    if (r->algorithm) printf("  by %s", r->algorithm);
    if (r->support && r->support != 'n') printf("  (by the reference)");
    if (r->spread > noisy) printf("  noisy: ±%.0f%%", 50 * r->spread);
    printf("\n");
    if (r->call) printf("    %s\n", r->call);
}

void bench_print_table(const bench_report *report)
{
    const clade_device_info *info = clade_device_describe(report->device);
    size_t count = clade_bench_results(report->bench), wild = 0, fit = 0;
    printf("%s (%s, %s), %s math, %d rounds\n", info->id, shown(info->name), shown(info->driver),
           session_math_words[clade_device_math(report->device)], report->rounds);
    if (report->flops > 0)
        printf("peak: %.1f GFLOP/s, %.1f GB/s\n", 1e-9 * report->flops, 1e-9 * report->bytes);
    for (size_t i = 0; i < count; i++) {
        const clade_bench_result *r = clade_bench_result_at(report->bench, i);
        print_result(report, r);
        wild += r->spread > noisy;
        fit += ratio(report, r) > 0;
    }
    if (report->earlier && !fit)
        printf("No earlier result matches: they are for other ops, models or batch sizes.\n");
    if (4 * wild > count)
        printf(
            "This machine was busy with other work: %zu of %zu times vary by more than %.0f%%.\n",
            wild, count, 100 * noisy);
}

/* ---- JSON ---- */

static void add_result(const bench_report *report, cJSON *array, const clade_bench_result *r)
{
    cJSON *entry = cJSON_CreateObject();
    cJSON_AddStringToObject(entry, "name", r->name);
    cJSON_AddStringToObject(entry, "part", part_name(r->part));
    if (r->call) cJSON_AddStringToObject(entry, "call", r->call);
    if (r->algorithm) cJSON_AddStringToObject(entry, "algorithm", r->algorithm);
    cJSON_AddNumberToObject(entry, "ms", 1e3 * r->median);
    cJSON_AddNumberToObject(entry, "min_ms", 1e3 * r->least);
    cJSON_AddNumberToObject(entry, "spread", r->spread);
    cJSON_AddNumberToObject(entry, "flops", r->flops);
    cJSON_AddNumberToObject(entry, "bytes", r->bytes);
    if (r->median > 0) {
        cJSON_AddNumberToObject(entry, "gflops_per_second", 1e-9 * r->flops / r->median);
        cJSON_AddNumberToObject(entry, "gigabytes_per_second", 1e-9 * r->bytes / r->median);
        if (r->images) cJSON_AddNumberToObject(entry, "images_per_second", r->images / r->median);
    }
    if (r->images) cJSON_AddNumberToObject(entry, "batch", r->images);
    double reached = share(report, r), faster = ratio(report, r);
    if (reached > 0) cJSON_AddNumberToObject(entry, "share_of_peak", reached);
    if (faster > 0) cJSON_AddNumberToObject(entry, "times_as_fast", faster);
    clade_json_append(array, entry);
}

clade_status bench_print_tree(cJSON *root)
{
    char *text = json_text(root, false);
    cJSON_Delete(root);
    if (!text) return clade_fail(CLADE_ENOMEM, "out of memory for JSON");
    printf("%s\n", text);
    cJSON_free(text);
    return CLADE_OK;
}

clade_status bench_print_json(const bench_report *report)
{
    const clade_device_info *info = clade_device_describe(report->device);
    cJSON *root = cJSON_CreateObject(), *device = cJSON_AddObjectToObject(root, "device");
    cJSON_AddStringToObject(device, "id", info->id);
    cJSON_AddStringToObject(device, "name", info->name);
    cJSON_AddStringToObject(device, "driver", info->driver);
    cJSON_AddStringToObject(root, "math", session_math_words[clade_device_math(report->device)]);
    cJSON_AddNumberToObject(root, "rounds", report->rounds);
    if (report->flops > 0) {
        cJSON *peak = cJSON_AddObjectToObject(root, "peak");
        cJSON_AddNumberToObject(peak, "gflops_per_second", 1e-9 * report->flops);
        cJSON_AddNumberToObject(peak, "gigabytes_per_second", 1e-9 * report->bytes);
    }
    cJSON *results = cJSON_AddArrayToObject(root, "results");
    for (size_t i = 0; i < clade_bench_results(report->bench); i++)
        add_result(report, results, clade_bench_result_at(report->bench, i));
    return bench_print_tree(root);
}
