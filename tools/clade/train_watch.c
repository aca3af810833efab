/* Passing on what training tells. */
#include "train_watch.h"
#include "interrupt.h"
#include "session.h"
#include "shown.h"
#include "status_line.h"

#include <string.h>

void train_watch_data(train_watch *w)
{
    size_t skipped = clade_dataset_skipped(w->dataset);
    if (skipped == w->skipped) return;
    status_line_clear();
    session_print_skipped(stderr, w->dataset, w->skipped);
    w->skipped = skipped;
}

/* Training does not end for a page that cannot be written. */
static void write_report(train_watch *w, const clade_report_options *options)
{
    if (!w->folder || !clade_report_write(w->folder, options)) return;
    status_line_clear();
    fprintf(stderr, "clade train: no report: %s\n", shown(clade_error()));
    w->folder = NULL;
}

bool train_watch_is_paused(const train_watch *w)
{
    return w->pause > 0 && w->progress.last.epoch >= w->pause;
}

static bool poll_stop(void *user) { return interrupt_asked() || train_watch_is_paused(user); }

void train_watch_report(train_watch *w, bool complete, clade_device *device,
                        const clade_dataset *dataset)
{
    clade_classifier *best = NULL;
    if (!w->folder || !w->progress.last.epoch) return;
    status_line_wait("Writing the report", 0, 0, NULL);
    if (complete && clade_classifier_open(w->folder, device, &best)) {
        status_line_clear();
        fprintf(stderr, "clade train: no predictions in the report: %s\n", shown(clade_error()));
    }
    write_report(w, &(clade_report_options){.classifier = best, .dataset = best ? dataset : NULL});
    clade_classifier_destroy(&best);
    status_line_clear();
    if (w->folder && !w->progress.json) printf("Report: %s/report.html\n", shown(w->folder));
}

static void watch_step(void *user, const clade_step *step)
{
    train_watch *w = user;
    trace_step(&w->trace, step);
}

static void watch_batch(void *user, const clade_epoch *e, size_t batch, size_t batches)
{
    train_watch *w = user;
    train_watch_data(w);
    progress_batch(&w->progress, e, batch, batches);
    events_batch(&w->events, e, batches);
}

static void watch_epoch(void *user, const clade_epoch *e)
{
    train_watch *w = user;
    train_watch_data(w);
    progress_epoch(&w->progress, e);
    events_epoch(&w->events, e);
    write_report(w, &(clade_report_options){.running = true});
}

static void watch_shares(void *user, const clade_device_share *shares, size_t count)
{
    train_watch *w = user;
    memcpy(w->share, shares, count * sizeof *shares);
    w->shares = count;
}

static void watch_features(void *user, size_t images, size_t found, double seconds)
{
    const train_watch *w = user;
    char text[progress_features_room];
    if (w->progress.quiet) return;
    progress_features(images, found, seconds, text);
    text[0] = (char)(text[0] - 'a' + 'A');
    status_line_clear();
    fprintf(w->progress.json ? stderr : stdout, "%s\n", text);
    fflush(stdout);
}

static void watch_note(void *user, const char *text)
{
    (void)user;
    status_line_clear();
    fprintf(stderr, "clade train: %s\n", shown(text));
}

void train_watch_shares(const train_watch *w)
{
    uint64_t images = 0;
    for (size_t i = 0; i < w->shares; i++) images += w->share[i].images;
    const bool silent = w->progress.json || w->progress.quiet;
    for (size_t i = 0; i < w->shares && !silent; i++) {
        const clade_device_share *s = &w->share[i];
        printf("%s: %.1f %% of the images in %.1f s; waited %.1f s%s\n", s->id,
               100 * (double)s->images / (double)images, s->busy, s->waited,
               s->failed ? "; failed" : "");
        if (s->exchanged > 0)
            printf("Exchange with other ranks: %.1f s, of which %.1f s beside the backward pass\n",
                   s->exchanged, s->hidden);
    }
}

clade_train_observer train_watch_observer(train_watch *w)
{
    return (clade_train_observer){.user = w,
                                  .phase = progress_phase,
                                  .step = watch_step,
                                  .batch = watch_batch,
                                  .epoch = watch_epoch,
                                  .shares = watch_shares,
                                  .features = watch_features,
                                  .note = watch_note,
                                  .stop = poll_stop};
}
