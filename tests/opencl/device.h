/* What the tests of the OpenCL backend share: is there a device, and running a program again with
 * another environment. */
#ifndef CLADE_TESTS_OPENCL_DEVICE_H
#define CLADE_TESTS_OPENCL_DEVICE_H

#include <clade/device.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { skipped = 77 };

/* A usable OpenCL device among those that there are? */
static inline bool has_opencl(void)
{
    clade_device_info *list;
    size_t count;
    char note[256];
    bool found = false;
    if (clade_devices_list(&list, &count, note)) return false;
    for (size_t i = 0; i < count; i++)
        found = found || (!strncmp(list[i].id, "opencl:", 7) && !list[i].unusable[0]);
    free(list);
    if (!found) printf("no OpenCL device: %s\n", note);
    return found;
}

/* Starts this very program with one argument; its drivers then start anew. */
static inline pid_t start_again(const char *argument)
{
    fflush(stdout);
    pid_t child = fork();
    if (child != 0) return child;
    execl("/proc/self/exe", "again", argument, (char *)NULL);
    _exit(126);
}

/* Its exit status; -1 if it did not end by itself. */
static inline int wait_for(pid_t child)
{
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
