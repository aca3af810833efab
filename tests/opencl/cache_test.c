/* The cache of compiled programs: the same results cold and warm, whatever happened to its files,
 * and with several processes at once. */
#define _XOPEN_SOURCE 700
#include "device.h"
#include "test.h"

#include "base/file.h"
#include "dev/device.h"
#include "opencl/cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { n = 1000, children = 4, header_bytes = 152 };

static void fill(float *x)
{
    for (int i = 0; i < n; i++) x[i] = (float)(i - n / 2) / 64;
}

/* One op on a device that is opened and closed for it. */
static clade_status run(const char *name, float *y, uint32_t *compiled, uint32_t *cached)
{
    float x[n];
    fill(x);
    clade_device *device;
    clade_buffer *buffer = NULL;
    clade_status status = clade_device_open(name, NULL, &device);
    if (status) return status;
    clade_args a = {
        .activation = {.x = clade_shape(1, n), .y = clade_shape(1, n), .act = CLADE_GELU}};
    status = clade_buffer_create(device, 2 * sizeof x, &buffer);
    a.activation.x.buffer = a.activation.y.buffer = buffer;
    a.activation.y.offset = n;
    if (!status) status = clade_tensor_write(&a.activation.x, x);
    if (!status) status = clade_op_run(device, CLADE_OP_activation, &a);
    if (!status) status = clade_tensor_read(&a.activation.y, y);
    if (compiled) {
        const opencl_context *cl = device->context;
        *compiled = cl->compiled;
        *cached = cl->cached;
    }
    clade_buffer_destroy(&buffer);
    clade_device_close(&device);
    return status;
}

static float expected[n];

/* Runs on OpenCL: the right result, by a program from the cache or from source. */
static void check_run(int line, bool from_cache)
{
    float y[n] = {0};
    uint32_t compiled = 9, cached = 9;
    CHECK_OK(run("opencl", y, &compiled, &cached));
    bool right = !memcmp(y, expected, sizeof y);
    CHECK(right);
    CHECK(compiled == !from_cache);
    CHECK(cached == from_cache);
    if (!right || compiled == from_cache)
        printf("   in the check of line %d: compiled %u, cached %u\n", line, compiled, cached);
}
#define FROM_CACHE() check_run(__LINE__, true)
#define FROM_SOURCE() check_run(__LINE__, false)

/* The names in the cache; `name` gets the last. */
static int count_files(const char *folder, char name[256])
{
    int count = 0;
    DIR *dir = opendir(folder);
    if (!dir) return 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        count++;
        if (name) snprintf(name, 256, "%.255s", entry->d_name);
    }
    closedir(dir);
    return count;
}

static void overwrite(const char *path, const unsigned char *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(bytes, 1, size, f) == size);
    if (f) fclose(f);
}

/* After a run the file is whole again, and used. */
static void check_damage(const char *path, const unsigned char *damaged, size_t size)
{
    overwrite(path, damaged, size);
    FROM_SOURCE();
    FROM_CACHE();
}

static void check_damages(const char *path)
{
    void *file;
    size_t size;
    CHECK_OK(clade_file_read(path, UINT64_MAX / 2, &file, &size));
    if (!file) return;
    unsigned char *bytes = file;
    CHECK(size > header_bytes);
    const size_t lengths[] = {0, 1, header_bytes - 1, header_bytes, size / 2, size - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        check_damage(path, bytes, lengths[i]);
    /* magic, version, size, key, checksum, the binary's first, middle and last byte */
    const size_t places[] = {0, 8, 16, 23, 30, 100, header_bytes, size / 2, size - 1};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        bytes[places[i]] ^= 0x20;
        check_damage(path, bytes, size);
        bytes[places[i]] ^= 0x20;
    }
    free(file);
}

