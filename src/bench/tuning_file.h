/* Writes a device's choices as a file of kernels/tuning. */
#ifndef CLADE_BENCH_TUNING_FILE_H
#define CLADE_BENCH_TUNING_FILE_H

#include <clade/device.h>

/* Writes a device's stored choices, from clade_device_choices, to a new file, omitting calls of
 * which no algorithm was timed. Errors: EUNSUPPORTED if that leaves none, EINVAL if the file
 * exists; EFORMAT, EIO, ENOMEM. */
clade_status clade_tuning_file_write(const char *path, const clade_device_info *info,
                                     const char *kept);

#endif
