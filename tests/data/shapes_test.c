/* The set of rendered images: complete or not there, determined by its seed, refused where it
 * must be. */
#define _XOPEN_SOURCE 700
#include "../test.h"
#include "base/file.h"
#include "base/sha256.h"
#include "data/shapes_render.h"
#include <clade/data.h>

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <turbojpeg.h>
#include <unistd.h>

static int entries(const char *folder)
{
    int n = 0;
    DIR *d = opendir(folder);
    if (!d) return -1;
    for (struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    closedir(d);
    return n;
}

static void hash_file(const char *path, char hex[65])
{
    void *bytes;
    size_t size;
    clade_sha256 hash;
    CHECK_OK(clade_file_read(path, 1 << 20, &bytes, &size));
    clade_sha256_start(&hash);
    clade_sha256_add(&hash, bytes, size);
    clade_sha256_end(&hash, hex);
    free(bytes);
}

static bool same(const char *a, const char *b)
{
    char x[65], y[65];
    hash_file(a, x);
    hash_file(b, y);
    return !strcmp(x, y);
}

static void check_set(void)
{
    clade_shapes_options o = {.classes = 8, .train = 3, .validation = 2, .seed = 5};
    CHECK_OK(clade_shapes_write("deep/er/set/", &o));
    CHECK(entries("deep/er") == 1 && entries("deep/er/set") == 3);
    CHECK(entries("deep/er/set/train") == 8 && entries("deep/er/set/validation") == 8);
    CHECK(entries("deep/er/set/train/star") == 3 &&
          entries("deep/er/set/validation/checkerboard") == 2);

    uint8_t pixels[64 * 64 * 3];
    int width = 0, height = 0, sampling, colours;
    void *bytes;
    size_t size;
    CHECK_OK(clade_file_read("deep/er/set/train/circle/0002.jpg", 1 << 20, &bytes, &size));
    tjhandle jpeg = tjInitDecompress();
    CHECK(tjDecompressHeader3(jpeg, bytes, size, &width, &height, &sampling, &colours) == 0);
    CHECK(width == 64 && height == 64);
    CHECK(tjDecompress2(jpeg, bytes, size, pixels, 64, 0, 64, TJPF_RGB, 0) == 0);
    int low = 255, high = 0;
    for (size_t i = 0; i < sizeof pixels; i++) {
        low = pixels[i] < low ? pixels[i] : low;
        high = pixels[i] > high ? pixels[i] : high;
    }
    CHECK(high - low > 60); /* there is something to see */
    tjDestroy(jpeg);
    free(bytes);

    /* a complete set is left alone */
    CHECK(unlink("deep/er/set/train/circle/0001.jpg") == 0);
    CHECK_OK(clade_shapes_write("deep/er/set", &o));
    CHECK(entries("deep/er/set/train/circle") == 2);

    /* an image depends on seed, class, split and number alone */
    clade_shapes_options fewer = {.classes = 2, .train = 4, .validation = 1, .seed = 5};
    CHECK_OK(clade_shapes_write("fewer", &fewer));
    CHECK(same("fewer/train/square/0002.jpg", "deep/er/set/train/square/0002.jpg"));
    CHECK(same("fewer/validation/circle/0000.jpg", "deep/er/set/validation/circle/0000.jpg"));
    CHECK(!same("fewer/train/square/0002.jpg", "fewer/train/square/0003.jpg"));
    CHECK(!same("fewer/train/square/0000.jpg", "fewer/validation/square/0000.jpg"));
    fewer.seed = 6;
    CHECK_OK(clade_shapes_write("other", &fewer));
    CHECK(!same("fewer/train/square/0002.jpg", "other/train/square/0002.jpg"));
}

/* What is drawn, to the last bit: it is the same on every machine and in every release. */
static void check_pixels(void)
{
    enum { size = 48, images = 24 };
    static const char *const expected[clade_shape_kinds] = {
        "e83958e08d57bfb6", "91c0facd8b8167d2", "1d743aa1e4a80451", "f6d03261042fc914",
        "a7e5aceacfd298ab", "3797eff0ac93225c", "4f462047c156a8a2", "4954c9fcdf7eeabb",
    };
    for (int32_t kind = 0; kind < clade_shape_kinds; kind++) {
        uint8_t rgb[size * size * 3];
        char hex[65];
        clade_sha256 hash;
        clade_sha256_start(&hash);
        for (int32_t i = 0; i < images; i++) {
            clade_shape_render(7, kind, i & 1, i, size, rgb);
            clade_sha256_add(&hash, rgb, sizeof rgb);
        }
        clade_sha256_end(&hash, hex);
        CHECK(!strncmp(hex, expected[kind], 16));
    }
}

static void check_refused(void)
{
    clade_shapes_options o = {.classes = 2, .train = 4, .validation = 1, .seed = 6};
    CHECK_FAILS(clade_shapes_write("x", &(clade_shapes_options){.classes = 1}), CLADE_EINVAL,
                "1 classes: expected 2 to 8");
    CHECK_FAILS(clade_shapes_write("x", &(clade_shapes_options){.classes = 9}), CLADE_EINVAL,
                "2 to 8");
    CHECK_FAILS(clade_shapes_write("x", &(clade_shapes_options){.size = 4}), CLADE_EINVAL,
                "size 4");
    CHECK_FAILS(clade_shapes_write("x", &(clade_shapes_options){.train = -1}), CLADE_EINVAL,
                "-1 and 50");
    CHECK_FAILS(clade_shapes_write("", &o), CLADE_EINVAL, "no name");
    CHECK(access("x", F_OK) != 0);
    CHECK_OK(clade_shapes_write("other", &o));
    o.seed = 7;
    CHECK_FAILS(clade_shapes_write("other", &o), CLADE_EINVAL,
                "other: holds rendered images with other options");
    CHECK(access("other/train/circle/0000.jpg", F_OK) == 0 && access("other.partial", F_OK) != 0);

    CHECK_OK(clade_folder_create("mine"));
    CHECK_OK(clade_file_write("mine/letter.txt", "dear", 4));
    CHECK_FAILS(clade_shapes_write("mine", &o), CLADE_EINVAL, "mine: is not empty");
    CHECK(entries("mine") == 1);
    CHECK_OK(clade_file_write("mine/.complete", "something", 9));
    CHECK_FAILS(clade_shapes_write("mine", &o), CLADE_EINVAL, "mine: is not empty");
    CHECK_FAILS(clade_shapes_write("mine/letter.txt", &o), CLADE_EIO, "mine/letter.txt");
    CHECK_OK(clade_folder_create("empty"));
    CHECK_OK(clade_shapes_write("empty", &o));
    CHECK(entries("empty") == 3);
    CHECK_OK(clade_folder_create("y.partial/keep"));
    CHECK_FAILS(clade_shapes_write("y", &o), CLADE_EINVAL, "y.partial: is in the way");
    CHECK(access("y.partial/keep", F_OK) == 0);
}

/* Two processes at once both end well; one killed at any time leaves nothing or all. */
static void check_processes(void)
{
    clade_shapes_options o = {.classes = 3, .train = 60, .validation = 10};
    pid_t child[3];
    for (int i = 0; i < 3; i++)
        if ((child[i] = fork()) == 0) _exit(clade_shapes_write("shared", &o) != CLADE_OK);
    for (int i = 0; i < 3; i++) {
        int result = -1;
        CHECK(waitpid(child[i], &result, 0) == child[i] && result == 0);
    }
    CHECK(entries("shared") == 3 && access("shared.partial", F_OK) != 0);
    CHECK(entries("shared/train/square") == 60);
    for (int i = 0; i < 6; i++) {
        pid_t victim = fork();
        if (victim == 0) _exit(clade_shapes_write("killed", &o) != CLADE_OK);
        nanosleep(&(struct timespec){.tv_nsec = 4000000L * i}, NULL);
        kill(victim, SIGKILL);
        CHECK(waitpid(victim, NULL, 0) == victim);
        CHECK(entries("killed") == -1 || entries("killed/train/triangle") == 60);
    }
    CHECK_OK(clade_shapes_write("killed", &o));
    CHECK(entries("killed/train/triangle") == 60 && entries("killed/validation/circle") == 10);
    CHECK(access("killed.partial", F_OK) != 0);
    CHECK(same("killed/train/circle/0059.jpg", "shared/train/circle/0059.jpg"));

    /* files that may not grow stand for a full disk */
    struct rlimit old, none;
    signal(SIGXFSZ, SIG_IGN);
    CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
    none = old;
    none.rlim_cur = 100;
    CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
    clade_status status = clade_shapes_write("full", &o);
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    CHECK(status == CLADE_EIO && strstr(clade_error(), ".jpg: cannot write"));
    CHECK(access("full", F_OK) != 0 && access("full.partial", F_OK) != 0);
}

int main(void)
{
    char folder[] = "/tmp/clade-shapes-XXXXXX";
    CHECK(mkdtemp(folder) && chdir(folder) == 0);
    check_set();
    check_pixels();
    check_refused();
    check_processes();
    CHECK_OK(clade_folder_remove(folder));
    return TEST_END();
}
