/* Opening several devices. */
#include "device_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void device_list_close(device_list *list)
{
    while (list->count) clade_device_close(&list->device[--list->count]);
}

static clade_status open_next(const session_place *place, const char *name, device_list *list)
{
    session_place one = *place;
    one.device = name;
    if (list->count == DEVICE_LIST_SIZE)
        return clade_fail(CLADE_EINVAL, "--device: expected at most %d devices", DEVICE_LIST_SIZE);
    clade_status status = session_open_device(&one, &list->device[list->count]);
    if (!status) list->count++;
    return status;
}

static clade_status open_named(const session_place *place, device_list *list)
{
    char *names = malloc(strlen(place->device) + 1);
    clade_status status = CLADE_OK;
    if (!names) return clade_fail(CLADE_ENOMEM, "out of memory");
    strcpy(names, place->device);
    for (char *name = names, *end; name && !status; name = end) {
        if ((end = strchr(name, ','))) *end++ = 0;
        status = *name
                     ? open_next(place, name, list)
                     : clade_fail(CLADE_EINVAL, "--device '%s': expected names separated by commas",
                                  place->device);
    }
    free(names);
    return status;
}

static clade_status open_all(const session_place *place, device_list *list)
{
    clade_device_info *info;
    size_t count;
    char note[256];
    clade_status status = clade_devices_list(&info, &count, note);
    if (status) return status;
    for (size_t i = 0; i < count && !status; i++)
        if (!info[i].unusable[0] && (i == 0 || !info[i].cpu_like))
            status = open_next(place, info[i].id, list);
    free(info);
    return status;
}

static clade_status open_devices(const session_place *place, device_list *list)
{
    *list = (device_list){0};
    if (place->device && !strcmp(place->device, "all")) return open_all(place, list);
    return place->device ? open_named(place, list) : open_next(place, NULL, list);
}

clade_status device_list_open(const session_place *place, device_list *out)
{
    session_place same = *place;
    clade_status status = open_devices(&same, out);
    for (size_t i = 1; i < out->count && !status && same.math == session_math_default; i++) {
        if (clade_device_math(out->device[i]) == clade_device_math(out->device[0])) continue;
        device_list_close(out);
        same.math = CLADE_FAST;
        status = open_devices(&same, out);
    }
    if (status) device_list_close(out);
    return status;
}
