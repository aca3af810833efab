/* Children, their time limit and their ends; verdicts; results put back in order. */
#define _DEFAULT_SOURCE
#include "conform_pool.h"

#include "command.h"
#include "conform_child.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef struct pool {
    conform_work work;
    const conform_limits *limits;
    conform_writer *writer;
    conform_totals *totals;
    conform_child *children; /* `jobs` places */
    conform_verdict *verdicts;
    conform_record **records; /* of cases that are judged; NULL: not yet, or handed on */
    conform_record **first;   /* failures of cases that are run again */
    int *runs;
    size_t handed; /* cases that the writer has got */
    clade_status status;
    char error[1280];
} pool;

/* Ends the run; the first error counts. */
static void fail(pool *p, clade_status status)
{
    if (p->status || !status) return;
    p->status = status;
    snprintf(p->error, sizeof p->error, "%s", clade_error());
}

/* ---- verdicts ---- */

/* The record with another text. */
static conform_record *retell(pool *p, conform_record *record, const char *text)
{
    clade_conform_result changed = record->result;
    changed.text = text;
    conform_record *told = conform_record_create(&changed);
    if (!told) fail(p, clade_fail(CLADE_ENOMEM, "out of memory for results"));
    free(record);
    return told;
}

static void settle(pool *p, size_t i, conform_record *record, conform_verdict verdict)
{
    const conform_case *c = &p->work.plan->cases[i];
    bool bad = verdict != VERDICT_PASS && verdict != VERDICT_SKIP;
    char text[1024];
    p->runs[i]++;
    if (bad && c->flaky && p->runs[i] <= p->limits->retries) {
        if (p->first[i])
            free(record);
        else
            p->first[i] = record;
        atomic_store(&p->work.taken[i], 0);
        return;
    }
    if (bad && c->expected) {
        verdict = VERDICT_EXPECTED;
    } else if (verdict == VERDICT_PASS && c->expected) {
        verdict = VERDICT_UNEXPECTED;
        snprintf(text, sizeof text, "%.500s expects it to fail", c->expected);
        record = retell(p, record, text);
    } else if (verdict == VERDICT_PASS && p->first[i]) {
        verdict = VERDICT_FLAKE;
        snprintf(text, sizeof text, "passed when run again (%d of %d); before: %.80s: %.600s",
                 p->runs[i] - 1, p->limits->retries, p->first[i]->result.check,
                 p->first[i]->result.text);
        record = retell(p, record, text);
    }
    p->verdicts[i] = verdict;
    p->records[i] = record;
}

static void take(void *user, size_t i, conform_record *record)
{
    clade_conform_verdict v = record->result.verdict;
    settle(user, i, record,
           v == CLADE_CONFORM_PASS   ? VERDICT_PASS
           : v == CLADE_CONFORM_FAIL ? VERDICT_FAIL
                                     : VERDICT_SKIP);
}

/* The case that a child had in hand when it ended or was ended. */
static void blame(pool *p, const conform_child *child, conform_verdict verdict, const char *text)
{
    clade_conform_result result = child->begun->result;
    result.verdict = CLADE_CONFORM_FAIL;
    result.check = verdict == VERDICT_TIMEOUT ? "timeout" : "crash";
    result.text = text;
    result.seconds = command_clock() - child->since;
    conform_record *record = conform_record_create(&result);
    if (record)
        settle(p, child->index, record, verdict);
    else
        fail(p, clade_fail(CLADE_ENOMEM, "out of memory for results"));
}

/* ---- children ---- */

static void end_child(pool *p, conform_child *child, bool late)
{
    char how[128], text[256];
    conform_child was = *child;
    child->begun = NULL; /* it is freed below */
    conform_child_end(child, late || p->status, how);
    if (p->status) {
        /* the others are ended for what one has met */
    } else if (was.done && was.status) {
        fail(p, clade_fail(was.status, "%s", was.error));
    } else if (was.begun) {
        if (late)
            snprintf(text, sizeof text, "timed out after %g s", p->limits->timeout);
        else
            snprintf(text, sizeof text, "crashed: %s", how);
        blame(p, &was, late ? VERDICT_TIMEOUT : VERDICT_CRASH, text);
    } else if (late) {
        fail(p, clade_fail(CLADE_EDEVICE,
                           "the device's driver hung for %g s before a case or after the last",
                           p->limits->timeout));
    } else if (how[0]) {
        fail(p, clade_fail(CLADE_EDEVICE, "the device's driver ended the process %s: %s",
                           was.done ? "at its end" : "before a case or after the last", how));
    }
    free(was.begun);
}

static size_t count_free(const pool *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->work.plan->count; i++) n += !atomic_load(&p->work.taken[i]);
    return n;
}

