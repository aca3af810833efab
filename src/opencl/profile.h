/* Ground floor: when each call ran, from the events of what it launched. */
#ifndef CLADE_OPENCL_PROFILE_H
#define CLADE_OPENCL_PROFILE_H

#include "opencl/context.h"

/* Where the next launch's event goes: NULL when nothing is profiled. */
cl_event *clade_opencl_event(opencl_context *cl);
/* The same for several launches that give an event only of the last. */
cl_event *clade_opencl_last_event(opencl_context *cl);
void clade_opencl_events_clear(opencl_context *cl);

/* For the backend's table. */
void clade_opencl_mark(void *context, size_t number);
clade_status clade_opencl_times(void *context, clade_call_time *times, size_t count);

#endif
