/* Profiles: the events of what was launched, by the call that it belongs to. */
#include "opencl/profile.h"

#include <stdlib.h>
#include <string.h>

void clade_opencl_mark(void *context, size_t number)
{
    opencl_context *cl = context;
    cl->marked = number;
}

cl_event *clade_opencl_event(opencl_context *cl)
{
    if (!cl->profile) return NULL;
    if (cl->event_count == cl->event_room) {
        size_t room = cl->event_room ? 2 * cl->event_room : 1024;
        opencl_event *grown = realloc(cl->events, room * sizeof *grown);
        if (!grown) return NULL; /* the profile lacks it */
        cl->events = grown;
        cl->event_room = room;
    }
    opencl_event *e = &cl->events[cl->event_count++];
    *e = (opencl_event){.number = cl->marked};
    return &e->event;
}

cl_event *clade_opencl_last_event(opencl_context *cl)
{
    cl_event *before = clade_opencl_event(cl);
    if (!before || clade_icd.clEnqueueMarkerWithWaitList(cl->queue, 0, NULL, before)) return before;
    cl_event *event = clade_opencl_event(cl);
    if (event) cl->events[cl->event_count - 1].last = true;
    return event;
}

void clade_opencl_events_clear(opencl_context *cl)
{
    for (size_t i = 0; i < cl->event_count; i++)
        if (cl->events[i].event) clade_icd.clReleaseEvent(cl->events[i].event);
    cl->event_count = 0;
}

/* Adds an event to the time of its call. */
static cl_int add(const opencl_event *e, clade_call_time *time)
{
    cl_ulong start = 0, stop = 0;
    cl_int error = clade_icd.clGetEventProfilingInfo(e->last ? e[-1].event : e->event,
                                                     e->last ? CL_PROFILING_COMMAND_END
                                                             : CL_PROFILING_COMMAND_START,
                                                     sizeof start, &start, NULL);
    if (!error)
        error = clade_icd.clGetEventProfilingInfo(e->event, CL_PROFILING_COMMAND_END, sizeof stop,
                                                  &stop, NULL);
    if (error) return error;
    double begin = 1e-9 * (double)start, end = 1e-9 * (double)stop;
    if (time->end == 0 || begin < time->begin) time->begin = begin;
    if (end > time->end) time->end = end;
    time->busy += end - begin;
    return CL_SUCCESS;
}

clade_status clade_opencl_times(void *context, clade_call_time *times, size_t count)
{
    opencl_context *cl = context;
    cl_int error = clade_icd.clFinish(cl->queue);
    for (size_t i = 0; i < cl->event_count && !error; i++) {
        const opencl_event *e = &cl->events[i];
        if (e->event && e->number < count) error = add(e, &times[e->number]);
    }
    clade_opencl_events_clear(cl);
    return error ? clade_opencl_fail(cl, error, "the times of kernels") : CLADE_OK;
}
