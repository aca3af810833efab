/* The devices named by one --device option. */
#ifndef CLADE_TOOLS_DEVICE_LIST_H
#define CLADE_TOOLS_DEVICE_LIST_H

#include "session.h"

enum { DEVICE_LIST_SIZE = 64 };

typedef struct device_list {
    clade_device *device[DEVICE_LIST_SIZE];
    size_t count;
} device_list;

/* Opens "A,B,…", each like session_open_device, or "all": the processor and every usable device
 * that is not the processor again. All use the same math. */
clade_status device_list_open(const session_place *place, device_list *out);
void device_list_close(device_list *list);

#endif
