/* Devices: the list of backends, finding one by name, opening it. */
#include "dev/device.h"

#include "config.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const clade_backend *clade_cpu_backend(void);
#ifdef CLADE_HAVE_OPENCL
const clade_backend *clade_opencl_backend(void);
#endif

typedef const clade_backend *(*backend_function)(void);

static const backend_function backends[] = {
    clade_cpu_backend,
#ifdef CLADE_HAVE_OPENCL
    clade_opencl_backend,
#endif
};
enum { backend_count = sizeof backends / sizeof *backends };

clade_status clade_devices_list(clade_device_info **out, size_t *count, char note[256])
{
    char unused[256];
    if (!note) note = unused;
    note[0] = 0;
#ifndef CLADE_HAVE_OPENCL
    snprintf(note, 256, "OpenCL: this build has no OpenCL backend");
#endif
    clade_device_info *list = NULL;
    size_t total = 0;
    for (int b = 0; b < backend_count; b++) {
        const clade_backend *backend = backends[b]();
        size_t n = 0;
        clade_status status = backend->count(&n, note);
        clade_device_info *grown = realloc(list, (total + n + 1) * sizeof *list);
        if (!status && !grown)
            status = clade_fail(CLADE_ENOMEM, "out of memory for %zu devices", n);
        if (grown) list = grown;
        for (size_t i = 0; !status && i < n; i++) {
            list[total] = (clade_device_info){0};
            status = backend->describe(i, &list[total]);
            if (!status) total++;
        }
        if (status) {
            free(list);
            return status;
        }
    }
    *out = list;
    *count = total;
    return CLADE_OK;
}

static bool contains(const char *text, const char *part)
{
    for (; *text; text++) {
        size_t i = 0;
        while (part[i] && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i])) i++;
        if (!part[i]) return true;
    }
    return false;
}

static bool is_called(const clade_device_info *info, const char *part)
{
    return contains(info->name, part) || contains(info->driver, part);
}

/* The entry of the list that `name` means; the text of a failure lists what there is. */
static clade_status choose(const char *name, const clade_device_info *list, size_t count,
                           const char *note, size_t *chosen)
{
    size_t matches = 0, best = 0;
    bool any = !name || !strcmp(name, "auto"), opencl = !any && !strcmp(name, "opencl");
    uint32_t units = 0;
    for (size_t i = 0; i < count && any; i++) {
        const clade_device_info *info = &list[i];
        if (info->unusable[0] || info->cpu_like || info->compute_units <= units) continue;
        units = info->compute_units;
        best = i;
    }
    if (any) {
        *chosen = best;
        return CLADE_OK;
    }
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(list[i].id, name)) {
            *chosen = i;
            return CLADE_OK;
        }
        if (opencl ? strncmp(list[i].id, "opencl:", 7) || list[i].unusable[0] || matches
                   : !is_called(&list[i], name) || !strcmp(list[i].id, "cpu"))
            continue;
        matches++;
        best = i;
    }
    *chosen = best;
    if (matches == 1) return CLADE_OK;
    char text[1024] = "";
    size_t n = 0;
    for (size_t i = 0; i < count && n < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s (%s, %s)", i ? ", " : "", list[i].id,
                              list[i].name, list[i].driver);
    return clade_fail(CLADE_ENODEVICE, "device '%s' is %s; there are: %s%s%s", name,
                      matches ? "more than one" : "not here", text, note[0] ? ". " : "", note);
}

/* Which device of which backend an entry of the list is. */
static clade_status locate(size_t entry, const char *id, const clade_backend **backend,
                           size_t *index)
{
    char note[256];
    for (int b = 0; b < backend_count; b++) {
        size_t n = 0;
        clade_status status = backends[b]()->count(&n, note);
        if (status) return status;
        if (entry < n) {
            *backend = backends[b]();
            *index = entry;
            return CLADE_OK;
        }
        entry -= n;
    }
    return clade_fail(CLADE_ENODEVICE, "%s: its driver no longer lists it", id);
}

static clade_status load_plugin(const char *path, void **library, const clade_backend **backend)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return clade_fail(CLADE_ENODEVICE, "plugin: %s", dlerror());
    clade_backend_entry_function entry;
    void *symbol = dlsym(handle, "clade_backend_entry");
    memcpy(&entry, &symbol, sizeof entry);
    const clade_backend *found = symbol ? entry() : NULL;
    if (!found || found->abi != CLADE_BACKEND_ABI) {
        clade_status status =
            !found ? clade_fail(CLADE_ENODEVICE, "plugin %s: it has no clade_backend_entry()", path)
                   : clade_fail(CLADE_ENODEVICE, "plugin %s: built for ABI %u, expected ABI %u",
                                path, found->abi, CLADE_BACKEND_ABI);
        dlclose(handle);
        return status;
    }
    *library = handle;
    *backend = found;
    return CLADE_OK;
}

static clade_status find_plugin_device(const char *name, const clade_backend *backend,
                                       size_t *index)
{
    char note[256] = "";
    size_t n = 0;
    clade_status status = backend->count(&n, note);
    if (status) return status;
    char *end = NULL;
    unsigned long wanted = name && strcmp(name, "auto") ? strtoul(name, &end, 10) : 0;
    if ((end && *end) || wanted >= n)
        return clade_fail(CLADE_ENODEVICE, "plugin %s: no device '%s'; it has %zu%s%s",
                          backend->name, name ? name : "0", n, note[0] ? ". " : "", note);
    *index = wanted;
    return CLADE_OK;
}

