/* Reducing a case: what is to be reduced, a process for each try, and telling what came of it. */
#define _DEFAULT_SOURCE
#include "conform_reduce.h"

#include "command.h"
#include "shown.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a process for each try ---- */

typedef struct isolated {
    double timeout;
    pid_t pid;
    int end; /* a pipe that closes when the process ends */
} isolated;

static void work_and_exit(void (*work)(const void *task, void *result), const void *task,
                          void *result, pid_t parent)
{
    setpgid(0, 0);                     /* what a driver starts ends with it */
    prctl(PR_SET_PDEATHSIG, SIGKILL);  /* else it would go on when the parent is killed */
    if (getppid() != parent) _exit(1); /* it was, just now */
    /* what a driver says of a failure, it would say each time */
    if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) _exit(1);
    work(task, result);
    exit(COMMAND_OK); /* as a program does, so that what drivers do at the exit is judged, too */
}

static clade_status start(isolated *p, void (*work)(const void *task, void *result),
                          const void *task, void *result)
{
    int ends[2];
    if (pipe(ends)) return clade_fail(CLADE_EIO, "cannot create a pipe: %s", strerror(errno));
    fflush(NULL); /* else both would write what is in the buffers */
    const pid_t parent = getpid();
    p->pid = fork();
    if (p->pid == 0) {
        close(ends[0]);
        work_and_exit(work, task, result, parent);
    }
    const int why = errno;
    close(ends[1]);
    p->end = ends[0];
    if (p->pid > 0) {
        setpgid(p->pid, p->pid); /* as the child does: whoever comes first */
        return CLADE_OK;
    }
    close(ends[0]);
    return clade_fail(CLADE_EIO, "cannot start a process: %s", strerror(why));
}

/* Waits until it ends, or ends it when its time is over: true. */
static bool is_late(const isolated *p)
{
    const double begun = command_clock();
    for (;;) {
        struct pollfd look = {.fd = p->end, .events = POLLIN};
        const double left = p->timeout - (command_clock() - begun);
        if (left <= 0) return true;
        if (poll(&look, 1, (int)(left * 1000) + 1) > 0) return false;
    }
}

static clade_status isolate(void *user, void (*work)(const void *task, void *result),
                            const void *task, void *result, size_t size, char how[160])
{
    isolated p = *(const isolated *)user;
    int end = 0;
    how[0] = 0;
    void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return clade_fail(CLADE_ENOMEM, "cannot allocate memory shared with processes: %s",
                          strerror(errno));
    clade_status status = start(&p, work, task, shared);
    if (!status) {
        const bool late = is_late(&p);
        kill(-p.pid, SIGKILL); /* also what it has started and left */
        close(p.end);
        while (waitpid(p.pid, &end, 0) < 0 && errno == EINTR) {}
        if (late)
            snprintf(how, 160, "timed out after %g s", p.timeout);
        else if (WIFSIGNALED(end))
            snprintf(how, 160, "crashed: signal %d (%s)", WTERMSIG(end), strsignal(WTERMSIG(end)));
        else if (WEXITSTATUS(end))
            snprintf(how, 160, "crashed: exit status %d", WEXITSTATUS(end));
        memcpy(result, shared, size);
    }
    munmap(shared, size);
    return status;
}

/* ---- what is reduced ---- */

/* The case of a name, as --list has it. */
typedef struct named_case {
    const char *name;
    char op[64], case_name[128];
    int accumulate;
    bool found;
} named_case;

static clade_status look(void *user, const clade_conform_result *about)
{
    named_case *n = user;
    if (strcmp(about->name, n->name) != 0) return CLADE_OK;
    n->found = true;
    n->accumulate = about->accumulate;
    snprintf(n->op, sizeof n->op, "%s", about->op);
    snprintf(n->case_name, sizeof n->case_name, "%s", about->case_name);
    return CLADE_OK;
}

static clade_status find_named(clade_conform_options *o, named_case *n)
{
    clade_status status = clade_conform_list(o, look, n);
    if (status) return status;
    if (!n->found)
        return clade_fail(CLADE_EINVAL,
                          "--reduce '%s': expected a case of mode ops as --list prints it, a call, "
                          "a folder with a call, or, with --op, the name of a case",
                          shown_start(n->name, 200));
    o->op = n->op;
    o->case_name = n->case_name;
    o->pass = n->accumulate ? CLADE_CONFORM_ACCUMULATE : CLADE_CONFORM_OVERWRITE;
    return CLADE_OK;
}

/* ---- telling ---- */

static void tell(const clade_conform_reduced *r, const char *out)
{
    printf("%s\n%s: ", r->first_call, r->first_check);
    printf("%s\n\n", shown(r->first_text));
    printf(r->taken ? "%u smaller calls fail in the same way, of %u tried; the smallest:\n"
                    : "no smaller call fails in the same way (%u of %u):\n",
           r->taken, r->tries);
    printf("%s\n%s: ", r->call, r->check);
    printf("%s\n", shown(r->text));
    if (r->reproduce[0])
        printf("%s\n", shown(r->reproduce));
    else
        printf("it fails only with these numbers%s\n", out ? "" : "; --out DIR writes them");
    if (!out) return;
    printf("\nwritten to %s: the call, its inputs and its expected outputs\n", shown(out));
    if (r->program)
        printf("  to run it without Clade: cc case.c -lOpenCL -lm -o case && ./case\n");
    else
        printf("  no program: %s\n", shown(r->why));
}

int conform_reduce(const clade_conform_options *options, const char *what, const char *out,
                   double timeout)
{
    enum { usual_timeout = 300 };
    struct stat is;
    clade_conform_options o = *options;
    named_case named = {.name = what};
    isolated process = {.timeout = timeout > 0 ? timeout : usual_timeout};
    clade_conform_reduction how = {.out = out, .isolate = isolate, .user = &process};
    clade_conform_reduced *r = calloc(1, sizeof *r);
    clade_status status = r ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory");
    o.modes = CLADE_CONFORM_OPS;
    if (!stat(what, &is) && S_ISDIR(is.st_mode))
        how.recorded = what;
    else if (strchr(what, '=') || o.op)
        o.case_name = what;
    else if (!status)
        status = find_named(&o, &named);
    if (!status) status = clade_conform_reduce(&o, &how, r);
    const bool failed = !status && r->failed;
    if (failed)
        tell(r, out);
    else if (!status)
        clade_fail(CLADE_EINVAL, "%s passes: nothing to reduce", shown_start(what, 200));
    free(r);
    return failed ? COMMAND_OK : command_fail("conform");
}
