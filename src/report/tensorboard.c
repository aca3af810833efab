/* TensorBoard's event files.
 * A file is a sequence of records (TFRecord): the length in eight bytes, the check of these eight,
 * the data, the check of the data; all little-endian. The data are an Event in protobuf's wire
 * format. Sources: tensorflow/core/lib/io/record_writer.h, core/util/event.proto and
 * core/framework/summary.proto of TensorFlow; "Encoding" in protobuf's documentation. */
#define _POSIX_C_SOURCE 200809L
#include "report/tensorboard.h"

#include "base/crc32c.h"
#include "base/file.h"

#include <png.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The numbers of the fields that are used. */
enum { event_wall_time = 1, event_step = 2, event_version = 3, event_summary = 5, event_log = 7 };
enum { summary_value = 1, value_number = 2, value_image = 4 };
enum { image_height = 1, image_width = 2, image_colorspace = 3, image_bytes = 4 };
enum { log_status = 1, log_start = 1 };

struct clade_tensorboard {
    char *path;
    int fd;
};

static clade_wire start_event(int64_t step)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    clade_wire event = {0};
    clade_wire_double(&event, event_wall_time, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    if (step) clade_wire_int(&event, event_step, step);
    return event;
}

/* --- the file --- */

static uint32_t masked_check(const void *bytes, size_t size)
{
    uint32_t crc = clade_crc32c(bytes, size);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* Writes a whole record or, where that fails, leaves none of it. */
static clade_status write_record(clade_tensorboard *t, const clade_wire *record)
{
    off_t end = lseek(t->fd, 0, SEEK_END);
    for (size_t done = 0; done < record->size;) {
        ssize_t n = write(t->fd, record->data + done, record->size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            int error = errno;
            if (end >= 0 && ftruncate(t->fd, end)) error = errno;
            return clade_fail(CLADE_EIO, "%s: cannot write: %s", t->path, strerror(error));
        }
        done += (size_t)n;
    }
    return CLADE_OK;
}

/* Writes an event as a record and frees it. */
static clade_status write_event(clade_tensorboard *t, clade_wire *event)
{
    clade_wire record = {.status = event->status};
    clade_wire_little(&record, event->size, 8);
    if (!record.status) clade_wire_little(&record, masked_check(record.data, 8), 4);
    if (!record.status) {
        clade_wire_raw(&record, event->data, event->size);
        clade_wire_little(&record, masked_check(event->data, event->size), 4);
    }
    clade_status status = record.status;
    if (!status) status = write_record(t, &record);
    free(record.data);
    free(event->data);
    return status;
}

/* TensorBoard reads the files of a folder in the order of their names, which begin with the time.
 */
static clade_status open_file(clade_tensorboard *t, const char *folder)
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) || !host[0]) snprintf(host, sizeof host, "localhost");
    size_t size = strlen(folder) + strlen(host) + 96;
    t->path = malloc(size);
    if (!t->path) return clade_fail(CLADE_ENOMEM, "%s: out of memory", folder);
    for (unsigned number = 0; number < 1000; number++) {
        snprintf(t->path, size, "%s/events.out.tfevents.%010" PRId64 ".%s.%ld.%u", folder,
                 (int64_t)time(NULL), host, (long)getpid(), number);
        t->fd = open(t->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
        if (t->fd >= 0) return CLADE_OK;
        if (errno != EEXIST) break;
    }
    return clade_fail(CLADE_EIO, "%s: cannot create: %s", t->path, strerror(errno));
}

clade_status clade_tensorboard_create(const char *folder, int64_t first_step,
                                      clade_tensorboard **out)
{
    if (out) *out = NULL;
    if (!folder || !out) return clade_fail(CLADE_EINVAL, "no folder for events");
    clade_tensorboard *t = malloc(sizeof *t);
    if (!t) return clade_fail(CLADE_ENOMEM, "out of memory for events");
    *t = (clade_tensorboard){.fd = -1};
    clade_status status = clade_folder_create(folder);
    if (!status) status = open_file(t, folder);
    if (!status) {
        static const char version[] = "brain.Event:2";
        clade_wire event = start_event(0);
        clade_wire_bytes(&event, event_version, version, sizeof version - 1);
        status = write_event(t, &event);
    }
    if (!status && first_step > 0) { /* SessionLog: START */
        clade_wire event = start_event(first_step), log = {0};
        clade_wire_int(&log, log_status, log_start);
        clade_wire_message(&event, event_log, &log);
        status = write_event(t, &event);
    }
    if (status)
        clade_tensorboard_destroy(&t);
    else
        *out = t;
    return status;
}

void clade_tensorboard_destroy(clade_tensorboard **handle)
{
    clade_tensorboard *t = *handle;
    if (!t) return;
    if (t->fd >= 0) close(t->fd);
    free(t->path);
    free(t);
    *handle = NULL;
}

const char *clade_tensorboard_path(const clade_tensorboard *t) { return t->path; }

clade_status clade_tensorboard_value(clade_tensorboard *t, const char *tag, int64_t step,
                                     clade_wire *value)
{
    clade_wire event = start_event(step), summary = {0};
    clade_wire_text(value, value_tag, tag);
    clade_wire_message(&summary, summary_value, value);
    clade_wire_message(&event, event_summary, &summary);
    return write_event(t, &event);
}

clade_status clade_tensorboard_scalar(clade_tensorboard *t, const char *tag, int64_t step,
                                      double value)
{
    if (!t || !tag || step < 0) return clade_fail(CLADE_EINVAL, "an event needs a tag and a step");
    clade_wire m = {0};
    clade_wire_float(&m, value_number, (float)value);
    return clade_tensorboard_value(t, tag, step, &m);
}

/* A PNG in malloc'ed *out. */
static clade_status encode(const uint8_t *hwc, int32_t height, int32_t width, int32_t channels,
                           uint8_t **out, size_t *size)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB};
    png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(image);
    *out = malloc(room);
    if (!*out) return clade_fail(CLADE_ENOMEM, "out of memory for an image of %zu bytes", room);
    if (!png_image_write_to_memory(&image, *out, &room, 0, hwc, 0, NULL))
        return clade_fail(CLADE_ENOMEM, "PNG: %s", image.message);
    *size = room;
    return CLADE_OK;
}

clade_status clade_tensorboard_image(clade_tensorboard *t, const char *tag, int64_t step,
                                     const uint8_t *hwc, int32_t height, int32_t width,
                                     int32_t channels)
{
    if (!t || !tag || step < 0 || !hwc)
        return clade_fail(CLADE_EINVAL, "an image's event needs a tag, a step and pixels");
    if (height < 1 || width < 1 || (channels != 1 && channels != 3) ||
        (double)height * width > 64e6)
        return clade_fail(CLADE_EINVAL, "an image of %d×%d×%d: expected 1 or 3 channels", height,
                          width, channels);
    uint8_t *png = NULL;
    size_t size = 0;
    clade_status status = encode(hwc, height, width, channels, &png, &size);
    if (!status) {
        clade_wire value = {0}, image = {0};
        clade_wire_int(&image, image_height, height);
        clade_wire_int(&image, image_width, width);
        clade_wire_int(&image, image_colorspace, channels);
        clade_wire_bytes(&image, image_bytes, png, size);
        clade_wire_message(&value, value_image, &image);
        status = clade_tensorboard_value(t, tag, step, &value);
    }
    free(png);
    return status;
}
