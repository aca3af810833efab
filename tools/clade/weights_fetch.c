/* Fetching a file of weights with the programs that are there for it. */
#define _GNU_SOURCE
#include "weights.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Is the program on PATH? */
static bool have(const char *program)
{
    const char *path = getenv("PATH");
    char file[4096];
    for (const char *p = path ? path : ""; *p;) {
        int n = (int)strcspn(p, ":");
        if (n && snprintf(file, sizeof file, "%.*s/%s", n, p, program) < (int)sizeof file &&
            !access(file, X_OK))
            return true;
        p += n;
        p += *p == ':';
    }
    return false;
}

/* Runs a program of PATH without a shell, its output on standard error, with files of at most so
 * many bytes; gives its exit status, 255 where it was killed. */
static clade_status run(const char *const *argv, uint64_t most, int *result)
{
    struct rlimit own, limit;
    posix_spawn_file_actions_t files;
    pid_t pid;
    int ended;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    getrlimit(RLIMIT_FSIZE, &own); /* the child's are its parent's */
    limit = own;
    if (most < limit.rlim_cur) limit.rlim_cur = most;
    setrlimit(RLIMIT_FSIZE, &limit);
    int error = posix_spawnp(&pid, argv[0], &files, NULL, (char **)(uintptr_t)argv, environ);
    setrlimit(RLIMIT_FSIZE, &own);
    posix_spawn_file_actions_destroy(&files);
    if (error) return clade_fail(CLADE_EIO, "%s: cannot run: %s", argv[0], strerror(error));
    while (waitpid(pid, &ended, 0) < 0)
        if (errno != EINTR) return clade_fail(CLADE_EIO, "%s: %s", argv[0], strerror(errno));
    *result = WIFEXITED(ended) ? WEXITSTATUS(ended) : 255;
    return CLADE_OK;
}

/* Adds to the end of `part` what the address has more, until that has `most` bytes. */
static clade_status download(const char *url, const char *part, uint64_t most, int *result)
{
    const bool shown = isatty(STDERR_FILENO);
    const char *const curl[] = {"curl",
                                "--fail",
                                "--location",
                                "--proto",
                                "=http,https",
                                "--retry",
                                "3",
                                "--connect-timeout",
                                "30",
                                "--speed-limit", /* bytes a second, for so many seconds */
                                "100",
                                "--speed-time",
                                "30",
                                "--continue-at",
                                "-",
                                shown ? "--progress-bar" : "--silent",
                                "--show-error",
                                "--output",
                                part,
                                url,
                                NULL};
    const char *const wget[] = {"wget",
                                "--tries=4",
                                "--timeout=30",
                                "--continue",
                                shown ? "--show-progress" : "--no-verbose",
                                shown ? "--quiet" : "--no-config",
                                "--output-document",
                                part,
                                url,
                                NULL};
    if (have("curl")) return run(curl, most, result);
    if (have("wget")) return run(wget, most, result);
    return clade_fail(
        CLADE_EIO, "neither curl nor wget is installed; install one, or download %s by other means",
        url);
}

static uint64_t size_of(const char *path)
{
    struct stat info;
    return stat(path, &info) ? 0 : (uint64_t)info.st_size;
}

/* More than any file of these weights has, be it with an optimizer's state. */
static uint64_t most_bytes(double mib)
{
    return mib > 0 ? (uint64_t)((4 * mib + 16) * 1048576) : UINT64_C(4) << 30;
}

/* Goes on with the part, or from the start where the server cannot do that or the part is whole. */
static clade_status fetch_part(const clade_pretrained *p, uint64_t most, const char *part)
{
    const char *url = p->url;
    enum { curl_http = 22, curl_range = 33, wget_http = 8 };
    const bool begun = size_of(part) > 0;
    int result = 0;
    clade_status status = download(url, part, most, &result);
    if (!status && begun && (result == curl_http || result == curl_range || result == wget_http)) {
        fprintf(stderr, "clade weights fetch: the server cannot resume; starting over\n");
        remove(part);
        status = download(url, part, most, &result);
    }
    if (status || result == 0) return status;
    if (size_of(part) >= most) {
        remove(part);
        return clade_fail(CLADE_EIO, "%s: larger than %.0f MiB: not weights of %s", url,
                          (double)most / 1048576, p->backbone);
    }
    if (size_of(part) == 0) remove(part);
    return clade_fail(CLADE_EIO, "%s: cannot download (status %d)%s", url, result,
                      size_of(part) ? "; the same command resumes it" : "");
}

clade_status weights_fetch(const clade_pretrained *p, double mib, const char *folder, char **path)
{
    char *file = clade_path_join(folder, p->file);
    char *part = file ? clade_string_join(file, ".part") : NULL;
    clade_status status = part ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory");
    if (!status) status = clade_folder_create(folder);
    if (!status) status = fetch_part(p, most_bytes(mib), part);
    if (!status) {
        status = clade_pretrained_check(p, part);
        if (status && status != CLADE_ENOMEM && remove(part) == 0)
            clade_context(status, "%s: downloaded, but not kept", p->url);
        else if (!status && rename(part, file))
            status = clade_fail(CLADE_EIO, "%s: cannot create: %s", file, strerror(errno));
    }
    free(part);
    if (status) free(file);
    *path = status ? NULL : file;
    return status;
}
