/* A device's inside, for the front end. */
#ifndef CLADE_DEV_DEVICE_H
#define CLADE_DEV_DEVICE_H

#include <clade/backend.h>

struct clade_device {
    clade_backend table; /* the backend's, specialised for this device */
    void *context;       /* the backend's */
    void *library;       /* a plugin's shared object, or NULL */
    clade_device_info info;
    clade_math math;
    bool strict;
    clade_buffer *scratch; /* the block that all calls share; NULL while none needs any */
    uint64_t fallbacks, bytes_now, bytes_peak;
};

#endif
