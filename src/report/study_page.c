/* study.html: what came of a search. */
#define _POSIX_C_SOURCE 200809L
#include "report/study.h"

#include "base/locale.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static clade_status no_memory(void)
{
    return clade_fail(CLADE_ENOMEM, "out of memory for a study's page");
}

void clade_study_value(const clade_tunable *p, double value, char text[64])
{
    if (isnan(value))
        snprintf(text, 64, "–");
    else if (p->kind == CLADE_TUNABLE_CHOICE)
        snprintf(text, 64, "%.63s", p->choices[(size_t)value]);
    else
        snprintf(text, 64, "%.5g", value);
}

static bool is_better(const clade_study_view *v, double a, double b)
{
    return isnan(b) || (v->low_is_good ? a < b : a > b);
}

/* --- parts --- */

static void add_tiles(clade_page *page, const clade_study *study, const clade_study_view *v)
{
    static const char *const methods[] = {"Gaussian process", "random", "ASHA", "Parzen estimators",
                                          "Hyperband"};
    const clade_study_settings *s = clade_study_describe(study);
    size_t state[3] = {0};
    double seconds = 0;
    for (size_t t = 0; t < v->count; t++) {
        state[v->trial[t].state]++;
        seconds += v->trial[t].seconds;
    }
    clade_page_grid_begin(page, CLADE_GRID_TILES);
    if (v->best) {
        char label[64];
        snprintf(label, sizeof label, "best %s, trial %zu", v->objective, v->best->number);
        clade_page_tile(page, label, "%.4f", v->best->objective);
    }
    clade_page_tile(page, "trials done", "%zu", state[CLADE_TRIAL_DONE]);
    if (state[CLADE_TRIAL_RUNNING])
        clade_page_tile(page, "under way", "%zu", state[CLADE_TRIAL_RUNNING]);
    if (state[CLADE_TRIAL_FAILED])
        clade_page_tile(page, "failed", "%zu", state[CLADE_TRIAL_FAILED]);
    if (v->cost && isfinite(clade_study_hypervolume(study)))
        clade_page_tile(page, "hypervolume", "%.3f", clade_study_hypervolume(study));
    clade_page_tile(page, "method", "%s", methods[s->method]);
    clade_page_tile(page, "epochs of a trial", "%d", s->epochs);
    if (s->seeds > 1) clade_page_tile(page, "runs of a trial", "%d", s->seeds);
    if (seconds < 120)
        clade_page_tile(page, "training time", "%.0f s", seconds);
    else
        clade_page_tile(page, "training time", "%.1f min", seconds / 60);
    clade_page_grid_end(page);
}

/* The objective of each trial, and the best so far. */
static clade_status add_progress(clade_page *page, const clade_study_view *v)
{
    double *x = malloc(4 * (v->count + 1) * sizeof *x), best = NAN;
    if (!x) return no_memory();
    double *y = x + v->count, *so_far = y + v->count;
    size_t n = 0, mark = 0;
    for (size_t t = 0; t < v->count; t++) {
        if (v->trial[t].state != CLADE_TRIAL_DONE) continue;
        x[n] = (double)v->trial[t].number;
        y[n] = v->trial[t].objective;
        if (is_better(v, y[n], best)) {
            best = y[n];
            mark = n + 1;
        }
        so_far[n++] = best;
    }
    const clade_chart chart = {.title = "Objective by trial",
                               .x = {.title = "trial", .integer = true},
                               .y = {.title = v->objective}};
    const clade_series series[] = {
        {.name = "trial", .x = x, .y = y, .count = n, .style = CLADE_SERIES_POINTS, .mark = mark},
        {.name = "best so far", .x = x, .y = so_far, .count = n, .style = CLADE_SERIES_STEPS}};
    clade_chart_lines(page, &chart, series, 2);
    free(x);
    return CLADE_OK;
}

static clade_status add_importance(clade_page *page, const clade_study *study,
                                   const clade_study_view *v)
{
    const clade_study_settings *s = clade_study_describe(study);
    const clade_search_options options = {.parameters = v->parameter,
                                          .count = v->parameters,
                                          .maximize = !s->by_loss,
                                          .seed = s->seed};
    double share[CLADE_MAX_TUNABLES], sorted[CLADE_MAX_TUNABLES], sum = 0;
    const char *names[CLADE_MAX_TUNABLES];
    clade_trial *trials = calloc(v->count + 1, sizeof *trials);
    if (!trials) return no_memory();
    for (size_t t = 0; t < v->count; t++)
        trials[t] = (clade_trial){.values = v->trial[t].values,
                                  .state = v->trial[t].state,
                                  .objective = v->trial[t].objective};
    clade_status status = clade_search_importance(&options, trials, v->count, share);
    free(trials);
    if (status) return status;
    for (size_t i = 0; i < v->parameters; i++) { /* the largest first */
        size_t at = i;
        for (; at > 0 && sorted[at - 1] < 100 * share[i]; at--) {
            sorted[at] = sorted[at - 1];
            names[at] = names[at - 1];
        }
        sorted[at] = round(1000 * share[i]) / 10;
        names[at] = v->parameter[i].name;
        sum += share[i];
    }
    if (!(sum > 0)) return CLADE_OK;
    const clade_chart chart = {.title = "Importance, %",
                               .description = "The share of the objective's variance that each "
                                              "parameter alone explains."};
    clade_chart_bars(page, &chart, names, sorted, v->parameters);
    return CLADE_OK;
}

