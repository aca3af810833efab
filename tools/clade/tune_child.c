/* Starting the child, reading its lines, and finding out how it ended. */
#define _DEFAULT_SOURCE
#include "tune_child.h"

#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static clade_status fail_errno(const char *what)
{
    return clade_fail(CLADE_EIO, "%s: %s", what, strerror(errno));
}

static clade_status find_self(char *path, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 1);
    if (n < 0) return fail_errno("cannot find this program's file");
    path[n] = 0;
    return CLADE_OK;
}

/* What the child does before it becomes the program; nothing that needs memory. */
static void become(const char *self, char **argv, int log, int out, pid_t parent)
{
    /* its own group: a Ctrl-C is for the parent, which asks it to stop once */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);    /* else it would go on when the parent is killed */
    if (getppid() != parent) _exit(127); /* it was, just now */
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing >= 0) dup2(nothing, STDIN_FILENO);
    if (dup2(out, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0) execv(self, argv);
    _exit(127);
}

static clade_status start(const char *self, const char **argv, const char *log_path, pid_t *pid,
                          int *out)
{
    int ends[2];
    int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (log < 0) return fail_errno(log_path);
    if (pipe(ends)) {
        close(log);
        return fail_errno("cannot create a pipe");
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    fflush(NULL);
    pid_t parent = getpid();
    *pid = fork();
    if (*pid == 0) become(self, (char **)(void *)argv, log, ends[1], parent);
    close(log);
    close(ends[1]);
    *out = ends[0];
    if (*pid > 0) return CLADE_OK;
    close(ends[0]);
    return fail_errno("cannot start a process");
}

/* Hands over whole lines until the child closes its output. */
static void follow(pid_t pid, int out, const tune_child_watch *watch, bool *asked)
{
    enum { room = 1 << 16, patience = 200 };
    char *text = malloc(room);
    size_t have = 0;
    for (;;) {
        struct pollfd look = {.fd = out, .events = POLLIN};
        int ready = poll(&look, 1, patience);
        if (!*asked && watch->stop(watch->user)) {
            *asked = true;
            kill(pid, SIGTERM);
        }
        if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
        char scrap[512];
        ssize_t n = text ? read(out, text + have, room - 1 - have) : read(out, scrap, sizeof scrap);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        if (!text) continue;
        have += (size_t)n;
        text[have] = 0;
        char *line = text;
        for (char *end; (end = strchr(line, '\n')); line = end + 1) {
            *end = 0;
            watch->line(watch->user, line);
        }
        have -= (size_t)(line - text);
        memmove(text, line, have);
        if (have == room - 1) have = 0; /* no line is that long */
    }
    free(text);
}

/* The last line of the file that says something, without the program's name. */
static void last_line(const char *path, char error[tune_child_text])
{
    char text[8192];
    FILE *file = fopen(path, "r");
    if (!file) return;
    if (fseek(file, -(long)(sizeof text - 1), SEEK_END)) rewind(file);
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r')) n--;
    text[n] = 0;
    char *line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    if (!strncmp(line, "clade train: ", 13)) line += 13;
    if (*line) snprintf(error, tune_child_text, "%.*s", tune_child_text - 1, line);
}

clade_status tune_child_run(const char **argv, const char *log, const tune_child_watch *watch,
                            tune_child_end *end, char error[tune_child_text])
{
    char self[4096];
    pid_t pid = -1;
    int out = -1, how;
    bool asked = false;
    clade_status status = find_self(self, sizeof self);
    if (!status) status = start(self, argv, log, &pid, &out);
    if (status) return status;
    follow(pid, out, watch, &asked);
    close(out);
    while (waitpid(pid, &how, 0) < 0)
        if (errno != EINTR) return fail_errno("lost a trial's process");
    *end = TUNE_CHILD_DONE;
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0) return CLADE_OK;
    if (asked && WIFEXITED(how) && WEXITSTATUS(how) == 128 + SIGTERM) {
        *end = TUNE_CHILD_STOPPED;
        return CLADE_OK;
    }
    *end = WIFEXITED(how) && WEXITSTATUS(how) == COMMAND_IO ? TUNE_CHILD_IO : TUNE_CHILD_FAILED;
    if (WIFSIGNALED(how)) {
        snprintf(error, tune_child_text, "its process was killed by signal %d (%s)", WTERMSIG(how),
                 strsignal(WTERMSIG(how)));
    } else {
        snprintf(error, tune_child_text, "its process ended with status %d", WEXITSTATUS(how));
        last_line(log, error);
    }
    return CLADE_OK;
}
