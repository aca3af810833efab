/* Comparing runs on a page. */
#define _XOPEN_SOURCE 700
#include "base/file.h"
#include "report/chart.h"
#include "base/locale.h"
#include "report/run.h"
#include "report/settings.h"

#include <clade/report.h>
#include <clade/scores.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A run, and what is shown of it beside its files. */
typedef struct compared {
    const report_run *run;
    const char *name; /* its folder's, without those above it where that tells it apart */
    double accuracy;  /* of its best epoch; NaN: there is no validation split, or no epoch */
    double seconds;   /* of training */
    double bytes;     /* of the best weights; NaN: there are none */
} compared;

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static compared look_at(const report_run *runs, size_t count, size_t i)
{
    const report_run *r = &runs[i];
    compared c = {.run = r, .name = last_part(r->folder), .accuracy = NAN, .bytes = NAN};
    for (size_t k = 0; k < count; k++)
        if (k != i && !strcmp(last_part(runs[k].folder), c.name)) c.name = r->folder;
    if (clade_report_run_validates(r))
        c.accuracy = r->task == CLADE_TASK_REGRESSION
                         ? NAN
                         : r->column[REPORT_VAL_ACCURACY][clade_report_run_best(r) - 1];
    for (size_t e = 0; e < r->epochs; e++) c.seconds += r->column[REPORT_SECONDS][e];
    char *path = clade_string_join(r->folder, "/best.safetensors");
    struct stat info;
    if (path && !stat(path, &info)) c.bytes = (double)info.st_size;
    free(path);
    return c;
}

/* A number in a cell, or a dash for NaN. */
static void add_number(clade_page *page, const char *format, double value)
{
    char text[48];
    snprintf(text, sizeof text, format, value);
    clade_page_cell(page, "%s", isnan(value) ? "–" : text);
}

static void add_row(clade_page *page, const compared *c)
{
    const report_run *r = c->run;
    const size_t best = clade_report_run_best(r), last = r->epochs;
    const double images = clade_report_number(r, "validation", "images");
    clade_page_cell(page, "%s", c->name);
    add_number(page, "%.4f", c->accuracy);
    if (!isnan(c->accuracy) && images > 0) {
        double low, high;
        clade_share_interval(c->accuracy, images, &low, &high);
        clade_page_cell(page, "%.3f–%.3f", low, high);
    } else {
        clade_page_cell(page, "–");
    }
    add_number(page, "%.4g", last ? r->column[REPORT_VAL_LOSS][best - 1] : NAN);
    const bool accurate = last && r->task != CLADE_TASK_REGRESSION;
    add_number(page, "%.4f", accurate ? r->column[REPORT_ACCURACY][best - 1] : NAN);
    clade_page_cell(page, "%zu of %zu", best, last);
    add_number(page, "%.1f", last ? c->seconds : NAN);
    add_number(page, "%.0f", last ? r->column[REPORT_SPEED][last - 1] : NAN);
    double trained = clade_report_number(r, "parameters", "trained");
    add_number(page, "%.0f", trained + clade_report_number(r, "parameters", "fixed"));
    add_number(page, "%.0f", trained);
    add_number(page, "%.2f", c->bytes / 1e6);
    clade_page_cell(page, "%s", clade_report_text(r, "device", "id"));
}

static void add_table(clade_page *page, const compared *runs, size_t count)
{
    static const clade_column columns[] = {
        {"run", false},        {"val. acc.", true}, {"95 %", true},    {"val. loss", true},
        {"train. acc.", true}, {"epoch", true},     {"seconds", true}, {"images/s", true},
        {"parameters", true},  {"trained", true},   {"MB", true},      {"device", false}};
    clade_page_table_begin(page, NULL, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < count; i++) add_row(page, &runs[i]);
    clade_page_table_end(page);
    clade_page_paragraph(page, "Accuracies and losses are those of the best epoch. 95 %%: where to "
                               "expect the accuracy on other images of this kind, given the number "
                               "of images it was measured on (Wilson's interval).");
}

