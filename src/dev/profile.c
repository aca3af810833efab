/* Profiles: when each call ran. */
#include "base/clock.h"
#include "dev/device.h"

#include <stdlib.h>

clade_status clade_profile_log_create(clade_profile_log **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for a profile");
}

void clade_profile_log_destroy(clade_profile_log **handle)
{
    clade_profile_log *log = *handle;
    if (!log) return;
    free(log->time);
    free(log);
    *handle = NULL;
}

/* The entry of the next call, NULL when memory is short. After a look at the times a new list
 * begins. */
static clade_call_time *next_entry(clade_profile_log *log)
{
    if (log->given) log->count = 0;
    log->given = false;
    if (log->count == log->room) {
        size_t room = log->room ? 2 * log->room : 256;
        clade_call_time *grown = realloc(log->time, room * sizeof *grown);
        if (!grown) return NULL;
        log->time = grown;
        log->room = room;
    }
    return &log->time[log->count++];
}

clade_status clade_profile_run(clade_device *device, const clade_call *call,
                               clade_status (*run)(clade_device *device, const clade_call *call))
{
    clade_call_time *entry = next_entry(device->profile);
    if (!entry) return clade_fail(CLADE_ENOMEM, "out of memory for a profile");
    *entry = (clade_call_time){.call = call};
    if (device->table.mark) {
        device->table.mark(device->context, device->profile->count - 1);
        return run(device, call);
    }
    entry->begin = clade_clock();
    clade_status status = run(device, call);
    if (!status) status = device->table.finish(device->context);
    entry->end = clade_clock();
    entry->busy = entry->end - entry->begin;
    return status;
}

clade_status clade_device_profile(clade_device *device, const clade_call_time **times,
                                  size_t *count)
{
    clade_profile_log *log = device->profile;
    if (!log) return clade_fail(CLADE_EINVAL, "%s was not opened to be profiled", device->info.id);
    if (log->given) log->count = 0;
    log->given = true;
    *times = log->time;
    *count = log->count;
    if (!device->table.mark) return CLADE_OK;
    return device->table.times(device->context, log->time, log->count);
}
