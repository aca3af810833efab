/* clade devices: what can be computed on. */
#include "command.h"
#include "json_print.h"
#include "session.h"
#include "shown.h"

#include <clade/bench.h>
#include <clade/device.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Opens a device that may have matrix units, and tries those that were not; NULL: it has none, or
 * cannot be opened, and then is not usable. */
static clade_device *open_with_units(clade_device_info *info)
{
    const clade_device_options options = {.math = CLADE_FAST};
    clade_device *device = NULL;
    if (info->unusable[0] || strncmp(info->id, "opencl", 6) != 0) return NULL;
    if (clade_device_open(info->id, &options, &device)) {
        snprintf(info->unusable, sizeof info->unusable, "%s", clade_error());
        return NULL;
    }
    /* what cannot be kept or started leaves units untried, and they are shown so */
    (void)session_try_units(device, CLADE_FACTORS_FLOAT32);
    return device;
}

static const char *warning_of(const clade_device *device)
{
    return device ? clade_device_warning(device) : "";
}

static void add_units(cJSON *entry, const clade_device *device)
{
    cJSON *array = cJSON_AddArrayToObject(entry, "matrix_units");
    clade_matrix_unit u;
    for (size_t i = 0; device && clade_device_matrix_unit(device, i, &u); i++) {
        cJSON *unit = cJSON_CreateObject();
        cJSON_AddStringToObject(unit, "name", u.name);
        cJSON_AddStringToObject(unit, "products", clade_factors_name((clade_factors)u.products));
        cJSON_AddBoolToObject(unit, "usable", u.judged && !u.failure);
        cJSON_AddStringToObject(unit, "unusable",
                                u.failure  ? u.failure
                                : u.judged ? ""
                                           : "not tried");
        clade_json_append(array, unit);
    }
}

static void print_units(const clade_device *device)
{
    clade_matrix_unit u;
    for (size_t i = 0; device && clade_device_matrix_unit(device, i, &u); i++)
        printf("    matrix unit    %s, %s: %s\n", u.name,
               clade_factors_name((clade_factors)u.products),
               u.failure  ? shown(u.failure)
               : u.judged ? "used in fast math"
                          : "not tried");
}

static void print_json(clade_device_info *list, size_t count, const char *note)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *array = cJSON_AddArrayToObject(root, "devices");
    for (size_t i = 0; i < count; i++) {
        clade_device_info *d = &list[i];
        clade_device *device = open_with_units(d);
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "id", d->id);
        cJSON_AddStringToObject(entry, "name", d->name);
        cJSON_AddStringToObject(entry, "driver", d->driver);
        cJSON_AddNumberToObject(entry, "compute_units", d->compute_units);
        cJSON_AddNumberToObject(entry, "memory_bytes", (double)d->memory_bytes);
        cJSON_AddNumberToObject(entry, "max_alloc_bytes", (double)d->max_alloc_bytes);
        cJSON_AddBoolToObject(entry, "fma", d->fma);
        cJSON_AddBoolToObject(entry, "fp16", d->fp16);
        cJSON_AddBoolToObject(entry, "fp64", d->fp64);
        cJSON_AddStringToObject(entry, "family", d->family);
        cJSON_AddNumberToObject(entry, "measured", d->measured);
        cJSON_AddNumberToObject(entry, "shipped", d->shipped);
        cJSON_AddBoolToObject(entry, "usable", !d->unusable[0]);
        cJSON_AddStringToObject(entry, "unusable", d->unusable);
        cJSON_AddStringToObject(entry, "warning", warning_of(device));
        add_units(entry, device);
        clade_device_close(&device);
        clade_json_append(array, entry);
    }
    cJSON_AddStringToObject(root, "note", note);
    json_print(root, false);
}

static const char *yes(bool v) { return v ? "yes" : "no"; }

/* Where its algorithms come from, what counts first in front. */
static void print_choices(const clade_device_info *d)
{
    printf("    algorithms     ");
    if (d->measured) printf("%" PRIu32 " calls measured here, ", d->measured);
    if (d->shipped) printf("%" PRIu32 " measured on %s, ", d->shipped, shown(d->family));
    if (d->measured || d->shipped)
        printf("others by rule\n");
    else
        printf("by rule, none measured for %s\n", shown(d->family));
}

static void print_table(clade_device_info *list, size_t count, const char *note)
{
    for (size_t i = 0; i < count; i++) {
        clade_device_info *d = &list[i];
        clade_device *device = open_with_units(d);
        printf("%s  %s\n", d->id, shown(d->name));
        printf("    driver         %s\n", shown(d->driver));
        printf("    compute units  %" PRIu32 "\n", d->compute_units);
        if (d->memory_bytes)
            printf("    memory         %.1f GiB\n", (double)d->memory_bytes / 1073741824.0);
        printf("    fma %s, fp16 %s, fp64 %s\n", yes(d->fma), yes(d->fp16), yes(d->fp64));
        if (d->family[0]) print_choices(d);
        if (warning_of(device)[0]) printf("    warning        %s\n", shown(warning_of(device)));
        print_units(device);
        clade_device_close(&device);
        if (d->unusable[0]) printf("    not usable: %s\n", shown(d->unusable));
    }
    if (note[0]) printf("%s\n", note);
}

int command_devices(int argc, char **argv)
{
    bool json = false;
    const command_option options[] = {
        OPTION_FLAG("json", &json, "print JSON"),
    };
    static const command_usage usage = {
        .name = "devices",
        .about =
            "Lists every device that training can use, and says why others cannot be used. The\n"
            "first word of each line is the device's name for --device. Tests the matrix units\n"
            "that have not been tested on a device yet, each in a process of its own, and\n"
            "stores the results.",
        .example = "clade devices --json",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    clade_device_info *list;
    size_t devices;
    char note[256];
    if (clade_devices_list(&list, &devices, note)) return command_fail("devices");
    if (json)
        print_json(list, devices, note);
    else
        print_table(list, devices, note);
    free(list);
    return COMMAND_OK;
}
