/* Reading pieces of a file. */
#define _XOPEN_SOURCE 700
#include "weights/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

clade_status clade_blob_open(const char *path, clade_blob *out)
{
    struct stat info;
    *out = (clade_blob){.name = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (out->fd < 0) return clade_fail(CLADE_EIO, "%s: cannot open: %s", path, strerror(errno));
    clade_status status = CLADE_OK;
    if (fstat(out->fd, &info))
        status = clade_fail(CLADE_EIO, "%s: cannot read: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        status = clade_fail(CLADE_EIO, "%s: cannot read: it is not a regular file", path);
    else
        out->size = (uint64_t)info.st_size;
    if (status) clade_blob_close(out);
    return status;
}

clade_blob clade_blob_of(const void *bytes, size_t size, const char *name)
{
    static const uint8_t none;
    return (clade_blob){.name = name, .bytes = size ? bytes : &none, .fd = -1, .size = size};
}

void clade_blob_close(clade_blob *b)
{
    if (b->fd >= 0) close(b->fd);
    b->fd = -1;
}

clade_status clade_blob_read(const clade_blob *b, uint64_t at, void *out, size_t size)
{
    if (at > b->size || size > b->size - at)
        return clade_fail(CLADE_EFORMAT, "%s: cut short: %llu bytes", b->name,
                          (unsigned long long)b->size);
    if (b->bytes) {
        memcpy(out, b->bytes + at, size);
        return CLADE_OK;
    }
    for (char *p = out; size > 0;) {
        ssize_t n = pread(b->fd, p, size < 1u << 30 ? size : 1u << 30, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return clade_fail(CLADE_EIO, "%s: cannot read: %s", b->name, strerror(errno));
        if (n == 0)
            return clade_fail(CLADE_EIO, "%s: cannot read: it became shorter while being read",
                              b->name);
        p += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return CLADE_OK;
}

uint64_t clade_blob_number(const uint8_t *p, int size)
{
    uint64_t value = 0;
    for (int i = size; i-- > 0;) value = value << 8 | p[i];
    return value;
}
