/* The lock of a study's folder. */
#define _GNU_SOURCE
#include "tune/study.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

clade_status clade_study_lock(const clade_study *study, int *lock)
{
    *lock = open(study->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0)
        return clade_fail(CLADE_EIO, "%s: cannot open: %s", study->folder, strerror(errno));
    while (flock(*lock, LOCK_EX) && errno == EINTR) {}
    return CLADE_OK; /* a file system without locks is no reason to refuse */
}

void clade_study_unlock(int lock)
{
    if (lock >= 0) close(lock);
}
