/* Comparing runs on a page. */
#include "report/chart.h"
#include "report/run.h"

#include <clade/report.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void add_table(clade_page *page, const report_run *runs, size_t count)
{
    static const clade_column columns[] = {{"run", false},           {"recipe", false},
                                           {"epochs", true},         {"best epoch", true},
                                           {"best val. acc.", true}, {"last val. acc.", true},
                                           {"least loss", true},     {"pictures/s", true},
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
    const clade_chart chart = {
        .title = title, .x = {.title = "epoch", .integer = true}, .y = {.zero = zero}};
    clade_chart_lines(page, &chart, series, count);
    free(series);
}

/* ---- the lines in which recipes differ ---- */

/* Is there a line of these bytes in the text? */
static bool has_line(const char *text, const char *line, size_t size)
{
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
        if (strcspn(text, "\n") == size && !memcmp(text, line, size)) return true;
    return false;
}

static void add_differences(clade_page *page, const report_run *runs, size_t count)
{
    bool any = false;
    clade_page_section(page, "Lines of the recipes that are not in all of them");
    for (size_t i = 0; i < count; i++) {
        const char *text = clade_recipe_text(runs[i].recipe);
        char *own = calloc(strlen(text) + 2, 1);
        if (!own) {
            page->status = clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
            return;
        }
        size_t used = 0;
        for (const char *line = text; *line;) {
            size_t size = strcspn(line, "\n");
            bool common = true;
            for (size_t k = 0; k < count && common; k++)
                common = has_line(clade_recipe_text(runs[k].recipe), line, size);
            if (!common) {
                memcpy(own + used, line, size);
                own[used + size] = '\n';
                used += size + 1;
            }
            line += size;
            line += *line == '\n';
        }
        if (used) {
            clade_page_paragraph(page, "%s", runs[i].folder);
            clade_page_listing(page, own);
            any = true;
        }
        free(own);
    }
    if (!any) clade_page_paragraph(page, "There are none.");
}

clade_status clade_report_compare(const char *const *folders, size_t count, const char *path)
{
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
        clade_page_grid_begin(&page, CLADE_GRID_CHARTS);
        if (validate) {
            add_lines(&page, runs, count, "Validation accuracy", REPORT_VAL_ACCURACY, false);
            add_lines(&page, runs, count, "Validation loss", REPORT_VAL_LOSS, true);
        }
        add_lines(&page, runs, count, "Training accuracy", REPORT_ACCURACY, false);
        add_lines(&page, runs, count, "Training loss", REPORT_LOSS, true);
        clade_page_grid_end(&page);
        add_differences(&page, runs, count);
        status = clade_page_write(&page, path);
    }
    for (size_t i = 0; i < count; i++) clade_report_run_close(&runs[i]);
    free(runs);
    return status;
}
