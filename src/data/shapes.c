/* The data set of rendered images: JPEG files in folder/SPLIT/CLASS, complete or absent. */
#define _GNU_SOURCE
#include "base/file.h"
#include "base/thread.h"
#include "data/shapes_render.h"
#include <clade/data.h>

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <turbojpeg.h>
#include <unistd.h>

enum { quality = 90, splits = 2, sides_max = 1024, images_max = 100000, marker_max = 512 };

static const char *const split_names[splits] = {"train", "validation"};

/* --- options --- */

/* Fills in default options. */
static clade_status resolve(const clade_shapes_options *options, clade_shapes_options *out)
{
    *out = options ? *options : (clade_shapes_options){0};
    if (out->classes == 0) out->classes = 4;
    if (out->train == 0) out->train = 250;
    if (out->validation == 0) out->validation = 50;
    if (out->size == 0) out->size = 64;
    if (out->classes < 2 || out->classes > clade_shape_kinds)
        return clade_fail(CLADE_EINVAL, "rendered images: %d classes: expected 2 to %d",
                          (int)out->classes, clade_shape_kinds);
    if (out->train < 1 || out->train > images_max || out->validation < 1 ||
        out->validation > images_max)
        return clade_fail(CLADE_EINVAL, "rendered images: %d and %d per class: expected 1 to %d",
                          (int)out->train, (int)out->validation, images_max);
    if (out->size < 16 || out->size > sides_max)
        return clade_fail(CLADE_EINVAL, "rendered images: size %d: expected 16 to %d pixels",
                          (int)out->size, sides_max);
    return CLADE_OK;
}

/* Writes the marker file's contents; the first line is the version of the rendering. */
static void describe(const clade_shapes_options *o, char text[marker_max])
{
    snprintf(text, marker_max,
             "clade shapes 1\nclasses %d\ntrain %d\nvalidation %d\nsize %d\nseed %" PRIu64 "\n",
             (int)o->classes, (int)o->train, (int)o->validation, (int)o->size, o->seed);
}

/* --- the folder --- */

/* Joins a path of up to four parts, which the caller frees. */
static char *make_path(const char *a, const char *b, const char *c, const char *d)
{
    size_t room = strlen(a) + strlen(b) + strlen(c) + strlen(d) + 4;
    char *path = malloc(room);
    if (path)
        snprintf(path, room, "%s%s%s%s%s%s%s", a, *b ? "/" : "", b, *c ? "/" : "", c, *d ? "/" : "",
                 d);
    return path;
}

/* Returns 1 if something is in it, 0 if it is empty or missing, -1 with errno if it cannot be
 * read. */
static int has_contents(const char *folder)
{
    DIR *d = opendir(folder);
    if (!d) return errno == ENOENT ? 0 : -1;
    int found = 0;
    for (struct dirent *e; !found && (errno = 0, e = readdir(d));)
        found = strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    int error = found ? 0 : errno;
    closedir(d);
    errno = error;
    return error ? -1 : found;
}

/* Checks whether the folder is the complete set that is requested. Other contents are an error. */
static clade_status check_folder(const char *folder, const char *marker, bool *complete)
{
    *complete = false;
    int contents = has_contents(folder);
    if (contents < 0) return clade_file_fail(folder, "cannot hold rendered images");
    if (contents == 0) return CLADE_OK;
    char *path = make_path(folder, ".complete", "", "");
    void *found = NULL;
    size_t size;
    if (!path) return clade_fail(CLADE_ENOMEM, "%s: out of memory", folder);
    clade_status status = clade_file_read(path, marker_max, &found, &size);
    free(path);
    if (status || strncmp(found, "clade shapes ", 13))
        status = clade_fail(CLADE_EINVAL,
                            "%s: is not empty and not a finished set of rendered images; "
                            "name another folder, or remove this one",
                            folder);
    else if (strcmp(found, marker))
        status = clade_fail(
            CLADE_EINVAL,
            "%s: holds rendered images with other options (its file .complete has them); "
            "name another folder, or remove this one",
            folder);
    else
        *complete = true;
    free(found);
    return status;
}

