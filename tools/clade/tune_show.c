/* Tables, lines and JSON. */
#define _POSIX_C_SOURCE 200809L
#include "tune_show.h"
#include "json_print.h"
#include "shown.h"
#include "status_line.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const states[] = {"running", "done", "failed"};

/* "val_accuracy 0.9312", with a cost ", parameters 12345" */
static void print_result(const clade_study *study, const clade_study_trial *t, const char *between)
{
    const char *cost = clade_study_cost_name(study);
    printf("%s%s%.4f", clade_study_objective_name(study), between, t->objective);
    if (cost) printf(", %s%s%.6g", cost, between, t->cost);
}

/* A value as text; "-" where the parameter has no meaning. */
static const char *value_text(const clade_tunable *p, double value, char text[64])
{
    if (isnan(value))
        snprintf(text, 64, "-");
    else if (p->kind == CLADE_TUNABLE_CHOICE)
        snprintf(text, 64, "%.63s", shown(p->choices[(size_t)value]));
    else
        snprintf(text, 64, "%.5g", value);
    return text;
}

static const clade_study_trial *find(const clade_study *study, size_t number)
{
    size_t count;
    const clade_study_trial *best, *trial = clade_study_trials(study, &count, &best);
    for (size_t i = 0; i < count; i++)
        if (trial[i].number == number) return &trial[i];
    return NULL;
}

static const clade_study_trial *best_of(const clade_study *study)
{
    size_t count;
    const clade_study_trial *best;
    clade_study_trials(study, &count, &best);
    return best;
}

void tune_show_start(tune_show *show, const clade_study *study, bool json, bool quiet,
                     size_t trials)
{
    *show = (tune_show){.study = study,
                        .json = json,
                        .quiet = quiet,
                        .terminal = isatty(STDOUT_FILENO) && !json && !quiet,
                        .trials = trials,
                        .best = NAN};
}

/* --- while it runs --- */

/* What the trial under way has come to, on the status line: epochs of all its runs. */
static void show_status(const tune_show *show, int32_t epoch, const char *note)
{
    const int32_t runs = clade_study_describe(show->study)->seeds;
    char what[64];
    snprintf(what, sizeof what, "Trial %zu of %zu", show->number, show->trials);
    status_line_wait(what, (size_t)(show->run * show->until + epoch), (size_t)(runs * show->until),
                     note);
}

/* The trial's settings beside the best ones. */
static void print_trial(const tune_show *show, const clade_study_trial *trial,
                        const clade_study_trial *best)
{
    const clade_tunable *p;
    size_t count = clade_recipe_tunables(clade_study_recipe(show->study), &p);
    char now[64], then[64];
    printf("\n%s Trial #%zu of %zu\n\n%-18s|%-18s|%s\n", show->resumed ? "Resuming" : "Running",
           show->number, show->trials, "Value", "Best Value So Far", "Hyperparameter");
    for (size_t i = 0; i < count; i++)
        printf("%-18s|%-18s|%s\n", value_text(&p[i], trial->values[i], now),
               best ? value_text(&p[i], best->values[i], then) : "?", shown(p[i].name));
    printf("\n");
    fflush(stdout);
}

void tune_show_trial(tune_show *show, const clade_study_job *job)
{
    show->number = job->number;
    show->resumed = job->resumed;
    show->until = job->until;
    show->run = 0;
    show->best = NAN;
    status_line_clear();
    if (*job->note) fprintf(stderr, "clade tune: trial %zu: %s\n", job->number, shown(job->note));
    const clade_study_trial *trial = find(show->study, job->number), *best = best_of(show->study);
    if (show->terminal && trial) print_trial(show, trial, best);
    if (show->resumed)
        status_line_wait("Resuming the trial", 0, 0, NULL);
    else
        show_status(show, 0, NULL);
}

void tune_show_epoch(tune_show *show, const char *line)
{
    char note[96];
    cJSON *root = cJSON_Parse(line);
    const cJSON *epoch = cJSON_GetObjectItemCaseSensitive(root, "epoch"),
                *value =
                    cJSON_GetObjectItemCaseSensitive(root, clade_study_objective_name(show->study));
    if (cJSON_IsNumber(epoch) && cJSON_IsNumber(value)) {
        double v = value->valuedouble;
        bool better = clade_study_describe(show->study)->by_loss ? v < show->best : v > show->best;
        if (better || isnan(show->best)) show->best = v;
        snprintf(note, sizeof note, "%s: %.4f, best: %.4f", clade_study_objective_name(show->study),
                 v, show->best);
        show_status(show, epoch->valueint, note);
    }
    cJSON_Delete(root);
}

/* --- a trial that has ended --- */

static void print_json(const clade_study *study, const clade_study_trial *t)
{
    const clade_tunable *p;
    size_t count = clade_recipe_tunables(clade_study_recipe(study), &p);
    const clade_study_trial *best = best_of(study);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "trial", (double)t->number);
    cJSON_AddStringToObject(root, "state", states[t->state]);
    if (isfinite(t->objective))
        cJSON_AddNumberToObject(root, clade_study_objective_name(study), t->objective);
    if (isfinite(t->cost)) cJSON_AddNumberToObject(root, clade_study_cost_name(study), t->cost);
    cJSON_AddNumberToObject(root, "epochs", t->epochs);
    cJSON_AddNumberToObject(root, "best_epoch", t->best_epoch);
    cJSON_AddNumberToObject(root, "seconds", t->seconds);
    cJSON_AddBoolToObject(root, "best", best == t);
    if (clade_study_cost_name(study)) cJSON_AddBoolToObject(root, "front", t->rank == 1);
    if (t->error) cJSON_AddStringToObject(root, "error", t->error);
    cJSON *values = cJSON_AddObjectToObject(root, "values");
    for (size_t i = 0; i < count; i++) {
        if (isnan(t->values[i]))
            cJSON_AddNullToObject(values, p[i].name);
        else if (p[i].kind == CLADE_TUNABLE_CHOICE)
            cJSON_AddStringToObject(values, p[i].name, p[i].choices[(size_t)t->values[i]]);
        else
            cJSON_AddNumberToObject(values, p[i].name, t->values[i]);
    }
    json_print(root, true);
}