static clade_status find_built_in(const char *name, const clade_backend **backend, size_t *index)
{
    if (name && !strcmp(name, "cpu")) { /* without waiting for drivers to load */
        *backend = clade_cpu_backend();
        *index = 0;
        return CLADE_OK;
    }
    clade_device_info *list;
    size_t count, chosen = 0;
    char note[256];
    clade_status status = clade_devices_list(&list, &count, note);
    if (status) return status;
    status = choose(name, list, count, note, &chosen);
    if (!status) status = locate(chosen, list[chosen].id, backend, index);
    free(list);
    return status;
}

clade_status clade_device_take_table(clade_device *device, const clade_backend *backend)
{
    size_t size = backend->size < sizeof *backend ? backend->size : sizeof *backend;
    device->table = (clade_backend){0};
    memcpy(&device->table, backend, size);
    if (!backend->op_count) return CLADE_OK;
    clade_op_slot *slot = calloc(backend->op_count, sizeof *slot);
    if (!slot) return clade_fail(CLADE_ENOMEM, "out of memory for %zu ops", backend->op_count);
    const clade_op_signature *theirs = backend->signatures(), *ours = clade_op_signatures();
    backend->ops(device->context, slot);
    for (size_t i = 0; i < backend->op_count; i++) {
        clade_op op = clade_op_find(theirs[i].name);
        if (op != CLADE_OP_none && !strcmp(theirs[i].arguments, ours[op].arguments))
            device->slot[op] = slot[i];
    }
    free(slot);
    return CLADE_OK;
}

clade_status clade_device_open(const char *name, const clade_device_options *options,
                               clade_device **out)
{
    static const clade_device_options defaults = {0};
    *out = NULL;
    if (!options) options = &defaults;
    clade_device *device = calloc(1, sizeof *device);
    if (!device) return clade_fail(CLADE_ENOMEM, "out of memory");
    const clade_backend *backend = NULL;
    size_t index = 0;
    clade_status status;
    if (options->plugin) {
        status = load_plugin(options->plugin, &device->library, &backend);
        if (!status) status = find_plugin_device(name, backend, &index);
    } else {
        status = find_built_in(name, &backend, &index);
    }
    if (!status) status = backend->describe(index, &device->info);
    if (!status && options->profile) status = clade_profile_log_create(&device->profile);
    if (!status) status = backend->open(index, options, &device->context);
    if (!status) {
        status = clade_device_take_table(device, backend);
        if (status) backend->close(device->context);
    }
    if (status) {
        clade_profile_log_destroy(&device->profile);
        if (device->library) dlclose(device->library);
        free(device);
        return status;
    }
    if (device->table.amend) device->table.amend(device->context, &device->info);
    device->math = options->math;
    device->strict = options->strict;
    *out = device;
    return CLADE_OK;
}

void clade_device_close(clade_device **handle)
{
    clade_device *device = *handle;
    if (!device) return;
    clade_buffer_destroy(&device->workspace);
    clade_profile_log_destroy(&device->profile);
    clade_verifier_destroy(&device->verifier);
    device->table.close(device->context);
    if (device->library) dlclose(device->library);
    free(device);
    *handle = NULL;
}

const clade_device_info *clade_device_describe(const clade_device *device) { return &device->info; }

clade_math clade_device_math(const clade_device *device) { return device->math; }

const char *clade_device_warning(const clade_device *device)
{
    return device->table.warning ? device->table.warning(device->context) : "";
}

uint64_t clade_device_fallbacks(const clade_device *device) { return device->fallbacks; }

void clade_device_memory(const clade_device *device, uint64_t *now, uint64_t *peak)
{
    *now = device->bytes_now;
    *peak = device->bytes_peak;
}

bool clade_device_choice(const clade_device *device, const clade_call *call,
                         clade_algorithm_choice *out)
{
    return device->table.choice && device->table.choice(device->context, call, out);
}

clade_status clade_device_choose(clade_device *device, const clade_call *call,
                                 const clade_algorithm_timing *timings, size_t count)
{
    if (!device->table.choose)
        return clade_fail(CLADE_EUNSUPPORTED, "%s: its backend has nothing to choose",
                          device->info.id);
    return device->table.choose(device->context, call, timings, count);
}

clade_status clade_device_choices(const clade_device *device, char **out)
{
    if (!device->table.choices)
        return clade_fail(CLADE_EUNSUPPORTED, "%s: its backend has nothing to choose",
                          device->info.id);
    return device->table.choices(device->context, out);
}

clade_status clade_device_peak(clade_device *device, double *flops, double *bytes)
{
    if (!device->table.peak)
        return clade_fail(CLADE_EUNSUPPORTED, "%s: its backend does not measure its peak",
                          device->info.id);
    return device->table.peak(device->context, flops, bytes);
}

bool clade_device_matrix_unit(const clade_device *device, size_t i, clade_matrix_unit *out)
{
    return device->table.matrix_unit && device->table.matrix_unit(device->context, i, out);
}

const char *clade_device_products(const clade_device *device, clade_products products,
                                  char why[128])
{
    const char *text = "the device has no matrix unit for such factors";
    clade_matrix_unit unit;
    if (device->math != CLADE_FAST) text = "exact math does not round factors";
    for (size_t i = 0; device->math == CLADE_FAST && clade_device_matrix_unit(device, i, &unit);
         i++) {
        if (unit.products != products) continue;
        if (unit.judged && !unit.failure) return unit.name;
        text = unit.judged ? unit.failure : "`clade devices` has not tried its matrix units yet";
    }
    if (why) snprintf(why, 128, "%s", text);
    return NULL;
}

clade_status clade_device_finish(clade_device *device)
{
    return device->table.finish(device->context);
}
