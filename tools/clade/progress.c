/* Drawing the progress of training, in Keras' words. */
#define _POSIX_C_SOURCE 200809L
#include "progress.h"
#include "fields.h"
#include "json_print.h"
#include "shown.h"
#include "status_line.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { bar_full = 30, bar_brief = 10 };

/* What is told of an epoch beside its loss, by the task: a word, briefly, and its value. */
typedef struct told_score {
    const char *word, *brief;
    double value; /* NaN: nothing is told */
} told_score;

enum { value_room = 64 }; /* of any float32 with four places */

/* Numbers have a size of their own, shares four places. */
static const char *value_text(const clade_metrics *m, double value, char text[value_room])
{
    snprintf(text, value_room, m->task == CLADE_TASK_REGRESSION ? "%.6g" : "%.4f", value);
    return text;
}

static told_score loss_of(const clade_metrics *m) { return (told_score){"loss", "loss", m->loss}; }

static told_score score_of(const clade_metrics *m)
{
    if (m->task == CLADE_TASK_REGRESSION) return (told_score){"mae", "mae", m->mae};
    return (told_score){"accuracy", "acc", m->accuracy};
}

/* What validation tells besides. */
static told_score further_score(const clade_metrics *m)
{
    switch (m->task) {
    case CLADE_TASK_MULTI_LABEL: return (told_score){"map", "map", m->map};
    case CLADE_TASK_REGRESSION: return (told_score){"r2", "r2", m->r2};
    case CLADE_TASK_ORDINAL: return (told_score){"mae", "mae", m->mae};
    default: return (told_score){"", "", NAN};
    }
}

/* By which epochs are judged. */
static told_score judged_score(const clade_metrics *m)
{
    if (m->task == CLADE_TASK_REGRESSION) return loss_of(m);
    return m->task == CLADE_TASK_MULTI_LABEL ? further_score(m) : score_of(m);
}

/* What a phase is called, within a line. */
static const char *phase_name(clade_train_phase phase)
{
    static const char *const names[] = {[CLADE_PHASE_PREPARE] = "preparing the model",
                                        [CLADE_PHASE_READ] = "reading images",
                                        [CLADE_PHASE_FEATURES] = "computing features",
                                        [CLADE_PHASE_VALIDATE] = "validating"};
    return names[phase];
}

void progress_phase(void *user, clade_train_phase phase, size_t done, size_t total)
{
    char what[32];
    (void)user;
    snprintf(what, sizeof what, "%s", phase_name(phase));
    what[0] = (char)(what[0] - 'a' + 'A');
    status_line_wait(what, done, total, NULL);
}

void progress_wait_phase(const char *run, clade_train_phase phase, size_t done, size_t total)
{
    char what[160];
    snprintf(what, sizeof what, "%s: %s", shown(run), phase_name(phase));
    status_line_wait(what, done, total, NULL);
}

void progress_wait_batch(const char *run, const clade_epoch *e, size_t batch, size_t batches)
{
    const size_t before = (size_t)(e->epoch - 1) * batches;
    char what[160], note[128], value[value_room];
    snprintf(what, sizeof what, "%s: training", shown(run));
    const told_score score = score_of(&e->train);
    snprintf(note, sizeof note, "epoch %d/%d, %s %s", e->epoch, e->epochs, score.word,
             value_text(&e->train, score.value, value));
    status_line_wait(what, before + batch, (size_t)e->epochs * batches, note);
}

const char *progress_features(size_t images, size_t found, double seconds,
                              char text[progress_features_room])
{
    if (found == images)
        snprintf(text, progress_features_room, "features: %zu of %zu images from the cache", found,
                 images);
    else if (found)
        snprintf(text, progress_features_room,
                 "features: %zu of %zu images from the cache, the others computed in %.1f s", found,
                 images, seconds);
    else
        snprintf(text, progress_features_room, "features: %zu images computed in %.1f s", images,
                 seconds);
    return text;
}

/* --- a batch --- */

static void draw_bar(char *text, size_t width, size_t batch, size_t batches)
{
    size_t full = batch * width / batches;
    text[0] = '[';
    memset(text + 1, '.', width);
    memset(text + 1, '=', full);
    if (full > 0 && full < width) text[full] = '>';
    strcpy(text + width + 1, "]");
}

/* Seconds until the run's last epoch has ended, each taking as long as the one before. */
static double run_left(const progress *p, const clade_epoch *e, double left, size_t batches)
{
    const double each = p->last.epoch ? p->last.seconds - p->last.feature_seconds
                                      : e->step_ms * (double)batches / 1000;
    const int64_t end = p->until && p->until < e->epochs ? p->until : e->epochs;
    return end > e->epoch ? left + each * (double)(end - e->epoch) : 0;
}

static void set_score(line_field *f, int rank, const char *of, const clade_metrics *m, told_score s)
{
    char value[value_room];
    value_text(m, s.value, value);
    f->rank = rank;
    snprintf(f->full, sizeof f->full, "%s%s: %s", of, s.word, value);
    snprintf(f->brief, sizeof f->brief, "%s%s %s", of, s.brief, value);
}