/* One quantity of all runs, each with a line of its own. */
static void add_lines(clade_page *page, const compared *runs, size_t count, const char *title,
                      report_column column, bool zero)
{
    clade_series *series = calloc(count, sizeof *series);
    if (!series) {
        page->status = clade_fail(CLADE_ENOMEM, "out of memory for %zu runs", count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        series[i] = (clade_series){
            .name = runs[i].name, .y = runs[i].run->column[column], .count = runs[i].run->epochs};
    const clade_chart chart = {.title = title,
                               .x = {.title = "epoch", .integer = true},
                               .y = {.zero = zero},
                               .ends = true};
    clade_chart_lines(page, &chart, series, count);
    free(series);
}

/* What an accuracy took: a point for each run. */
static void add_scatter(clade_page *page, const compared *runs, size_t count)
{
    clade_series *series = calloc(count, sizeof *series);
    if (!series) {
        page->status = clade_fail(CLADE_ENOMEM, "out of memory for %zu runs", count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        series[i] = (clade_series){.x = &runs[i].seconds,
                                   .y = &runs[i].accuracy,
                                   .count = 1,
                                   .style = CLADE_SERIES_POINTS,
                                   .mark = 1,
                                   .mark_text = runs[i].name};
    static const clade_chart chart = {
        .title = "Validation accuracy by training time",
        .description = "The best accuracy of each run against its training time in seconds.",
        .x = {.title = "seconds", .zero = true}};
    clade_chart_lines(page, &chart, series, count);
    free(series);
}

static void add_charts(clade_page *page, const compared *runs, size_t count)
{
    bool validate = false, numbers = false;
    for (size_t i = 0; i < count; i++) {
        validate = validate || clade_report_run_validates(runs[i].run);
        numbers = numbers || runs[i].run->task == CLADE_TASK_REGRESSION;
    }
    clade_page_grid_begin(page, CLADE_GRID_CHARTS);
    if (validate) {
        add_lines(page, runs, count,
                  numbers ? "Validation mean absolute error" : "Validation accuracy",
                  REPORT_VAL_ACCURACY, numbers);
        add_lines(page, runs, count, "Validation loss", REPORT_VAL_LOSS, true);
    }
    add_lines(page, runs, count, numbers ? "Training mean absolute error" : "Training accuracy",
              REPORT_ACCURACY, numbers);
    add_lines(page, runs, count, "Training loss", REPORT_LOSS, true);
    if (validate && !numbers) add_scatter(page, runs, count);
    clade_page_grid_end(page);
}

/* ---- settings ---- */

static bool differs(const clade_settings *settings, size_t count, const char *key)
{
    const char *first = clade_settings_find(&settings[0], key);
    for (size_t i = 1; i < count; i++) {
        const char *other = clade_settings_find(&settings[i], key);
        if (!first != !other || (first && strcmp(first, other))) return true;
    }
    return false;
}

/* Is the key among those of the runs before this one? */
static bool was_shown(const clade_settings *settings, size_t run, const char *key)
{
    for (size_t i = 0; i < run; i++)
        if (clade_settings_find(&settings[i], key)) return true;
    return false;
}

static void add_rows(clade_page *page, const clade_settings *settings, size_t count)
{
    for (size_t run = 0; run < count; run++)
        for (size_t k = 0; k < settings[run].count; k++) {
            const char *key = settings[run].key[k];
            if (was_shown(settings, run, key) || !differs(settings, count, key)) continue;
            clade_page_cell(page, "%s", key);
            for (size_t i = 0; i < count; i++) {
                const char *value = clade_settings_find(&settings[i], key);
                clade_page_cell(page, "%s", value ? value : "–");
            }
        }
}

/* The settings that are not the same in all recipes, a column for each run. */
static clade_status add_settings(clade_page *page, const compared *runs, size_t count)
{
    clade_settings *settings = calloc(count, sizeof *settings);
    clade_column *columns = calloc(count + 1, sizeof *columns);
    clade_status status = settings && columns
                              ? CLADE_OK
                              : clade_fail(CLADE_ENOMEM, "out of memory for %zu runs", count);
    for (size_t i = 0; i < count && !status; i++) {
        columns[i + 1].title = runs[i].name;
        status = clade_settings_read(clade_recipe_text(runs[i].run->recipe), &settings[i]);
    }
    if (!status) {
        columns[0].title = "setting";
        clade_page_section(page, "Settings that differ");
        clade_page_table_begin(page, NULL, columns, count + 1);
        add_rows(page, settings, count);
        clade_page_table_end(page);
    }
    for (size_t i = 0; settings && i < count; i++) clade_settings_clear(&settings[i]);
    free(settings);
    free(columns);
    return status;
}

static bool same_classes(const report_run *a, const report_run *b)
{
    size_t n = clade_report_classes(a);
    if (!a->epochs || !b->epochs) return true; /* not known yet */
    bool same = n == clade_report_classes(b);
    for (size_t i = 0; i < n && same; i++)
        same = !strcmp(clade_report_class(a, i), clade_report_class(b, i));
    return same;
}

static clade_status write_page(const report_run *runs, size_t count,
                               const clade_compare_options *options, const char *path)
{
    compared *all = calloc(count, sizeof *all);
    if (!all) return clade_fail(CLADE_ENOMEM, "out of memory for %zu runs", count);
    bool same = true;
    for (size_t i = 0; i < count; i++) {
        all[i] = look_at(runs, count, i);
        if (options && options->seconds) all[i].seconds = options->seconds[i];
        same = same && same_classes(&runs[0], &runs[i]);
    }
    clade_page page = {0};
    clade_page_begin(&page, options && options->title ? options->title : "Runs", 0);
    add_table(&page, all, count);
    for (size_t i = 0; options && i < options->note_count; i++)
        clade_page_paragraph(&page, "%s", options->notes[i]);
    if (!same)
        clade_page_paragraph(
            &page,
            "The runs have different classes: their accuracies and losses cannot be compared.");
    add_charts(&page, all, count);
    clade_status status = add_settings(&page, all, count);
    if (!status) status = clade_page_write(&page, path);
    clade_page_clear(&page);
    free(all);
    return status;
}

clade_status clade_report_compare(const char *const *folders, size_t count,
                                  const clade_compare_options *options, const char *path)
{
    CLADE_PLAIN_NUMBERS;
    if (count < 2) return clade_fail(CLADE_EINVAL, "expected two or more runs to compare");
    report_run *runs = calloc(count, sizeof *runs);
    if (!runs) return clade_fail(CLADE_ENOMEM, "out of memory for %zu runs", count);
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = clade_report_run_open(folders[i], &runs[i]);
    if (!status) status = write_page(runs, count, options, path);
    for (size_t i = 0; i < count; i++) clade_report_run_close(&runs[i]);
    free(runs);
    return status;
}
