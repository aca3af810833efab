/* A device's choices as a file of kernels/tuning. */
#ifndef CLADE_BENCH_TUNING_FILE_H
#define CLADE_BENCH_TUNING_FILE_H

#include <clade/device.h>

/* Writes what was kept for a device, as clade_device_choices gives it, to a file that is not there
 * yet, without the calls of which no algorithm was timed. Errors: EUNSUPPORTED where that leaves
 * none, EINVAL where the file is there; EFORMAT, EIO, ENOMEM. */
clade_status clade_tuning_file_write(const char *path, const clade_device_info *info,
                                     const char *kept);

#endif
