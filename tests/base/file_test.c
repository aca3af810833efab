/* Files, folders and SHA-256. */
#define _XOPEN_SOURCE 700
#include "base/file.h"
#include "base/md5.h"
#include "base/sha256.h"
#include "../test.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t entries(const char *folder)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    if (!d) return 0;
    for (struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    closedir(d);
    return n;
}

static void check_hash(const char *text, size_t repeat, size_t piece, const char *expected)
{
    clade_sha256 hash;
    char hex[65];
    clade_sha256_start(&hash);
    size_t n = strlen(text);
    for (size_t r = 0; r < repeat; r++)
        for (size_t i = 0; i < n; i += piece)
            clade_sha256_add(&hash, text + i, n - i < piece ? n - i : piece);
    clade_sha256_end(&hash, hex);
    CHECK(!strcmp(hex, expected));
}

/* The examples of FIPS 180-4 and the lengths around a block's end, in pieces of several sizes. */
static void check_sha256(void)
{
    static const char two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    check_hash("", 1, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_hash("abc", 1, 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for (size_t piece = 1; piece < 60; piece += 7)
        check_hash(two, 1, piece,
                   "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    check_hash("a", 55, 1, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
    check_hash("a", 56, 1, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
    check_hash("a", 64, 1, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
    check_hash("aaaaaaaaaa", 100000, 10,
               "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* The examples of RFC 1321, A.5, and the lengths around a block's end, in pieces of several sizes.
 */
static void check_md5(void)
{
    static const struct {
        const char *text, *sum;
    } cases[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "ef1772b6dff9a122358552954ad0df65"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "3b0c8ac703f828b04c6c197006d17218"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "014842d480b571495a4a0363793f7367"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece < 90; piece += 11) {
            clade_md5 hash;
            char hex[33];
            const size_t n = strlen(cases[i].text);
            clade_md5_start(&hash);
            for (size_t k = 0; k < n; k += piece)
                clade_md5_add(&hash, cases[i].text + k, n - k < piece ? n - k : piece);
            clade_md5_end(&hash, hex);
            CHECK(!strcmp(hex, cases[i].sum));
        }
}

static void check_write(void)
{
    void *bytes;
    size_t size;
    CHECK_OK(clade_file_write("a.txt", "first", 5));
    CHECK_OK(clade_file_read("a.txt", 5, &bytes, &size));
    CHECK(size == 5 && !memcmp(bytes, "first", 6));
    free(bytes);
    CHECK_FAILS(clade_file_read("a.txt", 4, &bytes, &size), CLADE_EFORMAT, "a.txt: 5 bytes");
    CHECK(bytes == NULL);
    struct stat info;
    mode_t mask = umask(022);
    CHECK_OK(clade_file_write("a.txt", "", 0));
    umask(mask);
    CHECK(stat("a.txt", &info) == 0 && info.st_size == 0 && (info.st_mode & 0777) == 0644);
    CHECK_FAILS(clade_file_read("missing.txt", 9, &bytes, &size), CLADE_EIO, "missing.txt");
    CHECK_FAILS(clade_file_read(".", 9, &bytes, &size), CLADE_EIO, "folder");
    CHECK_FAILS(clade_file_write("nowhere/a.txt", "x", 1), CLADE_EIO, "nowhere/a.txt");
    CHECK_FAILS(clade_file_write(".", "x", 1), CLADE_EINVAL, "folder");
    CHECK(mkfifo("pipe", 0600) == 0);
    CHECK_FAILS(clade_file_read("pipe", 9, &bytes, &size), CLADE_EIO, "pipe");
    CHECK_FAILS(clade_file_write("pipe", "x", 1), CLADE_EINVAL, "pipe: cannot write");
    CHECK(entries(".") == 2);
}

/* A write that fails half way keeps the old file and leaves nothing behind. */
static void check_interrupted(void)
{
    void *bytes;
    size_t size;
    clade_file_writer writer;
    CHECK_OK(clade_file_write("b.txt", "old", 3));
    CHECK_OK(clade_file_writer_open(&writer, "b.txt"));
    CHECK_OK(clade_file_writer_add(&writer, "new", 3));
    CHECK(entries(".") == 4);
    clade_file_writer_abort(&writer);
    CHECK(entries(".") == 3);

    static char large[100000];
    struct rlimit old, small;
    signal(SIGXFSZ, SIG_IGN);
    CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
    small = old;
    small.rlim_cur = 4096;
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    CHECK_FAILS(clade_file_write("b.txt", large, sizeof large), CLADE_EIO, "b.txt: cannot write");
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    CHECK(entries(".") == 3);
    CHECK_OK(clade_file_read("b.txt", 100, &bytes, &size));
    CHECK(size == 3 && !memcmp(bytes, "old", 3));
    free(bytes);
}

static void check_folders(void)
{
    struct stat info;
    CHECK_OK(clade_folder_create("x/y//z/"));
    CHECK_OK(clade_folder_create("x/y/z"));
    CHECK(stat("x/y/z", &info) == 0 && S_ISDIR(info.st_mode));
    CHECK_FAILS(clade_folder_create("b.txt/c"), CLADE_EIO, "b.txt");
    CHECK_OK(clade_file_write("x/y/f", "f", 1));
    CHECK(symlink("../b.txt", "x/link") == 0);
    CHECK_OK(clade_folder_remove("x"));
    CHECK_OK(clade_folder_remove("x"));
    CHECK(stat("x", &info) != 0 && stat("b.txt", &info) == 0);

    char *path;
    setenv("HOME", "/user", 1);
    setenv("XDG_CACHE_HOME", "/var/c", 1);
    CHECK_OK(clade_cache_path("kernels", &path));
    CHECK(!strcmp(path, "/var/c/clade/kernels"));
    free(path);
    setenv("XDG_CACHE_HOME", "relative", 1);
    CHECK_OK(clade_cache_path("k", &path));
    CHECK(!strcmp(path, "/user/.cache/clade/k"));
    free(path);
    unsetenv("HOME");
    CHECK_FAILS(clade_cache_path("k", &path), CLADE_EINVAL, "XDG_CACHE_HOME");
}

int main(void)
{
    char folder[] = "/tmp/clade-file-XXXXXX";
    CHECK(mkdtemp(folder) && chdir(folder) == 0);
    check_sha256();
    check_md5();
    check_write();
    check_interrupted();
    check_folders();
    CHECK_OK(clade_folder_remove(folder));
    return TEST_END();
}
