/* Drawing the line, and a thread that renews it while the others compute. */
#define _DEFAULT_SOURCE
#include "status_line.h"
#include "command.h"
#include "fields.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double patience = 1, interval = 0.1; /* seconds: before a wait is shown, between two */

typedef struct status_wait {
    char what[field_room], note[field_room]; /* `what` empty: no wait */
    size_t done, total;
    double start; /* when `first` were done */
    size_t first;
} status_wait;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all that follows */
static pthread_cond_t waiting = PTHREAD_COND_INITIALIZER;
static bool hidden, prepared, drawn;
static double since, drawn_at;      /* since when there has been nothing else to see; 0: not yet */
static status_wait outer, building; /* the latter goes before */

/* --- drawing; with the lock --- */

void status_line_hide(void) { hidden = true; }

size_t status_line_columns(void)
{
    const char *kind = getenv("TERM");
    return hidden || (kind && !strcmp(kind, "dumb")) ? 0 : fields_columns(STDERR_FILENO);
}

static void draw(const char *text)
{
    fflush(stdout);
    fprintf(stderr, "\r%s\033[K", text);
    drawn = true;
    drawn_at = command_clock();
}

static void erase(void)
{
    if (drawn) fprintf(stderr, "\r\033[K");
    drawn = false;
}

static void draw_wait(const status_wait *w)
{
    enum { what, count, taken, left, note, fields };
    line_field f[fields] = {0};
    char text[fields_room], time[fields_time_room];
    const double seconds = command_clock() - w->start;
    field_set(&f[what], 0, "%s", "%s", w->what);
    field_set(&f[taken], 1, "%s", "", fields_time(seconds, time));
    if (w->total) field_set(&f[count], 2, "%zu/%zu", "", w->done, w->total);
    if (w->done > w->first && w->done < w->total)
        field_set(&f[left], 3, "ETA: %s", "ETA %s",
                  fields_time(seconds * (double)(w->total - w->done) / (double)(w->done - w->first),
                              time));
    field_set(&f[note], 4, "%s", "", w->note);
    draw(fields_fit(f, fields, status_line_columns(), text));
}

/* What is waited for, if it is time for that. */
static void renew(void)
{
    const double now = command_clock();
    const status_wait *w = building.what[0] ? &building : &outer;
    if (w->what[0] && now - since >= patience && now - drawn_at >= interval) draw_wait(w);
}

/* --- waiting --- */

static void *tick(void *unused)
{
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!outer.what[0] && !building.what[0]) pthread_cond_wait(&waiting, &lock);
        renew();
        pthread_mutex_unlock(&lock);
        usleep(250000);
        pthread_mutex_lock(&lock);
    }
    return unused;
}

/* Without the thread the line is renewed only when something is done. Signals are for others. */
static void prepare(void)
{
    pthread_t thread;
    sigset_t all, before;
    prepared = true;
    atexit(status_line_clear);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    if (!pthread_create(&thread, NULL, tick, NULL)) pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void wait_for(status_wait *w, const char *what, size_t done, size_t total, const char *note)
{
    const double now = command_clock();
    if (!prepared) prepare();
    if (!since) since = now;
    if (strcmp(w->what, what)) {
        w->start = now;
        w->first = done;
    }
    snprintf(w->what, sizeof w->what, "%s", what);
    snprintf(w->note, sizeof w->note, "%s", note ? note : "");
    w->done = done;
    w->total = total;
    pthread_cond_signal(&waiting);
    renew();
}

void status_line_wait(const char *what, size_t done, size_t total, const char *note)
{
    if (!status_line_columns()) return;
    pthread_mutex_lock(&lock);
    wait_for(&outer, what, done, total, note);
    pthread_mutex_unlock(&lock);
}

void status_line_building(void *user, size_t done, size_t total)
{
    (void)user;
    if (!status_line_columns()) return;
    pthread_mutex_lock(&lock);
    if (done < total) {
        wait_for(&building, "Compiling kernels", done, total, NULL);
    } else {
        building.what[0] = 0;
        erase();
        renew();
    }
    pthread_mutex_unlock(&lock);
}

void status_line_draw(const char *text)
{
    pthread_mutex_lock(&lock);
    outer.what[0] = 0;
    draw(text);
    since = drawn_at;
    pthread_mutex_unlock(&lock);
}

void status_line_clear(void)
{
    pthread_mutex_lock(&lock);
    outer.what[0] = building.what[0] = 0;
    since = 0;
    erase();
    pthread_mutex_unlock(&lock);
}