/* As many as there are jobs, but none that would find nothing to do. Gives how many there are. */
static int start_children(pool *p)
{
    int alive = 0, idle = 0;
    for (int i = 0; i < p->limits->jobs; i++) {
        alive += p->children[i].pid != 0;
        idle += p->children[i].pid && !p->children[i].begun;
    }
    size_t left = count_free(p);
    for (int i = 0; i < p->limits->jobs && !p->status && (size_t)idle < left; i++) {
        if (p->children[i].pid) continue;
        fail(p, conform_child_start(&p->work, &p->children[i]));
        if (p->status) break;
        alive++;
        idle++;
    }
    return alive;
}

/* Waits until a child says something or the first of them is late. */
static void watch(pool *p)
{
    struct pollfd look[CONFORM_MOST_JOBS];
    int which[CONFORM_MOST_JOBS];
    nfds_t count = 0;
    double limit = p->limits->timeout, now = command_clock(), wait = limit;
    for (int i = 0; i < p->limits->jobs; i++) {
        const conform_child *child = &p->children[i];
        if (!child->pid) continue;
        if (child->since + limit - now < wait) wait = child->since + limit - now;
        which[count] = i;
        look[count++] = (struct pollfd){.fd = child->from, .events = POLLIN};
    }
    if (wait < 0) wait = 0;
    int ready = poll(look, count, limit > 0 ? (int)(wait * 1000) + 1 : -1);
    if (ready < 0 && errno != EINTR) fail(p, clade_fail(CLADE_EIO, "poll: %s", strerror(errno)));
    now = command_clock();
    for (nfds_t k = 0; k < count && ready >= 0; k++) {
        conform_child *child = &p->children[which[k]];
        bool ended = false;
        if (look[k].revents)
            fail(p, conform_child_read(child, take, p, &p->totals->summary.device, &ended));
        bool late = !look[k].revents && limit > 0 && now - child->since > limit;
        if (ended || late) end_child(p, child, late);
    }
}

/* ---- results in order ---- */

/* To the writer what has come, up to the first case that is still judged; with `all` beyond it. */
static void hand_on(pool *p, bool all)
{
    for (; p->handed < p->work.plan->count; p->handed++) {
        conform_record *record = p->records[p->handed];
        if (!record && !all) return;
        if (!record) continue;
        conform_totals_count(p->totals, &record->result, p->verdicts[p->handed]);
        fail(p, conform_writer_take(p->writer, record, p->verdicts[p->handed]));
        p->records[p->handed] = NULL;
    }
}

static void skip_cases(pool *p)
{
    for (size_t i = 0; i < p->work.plan->count; i++) {
        const conform_case *c = &p->work.plan->cases[i];
        if (!c->skipped) continue;
        char text[600];
        clade_conform_result result = c->about->result;
        result.verdict = CLADE_CONFORM_SKIP;
        result.text = text;
        snprintf(text, sizeof text, "listed in %.500s", c->skipped);
        p->records[i] = conform_record_create(&result);
        if (!p->records[i]) fail(p, clade_fail(CLADE_ENOMEM, "out of memory for results"));
        p->verdicts[i] = VERDICT_SKIP;
        atomic_store(&p->work.taken[i], 1);
    }
}

static clade_status make(pool *p)
{
    size_t n = p->work.plan->count;
    void *shared = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return clade_fail(CLADE_ENOMEM, "cannot allocate memory shared with processes: %s",
                          strerror(errno));
    p->work.taken = shared; /* zeros */
    p->children = calloc((size_t)p->limits->jobs, sizeof *p->children);
    p->verdicts = calloc(n, sizeof *p->verdicts);
    p->records = calloc(n, sizeof *p->records);
    p->first = calloc(n, sizeof *p->first);
    p->runs = calloc(n, sizeof *p->runs);
    return p->children && p->verdicts && p->records && p->first && p->runs
               ? CLADE_OK
               : clade_fail(CLADE_ENOMEM, "out of memory");
}

static void release(pool *p)
{
    for (size_t i = 0; i < p->work.plan->count; i++) {
        if (p->records) free(p->records[i]);
        if (p->first) free(p->first[i]);
    }
    if (p->work.taken) munmap((void *)p->work.taken, p->work.plan->count);
    free(p->children);
    free(p->verdicts);
    free(p->records);
    free(p->first);
    free(p->runs);
}

clade_status conform_pool_run(const clade_conform_options *options, const conform_plan *plan,
                              const conform_limits *limits, conform_writer *writer,
                              conform_totals *totals)
{
    pool p = {.work = {.options = options, .plan = plan},
              .limits = limits,
              .writer = writer,
              .totals = totals};
    double begun = command_clock();
    fail(&p, make(&p));
    if (!p.status) skip_cases(&p);
    while (!p.status && start_children(&p)) {
        watch(&p);
        hand_on(&p, false);
    }
    for (int i = 0; p.children && i < limits->jobs; i++)
        if (p.children[i].pid) end_child(&p, &p.children[i], true);
    if (p.records) hand_on(&p, true);
    totals->summary.seconds += command_clock() - begun;
    release(&p);
    return p.status ? clade_fail(p.status, "%s", p.error) : CLADE_OK;
}