void progress_batch(void *user, const clade_epoch *e, size_t batch, size_t batches)
{
    enum { epoch, count, bar, left, run, loss, accuracy, fields };
    const progress *p = user;
    line_field f[fields] = {0};
    char text[fields_room], time[fields_time_room];
    const size_t columns = status_line_columns();
    if (!columns) return;
    const double own = e->step_ms * (double)(batches - batch) / 1000;
    const double all = run_left(p, e, own, batches);
    field_set(&f[epoch], 0, "Epoch %d/%d", "%d/%d", e->epoch, e->epochs);
    field_set(&f[count], 1, "%zu/%zu", "", batch, batches);
    field_set(&f[left], 2, "ETA: %s", "ETA %s", fields_time(own, time));
    set_score(&f[accuracy], 3, "", &e->train, score_of(&e->train));
    if (all > 0) field_set(&f[run], 4, "of the run: %s", "run %s", fields_time(all, time));
    set_score(&f[loss], 5, "", &e->train, loss_of(&e->train));
    f[bar].rank = 6;
    draw_bar(f[bar].full, bar_full, batch, batches);
    draw_bar(f[bar].brief, bar_brief, batch, batches);
    status_line_draw(fields_fit(f, fields, columns, text));
}

/* --- an epoch --- */

static void print_json(const clade_epoch *e)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "epoch", e->epoch);
    cJSON_AddNumberToObject(root, "epochs", e->epochs);
    cJSON_AddNumberToObject(root, "loss", e->train.loss);
    cJSON_AddNumberToObject(root, score_of(&e->train).word, score_of(&e->train).value);
    if (e->validation.count) {
        const told_score score = score_of(&e->validation), further = further_score(&e->validation);
        char key[16];
        cJSON_AddNumberToObject(root, "val_loss", e->validation.loss);
        snprintf(key, sizeof key, "val_%s", score.word);
        cJSON_AddNumberToObject(root, key, score.value);
        snprintf(key, sizeof key, "val_%s", further.word);
        if (*further.word) cJSON_AddNumberToObject(root, key, further.value);
    }
    cJSON_AddNumberToObject(root, "lr", e->lr);
    cJSON_AddNumberToObject(root, "seconds", e->seconds);
    cJSON_AddNumberToObject(root, "images_per_second", e->images_per_second);
    cJSON_AddNumberToObject(root, "step_ms", e->step_ms);
    if (e->loss_scale > 0) {
        cJSON_AddNumberToObject(root, "skipped", (double)e->skipped);
        cJSON_AddNumberToObject(root, "loss_scale", e->loss_scale);
    }
    cJSON_AddBoolToObject(root, "best", e->best);
    json_print(root, true);
}

/* With the means that the epoch is judged by in front where not all fit. */
static void print_line(const clade_epoch *e)
{
    enum { epoch, time, loss, score, val_loss, val_score, further, skipped, best, fields };
    line_field f[fields] = {0};
    char text[fields_room];
    const size_t columns = fields_columns(STDOUT_FILENO);
    const bool judged = e->validation.count > 0;
    field_set(&f[epoch], 0, "Epoch %d/%d", "%d/%d", e->epoch, e->epochs);
    set_score(&f[score], judged ? 4 : 1, "", &e->train, score_of(&e->train));
    set_score(&f[loss], judged ? 5 : 3, "", &e->train, loss_of(&e->train));
    if (judged) {
        const clade_metrics *v = &e->validation;
        const told_score more = further_score(v);
        set_score(&f[val_score], *more.word ? 4 : 1, "val_", v, score_of(v));
        if (*more.word && !isnan(more.value)) set_score(&f[further], 1, "val_", v, more);
        set_score(&f[val_loss], 3, "val_", v, loss_of(v));
    }
    if (e->skipped)
        field_set(&f[skipped], 2, "%" PRId64 " steps skipped", "%" PRId64 " skipped", e->skipped);
    field_set(&f[best], 2, "best", "*"); /* lines with and without are alike */
    f[time].rank = 6;
    snprintf(f[time].full, sizeof f[time].full, "%.*fs %.*fms/step", e->seconds < 9.95, e->seconds,
             e->step_ms < 9.95, e->step_ms);
    snprintf(f[time].brief, sizeof f[time].brief, "%.*fs", e->seconds < 9.95, e->seconds);
    fields_fit(f, fields, columns ? columns : fields_room, text);
    char *mark = strrchr(text, '-');
    if (!e->best && mark && (!strcmp(mark, "- best") || !strcmp(mark, "- *"))) mark[-1] = 0;
    printf("%s\n", text);
}

void progress_epoch(void *user, const clade_epoch *e)
{
    progress *p = user;
    status_line_clear();
    if (p->json)
        print_json(e);
    else if (!p->quiet)
        print_line(e);
    fflush(stdout);
    p->seconds += e->seconds;
    p->last = *e;
    if (e->best) p->best = *e;
}

void progress_end(const progress *p, const char *folder)
{
    if (p->json) return;
    if (!p->last.epoch) {
        printf("Nothing left to do in %s\n", shown(folder));
        return;
    }
    printf("%.0f s, %.0f images/s in the last epoch", p->seconds, p->last.images_per_second);
    const clade_epoch *best = &p->best;
    const told_score score = judged_score(&best->validation);
    char value[value_room];
    if (best->epoch && best->validation.count)
        printf("; best: epoch %d, val_%s %s", best->epoch, score.word,
               value_text(&best->validation, score.value, value));
    printf("\nSaved in %s; try: clade predict %s IMAGE\n", shown(folder), shown(folder));
}
