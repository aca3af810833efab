/* Comparing runs on a page. */
#include "report/chart.h"
#include "base/locale.h"
#include "report/run.h"
#include "report/settings.h"

#include <clade/report.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void add_table(clade_page *page, const report_run *runs, size_t count)
{
    static const clade_column columns[] = {{"run", false},           {"recipe", false},
                                           {"epochs", true},         {"best epoch", true},
                                           {"best val. acc.", true}, {"last val. acc.", true},
                                           {"least loss", true},     {"images/s", true},
                                           {"parameters", true},     {"device", false}};
    clade_page_table_begin(page, NULL, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < count; i++) {
        const report_run *r = &runs[i];
        size_t best = clade_report_run_best(r), last = r->epochs;
        double least = INFINITY;
        for (size_t e = 0; e < last; e++)
            if (r->column[REPORT_LOSS][e] < least) least = r->column[REPORT_LOSS][e];
        clade_page_cell(page, "%s", r->folder);
        clade_page_cell(page, "%s", clade_recipe_name(r->recipe));
        clade_page_cell(page, "%zu", last);
        clade_page_cell(page, "%zu", best);
        if (clade_report_run_validates(r)) {
            clade_page_cell(page, "%.4f", r->column[REPORT_VAL_ACCURACY][best - 1]);
            clade_page_cell(page, "%.4f", r->column[REPORT_VAL_ACCURACY][last - 1]);
        } else {
            clade_page_cell(page, "–");
            clade_page_cell(page, "–");
        }
        if (last) {
            clade_page_cell(page, "%.4g", least);
            clade_page_cell(page, "%.0f", r->column[REPORT_SPEED][last - 1]);
            clade_page_cell(page, "%.0f",
                            clade_report_number(r, "parameters", "trained") +
                                clade_report_number(r, "parameters", "fixed"));
        } else {
            for (int c = 0; c < 3; c++) clade_page_cell(page, "–");
        }
        clade_page_cell(page, "%s", clade_report_text(r, "device", "id"));
    }
    clade_page_table_end(page);
}

/* One quantity of all runs, each with a line of its own. */
static void add_lines(clade_page *page, const report_run *runs, size_t count, const char *title,
                      report_column column, bool zero)
{
    clade_series *series = calloc(count, sizeof *series);
    if (!series) {
        page->status = clade_fail(CLADE_ENOMEM, "out of memory for %zu runs", count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        series[i] = (clade_series){
            .name = runs[i].folder, .y = runs[i].column[column], .count = runs[i].epochs};
    const clade_chart chart = {.title = title,
                               .x = {.title = "epoch", .integer = true},
                               .y = {.zero = zero},
                               .ends = true};
    clade_chart_lines(page, &chart, series, count);
    free(series);
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
static clade_status add_settings(clade_page *page, const report_run *runs, size_t count)
{
    clade_settings *settings = calloc(count, sizeof *settings);
    clade_column *columns = calloc(count + 1, sizeof *columns);
    clade_status status = settings && columns
                              ? CLADE_OK
                              : clade_fail(CLADE_ENOMEM, "out of memory for %zu runs", count);
    for (size_t i = 0; i < count && !status; i++) {
        columns[i + 1].title = runs[i].folder;
        status = clade_settings_read(clade_recipe_text(runs[i].recipe), &settings[i]);
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

clade_status clade_report_compare(const char *const *folders, size_t count, const char *path)
{
    CLADE_PLAIN_NUMBERS;
    if (count < 2) return clade_fail(CLADE_EINVAL, "expected two or more runs to compare");
    report_run *runs = calloc(count, sizeof *runs);
    if (!runs) return clade_fail(CLADE_ENOMEM, "out of memory for %zu runs", count);
    clade_status status = CLADE_OK;
    bool validate = false;
    for (size_t i = 0; i < count && !status; i++) {
        status = clade_report_run_open(folders[i], &runs[i]);
        validate = validate || clade_report_run_validates(&runs[i]);
    }
    if (!status) {
        clade_page page = {0};
        clade_page_begin(&page, "Runs", 0);
        add_table(&page, runs, count);
        bool same = true;
        for (size_t i = 1; i < count; i++) same = same && same_classes(&runs[0], &runs[i]);
        if (!same)
            clade_page_paragraph(&page, "The runs tell different classes apart: their accuracies "
                                        "and losses cannot be compared.");
        clade_page_grid_begin(&page, CLADE_GRID_CHARTS);
        if (validate) {
            add_lines(&page, runs, count, "Validation accuracy", REPORT_VAL_ACCURACY, false);
            add_lines(&page, runs, count, "Validation loss", REPORT_VAL_LOSS, true);
        }
        add_lines(&page, runs, count, "Training accuracy", REPORT_ACCURACY, false);
        add_lines(&page, runs, count, "Training loss", REPORT_LOSS, true);
        clade_page_grid_end(&page);
        status = add_settings(&page, runs, count);
        if (!status) status = clade_page_write(&page, path);
        clade_page_clear(&page);
    }
    for (size_t i = 0; i < count; i++) clade_report_run_close(&runs[i]);
    free(runs);
    return status;
}
