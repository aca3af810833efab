/* Drawing the progress of training as Keras does. */
#define _POSIX_C_SOURCE 200809L
#include "progress.h"
#include "json_print.h"
#include "shown.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { bar_width = 30 };

void progress_start(progress *p) { p->terminal = isatty(STDOUT_FILENO) && !p->json; }

static void heading(progress *p, const clade_epoch *e)
{
    if (p->epoch == e->epoch) return;
    p->epoch = e->epoch;
    if (!p->first) p->first = e->epoch;
    printf("Epoch %d/%d\n", e->epoch, e->epochs);
}

/* "4s 120ms/step" */
static void print_time(double seconds, double step_ms)
{
    if (seconds < 9.95)
        printf("%.1fs ", seconds);
    else
        printf("%.0fs ", seconds);
    printf(step_ms < 9.95 ? "%.1fms/step" : "%.0fms/step", step_ms);
}

static void print_means(const clade_epoch *e)
{
    printf(" - loss: %.4f - accuracy: %.4f", e->train.loss, e->train.accuracy);
}

static void print_validation(const clade_epoch *e)
{
    if (e->validation.count)
        printf(" - val_loss: %.4f - val_accuracy: %.4f", e->validation.loss,
               e->validation.accuracy);
}

void progress_batch(void *user, const clade_epoch *e, size_t batch, size_t batches)
{
    progress *p = user;
    if (!p->terminal) return;
    heading(p, e);
    char bar[bar_width + 1];
    size_t full = batch * bar_width / batches;
    memset(bar, '.', bar_width);
    memset(bar, '=', full);
    if (full > 0 && full < bar_width) bar[full - 1] = '>';
    bar[bar_width] = 0;
    double left = e->step_ms * (double)(batches - batch) / 1000;
    printf("\r\033[K%zu/%zu [%s] - ETA: %.0fs", batch, batches, bar, left);
    print_means(e);
    fflush(stdout);
    p->open = true;
}

static void print_json(const clade_epoch *e)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "epoch", e->epoch);
    cJSON_AddNumberToObject(root, "epochs", e->epochs);
    cJSON_AddNumberToObject(root, "loss", e->train.loss);
    cJSON_AddNumberToObject(root, "accuracy", e->train.accuracy);
    if (e->validation.count) {
        cJSON_AddNumberToObject(root, "val_loss", e->validation.loss);
        cJSON_AddNumberToObject(root, "val_accuracy", e->validation.accuracy);
    }
    cJSON_AddNumberToObject(root, "lr", e->lr);
    cJSON_AddNumberToObject(root, "seconds", e->seconds);
    cJSON_AddNumberToObject(root, "images_per_second", e->images_per_second);
    cJSON_AddNumberToObject(root, "step_ms", e->step_ms);
    cJSON_AddBoolToObject(root, "best", e->best);
    json_print(root, true);
}

void progress_epoch(void *user, const clade_epoch *e)
{
    progress *p = user;
    if (p->json) {
        print_json(e);
    } else if (p->terminal) {
        heading(p, e);
        printf("\r\033[K[==============================] - ");
    } else {
        printf("Epoch %d/%d - ", e->epoch, e->epochs);
    }
    if (!p->json) {
        print_time(e->seconds, e->step_ms);
        print_means(e);
        print_validation(e);
        printf("\n");
    }
    fflush(stdout);
    p->open = false;
    p->seconds += e->seconds;
    p->last = *e;
    if (e->best) p->best = *e;
}

void progress_break(progress *p)
{
    if (p->open) printf("\n");
    fflush(stdout);
    p->open = false;
}

void progress_end(progress *p, const char *folder)
{
    progress_break(p);
    if (p->json) return;
    if (!p->last.epoch) {
        printf("Nothing left to do in %s\n", shown(folder));
        return;
    }
    printf("%.0f s, %.0f images/s in the last epoch", p->seconds, p->last.images_per_second);
    if (p->best.epoch && p->best.validation.count)
        printf("; best: epoch %d, val_accuracy %.4f", p->best.epoch, p->best.validation.accuracy);
    printf("\nSaved in %s; try: clade predict %s IMAGE\n", shown(folder), shown(folder));
}