/* The objective over one parameter. */
static clade_status add_slice(clade_page *page, const clade_study_view *v, size_t i)
{
    const clade_tunable *p = &v->parameter[i];
    bool numbers = p->kind != CLADE_TUNABLE_CHOICE;
    double *x = malloc(2 * (v->count + 1) * sizeof *x);
    const char **label = malloc((v->count + 1) * sizeof *label);
    char(*text)[128] = malloc((v->count + 1) * sizeof *text), value[64];
    if (!x || !label || !text) {
        free(x);
        free(label);
        free(text);
        return no_memory();
    }
    double *y = x + v->count;
    size_t n = 0, mark = 0;
    for (size_t t = 0; t < v->count; t++) {
        const clade_study_trial *trial = &v->trial[t];
        if (trial->state != CLADE_TRIAL_DONE || isnan(trial->values[i])) continue;
        clade_study_value(p, trial->values[i], value);
        snprintf(text[n], sizeof text[n], "trial %zu, %s: %.6g", trial->number, value,
                 trial->objective);
        label[n] = text[n];
        x[n] = trial->values[i];
        if (!numbers && p->ordered) x[n] = strtod(p->choices[(size_t)x[n]], NULL);
        y[n++] = trial->objective;
        if (trial == v->best) mark = n;
    }
    const bool named = !numbers && !p->ordered;
    const clade_chart chart = {.title = p->name,
                               .height = 220,
                               .x = {.logarithmic = p->log,
                                     .integer = p->kind != CLADE_TUNABLE_REAL,
                                     .low = named ? 0 : p->low,
                                     .high = named ? 0 : p->high,
                                     .names = named ? (const char *const *)p->choices : NULL,
                                     .name_count = named ? p->choice_count : 0},
                               .y = {.title = v->objective}};
    const clade_series series = {
        .x = x, .y = y, .count = n, .style = CLADE_SERIES_POINTS, .mark = mark, .label = label};
    clade_chart_lines(page, &chart, &series, 1);
    free(x);
    free(label);
    free(text);
    return CLADE_OK;
}

static void add_row(clade_page *page, const clade_study *study, const clade_study_view *v,
                    const clade_study_trial *t)
{
    static const char *const states[] = {"under way", "done", "failed"};
    char text[64];
    size_t size = strlen(clade_study_folder(study)) + 64;
    char *path = malloc(size);
    clade_page_cell_begin(page);
    if (path)
        snprintf(path, size, "%s/trials/%04zu/report.html", clade_study_folder(study), t->number);
    bool linked = path && access(path, R_OK) == 0;
    if (linked) clade_page_markup(page, "<a href=\"trials/%04zu/report.html\">", t->number);
    clade_page_markup(page, "%zu%s", t->number, linked ? "</a>" : "");
    clade_page_cell_end(page);
    free(path);
    clade_page_cell(page, "%s%s%s", states[t->state], t == v->best ? ", best" : "",
                    t->rank == 1 ? ", front" : "");
    if (isfinite(t->objective))
        clade_page_cell(page, "%.4f", t->objective);
    else
        clade_page_cell(page, "–");
    if (v->cost && isfinite(t->cost))
        clade_page_cell(page, "%.6g", t->cost);
    else if (v->cost)
        clade_page_cell(page, "–");
    clade_page_cell(page, "%d", t->epochs);
    clade_page_cell(page, "%.0f", t->seconds);
    for (size_t i = 0; i < v->parameters; i++) {
        clade_study_value(&v->parameter[i], t->values[i], text);
        clade_page_cell(page, "%s", text);
    }
    clade_page_cell(page, "%s", t->error ? t->error : "");
}

/* Does trial a stand above b: the best first, then what is not done? */
static bool is_above(const clade_study_view *v, const clade_study_trial *a,
                     const clade_study_trial *b)
{
    bool done[2] = {a->state == CLADE_TRIAL_DONE, b->state == CLADE_TRIAL_DONE};
    if (done[0] != done[1]) return done[0];
    if (done[0] && a->objective != b->objective) return is_better(v, a->objective, b->objective);
    return a->number < b->number;
}

