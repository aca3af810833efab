/* A device's inside, for the front end. */
#ifndef CLADE_DEV_DEVICE_H
#define CLADE_DEV_DEVICE_H

#include <clade/backend.h>

/* The times of the calls of a device that is profiled. */
typedef struct clade_profile_log {
    clade_call_time *time;
    size_t count, room;
    bool given; /* to the caller: the next call begins anew */
} clade_profile_log;

typedef struct clade_verifier clade_verifier; /* in verify.c */

struct clade_device {
    clade_backend table;           /* the backend's */
    clade_op_slot slot[CLADE_OPS]; /* the backend's for this device, in our order of ops */
    void *context;                 /* the backend's */
    void *library;                 /* a plugin's shared object, or NULL */
    clade_device_info info;
    clade_math math;
    bool strict;
    clade_buffer *workspace;    /* the block that all calls share; NULL while none needs any */
    clade_profile_log *profile; /* NULL: it is not profiled */
    clade_verifier *verifier;   /* NULL: its calls are not verified */
    bool planner;               /* it has no memory and runs nothing */
    uint64_t fallbacks, bytes_now, bytes_peak, bytes_largest; /* the largest buffer there was */
};

/* What clade_call_prepare makes of a call. */
typedef struct clade_prepared {
    clade_device *device;
    clade_plan plan;
    bool reference; /* the device has no version of it */
} clade_prepared;

/* Copies a backend's table and finds its ops by their names; the device's context must be open. */
clade_status clade_device_take_table(clade_device *device, const clade_backend *backend);

/* Bytes of workspace that a prepared call needs. */
size_t clade_call_workspace(const clade_call *call);
/* Queues a prepared call as clade_call_run does, with this workspace (what the backend's alloc
 * gave) instead of the device's. */
clade_status clade_call_run_within(const clade_call *call, void *workspace);

/* The launches that a prepared call, which has not run, consists of. Errors: EUNSUPPORTED where it
 * is not of OpenCL's launches alone; EIO, ENOMEM; the sink's. */
clade_status clade_call_tell_launches(const clade_call *call, clade_launch_sink *sink, void *user);

/* In profile.c. */
clade_status clade_profile_log_create(clade_profile_log **out);
void clade_profile_log_destroy(clade_profile_log **log);
/* Runs a call and notes its time. */
clade_status clade_profile_run(clade_device *device, const clade_call *call,
                               clade_status (*run)(clade_device *device, const clade_call *call));

/* In verify.c. Runs a call and, where it is drawn, judges it. */
clade_status clade_verifier_run(clade_device *device, const clade_call *call,
                                clade_status (*run)(clade_device *device, const clade_call *call));
void clade_verifier_destroy(clade_verifier **verifier);

/* The algorithms by which the device can do a call; false: there is nothing to choose. */
bool clade_device_choice(const clade_device *device, const clade_call *call,
                         clade_algorithm_choice *out);
/* Keeps what timings of a call gave, for when the device is opened the next time. NULL: of matrix
 * products in general. Errors: EUNSUPPORTED where the backend has no choice, EIO. */
clade_status clade_device_choose(clade_device *device, const clade_call *call,
                                 const clade_algorithm_timing *timings, size_t count);
/* What was kept for the device, as a text to be freed. Errors: EUNSUPPORTED likewise, or where
 * nothing was; EIO, EFORMAT, ENOMEM. */
clade_status clade_device_choices(const clade_device *device, char **out);

#endif