/* The file of another program under this one's name; and a whole file that no driver takes. */
static void check_foreign(const char *path, const char *key)
{
    char other[65];
    memset(other, 'a', 64);
    other[64] = 0;
    static const char garbage[] = "this is no program of any driver, but its header is in order";
    clade_opencl_cache_store(other, garbage, sizeof garbage, OPENCL_CACHE_BYTES);
    size_t size = 0;
    void *back = clade_opencl_cache_load(other, &size);
    CHECK(back && size == sizeof garbage && !memcmp(back, garbage, size));
    free(back);
    CHECK(!clade_opencl_cache_load("0123", &size));

    char *other_path = clade_string_join(path, "");
    memcpy(strrchr(other_path, '/') + 1, other, 64);
    CHECK(rename(other_path, path) == 0);
    CHECK(!clade_opencl_cache_load(key, &size));
    FROM_SOURCE();
    FROM_CACHE();
    free(other_path);

    clade_opencl_cache_store(key, garbage, sizeof garbage, OPENCL_CACHE_BYTES);
    FROM_SOURCE();
    FROM_CACHE();
}

static void check_unwritable(const char *root, const char *folder)
{
    char *file = clade_string_join(root, "/file");
    overwrite(file, (const unsigned char *)"x", 1);
    setenv("XDG_CACHE_HOME", file, 1); /* a file where a folder should be */
    FROM_SOURCE();
    FROM_SOURCE();
    setenv("XDG_CACHE_HOME", root, 1);
    CHECK_OK(clade_folder_remove(folder));
    CHECK(mkdir(folder, 0500) == 0);
    if (geteuid() != 0) {
        FROM_SOURCE();
        FROM_SOURCE();
    }
    chmod(folder, 0700);
    FROM_SOURCE();
    char name[256];
    CHECK(count_files(folder, name) == 1);
    char *path = clade_path_join(folder, name);
    CHECK(remove(path) == 0 && mkdir(path, 0700) == 0); /* a folder where the file should be */
    FROM_SOURCE();
    FROM_SOURCE();
    CHECK(rmdir(path) == 0);
    free(path);
    free(file);
}

/* The texts by which platform, device and driver are known: all the same but for one. */
enum { names_told = 7 };
static int asked, another;

static cl_int tell(size_t size, void *text)
{
    snprintf(text, size, "%s", asked++ == another ? "another" : "name");
    return CL_SUCCESS;
}
static cl_int CL_API_CALL tell_device(cl_device_id device, cl_device_info what, size_t size,
                                      void *text, size_t *needed)
{
    (void)device, (void)what, (void)needed;
    return tell(size, text);
}
static cl_int CL_API_CALL tell_platform(cl_platform_id platform, cl_platform_info what, size_t size,
                                        void *text, size_t *needed)
{
    (void)platform, (void)what, (void)needed;
    return tell(size, text);
}

/* Another one of any of them is another key. */
static void check_names(const opencl_context *cl, const char *const *lines)
{
    const opencl_functions driver = clade_icd;
    char key[names_told][65];
    clade_icd.clGetDeviceInfo = tell_device;
    clade_icd.clGetPlatformInfo = tell_platform;
    for (another = 0; another < names_told; another++) {
        asked = 0;
        clade_opencl_cache_key(cl, 1, lines, "", key[another]);
        CHECK(asked == names_told);
        for (int i = 0; i < another; i++) CHECK(strcmp(key[another], key[i]) != 0);
    }
    clade_icd = driver;
}

static void check_choice(const char *folder)
{
    CHECK_OK(clade_folder_remove(folder));
    setenv("CLADE_PROGRAM_CACHE", "0", 1);
    FROM_SOURCE();
    CHECK(count_files(folder, NULL) == 0);
    unsetenv("CLADE_PROGRAM_CACHE");
    clade_device *device;
    CHECK_OK(clade_device_open("opencl", NULL, &device));
    opencl_context *cl = device->context;
    cl->driver_caches = true;
    CHECK(!clade_opencl_cache_wanted(cl));
    cl->driver_caches = false;
    CHECK(clade_opencl_cache_wanted(cl));
    /* whatever the program depends on changes its key */
    const char *const lines[] = {"kernel void a() {}\n"}, *const others[] = {
                                                              "kernel void b() {}\n"};
    char key[65], other[65];
    clade_opencl_cache_key(cl, 1, lines, "-DX=1", key);
    clade_opencl_cache_key(cl, 1, lines, "-DX=1", other);
    CHECK(strlen(key) == 64 && !strcmp(key, other));
    clade_opencl_cache_key(cl, 1, lines, "-DX=2", other);
    CHECK(strcmp(key, other) != 0);
    clade_opencl_cache_key(cl, 1, others, "-DX=1", other);
    CHECK(strcmp(key, other) != 0);
    check_names(cl, lines);
    clade_device_close(&device);
    setenv("CLADE_PROGRAM_CACHE", "1", 1);
}