static clade_status add_table(clade_page *page, const clade_study *study, const clade_study_view *v)
{
    clade_column columns[CLADE_MAX_TUNABLES + 7] = {
        {"trial", true}, {"state", false}, {v->objective, true}};
    size_t count = 3;
    const clade_study_trial **order = malloc((v->count + 1) * sizeof *order);
    if (!order) return no_memory();
    if (v->cost) columns[count++] = (clade_column){v->cost, true};
    columns[count++] = (clade_column){"epochs", true};
    columns[count++] = (clade_column){"seconds", true};
    for (size_t i = 0; i < v->parameters; i++)
        columns[count++] = (clade_column){v->parameter[i].name, true};
    columns[count++] = (clade_column){"", false};
    for (size_t t = 0; t < v->count; t++) {
        size_t at = t;
        for (; at > 0 && is_above(v, &v->trial[t], order[at - 1]); at--) order[at] = order[at - 1];
        order[at] = &v->trial[t];
    }
    clade_page_table_begin(page, NULL, columns, count);
    for (size_t t = 0; t < v->count; t++) add_row(page, study, v, order[t]);
    clade_page_table_end(page);
    free(order);
    return CLADE_OK;
}

static clade_status add_best(clade_page *page, const clade_study *study, const clade_study_view *v)
{
    clade_recipe *recipe;
    clade_status status =
        clade_recipe_vary(clade_study_recipe(study), v->best->values, NULL, 0, &recipe);
    if (status) return status;
    clade_page_section(page, "The best recipe");
    clade_page_paragraph(page, "best.yaml beside this page; `clade train best.yaml` trains it.");
    clade_page_listing(page, clade_recipe_text(recipe));
    clade_recipe_destroy(&recipe);
    return CLADE_OK;
}

/* --- the page --- */

static clade_status add_charts(clade_page *page, const clade_study *study,
                               const clade_study_view *v)
{
    clade_page_section(page, "Trials");
    clade_page_grid_begin(page, CLADE_GRID_CHARTS);
    clade_status status = v->cost ? clade_chart_front(page, v) : CLADE_OK;
    if (!status) status = add_progress(page, v);
    clade_chart_parallel(page, v);
    if (!status) status = add_importance(page, study, v);
    clade_page_grid_end(page);
    clade_page_paragraph(
        page,
        "Parallel coordinates: a line per trial, the better quarter in colour, the best one thick. "
        "Importance: the share of the variance that a parameter alone explains of a Gaussian "
        "process fitted to the trials (Hutter, Hoos and Leyton-Brown 2014, \"An efficient approach "
        "for assessing hyperparameter importance\"); little is known after a few trials.");
    if (v->cost)
        clade_page_paragraph(
            page,
            "Front: no other trial is at least as good in both and better in one. Best is the one "
            "with the best %s. Hypervolume: the share of the rectangle between the best and the "
            "worst of all, the cost by its logarithm, that is worse than a trial of the front.",
            v->objective);
    if (clade_study_prior(study))
        clade_page_paragraph(page, "This search %s.", clade_study_prior(study));
    clade_page_section(page, "Slices");
    clade_page_grid_begin(page, CLADE_GRID_CHARTS);
    for (size_t i = 0; i < v->parameters && !status; i++) status = add_slice(page, v, i);
    clade_page_grid_end(page);
    return status;
}

clade_status clade_study_write_page(const clade_study *study)
{
    CLADE_PLAIN_NUMBERS;
    enum { reload = 10 }; /* seconds, while trials are under way */
    clade_page page;
    char title[256];
    bool running = false;
    clade_study_view v = {.low_is_good = clade_study_describe(study)->by_loss};
    v.cost = clade_study_cost_name(study);
    v.objective = clade_study_objective_name(study);
    v.trial = clade_study_trials(study, &v.count, &v.best);
    v.parameters = clade_recipe_tunables(clade_study_recipe(study), &v.parameter);
    for (size_t t = 0; t < v.count; t++)
        running = running || v.trial[t].state == CLADE_TRIAL_RUNNING;
    size_t size = strlen(clade_study_folder(study)) + sizeof "/study.html";
    char *path = malloc(size);
    if (!path) return no_memory();
    snprintf(path, size, "%s/study.html", clade_study_folder(study));
    snprintf(title, sizeof title, "Search: %.200s", clade_recipe_name(clade_study_recipe(study)));
    clade_page_begin(&page, title, running ? reload : 0);
    add_tiles(&page, study, &v);
    clade_status status = v.best ? add_charts(&page, study, &v) : CLADE_OK;
    clade_page_section(&page, "All trials");
    if (!status) status = add_table(&page, study, &v);
    if (!status && v.best) status = add_best(&page, study, &v);
    if (status)
        clade_page_clear(&page);
    else
        status = clade_page_write(&page, path);
    free(path);
    return status;
}
