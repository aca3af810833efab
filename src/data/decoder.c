/* A thread's working memory for decoding images, and reading files into it. */
#define _POSIX_C_SOURCE 200809L
#include "data/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A larger buffer is freed after each image, so that one huge photograph does not occupy memory for
 * the rest of the run. */
enum { keep_bytes = 16 << 20 };

void clade_bytes_clear(clade_bytes *buffer)
{
    free(buffer->data);
    *buffer = (clade_bytes){0};
}

static void buffer_trim(clade_bytes *buffer)
{
    if (buffer->capacity > keep_bytes) clade_bytes_clear(buffer);
}

clade_status clade_bytes_reserve(clade_bytes *buffer, size_t size)
{
    if (size <= buffer->capacity && buffer->data) return CLADE_OK;
    clade_bytes_clear(buffer);
    buffer->data = malloc(size ? size : 1);
    if (!buffer->data) return clade_fail(CLADE_ENOMEM, "out of memory for %zu bytes", size);
    buffer->capacity = size ? size : 1;
    return CLADE_OK;
}

void clade_decoder_clear(clade_decoder *decoder)
{
    clade_bytes_clear(&decoder->file);
    clade_bytes_clear(&decoder->rows);
    clade_bytes_clear(&decoder->band);
    clade_bytes_clear(&decoder->table);
    clade_bytes_clear(&decoder->whole);
}

void clade_decoder_trim(clade_decoder *decoder)
{
    buffer_trim(&decoder->file);
    buffer_trim(&decoder->rows);
    buffer_trim(&decoder->band);
    buffer_trim(&decoder->table);
    buffer_trim(&decoder->whole);
}

/* Reads from an open file until `want` bytes are read or it ends. */
static clade_status read_all(int file, const char *path, size_t offset, size_t want, uint8_t *out,
                             size_t *got)
{
    size_t have = 0;
    while (have < want) {
        ssize_t n = pread(file, out + have, want - have, (off_t)(offset + have));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return clade_fail(CLADE_EIO, "%s: %s", path, strerror(errno));
        if (n == 0) break;
        have += (size_t)n;
    }
    *got = have;
    return CLADE_OK;
}

static clade_status read_open(int file, const char *path, size_t offset, size_t size, size_t limit,
                              const clade_stamp *expected, clade_stamp *found, clade_bytes *buffer,
                              size_t *got)
{
    struct stat info;
    if (fstat(file, &info) != 0) return clade_fail(CLADE_EIO, "%s: %s", path, strerror(errno));
    const bool regular = S_ISREG(info.st_mode);
    clade_stamp stamp = {(int64_t)info.st_size, (int64_t)info.st_mtime};
    if (expected && (!regular || stamp.size != expected->size || stamp.time != expected->time))
        return clade_fail(CLADE_EIO, "%s: changed since it was listed", path);
    if (!regular) return clade_fail(CLADE_EFORMAT, "%s: not a regular file", path);
    if (found) *found = stamp;
    size_t length = (size_t)info.st_size, left = length > offset ? length - offset : 0;
    size_t want = size == SIZE_MAX ? left : size;
    if (want > limit)
        return clade_fail(CLADE_EFORMAT, "%s: a file of %zu bytes, more than %zu", path, want,
                          limit);
    clade_status status = clade_bytes_reserve(buffer, want);
    if (!status) status = read_all(file, path, offset, want, buffer->data, got);
    if (!status && *got < (want < left ? want : left))
        status = clade_fail(CLADE_EIO, "%s: became shorter while it was read", path);
    return status;
}

clade_status clade_bytes_read(const char *path, size_t offset, size_t size, size_t limit,
                              const clade_stamp *expected, clade_stamp *found, clade_bytes *buffer,
                              size_t *got)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return clade_fail(CLADE_EIO, "%s: %s", path, strerror(errno));
    clade_status status = read_open(file, path, offset, size, limit, expected, found, buffer, got);
    close(file);
    return status;
}

clade_status clade_check_size(uint32_t width, uint32_t height, int32_t most)
{
    if (width == 0 || height == 0)
        return clade_fail(CLADE_EFORMAT, "its header says %u×%u pixels", width, height);
    double pixels = (double)width * height;
    if (pixels > most)
        return clade_fail(CLADE_EFORMAT, "%u×%u pixels: %.0f megapixels, more than %d", width,
                          height, pixels / 1e6, most / 1000000);
    if (width > clade_image_side || height > clade_image_side)
        return clade_fail(CLADE_EFORMAT, "%u×%u pixels: a side of more than %d", width, height,
                          clade_image_side);
    return CLADE_OK;
}
