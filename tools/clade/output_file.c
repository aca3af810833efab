#define _XOPEN_SOURCE 700
#include "output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

clade_status output_open(output_file *file, const char *path)
{
    clade_status status = clade_file_writer_open(&file->writer, path);
    if (status) return status;
    int fd = fcntl(file->writer.fd, F_DUPFD_CLOEXEC, 0); /* the stream closes its own */
    file->to = fd < 0 ? NULL : fdopen(fd, "w");
    if (file->to) {
        errno = 0; /* from now on that of a write that has failed */
        return CLADE_OK;
    }
    status = clade_file_fail(path, "cannot write");
    if (fd >= 0) close(fd);
    clade_file_writer_abort(&file->writer);
    return status;
}

clade_status output_close(output_file *file)
{
    bool bad = ferror(file->to);
    bad = fclose(file->to) || bad;
    if (!bad) return clade_file_writer_commit(&file->writer);
    clade_status status = clade_file_fail(file->writer.path, "cannot write");
    clade_file_writer_abort(&file->writer);
    return status;
}