/* Removes what an earlier run left in the unfinished folder. */
static clade_status empty_folder(const char *partial)
{
    static const char *const parts[] = {"train", "validation", ".complete"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *path = make_path(partial, parts[i], "", "");
        if (!path) return clade_fail(CLADE_ENOMEM, "%s: out of memory", partial);
        clade_status status = clade_folder_remove(path);
        free(path);
        if (status) return status;
    }
    if (has_contents(partial))
        return clade_fail(CLADE_EINVAL,
                          "%s: is in the way, and not part of the rendered images; remove it",
                          partial);
    return CLADE_OK;
}

/* Creates the unfinished folder and locks it against other processes; *lock is its descriptor. The
 * check that follows finds a folder that another process finished meanwhile. */
static clade_status lock_folder(const char *partial, int *lock)
{
    for (;;) {
        struct stat locked, named;
        if (mkdir(partial, 0777) && errno != EEXIST)
            return clade_file_fail(partial, "cannot create the folder");
        int fd = open(partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) continue; /* another process renamed or removed it */
        if (fd < 0) return clade_file_fail(partial, "cannot open");
        /* a file system without locks: continue; then running one process at a time is up to the
         * user */
        while (flock(fd, LOCK_EX) && errno == EINTR) {}
        if (!fstat(fd, &locked) && !stat(partial, &named) && locked.st_ino == named.st_ino &&
            locked.st_dev == named.st_dev) {
            *lock = fd;
            return CLADE_OK;
        }
        close(fd);
    }
}

/* --- the images --- */

typedef struct encoder {
    tjhandle jpeg;
    unsigned char *bytes; /* large enough for the largest file */
    uint8_t *rgb;
} encoder;

typedef struct shapes_job {
    const clade_shapes_options *options;
    const char *folder;
    encoder *encoder; /* one per thread */
    pthread_mutex_t mutex;
    clade_status status; /* of the first failure */
    char error[1024];
} shapes_job;

static clade_status write_plain(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file) return clade_file_fail(path, "cannot write");
    bool good = fwrite(bytes, 1, size, file) == size;
    int error = errno;
    if (fclose(file) && good) {
        good = false;
        error = errno;
    }
    errno = error;
    return good ? CLADE_OK : clade_file_fail(path, "cannot write");
}

static clade_status write_image(shapes_job *work, encoder *e, int32_t kind, int32_t split,
                                int32_t index)
{
    int size = (int)work->options->size;
    unsigned long bytes = tjBufSize(size, size, TJSAMP_420);
    clade_shape_render(work->options->seed, kind, split, index, size, e->rgb);
    if (tjCompress2(e->jpeg, e->rgb, size, 0, size, TJPF_RGB, &e->bytes, &bytes, TJSAMP_420,
                    quality, TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT))
        return clade_fail(CLADE_EIO, "%s: jpeg: %s", work->folder, tjGetErrorStr2(e->jpeg));
    char name[16];
    snprintf(name, sizeof name, "%04d.jpg", (int)index);
    char *path = make_path(work->folder, split_names[split], clade_shape_names[kind], name);
    if (!path) return clade_fail(CLADE_ENOMEM, "%s: out of memory", work->folder);
    clade_status status = write_plain(path, e->bytes, bytes);
    free(path);
    return status;
}

/* Renders and writes image i of all; body of the loop over threads. */
static void write_one(void *user, size_t i, int thread)
{
    shapes_job *work = user;
    const clade_shapes_options *o = work->options;
    size_t each = (size_t)o->train + (size_t)o->validation, index = i % each;
    int32_t split = index >= (size_t)o->train;
    if (split) index -= (size_t)o->train;
    pthread_mutex_lock(&work->mutex);
    bool stop = work->status != CLADE_OK;
    pthread_mutex_unlock(&work->mutex);
    if (stop) return;
    clade_status status =
        write_image(work, &work->encoder[thread], (int32_t)(i / each), split, (int32_t)index);
    if (!status) return;
    pthread_mutex_lock(&work->mutex);
    if (!work->status) {
        work->status = status;
        snprintf(work->error, sizeof work->error, "%s",
                 clade_error()); /* this thread's error text */
    }
    pthread_mutex_unlock(&work->mutex);
}

