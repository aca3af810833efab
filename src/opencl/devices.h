/* Roof: the platforms and devices that there are. For the backend's table. */
#ifndef CLADE_OPENCL_DEVICES_H
#define CLADE_OPENCL_DEVICES_H

#include "opencl/context.h"

clade_status clade_opencl_count(size_t *count, char note[256]);
clade_status clade_opencl_describe(size_t index, clade_device_info *info);
/* The device of that number; false: there is none. */
bool clade_opencl_find(size_t index, cl_platform_id *platform, cl_device_id *device);

#endif
