/* Both ends: what a child sends while it judges, and how its parent reads that. */
#define _DEFAULT_SOURCE
#include "conform_child.h"

#include "command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

typedef enum child_message_kind {
    MESSAGE_DEVICE, /* a clade_device_info */
    MESSAGE_BEGUN,  /* a record */
    MESSAGE_RESULT, /* a record */
    MESSAGE_DONE    /* the error's text */
} child_message_kind;

typedef struct child_message {
    child_message_kind kind;
    clade_status status; /* of MESSAGE_DONE */
    size_t index, size;  /* of the case; of what follows, in bytes */
} child_message;

/* ---- the child ---- */

typedef struct judge {
    const conform_work *work;
    int to;
    size_t next, index; /* the next case of the plan; the one in hand */
    clade_conform_summary summary;
    bool told; /* which device it is */
    clade_status status;
} judge;

static clade_status send_bytes(int to, const void *bytes, size_t size)
{
    for (const char *p = bytes; size;) {
        ssize_t n = send(to, p, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return clade_fail(CLADE_EIO, "cannot send a result: %s", strerror(errno));
        p += n;
        size -= (size_t)n;
    }
    return CLADE_OK;
}

static clade_status send_message(int to, child_message m, const void *bytes, size_t size)
{
    m.size = size;
    clade_status status = send_bytes(to, &m, sizeof m);
    return status ? status : send_bytes(to, bytes, size);
}

static clade_status send_record(const judge *j, child_message_kind kind,
                                const clade_conform_result *result)
{
    conform_record *record = conform_record_create(result);
    if (!record) return clade_fail(CLADE_ENOMEM, "out of memory for results");
    clade_status status =
        send_message(j->to, (child_message){.kind = kind, .index = j->index}, record, record->size);
    free(record);
    return status;
}

/* The plan has the cases of a run in its order, but not all of them. */
static bool choose(void *user, const clade_conform_result *about)
{
    judge *j = user;
    const conform_plan *plan = j->work->plan;
    if (j->next == plan->count || strcmp(plan->cases[j->next].about->result.name, about->name) != 0)
        return false;
    j->index = j->next++;
    return !j->status && !atomic_exchange(&j->work->taken[j->index], 1);
}

static void begins(void *user, const clade_conform_result *about)
{
    judge *j = user;
    if (!j->told)
        j->status = send_message(j->to, (child_message){.kind = MESSAGE_DEVICE}, &j->summary.device,
                                 sizeof j->summary.device);
    j->told = true;
    if (!j->status) j->status = send_record(j, MESSAGE_BEGUN, about);
}

static clade_status give(void *user, const clade_conform_result *result)
{
    const judge *j = user;
    return j->status ? j->status : send_record(j, MESSAGE_RESULT, result);
}

/* Ends as a program does, so that what drivers do at the exit is judged, too. */
static void work_and_exit(const conform_work *work, int to, pid_t parent)
{
    setpgid(0, 0);                     /* what a driver starts ends with it */
    prctl(PR_SET_PDEATHSIG, SIGKILL);  /* else it would go on when the parent is killed */
    if (getppid() != parent) _exit(1); /* it was, just now */
    judge j = {.work = work, .to = to};
    clade_conform_options o = *work->options;
    o.choose = choose;
    o.begins = begins;
    clade_status status = clade_conform_run(&o, give, &j, &j.summary);
    const char *error = status ? clade_error() : "";
    child_message done = {.kind = MESSAGE_DONE, .status = status};
    exit(send_message(to, done, error, strlen(error) + 1) ? command_fail("conform") : COMMAND_OK);
}

/* ---- its parent ---- */

clade_status conform_child_start(const conform_work *work, conform_child *child)
{
    int ends[2];
    *child = (conform_child){.from = -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return clade_fail(CLADE_EIO, "cannot create a socket pair: %s", strerror(errno));
    fflush(NULL); /* else both would write what is in the buffers */
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        close(ends[0]);
        work_and_exit(work, ends[1], parent);
    }
    int why = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return clade_fail(CLADE_EIO, "cannot start a process: %s", strerror(why));
    }
    setpgid(pid, pid); /* as the child does: whoever comes first */
    child->pid = pid;
    child->from = ends[0];
    child->since = command_clock();
    return CLADE_OK;
}

static clade_status take_message(conform_child *child, const child_message *m, const char *bytes,
                                 conform_child_take *take, void *user, clade_device_info *device)
{
    conform_record *record = NULL;
    switch (m->kind) {
    case MESSAGE_DEVICE: memcpy(device, bytes, sizeof *device); break;
    case MESSAGE_DONE:
        child->done = true;
        child->status = m->status;
        snprintf(child->error, sizeof child->error, "%s", bytes);
        break;
    case MESSAGE_BEGUN:
    case MESSAGE_RESULT:
        record = malloc(m->size);
        if (!record) return clade_fail(CLADE_ENOMEM, "out of memory for results");
        memcpy(record, bytes, m->size);
        conform_record_settle(record);
        free(child->begun);
        child->begun = m->kind == MESSAGE_BEGUN ? record : NULL;
        child->index = m->index;
        if (m->kind == MESSAGE_RESULT) take(user, m->index, record);
    }
    return CLADE_OK;
}

clade_status conform_child_read(conform_child *child, conform_child_take *take, void *user,
                                clade_device_info *device, bool *ended)
{
    enum { least = 1 << 16 };
    *ended = false;
    if (child->room - child->have < least) {
        char *text = realloc(child->text, child->have + 2 * least);
        if (!text) return clade_fail(CLADE_ENOMEM, "out of memory for results");
        child->text = text;
        child->room = child->have + 2 * least;
    }
    ssize_t n = recv(child->from, child->text + child->have, child->room - child->have, 0);
    if (n < 0 && errno == EINTR) return CLADE_OK;
    if (n < 0) return clade_fail(CLADE_EIO, "cannot read the results: %s", strerror(errno));
    *ended = n == 0;
    child->have += (size_t)n;
    child->since = command_clock();
    clade_status status = CLADE_OK;
    size_t at = 0;
    for (child_message m; !status && child->have - at >= sizeof m; at += sizeof m + m.size) {
        memcpy(&m, child->text + at, sizeof m);
        if (child->have - at - sizeof m < m.size) break;
        status = take_message(child, &m, child->text + at + sizeof m, take, user, device);
    }
    child->have -= at;
    memmove(child->text, child->text + at, child->have);
    return status;
}

void conform_child_end(conform_child *child, bool force, char how[128])
{
    int end = 0;
    if (force) kill(-child->pid, SIGKILL);
    close(child->from);
    while (waitpid(child->pid, &end, 0) < 0 && errno == EINTR) {}
    if (WIFSIGNALED(end))
        snprintf(how, 128, "signal %d (%s)", WTERMSIG(end), strsignal(WTERMSIG(end)));
    else if (WEXITSTATUS(end) || !child->done)
        snprintf(how, 128, "exit status %d", WEXITSTATUS(end));
    else
        how[0] = 0;
    free(child->text);
    free(child->begun);
    *child = (conform_child){.from = -1};
}