/* Writes all images, using all processors, into `folder`, which is empty. */
static clade_status write_images(const char *folder, const clade_shapes_options *o)
{
    shapes_job work = {.options = o, .folder = folder, .mutex = PTHREAD_MUTEX_INITIALIZER};
    clade_pool *pool = NULL;
    clade_status status = clade_pool_create(0, &pool);
    if (status) return status;
    int threads = clade_pool_threads(pool), size = (int)o->size;
    for (int k = 0; k < splits * (int)o->classes && !status; k++) {
        char *path = make_path(folder, split_names[k % splits], clade_shape_names[k / splits], "");
        status = path ? clade_folder_create(path)
                      : clade_fail(CLADE_ENOMEM, "%s: out of memory", folder);
        free(path);
    }
    work.encoder = calloc((size_t)threads, sizeof *work.encoder);
    if (!status && !work.encoder) status = clade_fail(CLADE_ENOMEM, "%s: out of memory", folder);
    for (int t = 0; t < threads && !status; t++) {
        encoder *e = &work.encoder[t];
        e->jpeg = tjInitCompress();
        e->bytes = malloc(tjBufSize(size, size, TJSAMP_420));
        e->rgb = malloc((size_t)size * (size_t)size * 3);
        if (!e->jpeg || !e->bytes || !e->rgb)
            status = clade_fail(CLADE_ENOMEM, "%s: out of memory", folder);
    }
    if (!status) {
        clade_pool_for(pool, (size_t)o->classes * ((size_t)o->train + (size_t)o->validation),
                       write_one, &work);
        if (work.status) status = clade_fail(work.status, "%s", work.error);
    }
    for (int t = 0; t < threads && work.encoder; t++) {
        if (work.encoder[t].jpeg) tjDestroy(work.encoder[t].jpeg);
        free(work.encoder[t].bytes);
        free(work.encoder[t].rgb);
    }
    free(work.encoder);
    pthread_mutex_destroy(&work.mutex);
    clade_pool_destroy(&pool);
    return status;
}

/* Fills the locked folder and renames it. */
static clade_status write_set(const char *partial, const char *folder,
                              const clade_shapes_options *o, const char *marker)
{
    clade_status status = empty_folder(partial);
    if (status) return status;
    status = write_images(partial, o);
    char *path = make_path(partial, ".complete", "", "");
    if (!status)
        status = path ? write_plain(path, marker, strlen(marker))
                      : clade_fail(CLADE_ENOMEM, "%s: out of memory", folder);
    free(path);
    if (!status && rename(partial, folder))
        status = clade_file_fail(folder, "cannot create the folder");
    if (status) {
        char text[1024];
        snprintf(text, sizeof text, "%s", clade_error());
        if (!empty_folder(partial)) rmdir(partial);
        return clade_fail(status, "%s", text);
    }
    return CLADE_OK;
}

clade_status clade_shapes_write(const char *folder, const clade_shapes_options *options)
{
    assert(folder);
    clade_shapes_options o;
    char marker[marker_max];
    bool complete;
    clade_status status = resolve(options, &o);
    if (status) return status;
    if (!*folder) return clade_fail(CLADE_EINVAL, "rendered images: the folder has no name");
    describe(&o, marker);
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/') length--;
    char *name = strndup(folder, length),
         *partial = name ? clade_string_join(name, ".partial") : NULL;
    char *parent = name ? strdup(name) : NULL, *slash = parent ? strrchr(parent, '/') : NULL;
    int lock = -1;
    if (!partial || !parent) {
        status = clade_fail(CLADE_ENOMEM, "%s: out of memory", folder);
        goto done;
    }
    status = check_folder(name, marker, &complete);
    if (status || complete) goto done;
    if (slash && slash > parent) {
        *slash = 0;
        if ((status = clade_folder_create(parent))) goto done;
    }
    if ((status = lock_folder(partial, &lock))) goto done;
    /* check again: another process may have finished it while this one waited */
    status = check_folder(name, marker, &complete);
    if (status || complete)
        rmdir(partial);
    else
        status = write_set(partial, name, &o, marker);
done:
    if (lock >= 0) close(lock);
    free(name);
    free(partial);
    free(parent);
    return status;
}
