/* Ground floor: device memory, and copies to and from it. For the backend's table. */
#ifndef CLADE_OPENCL_MEMORY_H
#define CLADE_OPENCL_MEMORY_H

#include "opencl/context.h"

clade_status clade_opencl_alloc(void *context, size_t bytes, void **handle);
void clade_opencl_free(void *context, void *handle);
clade_status clade_opencl_write(void *context, void *handle, size_t offset, const void *source,
                                size_t bytes);
clade_status clade_opencl_read(void *context, void *handle, size_t offset, void *target,
                               size_t bytes);
clade_status clade_opencl_finish(void *context);
/* On a second queue, beside what is launched after the point. */
clade_status clade_opencl_point(void *context, void **point);
clade_status clade_opencl_read_at(void *context, void *point, void *handle, size_t offset,
                                  void *target, size_t bytes);

/* When the device is closed. */
void clade_opencl_staging_release(opencl_context *cl);

#endif