static void print_values(const clade_study *study, const clade_study_trial *t)
{
    const clade_tunable *p;
    size_t count = clade_recipe_tunables(clade_study_recipe(study), &p);
    char text[64];
    for (size_t i = 0; i < count; i++)
        if (!isnan(t->values[i]))
            printf(" %s=%s", shown(p[i].name), value_text(&p[i], t->values[i], text));
}

void tune_show_result(tune_show *show)
{
    const clade_study_trial *t = find(show->study, show->number), *best = best_of(show->study);
    status_line_clear();
    if (!t || t->state == CLADE_TRIAL_RUNNING || (show->quiet && !t->error)) return;
    const char *objective = clade_study_objective_name(show->study);
    if (show->json) {
        print_json(show->study, t);
    } else if (show->terminal) {
        printf("Trial %zu ", t->number);
        if (t->error)
            printf("failed: %s\n", shown(t->error));
        else
            printf("complete [%.0f s]\n", t->seconds);
        if (!t->error) print_result(show->study, t, ": ");
        if (!t->error) printf("\n");
        if (best)
            printf("Best %s so far: %.4f (trial %zu)\n", objective, best->objective, best->number);
    } else {
        printf("Trial %zu/%zu -", t->number, show->trials);
        if (t->error)
            printf(" failed: %s", shown(t->error));
        else
            printf(" %.1fs - epochs: %d - ", t->seconds, t->epochs);
        if (!t->error) print_result(show->study, t, ": ");
        if (best) printf(" - best: %.4f (trial %zu)", best->objective, best->number);
        printf(" -");
        print_values(show->study, t);
        printf("\n");
    }
    fflush(stdout);
}

/* The front, the best first. */
static void print_front(const clade_study *study)
{
    size_t count, on_front = 0, done = 0;
    const clade_study_trial *best, *trial = clade_study_trials(study, &count, &best);
    for (size_t i = 0; i < count; i++) {
        done += trial[i].state == CLADE_TRIAL_DONE;
        on_front += trial[i].rank == 1;
    }
    const double volume = clade_study_hypervolume(study); /* NaN: of a single point */
    printf("On the front of %s and %s: %zu of %zu trials", clade_study_objective_name(study),
           clade_study_cost_name(study), on_front, done);
    if (isfinite(volume)) printf(", hypervolume %.3f", volume);
    printf("\n");
    for (const clade_study_trial *t = best; t;) {
        printf("  trial %zu, ", t->number);
        print_result(study, t, " ");
        printf(":");
        print_values(study, t);
        printf("\n");
        const clade_study_trial *next = NULL; /* as good, or the dearest of the cheaper ones */
        for (size_t i = 0; i < count; i++) {
            const clade_study_trial *other = &trial[i];
            if (other->rank != 1 || other->cost > t->cost) continue;
            if (other->cost == t->cost && other->number <= t->number) continue;
            if (!next || other->cost > next->cost) next = other;
        }
        t = next;
    }
}

bool tune_show_end(tune_show *show, const char *folder)
{
    const clade_study_trial *best = best_of(show->study);
    if (show->json) return best != NULL;
    if (!best) {
        printf("No trial has finished in %s\n", shown(folder));
        return false;
    }
    if (clade_study_cost_name(show->study)) print_front(show->study);
    printf("Best%s%s: trial %zu, ", clade_study_cost_name(show->study) ? " by " : "",
           clade_study_cost_name(show->study) ? clade_study_objective_name(show->study) : "",
           best->number);
    print_result(show->study, best, " ");
    printf(":");
    print_values(show->study, best);
    printf("\nSaved in %s; try: clade train %s/best.yaml\n", shown(folder), shown(folder));
    return true;
}

/* --- all of them --- */

void tune_show_list(const clade_study *study, bool json)
{
    const clade_tunable *p;
    size_t count, parameters = clade_recipe_tunables(clade_study_recipe(study), &p);
    const clade_study_trial *best, *trial = clade_study_trials(study, &count, &best);
    char text[64];
    for (size_t t = 0; t < count && json; t++) print_json(study, &trial[t]);
    if (json) return;
    const char *cost = clade_study_cost_name(study);
    printf("%-7s%-9s%-14s", "Trial", "State", clade_study_objective_name(study));
    if (cost) printf("%-19s", cost);
    printf("%-8s%-9s", "Epochs", "Seconds");
    for (size_t i = 0; i < parameters; i++)
        printf("%-*s", (int)strlen(p[i].name) + 12, shown(p[i].name));
    printf("\n");
    for (size_t t = 0; t < count; t++) {
        const clade_study_trial *r = &trial[t];
        printf("%-7zu%-9s", r->number, states[r->state]);
        if (isfinite(r->objective))
            printf("%-14.4f", r->objective);
        else
            printf("%-14s", "-");
        if (cost && isfinite(r->cost))
            printf("%-19.6g", r->cost);
        else if (cost)
            printf("%-19s", "-");
        printf("%-8d%-9.1f", r->epochs, r->seconds);
        for (size_t i = 0; i < parameters; i++)
            printf("%-*s", (int)strlen(p[i].name) + 12, value_text(&p[i], r->values[i], text));
        printf("%s%s%s\n", r == best ? "best" : "", r == best || r->rank != 1 ? "" : "front",
               r->error ? shown(r->error) : "");
    }
}