static void touch(const char *folder, const char *name, time_t when)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const struct timespec times[] = {{.tv_sec = when}, {.tv_sec = when}};
    CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
}

static bool exists(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static void check_limit(const char *folder)
{
    static const unsigned char binary[1000] = {1};
    char key[5][65], name[5][72];
    CHECK_OK(clade_folder_remove(folder));
    for (int i = 0; i < 5; i++) {
        memset(key[i], '0' + i, 64);
        key[i][64] = 0;
        snprintf(name[i], sizeof name[i], "%.64s.bin", key[i]);
    }
    for (int i = 0; i < 3; i++) {
        clade_opencl_cache_store(key[i], binary, sizeof binary, 1 << 20);
        touch(folder, name[i], 1000 + i);
    }
    char path[1024];
    snprintf(path, sizeof path, "%s/notes.txt", folder); /* not the cache's */
    overwrite(path, binary, sizeof binary);
    /* what is loaded is new again, so the second is the oldest */
    size_t size;
    free(clade_opencl_cache_load(key[0], &size));
    clade_opencl_cache_store(key[3], binary, sizeof binary, 3 * (sizeof binary + header_bytes));
    CHECK(exists(folder, name[0]) && !exists(folder, name[1]) && exists(folder, name[2]) &&
          exists(folder, name[3]) && exists(folder, "notes.txt"));
    /* nothing is kept that is larger than all may be */
    clade_opencl_cache_store(key[4], binary, sizeof binary, sizeof binary - 1);
    CHECK(!exists(folder, name[4]) && exists(folder, name[0]));
}

int main(int argc, char **argv)
{
    (void)argv;
    CHECK_OK(run("cpu", expected, NULL, NULL));
    if (argc > 1) { /* one of several processes */
        float y[n];
        uint32_t compiled, cached;
        CHECK_OK(run("opencl", y, &compiled, &cached));
        CHECK(!memcmp(y, expected, sizeof y));
        return test_failures != 0;
    }
    if (!has_opencl()) return skipped;
    char root[] = "/tmp/clade-cache-test-XXXXXX", name[256], key[65];
    if (!mkdtemp(root)) return 1;
    char *folder = clade_string_join(root, "/clade/opencl");
    unsetenv("CLADE_KERNELS");
    setenv("XDG_CACHE_HOME", root, 1);
    setenv("CLADE_PROGRAM_CACHE", "1", 1);

    pid_t child[children];
    for (int i = 0; i < children; i++) child[i] = start_again("child");
    for (int i = 0; i < children; i++) CHECK(wait_for(child[i]) == 0);
    CHECK(count_files(folder, name) == 1);
    FROM_CACHE();
    CHECK_OK(clade_folder_remove(folder));
    FROM_SOURCE();
    CHECK(count_files(folder, name) == 1);
    CHECK(strlen(name) == 68 && !strcmp(name + 64, ".bin"));
    FROM_CACHE();

    char *path = malloc(strlen(folder) + sizeof name + 1);
    sprintf(path, "%s/%s", folder, name);
    snprintf(key, sizeof key, "%.64s", name);
    check_damages(path);
    check_foreign(path, key);
    check_unwritable(root, folder);
    check_choice(folder);
    check_limit(folder);
    CHECK_OK(clade_folder_remove(root));
    free(path);
    free(folder);
    return TEST_END();
}
