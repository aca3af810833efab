/* Running other programs with a time limit. */
#define _GNU_SOURCE
#include "base/process.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Starts it in its own process group, so that the processes it starts can be ended with it. */
static int start(const char *const *argv, const int out[2], pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    int error = posix_spawn(pid, argv[0], &files, &attributes, (char **)(uintptr_t)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

/* Reads until the writer has closed its end; false: the time ran out before. */
static bool gather(int fd, double until, char *output, size_t size)
{
    size_t n = 0;
    for (;;) {
        char piece[4096];
        double left = until - clade_clock();
        if (left <= 0) break;
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int wait = left < 1e6 ? (int)(1e3 * left) + 1 : -1;
        if (poll(&ready, 1, wait) <= 0) continue;
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            output[n] = 0;
            return true;
        }
        size_t take = (size_t)got < size - 1 - n ? (size_t)got : size - 1 - n;
        memcpy(output + n, piece, take);
        n += take;
    }
    output[n] = 0;
    return false;
}

/* A program may close its output and keep running: it has until then to end. */
static bool wait_for(pid_t pid, double until, int *status)
{
    static const struct timespec moment = {.tv_nsec = 2000000};
    while (waitpid(pid, status, WNOHANG) == 0) {
        if (clade_clock() > until) return false;
        nanosleep(&moment, NULL);
    }
    return true;
}

clade_status clade_process_run(const char *const *argv, double seconds, char *output, size_t size,
                               clade_process_end *end)
{
    int out[2], status = 0;
    pid_t pid;
    *end = (clade_process_end){0};
    if (pipe2(out, O_CLOEXEC)) return clade_fail(CLADE_EIO, "pipe: %s", strerror(errno));
    int error = start(argv, out, &pid);
    close(out[1]);
    if (error) {
        close(out[0]);
        return clade_fail(CLADE_EIO, "%s: %s", argv[0], strerror(error));
    }
    double until = clade_clock() + seconds;
    end->hung = !gather(out[0], until, output, size) || !wait_for(pid, until, &status);
    close(out[0]);
    kill(-pid, SIGKILL); /* and the processes it left behind */
    if (end->hung) waitpid(pid, &status, 0);
    if (WIFSIGNALED(status)) end->signal = WTERMSIG(status);
    if (WIFEXITED(status)) end->exit = WEXITSTATUS(status);
    return CLADE_OK;
}
